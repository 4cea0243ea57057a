//! What a computation ran on, for records: results depend on it, and so does speed.

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::{Device, threads};

/// A machine, its system and a device of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Threads that compute on it.
    pub threads: usize,
    /// Bytes of main memory.
    pub memory: u64,
    /// Operating system and architecture.
    pub system: String,
    /// The GPU's name, if it computes; of several, all of them with commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
}

impl Machine {
    /// This machine, with what `device` is.
    pub fn of(device: Device) -> Machine {
        let refresh = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(refresh);
        let processor = system.cpus().first().map_or("", |cpu| cpu.brand()).trim();
        let gpus: Vec<String> = match device {
            Device::Cpu => Vec::new(),
            #[cfg(all(feature = "cuda", not(test)))]
            Device::Cuda(ordinals) => {
                let asked: Vec<String> = ordinals.iter().map(|number| format!("cuda:{number}")).collect();
                let listed = super::list().into_iter().filter(|listed| asked.contains(&listed.device));
                listed.map(|listed| listed.name).collect()
            }
        };
        Machine {
            processor: if processor.is_empty() { "unknown" } else { processor }.into(),
            threads: threads(),
            memory: system.total_memory(),
            system: format!(
                "{}, {}",
                System::long_os_version().unwrap_or_else(|| std::env::consts::OS.into()),
                std::env::consts::ARCH
            ),
            gpu: (!gpus.is_empty()).then(|| gpus.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_processor_and_memory() {
        let machine = Machine::of(Device::Cpu);
        assert!(!machine.processor.is_empty() && machine.threads > 0 && machine.memory > 1 << 20);
        assert_eq!(machine.gpu, None);
        assert!(machine.system.ends_with(std::env::consts::ARCH), "{machine:?}");
    }
}
