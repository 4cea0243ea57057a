//! The weights of a network on the host: named arrays, independent of any device.

use std::collections::BTreeMap;
use std::collections::HashMap;

use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use thiserror::Error;

use super::error::SpecError;
use super::stages::{Conv, Init, Spec};
use super::walk::LayerKind;
use crate::random::{self, Stream, generator};

/// An array of 32-bit floats in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Length along each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// The values, last axis fastest.
    pub values: Vec<f32>,
}

/// Every parameter and running statistic of a network, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State(pub BTreeMap<String, Array>);

/// Name, shape and purpose of one array that a network of some [`Spec`] has.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Full name, such as `conv3.bn.running_mean`.
    pub name: String,
    /// Its shape: convolutions `[out, in, height, width]`, linear layers `[out, in]`, the rest `[out]`.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
}

/// What an array of a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weight of a convolution.
    ConvWeight,
    /// Bias of a convolution.
    ConvBias,
    /// Scale of a batch norm.
    Scale,
    /// Shift of a batch norm.
    Shift,
    /// Running mean of a batch norm: not trained.
    RunningMean,
    /// Running variance of a batch norm: not trained.
    RunningVar,
    /// A mask generator's weight.
    GeneratorWeight,
    /// A mask generator's bias.
    GeneratorBias,
    /// Weight of a linear layer.
    LinearWeight,
    /// Bias of a linear layer.
    LinearBias,
}

/// Weights that do not belong to the network they were given to, or a file that holds none.
#[derive(Debug, Error)]
pub enum StateError {
    /// An array that the network needs is absent.
    #[error("there is no array `{0}`, which the network needs")]
    Missing(String),
    /// An array that the network does not have.
    #[error("the network has no array `{0}`")]
    Unknown(String),
    /// An array of another shape.
    #[error("array `{name}` has shape {found:?}, the network needs {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// The shape it has.
        found: Vec<usize>,
        /// The shape the network has.
        expected: Vec<usize>,
    },
    /// An array of another type than 32-bit floats.
    #[error("array `{name}` holds {dtype:?} values; only F32 is read")]
    Dtype {
        /// Its name.
        name: String,
        /// The type found.
        dtype: Dtype,
    },
    /// Not a safetensors file, or a damaged one.
    #[error("not a readable safetensors file: {0}")]
    Format(#[from] SafeTensorError),
    /// The spec itself does not fit together.
    #[error(transparent)]
    Spec(#[from] SpecError),
}

impl Array {
    /// An array of this shape, all of one value.
    pub fn filled(shape: &[usize], value: f32) -> Self {
        Array { shape: shape.to_vec(), values: vec![value; shape.iter().product()] }
    }

    /// The slices `indices` along `axis`, in that order.
    ///
    /// # Panics
    ///
    /// When the axis or an index is out of bounds, as slice indexing does.
    pub fn select(&self, axis: usize, indices: &[usize]) -> Array {
        let inner: usize = self.shape[axis + 1..].iter().product();
        let outer: usize = self.shape[..axis].iter().product();
        let stride = self.shape[axis] * inner;
        let mut values = Vec::with_capacity(outer * indices.len() * inner);
        for block in 0..outer {
            for &index in indices {
                assert!(index < self.shape[axis], "index {index} of axis {axis} in {:?}", self.shape);
                let start = block * stride + index * inner;
                values.extend_from_slice(&self.values[start..start + inner]);
            }
        }
        let mut shape = self.shape.clone();
        shape[axis] = indices.len();
        Array { shape, values }
    }
}

impl Role {
    /// Whether training changes it by gradient (running statistics it does not).
    pub fn is_trained(self) -> bool {
        !matches!(self, Role::RunningMean | Role::RunningVar)
    }
}

impl Spec {
    /// Every array that a network of this spec has, in the order of its layers.
    ///
    /// # Errors
    ///
    /// When the stages do not fit together.
    pub fn slots(&self) -> Result<Vec<Slot>, SpecError> {
        let mut slots = Vec::new();
        for layer in self.layers()? {
            let mut slot = |suffix: &str, shape: &[usize], role| {
                slots.push(Slot { name: format!("{}.{suffix}", layer.name), shape: shape.to_vec(), role });
            };
            match &layer.kind {
                LayerKind::Linear { inputs, outputs } => {
                    slot("weight", &[*outputs, *inputs], Role::LinearWeight);
                    slot("bias", &[*outputs], Role::LinearBias);
                }
                LayerKind::Conv { conv, input, .. } => conv_slots(conv, input[0], &mut slot),
            }
        }
        Ok(slots)
    }
}

fn conv_slots(conv: &Conv, channels: usize, slot: &mut impl FnMut(&str, &[usize], Role)) {
    let kernels = conv.kernels;
    slot("conv.weight", &[kernels, channels, conv.size, conv.size], Role::ConvWeight);
    if conv.bias {
        slot("conv.bias", &[kernels], Role::ConvBias);
    }
    if conv.batch_norm {
        slot("bn.weight", &[kernels], Role::Scale);
        slot("bn.bias", &[kernels], Role::Shift);
        slot("bn.running_mean", &[kernels], Role::RunningMean);
        slot("bn.running_var", &[kernels], Role::RunningVar);
    }
    if conv.masked {
        let hidden = conv.generator_hidden();
        slot("mask_generator.hidden.weight", &[hidden, channels], Role::GeneratorWeight);
        slot("mask_generator.output.weight", &[kernels, hidden], Role::GeneratorWeight);
        slot("mask_generator.output.bias", &[kernels], Role::GeneratorBias);
    }
}

impl State {
    /// Initial weights of a network, drawn on the host so that a seed means the same network on any device.
    ///
    /// # Errors
    ///
    /// When the spec's stages do not fit together.
    pub fn init(spec: &Spec, seed: u64) -> Result<State, SpecError> {
        let mut state = BTreeMap::new();
        // A bias is drawn within bounds that its weight's fan in sets; its weight comes just before it.
        let mut weight_shape = Vec::new();
        for (index, slot) in spec.slots()?.into_iter().enumerate() {
            let mut rng = generator(seed, Stream::Weights, index as u64);
            if matches!(slot.role, Role::ConvWeight | Role::LinearWeight) {
                weight_shape.clone_from(&slot.shape);
            }
            let values = initial(&slot, &weight_shape, spec.init, &mut rng);
            state.insert(slot.name, Array { shape: slot.shape, values });
        }
        Ok(State(state))
    }

    /// Checks that these are exactly the arrays of a network of `spec`.
    ///
    /// # Errors
    ///
    /// Names the first array that is missing, unknown or of another shape.
    pub fn check(&self, spec: &Spec) -> Result<(), StateError> {
        let slots = spec.slots()?;
        for slot in &slots {
            let array = self.get(&slot.name)?;
            if array.shape != slot.shape {
                return Err(StateError::Shape {
                    name: slot.name.clone(),
                    found: array.shape.clone(),
                    expected: slot.shape.clone(),
                });
            }
        }
        match self.0.keys().find(|name| !slots.iter().any(|slot| &slot.name == *name)) {
            Some(name) => Err(StateError::Unknown(name.clone())),
            None => Ok(()),
        }
    }

    /// The array of this name.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn get(&self, name: &str) -> Result<&Array, StateError> {
        self.0.get(name).ok_or_else(|| StateError::Missing(name.into()))
    }

    /// The arrays as the bytes of a safetensors file, with `metadata` in its header.
    ///
    /// # Errors
    ///
    /// When the format cannot hold them.
    pub fn to_safetensors(&self, metadata: HashMap<String, String>) -> Result<Vec<u8>, StateError> {
        let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = self
            .0
            .iter()
            .map(|(name, array)| {
                (name, &array.shape, array.values.iter().flat_map(|v| v.to_le_bytes()).collect())
            })
            .collect();
        let mut views = Vec::with_capacity(bytes.len());
        for (name, shape, data) in &bytes {
            views.push((name.as_str(), TensorView::new(Dtype::F32, shape.to_vec(), data)?));
        }
        // A file without arrays and with empty metadata could not be read back.
        Ok(safetensors::serialize(views, Some(metadata).filter(|metadata| !metadata.is_empty()))?)
    }

    /// Reads the bytes of a safetensors file: its arrays and its metadata.
    ///
    /// # Errors
    ///
    /// When the bytes are damaged, cut short, or hold another type than F32.
    pub fn from_safetensors(bytes: &[u8]) -> Result<(State, HashMap<String, String>), StateError> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let mut state = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes)?.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(StateError::Dtype { name: name.into(), dtype: view.dtype() });
            }
            let (values, _) = view.data().as_chunks::<4>();
            let values = values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            state.insert(name.to_owned(), Array { shape: view.shape().to_vec(), values });
        }
        Ok((State(state), header.metadata().clone().unwrap_or_default()))
    }
}

fn initial(slot: &Slot, weight_shape: &[usize], init: Init, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let count = slot.shape.iter().product();
    let window = |shape: &[usize]| shape[2..].iter().product::<usize>();
    let fan_in = |shape: &[usize]| (shape[1] * window(shape)) as f64;
    let fan_out = |shape: &[usize]| (shape[0] * window(shape)) as f64;
    match (slot.role, init) {
        (Role::Scale | Role::RunningVar | Role::GeneratorBias, _) => vec![1.0; count],
        (Role::Shift | Role::RunningMean, _) => vec![0.0; count],
        (Role::GeneratorWeight, _) => normal(count, (2.0 / fan_in(&slot.shape)).sqrt(), rng),
        (Role::ConvWeight, Init::KaimingNormal | Init::KaimingUniformLinear) => {
            normal(count, (2.0 / fan_out(&slot.shape)).sqrt(), rng)
        }
        (Role::LinearWeight, Init::KaimingNormal) => normal(count, 0.01, rng),
        (Role::LinearBias, Init::KaimingNormal) => vec![0.0; count],
        (Role::ConvBias, Init::KaimingNormal | Init::KaimingUniformLinear) => vec![0.0; count],
        (Role::ConvWeight | Role::LinearWeight, _) => uniform(count, fan_in(&slot.shape), rng),
        (Role::ConvBias | Role::LinearBias, _) => uniform(count, fan_in(weight_shape), rng),
    }
}

fn uniform(count: usize, fan_in: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let bound = (1.0 / fan_in.sqrt()) as f32;
    (0..count).map(|_| random::uniform(rng, bound)).collect()
}

fn normal(count: usize, deviation: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count).map(|_| random::normal(rng, deviation)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Architecture, Cost};

    fn spec() -> Spec {
        Architecture::Resnet18.spec([3, 32, 32], 10, 0.125, true)
    }

    #[test]
    fn a_network_has_as_many_parameters_as_its_cost_says() {
        for architecture in [Architecture::Vgg16, Architecture::Resnet18, Architecture::Simcnn] {
            for modular in [false, true] {
                let spec = architecture.spec([3, 32, 32], 10, 0.25, modular);
                let trained = spec.slots().unwrap().into_iter().filter(|slot| slot.role.is_trained());
                let count: usize = trained.map(|slot| slot.shape.iter().product::<usize>()).sum();
                assert_eq!(count as u64, Cost::of(&spec).unwrap().params());
            }
        }
    }

    #[test]
    fn a_seed_means_the_same_weights_and_another_seed_others() {
        let state = State::init(&spec(), 5).unwrap();
        assert_eq!(state, State::init(&spec(), 5).unwrap());
        assert_ne!(state, State::init(&spec(), 6).unwrap());
        state.check(&spec()).unwrap();
    }

    #[test]
    fn kaiming_normal_weights_have_the_deviation_of_their_fan_out() {
        let spec = Architecture::Vgg16.spec([3, 32, 32], 10, 0.5, false);
        let weight = State::init(&spec, 1).unwrap().0["conv5.conv.weight"].clone();
        let mean_square = weight.values.iter().map(|v| v * v).sum::<f32>() / weight.values.len() as f32;
        let expected = 2.0 / (128.0 * 9.0);
        assert!((mean_square / expected - 1.0).abs() < 0.02, "{mean_square} {expected}");
    }

    #[test]
    fn save_then_load_is_identity() {
        let state = State::init(&spec(), 5).unwrap();
        let metadata = HashMap::from([("run".to_owned(), "a".to_owned())]);
        let bytes = state.to_safetensors(metadata.clone()).unwrap();
        assert_eq!(State::from_safetensors(&bytes).unwrap(), (state, metadata));
    }

    #[test]
    fn weights_of_another_network_are_refused_by_name() {
        let state = State::init(&spec(), 5).unwrap();
        let wider = Architecture::Resnet18.spec([3, 32, 32], 10, 0.25, true);
        let error = state.check(&wider).unwrap_err().to_string();
        assert!(error.contains("conv0.conv.weight") && error.contains("[16, 3, 3, 3]"), "{error}");
    }
}
