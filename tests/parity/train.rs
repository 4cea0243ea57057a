//! `*_train`: one training step in every detail, then two more, then evaluation.

use burn::tensor::Tensor;
use cleave::backend::Training;
use cleave::import::{Mapping, assign};
use cleave::learn::{Sgd, cross_entropy};
use cleave::method::mwt::modular_losses;
use cleave::method::{Average, MethodConfig, MethodState, Mwt, TensorBatch};
use cleave::network::{Network, Output, PassMasks};
use cleave::random::{Draws, Stream};
use cleave::spec::Array;

use crate::arithmetic;
use crate::compare::Report;
use crate::fixture::{Fixture, values};
use crate::losses::sample_metrics;
use crate::reference::Reference;

pub fn check<B: Training>(fixture: &Fixture, device: &B::Device, report: &mut Report) {
    let reference = Reference::of(fixture);
    imported(fixture, &reference, report);
    let labels = fixture.labels("labels");
    let x = fixture.tensor::<B, 4>("x", device);
    let method = MethodConfig::Mwt(Mwt {
        alpha: f64::from(fixture.scalar("alpha")),
        beta: f64::from(fixture.scalar("beta")),
        average: Average::Pairs,
        rehearsal: None,
    });
    let rate = f64::from(fixture.scalar("lr"));
    let mut network = reference.network::<B>(fixture, "state/", device);
    let mut optimiser = Sgd::new(f64::from(fixture.scalar("momentum")));
    let step_losses = fixture.values("step_losses");
    for step in 0..3 {
        let draws = Draws::new(0, Stream::Dropout, 0);
        let pass = network.forward_train(x.clone(), &PassMasks::default(), &draws);
        let output = pass.output().clone();
        let losses = Losses::of(&method, &output, &labels);
        let theirs = &step_losses[5 * step..5 * step + 5];
        losses.compare(&format!("step_losses[{step}]"), theirs, report);
        let gradients = network.gradients(vec![pass], losses.total.backward());
        if step == 0 {
            let names = ["ce", "cohesion", "coupling", "total", "kernel_rate"];
            losses.compare("losses", &names.map(|name| fixture.scalar(name)), report);
            per_layer(fixture, &output, device, report);
            first_step(fixture, &reference, &output, &network, report);
            report.gradients(network.named_gradients(&gradients).0.into_iter().map(|(name, ours)| {
                let key = format!("grad/{}", reference.name(&name));
                (key.clone(), ours.values, fixture.values(&key))
            }));
        }
        optimiser.step(rate, &mut network, gradients);
    }
    after_three_steps(fixture, &reference, &network, device, report);
}

/// The weights under the reference's own names, as `cleave import` finds their places.
fn imported(fixture: &Fixture, reference: &Reference, report: &mut Report) {
    let arrays = fixture.below("state/").into_iter().map(|(name, array)| (name.to_owned(), array.clone()));
    let ours = assign(&reference.spec, arrays.collect(), &Mapping::default()).unwrap();
    let theirs = reference.state(fixture, "state/", &reference.spec);
    report.exact(
        "import",
        &ours.0.into_iter().collect::<Vec<_>>(),
        &theirs.0.into_iter().collect::<Vec<_>>(),
    );
}

/// The state after the steps, and what it makes of the batch with running statistics.
fn after_three_steps<B: Training>(
    fixture: &Fixture,
    reference: &Reference,
    network: &Network<B>,
    device: &B::Device,
    report: &mut Report,
) {
    let state = network.state();
    report.exact("after3", &[state.0.len()], &[fixture.below("after3/").len()]);
    for (name, array) in state.0 {
        let key = format!("after3/{}", reference.name(&name));
        report.close(&key, &array.values, fixture.values(&key), 1e-4);
    }
    let output = network.valid().forward(fixture.tensor("x", device));
    report.close("eval_logits", &values(output.logits), fixture.values("eval_logits"), 1e-4);
    let masks = values(Tensor::cat(output.observed, 1));
    report.close("eval_masks", &masks, fixture.values("eval_masks"), 1e-4);
}

struct Losses<B: Training> {
    parts: [Tensor<B, 1>; 3],
    total: Tensor<B, 1>,
    kernel_rate: f32,
}

impl<B: Training> Losses<B> {
    fn of(method: &MethodConfig, output: &Output<B>, labels: &[u32]) -> Self {
        let ce = cross_entropy(output.logits.clone(), labels);
        let (device, nothing) = (output.logits.device(), MethodState::default());
        let terms = method.terms(&TensorBatch::of(output, labels, &device, &nothing));
        let weights = method.term_weights();
        let weighted = terms.iter().map(|(name, value)| value.clone().mul_scalar(weights.of(name)));
        let total = weighted.fold(ce.clone(), |total, term| total + term);
        let rate = |mask: &Tensor<B, 2>| {
            let values = values(mask.clone());
            values.iter().filter(|v| **v > 0.0).count() as f32 / values.len() as f32
        };
        let kernel_rate = output.observed.iter().map(rate).sum::<f32>() / output.observed.len() as f32;
        let part = |name: &str| terms.iter().find(|(of, _)| *of == name).unwrap().1.clone();
        Losses { parts: [ce, part("cohesion"), part("coupling")], total, kernel_rate }
    }

    fn compare(&self, what: &str, theirs: &[f32], report: &mut Report) {
        let total = f64::from(theirs[3].abs());
        report.close(what, &self.row(), theirs, 1e-5 * total.max(1.0));
    }

    /// ce, cohesion, coupling, total, kernel rate.
    fn row(&self) -> Vec<f32> {
        let value = |tensor: &Tensor<B, 1>| values(tensor.clone())[0];
        let [ce, cohesion, coupling] = self.parts.each_ref().map(value);
        vec![ce, cohesion, coupling, value(&self.total), self.kernel_rate]
    }
}

/// Losses and measures of each masked layer.
fn per_layer<B: Training>(fixture: &Fixture, output: &Output<B>, device: &B::Device, report: &mut Report) {
    let losses = modular_losses(
        &output.observed,
        &fixture.labels("labels"),
        Average::Pairs,
        arithmetic::<B>(device),
        device,
    );
    for (name, ours) in [("cohesion_per_layer", losses.cohesion), ("coupling_per_layer", losses.coupling)] {
        report.close(name, &values(ours), fixture.values(name), 1e-5);
    }
    let all = match report.rounds() {
        true => fixture.array("masks").clone(),
        false => Array::from_tensor(Tensor::cat(output.observed.clone(), 1)),
    };
    let mut begin = 0;
    let layer = |mask: &Tensor<B, 2>| {
        let columns: Vec<usize> = (begin..begin + mask.dims()[1]).collect();
        begin += columns.len();
        all.select(1, &columns)
    };
    let masks: Vec<Array> = output.observed.iter().map(layer).collect();
    sample_metrics(fixture, &masks, report);
}

/// Logits, masks and batch norm statistics of the first forward pass.
fn first_step<B: Training>(
    fixture: &Fixture,
    reference: &Reference,
    output: &Output<B>,
    network: &Network<B>,
    report: &mut Report,
) {
    let logits = values(output.logits.clone());
    report.close("logits", &logits, fixture.values("logits"), 1e-4);
    let masks = values(Tensor::cat(output.observed.clone(), 1));
    report.masks("masks", &masks, fixture.values("masks"));
    for (name, array) in network.state().0.iter().filter(|(name, _)| name.contains("running_")) {
        let key = format!("bn1/{}", reference.name(name));
        report.close(&key, &array.values, fixture.values(&key), 1e-4);
    }
}
