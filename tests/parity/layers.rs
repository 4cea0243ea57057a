//! `*_mask_generator` and `*_masked_conv_bn`: single layers, forward and backward.

use burn::module::Param;
use burn::tensor::Tensor;
use cleave::backend::Training;
use cleave::network::{Network, weights::MaskGenerator};
use cleave::random::{Draws, Stream};
use cleave::spec::{Array, Conv, Init, Spec, Stage, State};

use crate::arithmetic;
use crate::compare::Report;
use crate::fixture::Fixture;

pub fn mask_generator<B: Training>(fixture: &Fixture, device: &B::Device, report: &mut Report) {
    for case in fixture.json("cases").as_object().unwrap().keys() {
        let key = |name: &str| format!("{case}/{name}");
        let generator = MaskGenerator::<B> {
            hidden: Param::from_tensor(fixture.tensor(&key("w1"), device)),
            output: Param::from_tensor(fixture.tensor(&key("w2"), device)),
            bias: Param::from_tensor(fixture.tensor(&key("b2"), device)),
        };
        let x = fixture.tensor::<B, 4>(&key("x"), device).require_grad();
        let z = Array::from_tensor(generator.logits(x.clone()));
        let mask = generator.mask(x.clone());
        report.close(&key("z"), &z.values, fixture.values(&key("z")), 1e-4);
        report.close(
            &key("mask"),
            &Array::from_tensor(mask.clone()).values,
            fixture.values(&key("mask")),
            1e-4,
        );
        let gradients = (mask * fixture.tensor(&key("upstream"), device)).sum().backward();
        let values = |tensor: Tensor<B, 2>| Array::from_tensor(tensor.grad(&gradients).unwrap()).values;
        let ours = [
            ("grad_x", Array::from_tensor(x.grad(&gradients).unwrap()).values),
            ("grad_w1", values(generator.hidden.val())),
            ("grad_w2", values(generator.output.val())),
            ("grad_b2", Array::from_tensor(generator.bias.val().grad(&gradients).unwrap()).values),
        ];
        report.gradients(ours.into_iter().map(|(name, ours)| (key(name), ours, fixture.values(&key(name)))));
    }
}

pub fn masked_conv_bn<B: Training>(fixture: &Fixture, device: &B::Device, report: &mut Report) {
    for case in fixture.json("cases").as_object().unwrap().keys() {
        let prefix = format!("{case}/");
        let key = |name: &str| format!("{prefix}{name}");
        let (spec, state) = layer(fixture, &prefix);
        let network = Network::<B>::new(spec, &state, device).unwrap();
        let mut network = network.with_arithmetic(arithmetic::<B>(device));
        let x = fixture.tensor::<B, 4>(&key("x"), device).require_grad();
        let output = network.forward_train(x.clone(), &Draws::new(0, Stream::Dropout, 0));
        let flat = |tensor: &Tensor<B, 2>| Array::from_tensor(tensor.clone()).values;
        report.close(&key("out"), &flat(&output.logits), fixture.values(&key("out")), 1e-4);
        report.close(&key("mask"), &flat(&output.masks[0]), fixture.values(&key("mask")), 1e-4);

        let upstream = fixture.tensor::<B, 4>(&key("upstream"), device).flatten(1, 3);
        let upstream_mask = fixture.tensor(&key("upstream_mask"), device);
        let loss = (output.logits * upstream).sum() + (output.masks[0].clone() * upstream_mask).sum();
        let gradients = loss.backward();
        let grad_x = Array::from_tensor(x.grad(&gradients).unwrap()).values;
        let gradients = network.gradients(gradients);
        let parameters = network.named_gradients(&gradients).0;
        let mut pairs = vec![(key("grad_x"), grad_x, fixture.values(&key("grad_x")))];
        for (name, ours) in parameters {
            let reference = key(&format!("grad/{}", reference_name(&name)));
            pairs.push((reference.clone(), ours.values, fixture.values(&reference)));
        }
        report.gradients(pairs);

        let after = network.state();
        for name in ["running_mean", "running_var"] {
            let ours = &after.0[&format!("conv0.bn.{name}")].values;
            report.close(&key(name), ours, fixture.values(&key(name)), 1e-4);
        }
        let output = network.forward(x);
        report.close(&key("eval_out"), &flat(&output.logits), fixture.values(&key("eval_out")), 1e-4);
        report.close(&key("eval_mask"), &flat(&output.masks[0]), fixture.values(&key("eval_mask")), 1e-4);
    }
}

/// The layer as a network whose logits are its flattened output.
fn layer(fixture: &Fixture, prefix: &str) -> (Spec, State) {
    let shape = &fixture.array(&format!("{prefix}x")).shape;
    let weight = &fixture.array(&format!("{prefix}state/conv.weight")).shape;
    let conv = Conv {
        size: weight[2],
        stride: fixture.integers(&format!("{prefix}stride_pad"))[0] as usize,
        bias: fixture.has(&format!("{prefix}state/conv.bias")),
        masked: true,
        relu: false,
        ..Conv::new(weight[0])
    };
    let stages = vec![Stage::Conv(conv), Stage::Flatten];
    let spec = Spec { input: [shape[1], shape[2], shape[3]], init: Init::default(), stages };
    let slots = spec.slots().unwrap();
    let read = |name: &str| fixture.array(&format!("{prefix}state/{}", reference_name(name))).clone();
    let state = State(slots.into_iter().map(|slot| (slot.name.clone(), read(&slot.name))).collect());
    (spec, state)
}

fn reference_name(ours: &str) -> String {
    ours.trim_start_matches("conv0.")
        .replace("mask_generator.hidden", "mask_generator.mask_generator.0")
        .replace("mask_generator.output", "mask_generator.mask_generator.2")
}
