//! What went wrong on a device, read from what its runtime says.
//!
//! CubeCL does a device's work on a thread of its own. A failure there is a panic that it catches, and the work
//! goes on without what failed; so panics of all threads are looked at, and what they tell is kept until it is
//! asked for.

use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};

/// A failure of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It has no memory left.
    OutOfMemory,
    /// It answers no more, or its results mean nothing any more.
    Lost,
    /// A kernel could not be compiled or started.
    Kernel,
}

/// The first since [`watch`] was called.
static SEEN: Mutex<Option<(Fault, String)>> = Mutex::new(None);

type Log = Box<dyn Fn(&str) + Send + Sync>;

/// Who is told of the panics that [`watch`] keeps from being printed.
static LISTENER: OnceLock<Log> = OnceLock::new();

/// What says that memory ran out: `cubecl-runtime` 0.10 (`IoError::BufferTooBig`, as text and as Debug writes
/// it) and the driver.
const OUT_OF_MEMORY: [&str; 4] =
    ["can't allocate buffer of size", "BufferTooBig", "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"];

/// The driver's errors after which a device or its context is of no use.
const LOST: [&str; 14] = [
    "CUDA_ERROR_DEVICE_UNAVAILABLE",
    "CUDA_ERROR_CONTEXT_IS_DESTROYED",
    "CUDA_ERROR_ECC_UNCORRECTABLE",
    "CUDA_ERROR_NVLINK_UNCORRECTABLE",
    "CUDA_ERROR_HARDWARE_STACK_ERROR",
    "CUDA_ERROR_ILLEGAL_ADDRESS",
    "CUDA_ERROR_ILLEGAL_INSTRUCTION",
    "CUDA_ERROR_MISALIGNED_ADDRESS",
    "CUDA_ERROR_INVALID_ADDRESS_SPACE",
    "CUDA_ERROR_INVALID_PC",
    "CUDA_ERROR_LAUNCH_FAILED",
    "CUDA_ERROR_LAUNCH_TIMEOUT",
    "CUDA_ERROR_EXTERNAL_DEVICE",
    "CUDA_ERROR_UNKNOWN",
];

/// What says that a kernel is the matter: `cubecl-cuda` 0.10 (`compute/context.rs`).
const KERNEL: [&str; 4] = [
    "[Compilation Error]",
    "Unable to load the PTX",
    "CUDA_ERROR_INVALID_PTX",
    "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
];

/// What a text of the runtime says of the device: the failure, and the words that tell it.
pub fn fault(text: &str) -> Option<(Fault, String)> {
    let telling = |signs: &[&'static str]| signs.iter().find_map(|sign| Some((*sign, text.find(sign)?)));
    if telling(&OUT_OF_MEMORY).is_some() {
        return Some((Fault::OutOfMemory, String::new()));
    }
    if let Some((sign, _)) = telling(&LOST) {
        return Some((Fault::Lost, sign.into()));
    }
    let (_, at) = telling(&KERNEL)?;
    let words = text[at..].lines().take(3).map(str::trim).collect::<Vec<_>>().join(" ");
    Some((Fault::Kernel, words.chars().take(300).collect()))
}

/// From now on looks at panics. What was seen before is forgotten.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            match fault(panic.payload_as_str().unwrap_or_default()) {
                // It is reported where it is asked for.
                Some(fault) => {
                    seen_so_far().get_or_insert(fault);
                    tell(panic);
                }
                // What follows from it tells nothing.
                None if seen().is_some() => tell(panic),
                None => before(panic),
            }
        }));
    });
    *seen_so_far() = None;
}

/// Has a log told of the panics that [`watch`] keeps from being printed. There is one such log, the first.
pub fn listen(log: impl Fn(&str) + Send + Sync + 'static) {
    // A second one finds the place taken.
    let _ = LISTENER.set(Box::new(log));
}

fn tell(panic: &std::panic::PanicHookInfo<'_>) {
    if let Some(log) = LISTENER.get() {
        log(&format!("{}: {panic}", std::thread::current().name().unwrap_or("a thread")));
    }
}

/// The first failure since [`watch`] was called, with the words that tell it.
pub fn seen() -> Option<(Fault, String)> {
    seen_so_far().clone()
}

fn seen_so_far() -> MutexGuard<'static, Option<(Fault, String)>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_words_are_known() {
        // As `IoError::BufferTooBig` and `ServerError::Generic` of cubecl-runtime 0.10 are written.
        let kind = |text| fault(text).map(|(fault, _)| fault);
        let unwrapped =
            "called `Result::unwrap()` on an `Err` value: BufferTooBig { size: 1048576, backtrace: }";
        assert_eq!(kind(unwrapped), Some(Fault::OutOfMemory));
        assert_eq!(kind("can't allocate buffer of size: 1048576\n"), Some(Fault::OutOfMemory));
        let lost = "Caused by:\n  DriverError(CUDA_ERROR_LAUNCH_FAILED, \"unspecified launch failure\")";
        assert_eq!(fault(lost), Some((Fault::Lost, "CUDA_ERROR_LAUNCH_FAILED".into())));
        let kernel = "Generic { reason: [Compilation Error] \n    x.cu(3): error: no\n[Source] ...";
        let words = "[Compilation Error] x.cu(3): error: no [Source] ...";
        assert_eq!(fault(kernel), Some((Fault::Kernel, words.into())));
        assert_eq!(fault("index out of bounds: the len is 3 but the index is 7"), None);
    }

    #[test]
    fn a_panic_of_another_thread_is_kept_and_told() {
        static TOLD: Mutex<String> = Mutex::new(String::new());
        listen(|text| TOLD.lock().unwrap().push_str(text));
        watch();
        let thread = std::thread::spawn(|| panic!("BufferTooBig {{ size: 7 }}\n\n   0: somewhere"));
        assert!(thread.join().is_err());
        assert_eq!(seen().map(|(fault, _)| fault), Some(Fault::OutOfMemory));
        assert!(TOLD.lock().unwrap().contains("BufferTooBig"));
        watch();
        assert_eq!(seen(), None);
    }
}
