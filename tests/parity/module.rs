//! One module of a `*_modularize` case: the kernels that some classes keep, the network that they make, its
//! logits, its head and its fine-tuning.

use cleave::backend::Training;
use cleave::learn::{Sgd, cross_entropy};
use cleave::modular::{Cut, Selection, Split, module_cost, slice, with_head};
use cleave::network::{Network, PassMasks};
use cleave::random::{Draws, Stream};
use cleave::spec::{Spec, Stage, State};

use crate::arithmetic;
use crate::compare::Report;
use crate::fixture::{Fixture, network_input, values};
use crate::modularize::bits;
use crate::reference::{Reference, numbers};

/// A choice of classes and where its numbers are.
pub struct Target<'a> {
    fixture: &'a Fixture,
    reference: &'a Reference,
    modules: &'a Split,
    /// Such as `t_2_5_7`.
    name: String,
    classes: Vec<usize>,
}

impl<'a> Target<'a> {
    /// Every choice of classes in the file.
    pub fn all(fixture: &'a Fixture, reference: &'a Reference, modules: &'a Split) -> Vec<Self> {
        let names = fixture.names_below("t_").into_iter().filter_map(|name| name.strip_suffix("/classes"));
        let target = |name: &str| {
            let name = format!("t_{name}");
            let classes = fixture.indices(&format!("{name}/classes"));
            Target { fixture, reference, modules, name, classes }
        };
        names.map(target).collect()
    }

    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }

    pub fn check<B: Training>(&self, device: &B::Device, report: &mut Report) {
        let whole = &self.reference.spec;
        self.union(report);
        let selection = self.modules.selection(whole, &self.classes).unwrap();
        self.kernels(&selection, report);
        self.cost(&selection, report);

        if !self.fixture.holds(&self.key("logits")) {
            return;
        }
        let (spec, cut) = slice(whole, &self.reference.known_state(self.fixture), &selection).unwrap();
        let state = self.weights(&spec, &cut, report);
        self.logits::<B>("logits", &spec, &state, device, report);
        let (spec, state) = self.with_head(&spec, &state);
        self.logits::<B>("head_logits", &spec, &state, device, report);
        if self.fixture.has(&self.key("ft/losses")) {
            self.targets(report);
            let network = Network::new(spec, &state, device).unwrap();
            self.fine_tune::<B>(network.with_arithmetic(arithmetic::<B>(device)), device, report);
        }
    }

    /// The kernels that any of the classes has, among the masked ones.
    fn union(&self, report: &mut Report) {
        let union = self.modules.union(&self.classes).unwrap();
        report.exact(&self.key("mask"), &bits(&union), self.fixture.integers(&self.key("mask")));
        let rate = union.count_ones(..) as f32 / union.len() as f32;
        report.close(&self.key("kernel_rate"), &[rate], self.fixture.values(&self.key("kernel_rate")), 1e-5);
    }

    /// The kernels that are left of each layer, and the channels that are left behind each residual sum.
    fn kernels(&self, selection: &Selection, report: &mut Report) {
        let kept: Vec<Vec<usize>> = selection.sites.iter().map(|site| site.ones().collect()).collect();
        for (tracked, name) in self.reference.masked_sites().iter().zip(&self.reference.mask_layers) {
            let key = self.key(&format!("retained/{name}"));
            if !self.fixture.holds(&key) {
                continue;
            }
            report.exact(&key, &kept[tracked.site], &self.fixture.indices(&key));
        }
        let whole = &self.reference.spec;
        let cut = Cut::new(whole, selection).unwrap();
        let sums = whole.stages.iter().zip(&cut.streams).filter(|(stage, _)| is_residual(stage));
        let prefix = self.key("union/");
        let mut unions = self.fixture.names_below(&prefix);
        unions.sort_by_key(|name| numbers(name));
        report.exact(&prefix, &[sums.clone().count()], &[unions.len()]);
        for ((_, stream), name) in sums.zip(unions) {
            let key = format!("{prefix}{name}");
            report.exact(&key, stream, &self.fixture.indices(&key));
        }
    }

    fn cost(&self, selection: &Selection, report: &mut Report) {
        let cost = module_cost(&self.reference.spec, selection).unwrap();
        for (name, count) in [("n_params", cost.params()), ("macs", cost.macs())] {
            let key = self.key(name);
            report.exact(&key, &[count as i64], self.fixture.integers(&key));
        }
    }

    /// Every array of the module, bit for bit, where the file has the whole network's. Returns the reference's.
    fn weights(&self, spec: &Spec, state: &State, report: &mut Report) -> State {
        let prefix = self.key("state/");
        report.exact(&prefix, &[state.0.len()], &[self.fixture.below(&prefix).len()]);
        let theirs = self.reference.state(self.fixture, &prefix, spec);
        for (name, array) in &state.0 {
            report.exact(&self.key(name), &array.shape, &theirs.0[name].shape);
            if self.fixture.holds(&format!("state/{}", self.reference.name(name))) {
                report.exact(&self.key(name), &array.values, &theirs.0[name].values);
            }
        }
        theirs
    }

    fn logits<B: Training>(
        &self,
        name: &str,
        spec: &Spec,
        state: &State,
        device: &B::Device,
        report: &mut Report,
    ) {
        let network = Network::<B::InnerBackend>::new(spec.clone(), state, device).unwrap();
        let network = network.with_arithmetic(arithmetic::<B>(device));
        let probes = self.fixture.indices("probe_idx").into_iter();
        let logits = values(network.forward(network_input(self.fixture, probes, device)).logits);
        let key = self.key(name);
        report.close_to_largest(&key, &logits, self.fixture.values(&key), 1e-5);
    }

    /// The module behind the reference's random head.
    fn with_head(&self, spec: &Spec, state: &State) -> (Spec, State) {
        let (spec, mut state) = with_head(spec, state, self.classes.len(), 0).unwrap();
        for part in ["weight", "bias"] {
            let theirs = self.fixture.array(&self.key(&format!("head/{part}"))).clone();
            let replaced = state.0.insert(format!("{}.{part}", head(&spec)), theirs);
            assert!(replaced.is_some(), "a head without {part}");
        }
        (spec, state)
    }

    /// Labels become positions in the list of classes.
    fn targets(&self, report: &mut Report) {
        let labels = self.fixture.indices("labels");
        let samples = self.fixture.indices(&self.key("ft/sample_idx"));
        let position = |label| self.classes.iter().position(|&class| class == label).unwrap();
        let targets: Vec<usize> = samples.into_iter().map(|sample| position(labels[sample])).collect();
        let key = self.key("ft/targets");
        report.exact(&key, &targets, &self.fixture.indices(&key));
    }

    /// Training steps of all parameters on one batch, with cross-entropy alone.
    fn fine_tune<B: Training>(&self, mut network: Network<B>, device: &B::Device, report: &mut Report) {
        let samples = self.fixture.indices(&self.key("ft/sample_idx"));
        let x = network_input::<B>(self.fixture, samples.into_iter(), device);
        let targets = self.fixture.labels(&self.key("ft/targets"));
        let rate = f64::from(self.fixture.scalar(&self.key("ft/lr")));
        let mut optimiser = Sgd::new(0.9);
        let mut losses = Vec::new();
        for step in 0..3 {
            let draws = Draws::new(0, Stream::Dropout, 0);
            let pass = network.forward_train(x.clone(), &PassMasks::default(), &draws);
            let output = pass.output().clone();
            let loss = cross_entropy(output.logits.clone(), &targets);
            losses.extend(values(loss.clone()));
            let gradients = network.gradients(vec![pass], loss.backward());
            optimiser.step(rate, &mut network, gradients);
            if step == 0 {
                let key = self.key("ft/logits");
                report.close(&key, &values(output.logits), self.fixture.values(&key), 1e-4);
            }
        }
        let key = self.key("ft/losses");
        report.close_to_largest(&key, &losses, self.fixture.values(&key), 1e-5);
        self.tuned(&network, report);
    }

    /// The state after fine-tuning.
    fn tuned<B: Training>(&self, network: &Network<B>, report: &mut Report) {
        let prefix = self.key("ft/after3/");
        let state = network.state();
        if !self.fixture.is_cut() {
            report.exact(&prefix, &[state.0.len()], &[self.fixture.below(&prefix).len()]);
        }
        let head = format!("{}.", head(network.spec()));
        for (name, array) in state.0 {
            let theirs = match name.strip_prefix(&head) {
                Some(part) => format!("{prefix}module_head.1.{part}"),
                None => format!("{prefix}{}", self.reference.name(&name)),
            };
            if self.fixture.holds(&theirs) {
                report.close(&theirs, &array.values, self.fixture.values(&theirs), 1e-4);
            }
        }
    }
}

fn is_residual(stage: &Stage) -> bool {
    matches!(stage, Stage::Residual(_))
}

/// Our name of the last layer.
fn head(spec: &Spec) -> String {
    spec.layers().unwrap().pop().unwrap().name
}
