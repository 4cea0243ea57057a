//! What went wrong on a device, read from what its runtime says.
//!
//! CubeCL does a device's work on a thread of its own. A failure there is a panic that it catches, and the work
//! goes on without what failed; so panics of all threads are looked at, and what they tell is kept for those who
//! watch. `Device::run` watches whatever runs on a device of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};
use std::thread::{self, ThreadId};

use thiserror::Error;

/// A failure of a device.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// It has no memory left.
    #[error("the device ran out of memory; use a smaller batch or network, or another device")]
    OutOfMemory,
    /// It answers no more, or its results mean nothing any more. The driver's word for it.
    #[error(
        "the device was lost: {0}; see `nvidia-smi` and `dmesg`, start the program again, and resume the run \
         if there was one"
    )]
    Lost(String),
    /// A kernel could not be compiled or started. The compiler's first words.
    #[error("a kernel does not run on the device: {0}; `cleave devices` says what may be missing")]
    Kernel(String),
}

/// Who watches. A watch that is dropped leaves its place.
static WATCHES: Mutex<Vec<Weak<Seen>>> = Mutex::new(Vec::new());

/// Whether the hook that was there before keeps a log.
static KEEPS_LOG: AtomicBool = AtomicBool::new(false);

/// What says that memory ran out: `cubecl-runtime` 0.10 (`IoError::BufferTooBig`, as text and as Debug writes
/// it) and the driver.
const OUT_OF_MEMORY: [&str; 4] =
    ["can't allocate buffer of size", "BufferTooBig", "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"];

/// The driver's errors after which a device or its context is of no use; the last is how those of a shared
/// device's server (MPS) begin.
const LOST: [&str; 19] = [
    "CUDA_ERROR_ASSERT",
    "CUDA_ERROR_CONTAINED",
    "CUDA_ERROR_CONTEXT_IS_DESTROYED",
    "CUDA_ERROR_DEINITIALIZED",
    "CUDA_ERROR_DEVICE_UNAVAILABLE",
    "CUDA_ERROR_ECC_UNCORRECTABLE",
    "CUDA_ERROR_EXTERNAL_DEVICE",
    "CUDA_ERROR_HARDWARE_STACK_ERROR",
    "CUDA_ERROR_ILLEGAL_ADDRESS",
    "CUDA_ERROR_ILLEGAL_INSTRUCTION",
    "CUDA_ERROR_INVALID_ADDRESS_SPACE",
    "CUDA_ERROR_INVALID_CONTEXT",
    "CUDA_ERROR_INVALID_PC",
    "CUDA_ERROR_LAUNCH_FAILED",
    "CUDA_ERROR_LAUNCH_TIMEOUT",
    "CUDA_ERROR_MISALIGNED_ADDRESS",
    "CUDA_ERROR_NVLINK_UNCORRECTABLE",
    "CUDA_ERROR_UNKNOWN",
    "CUDA_ERROR_MPS_",
];

/// What says that a kernel is the matter: `cubecl-cuda` 0.10 (`compute/context.rs`).
const KERNEL: [&str; 4] = [
    "[Compilation Error]",
    "Unable to load the PTX",
    "CUDA_ERROR_INVALID_PTX",
    "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
];

impl Fault {
    /// What a text of the runtime says of the device.
    pub fn of(text: &str) -> Option<Fault> {
        let find = |signs: &[&str]| signs.iter().find_map(|sign| text.find(sign));
        if find(&OUT_OF_MEMORY).is_some() {
            return Some(Fault::OutOfMemory);
        }
        if let Some(at) = find(&LOST) {
            let name = text[at..].split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
            return Some(Fault::Lost(name.unwrap_or_default().into()));
        }
        let words = text[find(&KERNEL)?..].lines().take(3).map(str::trim).collect::<Vec<_>>().join(" ");
        Some(Fault::Kernel(words.chars().take(300).collect()))
    }
}

/// Keeps the first failure of a device since it was made.
#[derive(Debug)]
pub struct Watch(Arc<Seen>);

#[derive(Debug)]
struct Seen {
    /// Who will ask.
    by: ThreadId,
    fault: Mutex<Option<Fault>>,
}

impl Watch {
    /// Watches from now on.
    #[expect(clippy::new_without_default, reason = "to begin to watch is an act")]
    pub fn new() -> Watch {
        static ONCE: Once = Once::new();
        ONCE.call_once(install_panic_hook);
        let watch = Watch(Arc::new(Seen { by: thread::current().id(), fault: Mutex::default() }));
        let mut watches = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
        watches.retain(|other| other.strong_count() > 0);
        watches.push(Arc::downgrade(&watch.0));
        watch
    }

    /// The first failure so far.
    pub fn seen(&self) -> Option<Fault> {
        self.0.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Lets the panic hook that was set before the first watch also see device failures: for a hook that writes to a log and
/// not to the terminal. Without this, device failures and the panics that follow from them are not passed on, because a
/// watch reports them.
///
/// A panic of the main thread does not follow from a device failure, and is always passed on.
pub fn pass_failures_to_log() {
    KEEPS_LOG.store(true, Ordering::Relaxed);
}

fn install_panic_hook() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let fault = Fault::of(panic.payload_as_str().unwrap_or_default());
        let tells = match note(fault.as_ref()) {
            Noted::Nothing => true,
            Noted::First => KEEPS_LOG.load(Ordering::Relaxed),
            Noted::Follows => KEEPS_LOG.load(Ordering::Relaxed) && is_main(),
        };
        if tells {
            before(panic);
        }
    }));
}

fn is_main() -> bool {
    thread::current().name() == Some("main")
}

/// What a panic is to those who watch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Noted {
    /// None of their business.
    Nothing,
    /// It comes after a failure of a device, and tells nothing more. There can be thousands.
    Follows,
    /// A failure that one of them had not seen.
    First,
}

/// Gives what this thread panics with, if it is a failure of a device, to all who watch.
fn note(fault: Option<&Fault>) -> Noted {
    let (current, watches) = (thread::current().id(), WATCHES.lock().unwrap_or_else(PoisonError::into_inner));
    let mut noted = Noted::Nothing;
    for watch in watches.iter().filter_map(Weak::upgrade) {
        let mut seen = watch.fault.lock().unwrap_or_else(PoisonError::into_inner);
        noted = noted.max(match (&*seen, fault) {
            (None, Some(fault)) => {
                *seen = Some(fault.clone());
                Noted::First
            }
            (Some(_), Some(_)) => Noted::Follows,
            (Some(_), None) if watch.by == current || !is_main() => Noted::Follows,
            (_, None) => Noted::Nothing,
        });
    }
    noted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_words_are_known() {
        // As `IoError::BufferTooBig` and `ServerError::Generic` of cubecl-runtime 0.10 are written.
        let unwrapped =
            "called `Result::unwrap()` on an `Err` value: BufferTooBig { size: 1048576, backtrace: }";
        assert_eq!(Fault::of(unwrapped), Some(Fault::OutOfMemory));
        assert_eq!(Fault::of("can't allocate buffer of size: 1048576\n"), Some(Fault::OutOfMemory));
        let lost = "Caused by:\n  DriverError(CUDA_ERROR_LAUNCH_FAILED, \"unspecified launch failure\")";
        assert_eq!(Fault::of(lost), Some(Fault::Lost("CUDA_ERROR_LAUNCH_FAILED".into())));
        let shared = "DriverError(CUDA_ERROR_MPS_CLIENT_TERMINATED, \"\")";
        assert_eq!(Fault::of(shared), Some(Fault::Lost("CUDA_ERROR_MPS_CLIENT_TERMINATED".into())));
        let kernel = "Generic { reason: [Compilation Error] \n    x.cu(3): error: no\n[Source] ...";
        let words = "[Compilation Error] x.cu(3): error: no [Source] ...";
        assert_eq!(Fault::of(kernel), Some(Fault::Kernel(words.into())));
        assert_eq!(Fault::of("index out of bounds: the len is 3 but the index is 7"), None);
    }

    #[test]
    fn the_first_failure_on_any_thread_is_kept_and_what_follows_is_no_news() {
        let watch = Watch::new();
        let thread = thread::spawn(|| panic!("BufferTooBig {{ size: 7 }}\n\n   0: somewhere"));
        assert!(thread.join().is_err());
        assert_eq!(watch.seen(), Some(Fault::OutOfMemory));
        let later = |fault: Option<Fault>| thread::spawn(move || note(fault.as_ref())).join().unwrap();
        assert!([None, Some(Fault::Lost("x".into()))].map(later) == [Noted::Follows; 2]);
        assert_eq!(watch.seen(), Some(Fault::OutOfMemory));
        assert_eq!(Watch::new().seen(), None);
    }
}
