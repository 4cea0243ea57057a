//! Where tensors live: the only room that names a concrete backend.
//!
//! Everything else is generic over Burn's backends and reaches one through [`Device::run`]. Unit tests are
//! built without CUDA: it takes the compiler minutes and no unit test can count on a GPU.
//!
//! | file | what it holds |
//! |---|---|
//! | `compute` | what Cleave asks of a backend beyond Burn's operations |
//! | `stack` | the CPU's engine: whole networks, forward and back, without Burn |
//! | `kernels` | its convolutions |
//! | `update` | its optimiser step |
//! | `cuda` | NVIDIA GPUs |
//! | `gauge` | how busy they are |

mod compute;
#[cfg(all(feature = "cuda", not(test)))]
mod cuda;
#[cfg(all(feature = "cuda", not(test)))]
mod gauge;
pub mod kernels;
pub mod stack;
mod update;

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::backend::Autodiff;
use serde::Serialize;
use thiserror::Error;

pub use compute::{Compute, Training};
pub use update::nesterov;

/// Training on the CPU.
pub type Cpu = Autodiff<burn_flex::Flex>;

/// The CPU as Burn's device.
pub fn cpu_device() -> burn_flex::FlexDevice {
    burn_flex::FlexDevice
}

/// 0: as many as the machine has.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Threads that work on the CPU.
pub fn threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        limit => limit,
    }
}

/// Limits the threads of what is computed on the CPU from now on. Burn's own operations keep the limit that they
/// had when the first of them ran.
pub fn limit_threads(limit: usize) {
    THREADS.store(limit, Ordering::Relaxed);
    // Too late only when the pool is already there.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(limit).build_global();
}

/// What a user asks for with `--device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The first CUDA device that works, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
}

/// A device that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The CPU.
    Cpu,
    /// The CUDA device of this number.
    #[cfg(all(feature = "cuda", not(test)))]
    Cuda(usize),
}

/// A device in the list that `cleave devices` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// What `--device` takes.
    pub device: String,
    /// The name its maker gave it.
    pub name: String,
    /// Bytes of memory, where known.
    pub memory: Option<u64>,
    /// Why it cannot be used, if it cannot.
    pub problem: Option<String>,
}

/// How busy a GPU is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GpuLoad {
    /// Share of the last moments in which it computed, 0..1.
    pub busy: f32,
    /// Bytes of its memory in use, by any program.
    pub memory: u64,
    /// Bytes of its memory.
    pub total: u64,
}

/// Tells how busy a GPU is; `None` where the driver does not answer.
pub type Gauge = Box<dyn Fn() -> Option<GpuLoad>>;

/// A device that was asked for and cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DeviceError {
    /// Not a device's name.
    #[error("`{0}` is no device; use auto, cpu, cuda or cuda:N")]
    Unknown(String),
    /// No CUDA.
    #[error("CUDA cannot be used: {0}")]
    NoCuda(String),
    /// Fewer devices than the number asked for.
    #[error("there is no cuda:{asked}: {found} CUDA device(s) were found; `cleave devices` lists them")]
    NoSuchDevice {
        /// The number asked for.
        asked: usize,
        /// How many there are.
        found: usize,
    },
}

/// Work that runs on whatever backend a [`Device`] has.
pub trait Task {
    /// What it gives.
    type Output;

    /// Does the work.
    fn run<B: Training>(self, device: B::Device) -> Self::Output;
}

impl Device {
    /// Does the work on this device.
    pub fn run<T: Task>(self, task: T) -> T::Output {
        match self {
            Device::Cpu => task.run::<Cpu>(cpu_device()),
            #[cfg(all(feature = "cuda", not(test)))]
            Device::Cuda(index) => task.run::<cuda::Cuda>(cuda::device(index)),
        }
    }

    /// What tells how busy this device is; `None` for the CPU, of which the system knows.
    ///
    /// # Errors
    ///
    /// Why a GPU cannot be asked, in a sentence.
    pub fn gauge(self) -> Result<Option<Gauge>, String> {
        match self {
            Device::Cpu => Ok(None),
            #[cfg(all(feature = "cuda", not(test)))]
            Device::Cuda(index) => gauge::open(index).map(Some),
        }
    }
}

impl Choice {
    /// The device to use and, where `auto` came to the CPU, why in one line.
    ///
    /// # Errors
    ///
    /// When a CUDA device was asked for and cannot be used.
    pub fn resolve(self) -> Result<(Device, Option<String>), DeviceError> {
        match self {
            Choice::Cpu => Ok((Device::Cpu, None)),
            Choice::Cuda(index) => cuda_device(index).map(|device| (device, None)),
            Choice::Auto => match cuda_device(0) {
                Ok(device) => Ok((device, None)),
                Err(why) => Ok((Device::Cpu, Some(format!("using the CPU: {why}")))),
            },
        }
    }
}

#[cfg(all(feature = "cuda", not(test)))]
fn cuda_device(index: usize) -> Result<Device, DeviceError> {
    match cuda::count().map_err(DeviceError::NoCuda)? {
        found if index < found => Ok(Device::Cuda(index)),
        0 => Err(DeviceError::NoCuda("the driver finds no device".into())),
        found => Err(DeviceError::NoSuchDevice { asked: index, found }),
    }
}

#[cfg(any(not(feature = "cuda"), test))]
fn cuda_device(_index: usize) -> Result<Device, DeviceError> {
    Err(DeviceError::NoCuda("this program was built without the feature `cuda`".into()))
}

/// Every device, and what keeps CUDA from working if it does not.
pub fn list() -> Vec<Listed> {
    let name = format!("CPU, {} thread(s)", threads());
    let mut devices = vec![Listed { device: "cpu".into(), name, memory: None, problem: None }];
    #[cfg(all(feature = "cuda", not(test)))]
    devices.extend(cuda::list());
    #[cfg(any(not(feature = "cuda"), test))]
    devices.extend(cuda_device(0).err().map(|why| Listed {
        device: "cuda".into(),
        name: String::new(),
        memory: None,
        problem: Some(why.to_string()),
    }));
    devices
}

impl FromStr for Choice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "auto" => Ok(Choice::Auto),
            "cpu" => Ok(Choice::Cpu),
            "cuda" => Ok(Choice::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Choice::Cuda)
                .ok_or_else(|| DeviceError::Unknown(other.into())),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.pad("cpu"),
            #[cfg(all(feature = "cuda", not(test)))]
            Device::Cuda(index) => f.pad(&format!("cuda:{index}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_asked_for_by_name_and_number() {
        assert_eq!("cuda:3".parse(), Ok(Choice::Cuda(3)));
        assert_eq!("cuda".parse(), Ok(Choice::Cuda(0)));
        let error = "gpu".parse::<Choice>().unwrap_err();
        assert_eq!(error.to_string(), "`gpu` is no device; use auto, cpu, cuda or cuda:N");
    }

    #[test]
    fn the_cpu_is_always_there() {
        assert_eq!(Choice::Cpu.resolve(), Ok((Device::Cpu, None)));
        assert_eq!(list()[0].device, "cpu");
    }

    #[test]
    fn auto_says_why_it_uses_the_cpu() {
        if let Ok((Device::Cpu, note)) = Choice::Auto.resolve() {
            assert!(note.is_some_and(|note| note.starts_with("using the CPU: ")));
        }
    }
}
