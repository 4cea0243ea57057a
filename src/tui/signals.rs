//! The thread that waits for signals, and a watchdog that detects a closed terminal without SIGHUP: a child of a
//! process that ignores SIGHUP does not receive it.

use std::io;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use super::message::Msg;
use super::terminal::give_back;

/// Period at which the watchdog checks the terminal.
const WATCH: Duration = Duration::from_secs(1);

/// Time that the loop may take to end the program after a signal.
const PATIENCE: Duration = Duration::from_secs(15);

/// Exit code for SIGHUP and for a closed terminal.
const HUNG_UP: u8 = 129;

/// Starts both threads, `signals` and `watchdog`.
///
/// # Errors
///
/// When a handler cannot be installed or a thread cannot be started.
pub fn start(send: impl Fn(Msg) -> bool + Clone + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT])?;
    let watch = send.clone();
    let body = move || {
        let mut asked = false;
        for signal in signals.forever() {
            let msg = message(signal);
            if let Msg::EndAsked { code, .. } = msg {
                match asked {
                    false => bound(code),
                    // A closing terminal may send several SIGHUPs; any other repeated signal means: end now.
                    true if signal == SIGHUP => {}
                    true => exit(code),
                }
                asked = true;
            }
            if !send(msg) {
                return;
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(body)?;
    let body = move || {
        while !hung_up() {
            thread::sleep(WATCH);
        }
        bound(HUNG_UP);
        watch(Msg::EndAsked { why: "the terminal is gone", code: HUNG_UP });
    };
    thread::Builder::new().name("watchdog".into()).spawn(body).map(drop)
}

/// Ends the process after [`PATIENCE`] if the loop has not: it may hang in a write to a closed terminal.
fn bound(code: u8) {
    // If the thread cannot be started there is no time limit, but the loop was asked to end.
    let _ = thread::Builder::new().name("patience".into()).spawn(move || {
        thread::sleep(PATIENCE);
        exit(code);
    });
}

fn exit(code: u8) -> ! {
    give_back();
    std::process::exit(code.into())
}

fn message(signal: i32) -> Msg {
    match signal {
        SIGTSTP => Msg::SleepAsked,
        SIGCONT => Msg::Woken,
        SIGINT => Msg::EndAsked { why: "SIGINT received", code: 130 },
        SIGTERM => Msg::EndAsked { why: "SIGTERM received", code: 143 },
        _ => Msg::EndAsked { why: "the terminal was closed", code: HUNG_UP },
    }
}

/// Whether the output terminal is closed. Stdin cannot be used: a shell redirects it for background programs.
fn hung_up() -> bool {
    let stdout = rustix::stdio::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let none = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut fds, Some(&none)) {
        Ok(_) => fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
        Err(_) => false,
    }
}
