//! How busy a CUDA device is, as NVIDIA's management library (NVML) tells. The library comes with the driver
//! and is looked for when the program runs.

use cudarc::driver::result;
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use super::{Gauge, GpuLoad};

/// The library's name where only the driver is installed; the one without a number comes with the toolkit.
const LIBRARY: &str = if cfg!(windows) { "nvml.dll" } else { "libnvidia-ml.so.1" };

/// Opens the library for the CUDA device of this number.
pub(super) fn open(index: usize) -> Result<Gauge, String> {
    let uuid = uuid(index)?;
    let nvml = Nvml::builder()
        .lib_path(LIBRARY.as_ref())
        .init()
        .or_else(|_| Nvml::init())
        .map_err(|error| format!("NVIDIA's management library (NVML) cannot be used: {error}"))?;
    read(&nvml, &uuid).map_err(|error| format!("NVML does not report the load of cuda:{index}: {error}"))?;
    Ok(Box::new(move || read(&nvml, &uuid).ok()))
}

fn read(nvml: &Nvml, uuid: &str) -> Result<GpuLoad, NvmlError> {
    let device = nvml.device_by_uuid(uuid)?;
    let (memory, busy) = (device.memory_info()?, device.utilization_rates()?.gpu);
    Ok(GpuLoad { busy: busy as f32 / 100.0, memory: memory.used, total: memory.total })
}

/// The name by which NVML knows the device: numbers of CUDA and NVML differ where CUDA_VISIBLE_DEVICES is set.
fn uuid(index: usize) -> Result<String, String> {
    let failed = |error| format!("the CUDA driver does not know cuda:{index}: {error}");
    result::init().map_err(failed)?;
    let device = result::device::get(i32::try_from(index).unwrap_or(i32::MAX)).map_err(failed)?;
    let bytes = result::device::get_uuid(device).map_err(failed)?.bytes;
    let digits: String = bytes.iter().map(|byte| format!("{:02x}", *byte as u8)).collect();
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|group| &digits[group]);
    Ok(format!("GPU-{}", groups.join("-")))
}
