//! Where tensors live: the only room that names a concrete backend.
//!
//! Everything else is generic over Burn's backends and reaches one through [`Device::run`]. Unit tests are
//! built without CUDA: it takes the compiler minutes and no unit test can count on a GPU.
//!
//! | file | what it holds |
//! |---|---|
//! | `compute` | what Cleave asks of a backend beyond Burn's operations |
//! | `stack` | the CPU's engine: whole networks, forward and back, without Burn |
//! | `kernels` | its convolutions: the crate `cleave-kernels` |
//! | `update` | its optimiser step |
//! | `product`, `precision` | products, and in what arithmetic they are computed |
//! | `fault` | what went wrong on a device |
//! | `listed` | what is known of a device, and why it cannot be used |
//! | `threads` | how many threads of the CPU compute |
//! | `ordinals` | numbers of devices |
//! | `cuda` | NVIDIA GPUs |
//! | `machine` | what a computation ran on |
//! | `gauge` | how busy they are |

mod compute;
#[cfg(all(feature = "cuda", not(test)))]
mod cuda;
pub mod fault;
#[cfg(all(feature = "cuda", not(test)))]
mod gauge;
mod listed;
mod machine;
mod ordinals;
mod precision;
mod product;
pub mod stack;
mod threads;
mod update;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::str::FromStr;

use burn::backend::Autodiff;

use fault::Watch;

pub use cleave_kernels as kernels;
pub use compute::{Compute, Training};
pub use fault::Fault;
pub use listed::{DeviceError, Gauge, GpuLoad, Listed, Memory};
pub use machine::Machine;
pub use ordinals::Ordinals;
pub use precision::{Arithmetic, Precision};
pub use product::Product;
pub use threads::{limit_threads, threads};
pub use update::nesterov;

/// Training on the CPU.
pub type Cpu = Autodiff<burn_flex::Flex>;

/// The CPU as Burn's device.
pub fn cpu_device() -> burn_flex::FlexDevice {
    burn_flex::FlexDevice
}

/// What a user asks for with `--device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// CUDA's device 0 if it can be used, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA devices of these numbers.
    Cuda(Ordinals),
}

/// A device, or several of a kind, that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The CPU.
    Cpu,
    /// The CUDA devices of these numbers: training goes on on all of them, everything else on the first.
    #[cfg(all(feature = "cuda", not(test)))]
    Cuda(Ordinals),
}

/// Work that runs on whatever backend a [`Device`] has.
pub trait Task: Sized {
    /// What it gives.
    type Output;

    /// Does the work.
    fn run<B: Training>(self, device: B::Device) -> Self::Output;

    /// Does the work on several devices; on the first, if it is not work that can be shared. There is
    /// always one.
    fn run_on<B: Training>(self, devices: Vec<B::Device>) -> Self::Output {
        match devices.into_iter().next() {
            Some(device) => self.run::<B>(device),
            None => unreachable!("a set of devices is never empty"),
        }
    }
}

impl Device {
    /// Does the work on this device.
    ///
    /// # Errors
    ///
    /// When the device failed meanwhile: what was computed means nothing then. The CPU does not fail.
    pub fn run<T: Task>(self, task: T) -> Result<T::Output, Fault> {
        if self == Device::Cpu {
            return Ok(self.give(task));
        }
        let watch = Watch::new();
        let done = catch_unwind(AssertUnwindSafe(|| self.give(task)));
        match (watch.seen(), done) {
            (Some(fault), _) => Err(fault),
            (None, Ok(output)) => Ok(output),
            (None, Err(panic)) => resume_unwind(panic),
        }
    }

    fn give<T: Task>(self, task: T) -> T::Output {
        match self {
            Device::Cpu => task.run::<Cpu>(cpu_device()),
            #[cfg(all(feature = "cuda", not(test)))]
            Device::Cuda(ordinals) => task.run_on::<cuda::Cuda>(ordinals.iter().map(cuda::device).collect()),
        }
    }

    /// How many devices it is.
    pub fn count(self) -> usize {
        match self {
            Device::Cpu => 1,
            #[cfg(all(feature = "cuda", not(test)))]
            Device::Cuda(ordinals) => ordinals.iter().count(),
        }
    }

    /// The memory of this device, of several that of the one with the least that is free; `None` for the CPU,
    /// and where the driver does not report.
    pub fn memory(self) -> Option<Memory> {
        match self {
            Device::Cpu => None,
            #[cfg(all(feature = "cuda", not(test)))]
            Device::Cuda(ordinals) => {
                ordinals.iter().filter_map(cuda::memory).min_by_key(|memory| memory.free)
            }
        }
    }

    /// What tells how busy this device is, of several the first; `None` for the CPU, of which the system knows.
    ///
    /// # Errors
    ///
    /// Why a GPU cannot be asked, in a sentence.
    pub fn gauge(self) -> Result<Option<Gauge>, String> {
        match self {
            Device::Cpu => Ok(None),
            #[cfg(all(feature = "cuda", not(test)))]
            Device::Cuda(ordinals) => ordinals.iter().next().map(gauge::open).transpose(),
        }
    }

    /// Whether products can be computed with this precision.
    ///
    /// # Errors
    ///
    /// When the device has no such arithmetic.
    pub fn check(self, precision: Precision) -> Result<(), DeviceError> {
        struct Check(Precision);
        impl Task for Check {
            type Output = Result<Arithmetic, &'static str>;
            fn run<B: Training>(self, device: B::Device) -> Self::Output {
                B::arithmetic(self.0, &device)
            }
        }
        let refused = |why| DeviceError::Precision { device: self.to_string(), precision, why };
        self.give(Check(precision)).map(drop).map_err(refused)
    }
}

/// Where what is learnt about a device (which of its kernels are the fastest) is kept from now on. Takes
/// effect once, before a device is first used.
pub fn keep_tuning(directory: &Path) {
    #[cfg(all(feature = "cuda", not(test)))]
    cuda::keep_tuning(directory);
    #[cfg(any(not(feature = "cuda"), test))]
    let _ = directory;
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
            Choice::Cuda(ordinals) => cuda_device(ordinals).map(|device| (device, None)),
            Choice::Auto => match cuda_device(Ordinals::FIRST) {
                Ok(device) => Ok((device, None)),
                Err(why) => Ok((Device::Cpu, Some(format!("using the CPU: {why}")))),
            },
        }
    }
}

#[cfg(all(feature = "cuda", not(test)))]
fn cuda_device(ordinals: Ordinals) -> Result<Device, DeviceError> {
    cuda::check(ordinals).map(|()| Device::Cuda(ordinals))
}

#[cfg(any(not(feature = "cuda"), test))]
fn cuda_device(_ordinals: Ordinals) -> Result<Device, DeviceError> {
    Err(DeviceError::NoCuda("this program was built without the feature `cuda`".into()))
}

/// Every device, and what keeps CUDA from working if it does not.
pub fn list() -> Vec<Listed> {
    let name = format!("CPU, {} thread(s)", threads());
    let cpu = Listed { device: "cpu".into(), name, ..Listed::default() };
    #[cfg(all(feature = "cuda", not(test)))]
    let cuda = cuda::list();
    #[cfg(any(not(feature = "cuda"), test))]
    let cuda = cuda_device(Ordinals::FIRST).err().map(|why| Listed::absent(why.to_string()));
    std::iter::once(cpu).chain(cuda).collect()
}

impl FromStr for Choice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "auto" => Ok(Choice::Auto),
            "cpu" => Ok(Choice::Cpu),
            "cuda" => Ok(Choice::Cuda(Ordinals::FIRST)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|numbers| numbers.parse().ok())
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
            Device::Cuda(ordinals) => f.pad(&format!("cuda:{ordinals}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_asked_for_by_name_and_number() {
        assert_eq!("cuda:3".parse(), Ok(Choice::Cuda("3".parse().unwrap())));
        assert_eq!("cuda:0,1".parse(), Ok(Choice::Cuda("0,1".parse().unwrap())));
        assert_eq!("cuda".parse(), Ok(Choice::Cuda(Ordinals::FIRST)));
        for wrong in ["gpu", "cuda:", "cuda:x", "cuda:0,0", "cuda:64"] {
            let error = wrong.parse::<Choice>().unwrap_err().to_string();
            assert_eq!(error, format!("`{wrong}` is no device; use auto, cpu, cuda, cuda:N or cuda:N,M"));
        }
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
