//! What a training step needs of a device's memory, by estimate.

use super::error::Error;
use crate::backend::{Fault, Memory};
use crate::spec::{LayerKind, Spec};

/// Bytes that a step holds for each number that a layer gives, on the way forward and back: Burn's operations
/// keep what their gradients need. Measured: docs/cuda.md.
const BYTES_PER_ACTIVATION: f64 = 40.0;
/// Copies of the weights that a step holds: weights, velocities, gradients, and the new ones of each.
const WEIGHTS: u64 = 5;
/// The part of the free memory that can be counted on; the rest is lost between buffers.
const USABLE: f64 = 0.9;

/// What training steps need.
#[derive(Clone, Copy, Debug)]
pub struct Footprint {
    batch: usize,
    /// Devices that share a batch.
    devices: usize,
    /// Of each device, whatever the batch.
    fixed: u64,
    /// For each sample of a batch.
    per_sample: u64,
}

impl Footprint {
    /// Of training steps of `batch` samples on so many devices. `split` is the number of bytes that the training
    /// images take on each device, `weights` the number of weights.
    pub fn new(spec: &Spec, batch: usize, devices: usize, split: u64, weights: u64) -> Footprint {
        Footprint {
            batch,
            devices,
            fixed: split + 4 * WEIGHTS * weights,
            per_sample: (BYTES_PER_ACTIVATION * activations(spec) as f64) as u64,
        }
    }

    /// The failure as a person needs it.
    pub fn explain(&self, fault: Fault, memory: Option<Memory>) -> Error {
        match fault {
            Fault::OutOfMemory => {
                let free = memory.map(|memory| memory.free);
                Error::OutOfMemory { batch: self.batch, free, fits: self.fits(free) }
            }
            other => other.into(),
        }
    }

    /// The largest batch that should fit, below the one that did not; `free` is what the fullest device has.
    fn fits(&self, free: Option<u64>) -> Option<usize> {
        let half = self.batch / 2;
        let fits = match free {
            Some(free) => {
                let room = (USABLE * free as f64) as u64;
                self.devices * (room.saturating_sub(self.fixed) / self.per_sample.max(1)) as usize
            }
            None => half,
        };
        let fits = fits.min(half);
        let round = if fits >= 16 { fits / 8 * 8 } else { fits };
        (round > 0).then_some(round)
    }
}

/// Numbers that the layers of a network give for one image.
fn activations(spec: &Spec) -> usize {
    let layers = spec.layers().unwrap_or_default();
    let outputs = layers.iter().map(|layer| match &layer.kind {
        LayerKind::Conv { output, .. } => output.iter().product(),
        LayerKind::Linear { outputs, .. } => *outputs,
    });
    let layers: usize = outputs.sum();
    layers + spec.input.iter().product::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Architecture;

    fn advice(free: u64) -> Option<usize> {
        Footprint { batch: 64, devices: 1, fixed: 1000, per_sample: 100 }.fits(Some(free))
    }

    #[test]
    fn the_batch_that_is_advised_fits_and_is_at_most_half() {
        assert_eq!(advice(1_000_000), Some(32));
        assert_eq!(advice(4200), Some(24), "27 would fit, by eights 24");
        assert_eq!(advice(2000), Some(8));
        assert_eq!(advice(1100), None);
    }

    #[test]
    fn several_devices_hold_a_part_of_the_batch_each() {
        let two = Footprint { batch: 64, devices: 2, fixed: 1000, per_sample: 100 };
        assert_eq!((advice(2000), two.fits(Some(2000))), (Some(8), Some(16)));
    }

    #[test]
    fn what_went_wrong_is_said_with_what_to_do() {
        let footprint = Footprint { batch: 512, devices: 1, fixed: 0, per_sample: 1 << 20 };
        let memory = Some(Memory { free: 256 << 20, total: 1 << 30 });
        let error = footprint.explain(Fault::OutOfMemory, memory).to_string();
        let words = "the device ran out of memory at batch 512 (256 MiB were free); about 224 would fit: \
                     --set training.batch=224";
        assert_eq!(error, words);
        let error = footprint.explain(Fault::Lost("CUDA_ERROR_LAUNCH_FAILED".into()), memory).to_string();
        assert!(error.starts_with("the device was lost: CUDA_ERROR_LAUNCH_FAILED;"), "{error}");
    }

    #[test]
    fn activations_are_what_layers_give() {
        // 64 * 32^2 * 2 + 128 * 16^2 * 2 + 256 * 8^2 * 3 + 512 * 4^2 * 3 + 512 * 2^2 * 3, the classifier, the image.
        let spec = Architecture::Vgg16.spec([3, 32, 32], 10, 1.0, true);
        assert_eq!(activations(&spec), 276_480 + 512 + 512 + 10 + 3072);
    }
}
