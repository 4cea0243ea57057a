//! SIGINT, SIGTERM and SIGHUP: the first signal requests a stop, the second ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals as Arriving;
use signal_hook::low_level::exit;

/// A second signal within this time is a duplicate of the first: `timeout` and batch systems signal both the process
/// and its process group, and nobody can react to the first signal's message this quickly.
const ECHO: Duration = Duration::from_millis(100);

/// Records the first signal received.
pub(super) struct Signals {
    received: Arc<AtomicUsize>,
}

impl Signals {
    /// Installs the handlers and starts the thread `signals`, which ends the process however busy other threads are.
    pub(super) fn watch() -> std::io::Result<Signals> {
        let received = Arc::new(AtomicUsize::new(0));
        // `nohup` ignores SIGHUP: the program must outlive the terminal.
        let hang_up = (!ignores(SIGHUP)).then_some(SIGHUP);
        let mut arriving = Arriving::new([SIGINT, SIGTERM].into_iter().chain(hang_up))?;
        let first = received.clone();
        let body = move || {
            let mut asked: Option<Instant> = None;
            for signal in arriving.forever() {
                match asked {
                    None => {
                        first.store(signal as usize, Ordering::Relaxed);
                        asked = Some(Instant::now());
                    }
                    Some(at) if at.elapsed() > ECHO => exit(128 + signal),
                    Some(_) => {}
                }
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(body)?;
        Ok(Signals { received })
    }

    /// The exit code for the first signal received; `None` if there was none.
    pub(super) fn exit_code(&self) -> Option<u8> {
        match self.received.load(Ordering::Relaxed) {
            0 => None,
            signal => u8::try_from(128 + signal).ok(),
        }
    }
}

/// Whether this process was started with a signal ignored; false where there is no `/proc` to read it from.
fn ignores(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
