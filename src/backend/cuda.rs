//! CUDA, whose libraries are looked for when the program runs.

use burn::backend::Autodiff;
use burn_cuda::CudaDevice;
use burn_dispatch::{Dispatch, DispatchDevice};
use cudarc::driver::{result, sys as driver};
use cudarc::nvrtc::sys as nvrtc;

use super::{Compute, Listed};

/// Training on a CUDA device.
///
/// Reached through Burn's dispatching backend, which adds a `match` to each operation: so the CUDA backend is
/// compiled once, with the dependencies, and not with every change of this crate, where it takes minutes.
pub(super) type Cuda = Autodiff<Dispatch>;

impl Compute for Dispatch {}

pub(super) fn device(index: usize) -> DispatchDevice {
    DispatchDevice::Cuda(CudaDevice::new(index))
}

/// How many devices there are, or what is missing.
pub(super) fn count() -> Result<usize, String> {
    #[expect(unsafe_code, reason = "loads the libraries, whose initialisers are NVIDIA's to answer for")]
    let (has_driver, has_compiler) = unsafe { (driver::is_culib_present(), nvrtc::is_culib_present()) };
    if !has_driver {
        return Err("there is no CUDA driver (libcuda); install NVIDIA's driver".into());
    }
    result::init().map_err(|error| format!("the CUDA driver does not start: {error}"))?;
    let count = result::device::get_count().map_err(|error| format!("the CUDA driver: {error}"))?;
    if !has_compiler {
        return Err("NVRTC (libnvrtc) is missing; install the CUDA toolkit's runtime compiler".into());
    }
    Ok(usize::try_from(count).unwrap_or(0))
}

/// The devices, or one entry that says what is missing.
pub(super) fn list() -> Vec<Listed> {
    let absent = |problem| {
        vec![Listed { device: "cuda".into(), name: String::new(), memory: None, problem: Some(problem) }]
    };
    match count() {
        Err(problem) => absent(problem),
        Ok(0) => absent("the driver finds no device".into()),
        Ok(count) => (0..count).map(describe).collect(),
    }
}

fn describe(index: usize) -> Listed {
    let handle = i32::try_from(index).ok().and_then(|index| result::device::get(index).ok());
    let name = handle.and_then(|handle| result::device::get_name(handle).ok());
    #[expect(unsafe_code, reason = "the handle is one that the driver just gave")]
    let memory = handle.and_then(|handle| unsafe { result::device::total_mem(handle) }.ok());
    Listed {
        device: format!("cuda:{index}"),
        name: name.unwrap_or_else(|| "unknown".into()),
        memory: memory.map(|bytes| bytes as u64),
        problem: None,
    }
}
