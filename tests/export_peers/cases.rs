//! Networks of every architecture, whole and cut, with what they give for some images.

use std::fs;
use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use cleave::backend::{Cpu, cpu_device};
use cleave::export::{Package, Provenance};
use cleave::modular::{
    Affine, Selection, rescaled_input, side_by_side, slice, with_head, with_linear, with_logits,
};
use cleave::network::Network;
use cleave::spec::{Architecture, Array, Role, SiteKind, Spec, State};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

/// Images of a case.
pub const BATCH: usize = 3;

/// A package of an architecture with random weights and running statistics.
pub fn whole(architecture: Architecture, width: f64, modular: bool) -> Package {
    let spec = architecture.spec([3, 32, 32], 5, width, modular);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut state = State::init(&spec, 1).unwrap();
    for slot in spec.slots().unwrap() {
        let range = match slot.role {
            Role::RunningVar | Role::Scale => 0.5..1.5,
            Role::RunningMean | Role::Shift | Role::ConvBias | Role::LinearBias => -0.3..0.3,
            // Some kernels are switched off.
            Role::GeneratorBias => -0.7..1.5,
            _ => continue,
        };
        let values = &mut state.0.get_mut(&slot.name).unwrap().values;
        values.iter_mut().for_each(|value| *value = rng.random_range(range.clone()));
    }
    package(spec, state)
}

/// The module of a random half of its kernels; residual sums get index maps.
pub fn cut(package: &Package) -> Package {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut selection = Selection::all(&package.spec).unwrap();
    for (kept, site) in selection.sites.iter_mut().zip(package.spec.sites().unwrap()) {
        if matches!(site.kind, SiteKind::Conv { .. }) {
            for kernel in 1..kept.len() {
                kept.set(kernel, rng.random_bool(0.5));
            }
        }
    }
    let (spec, state) = slice(&package.spec, &package.weights, &selection).unwrap();
    self::package(spec, state)
}

/// The same module with a head of its own behind its logits, as fine-tuned modules have.
pub fn headed(package: &Package) -> Package {
    let (spec, state) = with_head(&package.spec, &package.weights, package.classes.len(), 2).unwrap();
    self::package(spec, state)
}

/// Networks side by side: a whole one with mask generators that gives three of its logits, and a module trained
/// with other normalisation constants that gives two; a linear layer mixes them.
pub fn composed() -> Package {
    let weak = whole(Architecture::Rescnn, 0.125, true);
    let rows: Vec<_> = [3, 0, 2].map(|logit| vec![(logit, 1.0)]).into();
    let weak = with_logits(&weak.spec, &weak.weights, &rows).unwrap();
    let module = cut(&whole(Architecture::Small, 0.25, false));
    let rows = [vec![(1, 1.0)], vec![(2, 1.0), (0, -1.0)]];
    let (spec, state) = with_logits(&module.spec, &module.weights, &rows).unwrap();
    let (given, wanted) = ((&module.mean[..], &module.std[..]), (&[0.1, 0.5, 0.9][..], &[0.3, 0.2, 0.4][..]));
    let module = rescaled_input(&spec, &state, given, wanted).unwrap();
    calibrated(&[weak, module])
}

/// A composition of which one part is a composition itself, the other a module with index maps.
pub fn nested() -> Package {
    let inner = composed();
    let rows: Vec<_> = [4, 1].map(|logit| vec![(logit, 1.0)]).into();
    let inner = with_logits(&inner.spec, &inner.weights, &rows).unwrap();
    let module = cut(&whole(Architecture::Resnet18, 0.125, true));
    let rows: Vec<_> = [0, 3, 1].map(|logit| vec![(logit, 1.0)]).into();
    calibrated(&[inner, with_logits(&module.spec, &module.weights, &rows).unwrap()])
}

fn calibrated(parts: &[(Spec, State)]) -> Package {
    let (spec, state) = side_by_side(parts).unwrap();
    let width = spec.outputs().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    let mut draw = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0)).collect();
    let layer = Affine { outputs: width, weight: draw(width * width), bias: draw(width) };
    let (spec, state) = with_linear(&spec, &state, &layer).unwrap();
    package(spec, state)
}

fn package(spec: Spec, weights: State) -> Package {
    Package {
        input: spec.input,
        spec,
        weights,
        classes: ["cat", "dog", "a \"b\"", "ü", "e"].map(str::to_owned).to_vec(),
        class_indices: vec![0, 1, 2, 3, 4],
        mean: vec![0.49, 0.48, 0.44],
        std: vec![0.25, 0.24, 0.26],
        provenance: Provenance {
            run: "run".into(),
            module: Some("module".into()),
            step: 3,
            program: "0".into(),
            threshold: Some(0.9),
            split: None,
            fine_tune_epochs: 0,
            one_vs_rest: false,
            parents: Vec::new(),
            licence: None,
        },
    }
}

/// Bytes of pixels, `[batch, channels, height, width]`.
pub fn pixels() -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    (0..BATCH * 3 * 32 * 32).map(|_| rng.random()).collect()
}

/// The pixels as a network takes them.
pub fn normalised(package: &Package) -> Vec<f32> {
    let value = |(index, &pixel): (usize, &u8)| {
        let channel = index / (32 * 32) % 3;
        (f32::from(pixel) / 255.0 - package.mean[channel]) / package.std[channel]
    };
    pixels().iter().enumerate().map(value).collect()
}

/// Our own logits of the pixels.
pub fn logits(package: &Package) -> Array {
    let network = Network::<Cpu>::new(package.spec.clone(), &package.weights, &cpu_device()).unwrap();
    let data = TensorData::new(normalised(package), [BATCH, 3, 32, 32]);
    Array::from_tensor(network.forward(Tensor::from_data(data, &cpu_device())).logits)
}

/// Our own probabilities of the pixels.
pub fn probabilities(package: &Package) -> Vec<f32> {
    let logits = logits(package);
    let softmax = |row: &[f32]| {
        let most = row.iter().copied().fold(f32::MIN, f32::max);
        let powers: Vec<f32> = row.iter().map(|value| (value - most).exp()).collect();
        let sum: f32 = powers.iter().sum();
        powers.into_iter().map(move |power| power / sum).collect::<Vec<_>>()
    };
    logits.values.chunks_exact(logits.shape[1]).flat_map(softmax).collect()
}

/// Writes what a script reads beside the exported files.
pub fn write_case(folder: &Path, dtype: &str, shape: [usize; 4], input: &[u8], expected: &[f32]) {
    fs::write(folder.join("input.bin"), input).unwrap();
    fs::write(folder.join("expected.bin"), bytes(expected)).unwrap();
    fs::write(folder.join("case.json"), json!({ "dtype": dtype, "shape": shape }).to_string()).unwrap();
}

/// Little-endian bytes.
pub fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
