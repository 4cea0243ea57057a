//! A run's memory does not grow with its steps.
//!
//! One test alone, because it measures the whole process.

#![allow(clippy::unwrap_used)]

#[path = "common/allocation.rs"]
mod allocation;

use std::sync::atomic::Ordering;

use allocation::NOW;
use cleave::backend::{Cpu, cpu_device};
use cleave::learn::{Learner, Sgd, Share};
use cleave::method::{MethodConfig, Mwt};
use cleave::network::Network;
use cleave::random::{Draws, Stream};
use cleave::spec::{Architecture, Array, State};

#[test]
fn steps_leave_nothing_behind() {
    let (input, samples, device) = ([3, 8, 8], 4, cpu_device());
    let spec = Architecture::Tiny.spec(input, 2, 0.1, true);
    let state = State::init(&spec, 0).unwrap();
    let network = Network::<Cpu>::new(spec, &state, &device).unwrap();
    let mut learner = Learner::new(network, Sgd::new(0.9), device);
    let method = MethodConfig::Mwt(Mwt::default());
    let draws = Draws::new(0, Stream::Dropout, 0);
    let images = Array { shape: vec![samples, 3, 8, 8], values: vec![0.5; samples * 3 * 64] };
    let mut steps = |count| {
        for _ in 0..count {
            let share = Share { images: images.to_tensor(&device), labels: vec![0, 1, 0, 1] };
            learner.step(vec![share], &method, 0.01, &draws).read();
        }
        NOW.load(Ordering::Relaxed)
    };
    let (before, after) = (steps(20), steps(200));
    assert!(after < before + 1000, "{} bytes more after 200 steps", after - before);
}
