//! The reference's topologies and parameter names, in terms of ours.

use std::collections::BTreeMap;

use cleave::backend::Compute;
use cleave::modular::{TrackedSite, masked_sites};
use cleave::network::Network;
use cleave::spec::architecture::{Plan, rescnn, resnet, simcnn, vgg};
use cleave::spec::{Array, Slot, Spec, State};

use crate::arithmetic;
use crate::fixture::Fixture;

/// A reference network: our spec of it and the reference's name of each of our arrays.
pub struct Reference {
    pub spec: Spec,
    /// The reference's names of the masked convolutions, in mask order.
    pub mask_layers: Vec<String>,
    /// Our array name to the reference's.
    names: BTreeMap<String, String>,
}

impl Reference {
    /// Reads widths from the shapes of the weights and the layout from the metadata.
    pub fn of(fixture: &Fixture) -> Reference {
        let topology = fixture.json("topology");
        let mask_layers: Vec<String> = serde_json::from_value(fixture.json("mask_layers")).unwrap();
        let shapes = fixture.state_shapes();
        let layout = Layout::read(&shapes, &mask_layers);
        let masked = mask_layers.iter().map(|name| shapes[&format!("{name}.conv.weight")][0]);
        let kernels: Vec<usize> = std::iter::once(layout.first_kernels).chain(masked).collect();
        let hidden = shapes[&layout.linears[0]][0];
        let classes = shapes[layout.linears.last().unwrap()][0];
        let input = [3, 32, 32];
        let spec = match topology["arch"].as_str().unwrap() {
            "vgg" | "vgg16" => vgg(input, &vgg_plan(&topology, &kernels), hidden, classes),
            "resnet" | "resnet18" => {
                resnet(input, [kernels[1], kernels[5], kernels[10], kernels[15]], classes)
            }
            "simcnn" => simcnn(input, &plan(&kernels, &[1, 3, 6, 9, 12]), hidden, classes, true),
            "rescnn" => rescnn(input, kernels.as_slice().try_into().unwrap(), classes, true),
            other => panic!("unknown topology {other}"),
        };
        let spec = without_dropout(spec.with_masks());
        let names = layout.names(&spec, &mask_layers);
        Reference { spec, mask_layers, names }
    }

    /// The reference's name of one of our arrays.
    pub fn name(&self, ours: &str) -> &str {
        self.names.get(ours).unwrap_or_else(|| panic!("no reference name for {ours}"))
    }

    /// The arrays of `spec` (ours, or a module cut from it) read from the names under `prefix`.
    pub fn state(&self, fixture: &Fixture, prefix: &str, spec: &Spec) -> State {
        let slots = spec.slots().unwrap();
        let read = |name: &str| fixture.array(&format!("{prefix}{}", self.name(name))).clone();
        State(slots.into_iter().map(|slot| (slot.name.clone(), read(&slot.name))).collect())
    }

    /// The arrays of the whole network, as [`Reference::state`] reads them; zeros for those that the case lacks.
    pub fn known_state(&self, fixture: &Fixture) -> State {
        let known = |slot: &Slot| {
            let name = format!("state/{}", self.name(&slot.name));
            match fixture.holds(&name) {
                true => fixture.array(&name).clone(),
                false => Array { shape: slot.shape.clone(), values: vec![0.0; slot.shape.iter().product()] },
            }
        };
        let slots = self.spec.slots().unwrap();
        State(slots.iter().map(|slot| (slot.name.clone(), known(slot))).collect())
    }

    /// The masked convolutions, in the order of sites.
    pub fn masked_sites(&self) -> Vec<TrackedSite> {
        masked_sites(&self.spec).unwrap()
    }

    pub fn network<B: Compute>(&self, fixture: &Fixture, prefix: &str, device: &B::Device) -> Network<B> {
        let state = self.state(fixture, prefix, &self.spec);
        let network = Network::new(self.spec.clone(), &state, device).unwrap();
        network.with_arithmetic(arithmetic::<B>(device))
    }
}

/// Names of the layers that are not masked.
struct Layout {
    first: String,
    first_norm: Option<String>,
    first_kernels: usize,
    /// Weight names of the linear layers, in order.
    linears: Vec<String>,
}

impl Layout {
    fn read(shapes: &BTreeMap<String, Vec<usize>>, mask_layers: &[String]) -> Layout {
        let outside = |name: &str| !mask_layers.iter().any(|layer| name.starts_with(&format!("{layer}.")));
        let free = || shapes.iter().filter(|(name, _)| outside(name));
        let (first, weight) = free().find(|(_, shape)| shape.len() == 4).unwrap();
        let norm = free().find_map(|(name, _)| name.strip_suffix(".running_mean"));
        let mut linears: Vec<String> =
            free().filter(|(_, shape)| shape.len() == 2).map(|(name, _)| name.clone()).collect();
        linears.sort_by_key(|name| numbers(name));
        Layout {
            first: first.strip_suffix(".weight").unwrap().into(),
            first_norm: norm.map(str::to_owned),
            first_kernels: weight[0],
            linears,
        }
    }

    fn names(&self, spec: &Spec, mask_layers: &[String]) -> BTreeMap<String, String> {
        let layers = spec.layers().unwrap();
        let mut convs = layers.iter().filter(|layer| !layer.name.starts_with("linear"));
        let first = &convs.next().unwrap().name;
        let mut names = BTreeMap::new();
        let mut pair = |ours: String, theirs: String| {
            names.insert(ours, theirs);
        };
        for part in ["weight", "bias"] {
            pair(format!("{first}.conv.{part}"), format!("{}.{part}", self.first));
        }
        for part in ["weight", "bias", "running_mean", "running_var"] {
            if let Some(norm) = &self.first_norm {
                pair(format!("{first}.bn.{part}"), format!("{norm}.{part}"));
            }
        }
        for (ours, theirs) in convs.zip(mask_layers) {
            let ours = &ours.name;
            for part in
                ["conv.weight", "conv.bias", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"]
            {
                pair(format!("{ours}.{part}"), format!("{theirs}.{part}"));
            }
            for (part, index) in
                [("hidden.weight", "0.weight"), ("output.weight", "2.weight"), ("output.bias", "2.bias")]
            {
                let theirs = format!("{theirs}.mask_generator.mask_generator.{index}");
                pair(format!("{ours}.mask_generator.{part}"), theirs);
            }
        }
        for (index, weight) in self.linears.iter().enumerate() {
            pair(format!("linear{index}.weight"), weight.clone());
            pair(format!("linear{index}.bias"), weight.replace(".weight", ".bias"));
        }
        names
    }
}

fn vgg_plan(topology: &serde_json::Value, kernels: &[usize]) -> Vec<Plan> {
    let mut kernels = kernels.iter();
    let steps = topology["cfg"].as_array().unwrap().iter();
    steps.map(|step| if step == "M" { Plan::Pool } else { Plan::Conv(*kernels.next().unwrap()) }).collect()
}

/// The convolutions with a pool behind each of those in `pooled`.
fn plan(kernels: &[usize], pooled: &[usize]) -> Vec<Plan> {
    let mut plan = Vec::new();
    for (index, &count) in kernels.iter().enumerate() {
        plan.push(Plan::Conv(count));
        if pooled.contains(&index) {
            plan.push(Plan::Pool);
        }
    }
    plan
}

/// The reference was run with dropout probability 0.
fn without_dropout(mut spec: Spec) -> Spec {
    use cleave::spec::Stage;
    for stage in &mut spec.stages {
        if let Stage::Dropout { probability } = stage {
            *probability = 0.0;
        }
    }
    spec
}

/// Layers of these widths, where there is no network that they belong to.
pub fn tracked(sizes: &[usize]) -> Vec<TrackedSite> {
    let tracked = |(site, &units)| TrackedSite { name: format!("layer{site}"), site, units };
    sizes.iter().enumerate().map(tracked).collect()
}

/// The numbers in a name, to sort `fc_13` before `fc_14` and `conv_3` before `conv_11`.
pub fn numbers(name: &str) -> Vec<u64> {
    let digits = name.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    digits.map(|part| part.parse().unwrap()).collect()
}
