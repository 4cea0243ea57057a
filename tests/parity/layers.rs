//! `*_mask_generator` and `*_masked_conv_bn`: single layers, forward and backward.

use burn::module::Param;
use burn::tensor::Tensor;
use cleave::backend::{Choice, Training};
use cleave::network::{Gradients, Network, PassMasks, weights::MaskGenerator};
use cleave::random::{Draws, Stream};
use cleave::spec::{Array, Conv, Init, Spec, Stage, State};

use crate::compare::Report;
use crate::fixture::Fixture;
use crate::{arithmetic, choice};

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

/// One layer in training and evaluation: by Burn's operations, which also give the gradient of the images, and by the
/// CPU's engine, which is what `cleave train` runs there.
pub fn masked_conv_bn<B: Training>(fixture: &Fixture, device: &B::Device, report: &mut Report) {
    for case in fixture.json("cases").as_object().unwrap().keys() {
        let prefix = format!("{case}/");
        let (spec, state) = layer(fixture, &prefix);
        let network = || {
            let network = Network::<B>::new(spec.clone(), &state, device).unwrap();
            network.with_arithmetic(arithmetic::<B>(device))
        };
        let layer = Layer { fixture, prefix };
        layer.by_operations(network().by_operations(), device, report);
        let engine = network();
        assert!(engine.is_on_host() || choice() != Choice::Cpu, "the CPU's engine does not run {case}");
        if engine.is_on_host() {
            layer.by_engine(engine, device, report);
        }
    }
}

/// A case of a `*_masked_conv_bn` file.
struct Layer<'a> {
    fixture: &'a Fixture,
    /// Such as `a/`.
    prefix: String,
}

impl Layer<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn reference(&self, name: &str) -> &[f32] {
        self.fixture.values(&self.key(name))
    }

    fn close(&self, how: &str, name: &str, ours: &[f32], report: &mut Report) {
        report.close(&format!("{} {how}", self.key(name)), ours, self.reference(name), 1e-4);
    }

    fn by_engine<B: Training>(&self, mut network: Network<B>, device: &B::Device, report: &mut Report) {
        let how = "by the engine";
        let x = self.fixture.array(&self.key("x"));
        let draws = Draws::new(0, Stream::Dropout, 0);
        let pass = network.host_train(&x.values, x.shape[0], &PassMasks::default(), &draws).unwrap();
        self.close(how, "out", &pass.logits, report);
        self.close(how, "mask", &pass.observed[0], report);
        let masks = [Some(self.reference("upstream_mask"))];
        let gradients = network.host_gradients(pass, self.reference("upstream"), &masks);
        report.gradients(self.parameters(&network, &gradients));
        self.after(how, &network, device, report);
    }

    fn by_operations<B: Training>(&self, mut network: Network<B>, device: &B::Device, report: &mut Report) {
        let how = "by operations";
        let x = self.fixture.tensor::<B, 4>(&self.key("x"), device).require_grad();
        let draws = Draws::new(0, Stream::Dropout, 0);
        let pass = network.forward_train(x.clone(), &PassMasks::default(), &draws);
        let output = pass.output().clone();
        let flat = |tensor: &Tensor<B, 2>| Array::from_tensor(tensor.clone()).values;
        self.close(how, "out", &flat(&output.logits), report);
        self.close(how, "mask", &flat(&output.observed[0]), report);

        let upstream = self.fixture.tensor::<B, 4>(&self.key("upstream"), device).flatten(1, 3);
        let upstream_mask = self.fixture.tensor(&self.key("upstream_mask"), device);
        let loss = (output.logits * upstream).sum() + (output.observed[0].clone() * upstream_mask).sum();
        let gradients = loss.backward();
        let grad_x = Array::from_tensor(x.grad(&gradients).unwrap()).values;
        let gradients = network.gradients(vec![pass], gradients);
        let mut pairs = vec![(self.key("grad_x"), grad_x, self.reference("grad_x"))];
        pairs.extend(self.parameters(&network, &gradients));
        report.gradients(pairs);
        self.after(how, &network, device, report);
    }

    /// The gradients of the parameters beside the reference's.
    fn parameters<B: Training>(
        &self,
        network: &Network<B>,
        gradients: &Gradients,
    ) -> Vec<(String, Vec<f32>, &[f32])> {
        let pair = |(name, ours): (String, Array)| {
            let reference = format!("grad/{}", reference_name(&name));
            (self.key(&reference), ours.values, self.reference(&reference))
        };
        network.named_gradients(gradients).0.into_iter().map(pair).collect()
    }

    /// The running statistics after the training pass, and evaluation with them.
    fn after<B: Training>(&self, how: &str, network: &Network<B>, device: &B::Device, report: &mut Report) {
        let after = network.state();
        for name in ["running_mean", "running_var"] {
            self.close(how, name, &after.0[&format!("conv0.bn.{name}")].values, report);
        }
        let output = network.forward(self.fixture.tensor(&self.key("x"), device));
        self.close(how, "eval_out", &Array::from_tensor(output.logits).values, report);
        self.close(how, "eval_mask", &Array::from_tensor(output.observed[0].clone()).values, report);
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
