//! `*_train`: one training step in every detail, then two more, then evaluation.

use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use cleave::method::{Average, MethodConfig};
use cleave::network::{Array, Network, Output};
use cleave::train::{Sgd, cross_entropy};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::compare::Report;
use crate::fixture::Fixture;
use crate::layers::named_gradients;
use crate::reference::Reference;

pub fn check<B: AutodiffBackend>(fixture: &Fixture, device: &B::Device, report: &mut Report) {
    let reference = Reference::of(fixture);
    let labels = fixture.labels("labels");
    let x = fixture.tensor::<B, 4>("x", device);
    let method = MethodConfig::Mwt {
        alpha: f64::from(fixture.scalar("alpha")),
        beta: f64::from(fixture.scalar("beta")),
        average: Average::Pairs,
    };
    let rate = f64::from(fixture.scalar("lr"));
    let mut network = reference.network::<B>(fixture, "state/", device);
    let mut optimiser = Sgd::new(f64::from(fixture.scalar("momentum")));
    let step_losses = fixture.values("step_losses");
    for step in 0..3 {
        let output = network.forward_train(x.clone(), &mut ChaCha8Rng::seed_from_u64(0));
        let losses = Losses::of(&method, &output, &labels);
        let row = &step_losses[5 * step..5 * step + 5];
        report.close(
            &format!("step_losses[{step}]"),
            &losses.row(),
            row,
            1e-5 * f64::from(row[3].abs()).max(1.0),
        );
        let gradients = network.gradients(losses.total.backward());
        if step == 0 {
            first_step(fixture, &reference, &output, &network, report);
            report.gradients(named_gradients(&network, &gradients).into_iter().map(|(name, ours)| {
                let key = format!("grad/{}", reference.name(&name));
                (key.clone(), ours.values, fixture.values(&key))
            }));
        }
        optimiser.step(rate, &mut network, gradients);
    }
    for (name, array) in network.state().0 {
        let key = format!("after3/{}", reference.name(&name));
        report.close(&key, &array.values, fixture.values(&key), 1e-4);
    }
    let output = network.valid().forward(fixture.tensor("x", device));
    report.close(
        "eval_logits",
        &Array::from_tensor(output.logits).values,
        fixture.values("eval_logits"),
        1e-4,
    );
    let masks = Array::from_tensor(Tensor::cat(output.masks, 1));
    report.close("eval_masks", &masks.values, fixture.values("eval_masks"), 1e-4);
}

struct Losses<B: AutodiffBackend> {
    parts: [Tensor<B, 1>; 3],
    total: Tensor<B, 1>,
    kernel_rate: f32,
}

impl<B: AutodiffBackend> Losses<B> {
    fn of(method: &MethodConfig, output: &Output<B>, labels: &[u32]) -> Self {
        let ce = cross_entropy(output.logits.clone(), labels);
        let terms = method.terms(output, labels);
        let weighted = terms.iter().map(|term| term.value.clone().mul_scalar(term.weight));
        let total = weighted.fold(ce.clone(), |total, term| total + term);
        let rate = |mask: &Tensor<B, 2>| {
            let values = Array::from_tensor(mask.clone()).values;
            values.iter().filter(|v| **v > 0.0).count() as f32 / values.len() as f32
        };
        let kernel_rate = output.masks.iter().map(rate).sum::<f32>() / output.masks.len() as f32;
        Losses { parts: [ce, terms[0].value.clone(), terms[1].value.clone()], total, kernel_rate }
    }

    /// ce, cohesion, coupling, total, kernel rate.
    fn row(&self) -> Vec<f32> {
        let value = |tensor: &Tensor<B, 1>| Array::from_tensor(tensor.clone()).values[0];
        let [ce, cohesion, coupling] = self.parts.each_ref().map(value);
        vec![ce, cohesion, coupling, value(&self.total), self.kernel_rate]
    }
}

/// Logits, masks and batch norm statistics of the first forward pass.
fn first_step<B: AutodiffBackend>(
    fixture: &Fixture,
    reference: &Reference,
    output: &Output<B>,
    network: &Network<B>,
    report: &mut Report,
) {
    let logits = Array::from_tensor(output.logits.clone()).values;
    report.close("logits", &logits, fixture.values("logits"), 1e-4);
    let masks = Array::from_tensor(Tensor::cat(output.masks.clone(), 1)).values;
    report.close("masks", &masks, fixture.values("masks"), 1e-4);
    let active = |values: &[f32]| values.iter().map(|v| *v > 0.0).collect::<Vec<_>>();
    report.exact("masks > 0", &active(&masks), &active(fixture.values("masks")));
    for (name, array) in network.state().0.iter().filter(|(name, _)| name.contains("running_")) {
        let key = format!("bn1/{}", reference.name(name));
        report.close(&key, &array.values, fixture.values(&key), 1e-4);
    }
}
