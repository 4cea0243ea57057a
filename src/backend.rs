//! Where tensors live: the only room that names a concrete backend.

use burn::backend::Autodiff;

/// Training on the CPU.
pub type Cpu = Autodiff<burn_flex::Flex>;

/// The CPU.
pub fn cpu_device() -> burn_flex::FlexDevice {
    burn_flex::FlexDevice
}
