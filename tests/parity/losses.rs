//! `*_losses`: losses, their gradients and the sample-level metrics on given masks.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, tanh};
use cleave::backend::Training;
use cleave::method::mwt::modular_losses;
use cleave::method::{Average, host_losses};
use cleave::modular::{SampleMetrics, Usage};
use cleave::spec::Array;

use crate::arithmetic;
use crate::compare::Report;
use crate::fixture::Fixture;
use crate::reference::tracked;

pub fn check<B: Training>(fixture: &Fixture, device: &B::Device, report: &mut Report) {
    let labels = fixture.labels("labels");
    let layers = fixture.integers("layer_sizes").len();
    let (alpha, beta) = (fixture.scalar("alpha"), fixture.scalar("beta"));
    let masks: Vec<Tensor<B, 2>> =
        (0..layers).map(|layer| fixture.tensor(&format!("masks_{layer}"), device)).collect();
    let losses = modular_losses(&masks, &labels, Average::Pairs, arithmetic::<B>(device), device);
    let value = |tensor: &Tensor<B, 1>| Array::from_tensor(tensor.clone()).values;
    report.close("cohesion_per_layer", &value(&losses.cohesion), fixture.values("cohesion_per_layer"), 1e-5);
    report.close("coupling_per_layer", &value(&losses.coupling), fixture.values("coupling_per_layer"), 1e-5);
    let (cohesion, coupling) = (losses.cohesion.mean(), losses.coupling.mean());
    let total = cohesion.clone().mul_scalar(alpha) + coupling.clone().mul_scalar(beta);
    report.close("loss_cohesion", &value(&cohesion), fixture.values("loss_cohesion"), 1e-5);
    report.close("loss_coupling", &value(&coupling), fixture.values("loss_coupling"), 1e-5);
    report.close("mod_loss", &value(&total), fixture.values("mod_loss"), 1e-5);

    let masks: Vec<Array> = masks.into_iter().map(Array::from_tensor).collect();
    zero_rows(fixture, &masks, report);
    let metrics = sample_metrics(fixture, &masks, report);
    let rate = metrics.layer_krr.iter().sum::<f64>() / layers as f64;
    report.close("kernel_rate", &[rate as f32], fixture.values("kernel_rate"), 1e-5);

    for (name, weights) in [("cohesion", [1.0, 0.0]), ("coupling", [0.0, 1.0]), ("total", [alpha, beta])] {
        mask_gradients::<B>(fixture, &labels, name, weights, device, report);
    }
    gradients_before_activation::<B>(fixture, &labels, layers, device, report);
}

/// Compares the measures that are taken on which masks are above 0, given `[sample, kernel]` masks a layer.
pub fn sample_metrics(fixture: &Fixture, masks: &[Array], report: &mut Report) -> SampleMetrics {
    let labels = fixture.indices("labels");
    let sizes: Vec<usize> = masks.iter().map(|mask| mask.shape[1]).collect();
    report.exact("layer_sizes", &sizes, &fixture.indices("layer_sizes"));
    let mut usage = Usage::new(tracked(&sizes), labels.iter().max().unwrap() + 1);
    for (sample, &label) in labels.iter().enumerate() {
        let row = |mask: &Array| mask.select(0, &[sample]).values;
        usage.add(label, &masks.iter().flat_map(row).collect::<Vec<_>>()).unwrap();
    }
    let metrics = usage.sample_metrics();
    let mut close = |name: &str, ours: &[f64]| {
        let ours: Vec<f32> = ours.iter().map(|&value| value as f32).collect();
        report.close(name, &ours, fixture.values(name), 1e-5);
    };
    close("jaccard_cohesion", &[metrics.cohesion]);
    close("jaccard_coupling", &[metrics.coupling]);
    close("krr", &[metrics.krr]);
    close("kernel_rate_per_layer", &metrics.layer_krr);
    metrics
}

/// Gradients with respect to the masks, in rows that are not all zero: there the reference's gradient is of
/// the order 1e10 and reaches no parameter.
fn mask_gradients<B: Training>(
    fixture: &Fixture,
    labels: &[u32],
    name: &str,
    [cohesion, coupling]: [f32; 2],
    device: &B::Device,
    report: &mut Report,
) {
    let layers = fixture.integers("layer_sizes").len();
    let masks: Vec<Tensor<B, 2>> = (0..layers)
        .map(|layer| fixture.tensor::<B, 2>(&format!("masks_{layer}"), device).require_grad())
        .collect();
    let losses = modular_losses(&masks, labels, Average::Pairs, arithmetic::<B>(device), device);
    let loss = losses.cohesion.mean().mul_scalar(cohesion) + losses.coupling.mean().mul_scalar(coupling);
    let gradients = loss.backward();
    let arrays: Vec<Array> = masks.iter().cloned().map(Array::from_tensor).collect();
    let arrays = arrays.iter().map(|mask| mask.values.as_slice());
    let weights = [cohesion, coupling].map(f64::from);
    let on_host = host_losses(arrays, labels, Average::Pairs, weights);
    let total = weights[0] * on_host.cohesion + weights[1] * on_host.coupling;
    report.close(
        &format!("{name} on the host"),
        &[total as f32],
        &[Array::from_tensor(loss).values[0]],
        1e-5,
    );
    for ((layer, mask), on_host) in masks.iter().enumerate().zip(on_host.gradients) {
        let key = format!("grad_{name}_{layer}");
        let zero = fixture.integers(&format!("zero_rows_{layer}"));
        let on_host = Array { shape: mask.dims().to_vec(), values: on_host };
        let reference = live_rows(fixture.array(&key), zero);
        for ours in [Array::from_tensor(mask.grad(&gradients).unwrap()), on_host] {
            report.gradients([(key.clone(), live_rows(&ours, zero), reference.as_slice())]);
        }
    }
}

/// Which rows of the masks are all zero.
fn zero_rows(fixture: &Fixture, masks: &[Array], report: &mut Report) {
    for (layer, mask) in masks.iter().enumerate() {
        let rows = mask.values.chunks_exact(mask.shape[1]);
        let zero: Vec<i64> = rows.map(|row| i64::from(row.iter().all(|value| *value == 0.0))).collect();
        let key = format!("zero_rows_{layer}");
        report.exact(&key, &zero, fixture.integers(&key));
    }
}

/// The rows of `array` with those flagged in `zero` set to 0.
fn live_rows(array: &Array, zero: &[i64]) -> Vec<f32> {
    let width = array.shape[1];
    let live = |at: usize| zero[at / width] == 0;
    array.values.iter().enumerate().map(|(at, v)| if live(at) { *v } else { 0.0 }).collect()
}

/// Gradients with respect to z, where mask = relu(tanh(z)): exactly 0 in all-zero rows.
fn gradients_before_activation<B: Training>(
    fixture: &Fixture,
    labels: &[u32],
    layers: usize,
    device: &B::Device,
    report: &mut Report,
) {
    let z: Vec<Tensor<B, 2>> = (0..layers)
        .map(|layer| fixture.tensor::<B, 2>(&format!("z_{layer}"), device).require_grad())
        .collect();
    let masks: Vec<Tensor<B, 2>> = z.iter().map(|z| relu(tanh(z.clone()))).collect();
    let losses = modular_losses(&masks, labels, Average::Pairs, arithmetic::<B>(device), device);
    let total = losses.cohesion.mean().mul_scalar(fixture.scalar("alpha"))
        + losses.coupling.mean().mul_scalar(fixture.scalar("beta"));
    let gradients = total.backward();
    report.gradients(z.iter().enumerate().map(|(layer, z)| {
        let key = format!("grad_total_z_{layer}");
        let ours = Array::from_tensor(z.grad(&gradients).unwrap()).values;
        let reference = fixture.values(&key);
        (key, ours, reference)
    }));
}
