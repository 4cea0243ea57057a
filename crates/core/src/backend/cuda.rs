//! CUDA, whose libraries are looked for when the program runs.

mod survey;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Once, OnceLock};

use burn::backend::Autodiff;
use burn_cuda::CudaDevice;
use burn_dispatch::{Dispatch, DispatchDevice};
use cubecl::config::CubeClRuntimeConfig;
use cubecl::config::RuntimeConfig;
use cubecl::config::cache::CacheConfig;
use cudarc::driver::result;

use self::survey::survey;
use super::{Arithmetic, Compute, DeviceError, Listed, Memory, Ordinals, Precision};

/// Training on a CUDA device.
///
/// Reached through Burn's dispatching backend, which adds a `match` to each operation: so the CUDA backend is
/// compiled once, with the dependencies, and not with every change of this crate, where it takes minutes.
pub(super) type Cuda = Autodiff<Dispatch>;

/// The compute capability from which on matrix units round f32 to TF32 and know bf16.
const MATRIX_UNITS: (u32, u32) = (8, 0);

impl Compute for Dispatch {
    /// CubeCL's convolutions and matrix products of f32 tensors are those of the matrix units in TF32
    /// wherever tuning finds these the fastest, and there is no switch against it
    /// (docs/decisions/precision.md).
    fn arithmetic(precision: Precision, device: &DispatchDevice) -> Result<Arithmetic, &'static str> {
        let DispatchDevice::Cuda(CudaDevice { index }) = device;
        let gpu = survey().gpus.get(*index);
        match (precision, gpu.is_some_and(|gpu| gpu.capability >= MATRIX_UNITS)) {
            (Precision::F32, true) => Ok(Arithmetic::Split),
            (Precision::F32, false) | (Precision::Tf32, true) => Ok(Arithmetic::Plain),
            (Precision::Bf16, true) => Ok(Arithmetic::Bf16),
            (Precision::Tf32 | Precision::Bf16, false) => {
                Err("that needs compute capability 8.0 or more; leave it at f32")
            }
        }
    }
}

pub(super) fn device(index: usize) -> DispatchDevice {
    DispatchDevice::Cuda(CudaDevice::new(index))
}

/// Free and total memory.
pub(super) fn memory(index: usize) -> Option<Memory> {
    let ordinal = i32::try_from(index).ok()?;
    let device = result::device::get(ordinal).ok()?;
    #[expect(
        unsafe_code,
        reason = "the device's own context, which CubeCL too retains for as long as the program runs"
    )]
    let (free, total) = unsafe {
        let context = result::primary_ctx::retain(device).ok()?;
        result::ctx::set_current(context).and_then(|()| result::mem_get_info()).ok()?
    };
    Some(Memory { free: free as u64, total: total as u64 })
}

/// Whether all these devices can be used.
pub(super) fn check(ordinals: Ordinals) -> Result<(), DeviceError> {
    let survey = survey();
    if let Some(problem) = &survey.problem {
        return Err(DeviceError::NoCuda(problem.clone()));
    }
    for asked in ordinals.iter() {
        let found = survey.gpus.len();
        let gpu = survey.gpus.get(asked).ok_or(DeviceError::NoSuchDevice { asked, found })?;
        if let Some(problem) = &gpu.problem {
            return Err(DeviceError::NoCuda(format!("cuda:{asked}: {problem}")));
        }
    }
    configure();
    Ok(())
}

/// The devices, or one entry that says what is missing.
pub(super) fn list() -> Vec<Listed> {
    let survey = survey();
    let libraries =
        |listed| Listed { driver: survey.driver.clone(), nvrtc: survey.compiler.clone(), ..listed };
    if survey.gpus.is_empty() {
        return vec![libraries(Listed::absent(survey.problem.clone().unwrap_or_default()))];
    }
    let gpus = survey.gpus.iter().enumerate();
    let listed = gpus.map(|(index, gpu)| Listed {
        device: format!("cuda:{index}"),
        name: gpu.name.clone(),
        memory: Some(gpu.memory),
        compute_capability: Some(format!("{}.{}", gpu.capability.0, gpu.capability.1)),
        problem: survey.problem.clone().or(gpu.problem.clone()),
        ..Listed::default()
    });
    listed.map(libraries).collect()
}

/// Where tuning and compiled kernels are to be kept.
static KEPT: OnceLock<PathBuf> = OnceLock::new();

pub(super) fn keep_tuning(directory: &Path) {
    let _ = KEPT.set(directory.to_owned());
}

/// Before a device is first used. CubeCL would look for its settings in files of the working directory, and
/// keep what it finds out in a directory `target` there.
fn configure() {
    static ONCE: Once = Once::new();
    let Some(directory) = KEPT.get() else { return };
    ONCE.call_once(|| {
        let mut config = CubeClRuntimeConfig::default().override_from_env();
        config.autotune.cache = CacheConfig::File(directory.clone());
        config.compilation.cache = kernels(directory).map(CacheConfig::File);
        CubeClRuntimeConfig::set(config);
    });
}

/// Where compiled kernels are kept; `None` where nothing can be written, which CubeCL would panic at. It knows
/// a kernel by the name of its type and its settings alone: so there is a directory for each version of the
/// program, of NVRTC, and each kind of device.
fn kernels(directory: &Path) -> Option<PathBuf> {
    let survey = survey();
    let capabilities: BTreeSet<(u32, u32)> = survey.gpus.iter().map(|gpu| gpu.capability).collect();
    let &[(major, minor)] = capabilities.into_iter().collect::<Vec<_>>().as_slice() else { return None };
    let nvrtc = survey.compiler.as_deref().unwrap_or_default();
    let name = format!("cleave-{}-nvrtc-{nvrtc}-sm-{major}{minor}", env!("CARGO_PKG_VERSION"));
    let directory = directory.join("kernels").join(name);
    std::fs::create_dir_all(&directory).ok()?;
    tempfile::tempfile_in(&directory).ok().map(|_| directory)
}
