//! `*_first_layers`: the first masked layers of a network in training: masks, statistics of batch norm, and the
//! losses of each layer.

use burn::tensor::Tensor;
use cleave::backend::Training;
use cleave::method::Average;
use cleave::method::mwt::modular_losses;
use cleave::network::Network;
use cleave::network::PassMasks;
use cleave::random::{Draws, Stream};
use cleave::spec::{Spec, Stage};

use crate::arithmetic;
use crate::compare::Report;
use crate::fixture::{Fixture, network_input, values};
use crate::reference::Reference;

pub fn check<B: Training>(fixture: &Fixture, device: &B::Device, report: &mut Report) {
    let reference = Reference::of(fixture);
    let sizes = fixture.indices("layer_sizes");
    let spec = first_masked(&reference.spec, sizes.len());
    let state = reference.state(fixture, "state/", &spec);
    let labels = fixture.labels("labels");
    let x = network_input::<B>(fixture, 0..labels.len(), device);
    let network = Network::<B>::new(spec, &state, device).unwrap();
    let mut network = network.with_arithmetic(arithmetic::<B>(device));
    let draws = Draws::new(0, Stream::Dropout, 0);
    let pass = network.forward_train(x, &PassMasks::default(), &draws);
    let output = pass.output();

    let widths: Vec<usize> = output.observed.iter().map(|mask| mask.dims()[1]).collect();
    report.exact("layer_sizes", &widths, &sizes);
    let masks = values(Tensor::cat(output.observed.clone(), 1));
    report.masks("masks", &masks, fixture.values("masks"));
    for (name, array) in network.state().0.iter().filter(|(name, _)| name.contains("running_")) {
        let key = format!("bn1/{}", reference.name(name));
        report.close(&key, &array.values, fixture.values(&key), 1e-4);
    }
    let rates = output.observed.iter().map(|mask| rate(&values(mask.clone())));
    report.close(
        "kernel_rate_per_layer",
        &rates.collect::<Vec<_>>(),
        fixture.values("kernel_rate_per_layer"),
        1e-5,
    );
    let losses = modular_losses(&output.observed, &labels, Average::Pairs, arithmetic::<B>(device), device);
    for (name, ours) in [("cohesion_per_layer", losses.cohesion), ("coupling_per_layer", losses.coupling)] {
        report.close(name, &values(ours), fixture.values(name), 1e-5);
    }
}

/// The fraction of mask values above 0.
fn rate(mask: &[f32]) -> f32 {
    mask.iter().filter(|value| **value > 0.0).count() as f32 / mask.len() as f32
}

/// The stages up to the masked convolution number `count`, with its output as logits.
fn first_masked(spec: &Spec, count: usize) -> Spec {
    let mut masked = spec.stages.iter().enumerate().filter(|(_, stage)| is_masked(stage));
    let (last, _) = masked.nth(count - 1).unwrap();
    let mut stages = spec.stages[..=last].to_vec();
    stages.push(Stage::Flatten);
    Spec { stages, ..spec.clone() }
}

fn is_masked(stage: &Stage) -> bool {
    matches!(stage, Stage::Conv(conv) if conv.masked)
}
