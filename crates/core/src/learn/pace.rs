//! How fast an experiment would train here, from a few steps on made-up images.

use std::time::{Duration, Instant};

use super::error::Error;
use super::input::Normaliser;
use super::learner::Learner;
use super::optimiser::Sgd;
use super::replica::Share;
use crate::backend::{Device, Task, Training};
use crate::network::Network;
use crate::preset::Preset;
use crate::random::{Draws, Stream};
use crate::spec::{Spec, State};

/// Images of a step at most: what larger batches gain is little beside what waiting for them costs.
const BATCH: usize = 16;
/// Steps that are timed at most, after one that is not.
const STEPS: usize = 5;
/// No step is begun after this time.
const LONGEST: Duration = Duration::from_secs(2);

/// Seconds that an image takes in training, everything but reading and varying it: of the fastest of a few steps
/// of this network by the preset's method.
///
/// # Errors
///
/// When the network cannot be built.
pub fn seconds_per_image(preset: &Preset, spec: &Spec, device: Device) -> Result<f64, Error> {
    device.run(Pace { preset, spec })?
}

struct Pace<'a> {
    preset: &'a Preset,
    spec: &'a Spec,
}

impl Task for Pace<'_> {
    type Output = Result<f64, Error>;

    fn run<B: Training>(self, device: B::Device) -> Self::Output {
        let Pace { preset, spec } = self;
        let training = &preset.training;
        let count = training.batch.clamp(1, BATCH);
        let classes = spec.outputs()?.max(1);
        let length = count * spec.input.iter().product::<usize>();
        let pixels: Vec<u8> = (0..length).map(|n| (n * 31 % 251) as u8).collect();
        let labels: Vec<u32> = (0..count).map(|n| (n % classes) as u32).collect();
        let channels = spec.input[0];
        let normaliser = Normaliser::new(spec.input, &vec![0.5; channels], &vec![0.25; channels]);
        let images = normaliser.tensor::<B>(&pixels, &device);
        let network = Network::<B>::new(spec.clone(), &State::init(spec, training.seed)?, &device)?;
        let mut learner = Learner::new(network, Sgd::new(training.momentum), device);
        let begun = Instant::now();
        let mut fastest = f64::INFINITY;
        for step in 0..=STEPS {
            let draws = Draws::new(training.seed, Stream::Dropout, step as u64);
            let started = Instant::now();
            let share = Share { images: images.clone(), labels: labels.clone() };
            // Reading the sums waits for the device.
            learner.step(vec![share], &preset.method, 0.0, &draws).read();
            if step > 0 {
                fastest = fastest.min(started.elapsed().as_secs_f64());
                if begun.elapsed() > LONGEST {
                    break;
                }
            }
        }
        Ok(fastest / count as f64)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_few_steps_tell_how_long_an_image_takes() {
        for name in ["digits", "digits-standard"] {
            let preset = Preset::find(name, Path::new("/"), &[]).unwrap();
            let spec = preset.spec([1, 8, 8], 10).unwrap();
            let seconds = seconds_per_image(&preset, &spec, Device::Cpu).unwrap();
            assert!(seconds > 0.0 && seconds.is_finite(), "{seconds}");
        }
    }
}
