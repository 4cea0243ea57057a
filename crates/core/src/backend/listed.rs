//! What is known of a device: what it is, how much memory it has, how busy it is, and why it cannot be used.

use serde::Serialize;
use thiserror::Error;

use super::precision::Precision;

/// A device in the list that `cleave devices` prints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// What `--device` takes.
    pub device: String,
    /// The name its maker gave it.
    pub name: String,
    /// Bytes of memory, where known.
    pub memory: Option<u64>,
    /// CUDA's compute capability, as `9.0`.
    pub compute_capability: Option<String>,
    /// Version of the driver, and the CUDA that it knows.
    pub driver: Option<String>,
    /// Version of NVRTC, which compiles the kernels.
    pub nvrtc: Option<String>,
    /// Why it cannot be used, if it cannot.
    pub problem: Option<String>,
}

impl Listed {
    /// No CUDA device, because of this.
    pub(super) fn absent(problem: String) -> Listed {
        Listed { device: "cuda".into(), problem: Some(problem), ..Listed::default() }
    }
}

/// Memory of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bytes that are free.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
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
    #[error("`{0}` is no device; use auto, cpu, cuda, cuda:N or cuda:N,M")]
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
    /// An arithmetic that the device does not have.
    #[error("{device} does not compute in {precision}: {why}")]
    Precision {
        /// The device.
        device: String,
        /// What was asked for.
        precision: Precision,
        /// What would be needed.
        why: &'static str,
    },
}
