//! Reading the reference's numbers.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use cleave::spec::Array;
use safetensors::{Dtype, SafeTensors};

/// One file of reference numbers.
pub struct Fixture {
    floats: BTreeMap<String, Array>,
    integers: BTreeMap<String, (Vec<usize>, Vec<i64>)>,
    metadata: HashMap<String, String>,
}

/// The cases that are in the repository; each must be there.
const OWN: [&str; 6] = [
    "v1_losses",
    "v2_mask_generator",
    "v2b_masked_conv_bn",
    "v3_vgg_first_layers",
    "v5_resnet_module_modularize",
    "v7_threshold_edges_and_lr",
];

/// The repository's cases.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The cases in `tests/fixtures`.
///
/// # Panics
///
/// When one is missing: without them the test would pass and show nothing.
pub fn own() -> Vec<PathBuf> {
    let folder = folder();
    let case = |name: &str| folder.join(format!("{name}.safetensors"));
    for name in OWN {
        assert!(case(name).is_file(), "the repository's fixture {} is missing", case(name).display());
    }
    files(&folder)
}

/// The folder with further cases: `$CLEAVE_FIXTURES`, which must exist when set, or `../shared/fixtures` where
/// there is one.
pub fn more() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("CLEAVE_FIXTURES") {
        let folder = PathBuf::from(folder);
        assert!(folder.is_dir(), "$CLEAVE_FIXTURES is not a folder: {}", folder.display());
        return Some(folder);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    folder.is_dir().then_some(folder)
}

/// The files of a folder, sorted by name.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files
}

impl Fixture {
    pub fn read(path: &Path) -> Fixture {
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let mut fixture = Fixture {
            floats: BTreeMap::new(),
            integers: BTreeMap::new(),
            metadata: header.metadata().clone().unwrap_or_default(),
        };
        for (name, view) in SafeTensors::deserialize(&bytes).unwrap().iter() {
            let (name, shape, data) = (name.to_owned(), view.shape().to_vec(), view.data());
            match view.dtype() {
                Dtype::F32 => {
                    let values = data.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
                    fixture.floats.insert(name, Array { shape, values });
                }
                Dtype::I64 => {
                    let values = data.as_chunks::<8>().0.iter().map(|&b| i64::from_le_bytes(b)).collect();
                    fixture.integers.insert(name, (shape, values));
                }
                Dtype::U8 => {
                    let values = data.iter().map(|&b| i64::from(b)).collect();
                    fixture.integers.insert(name, (shape, values));
                }
                other => panic!("{}: {name} holds {other:?}", path.display()),
            }
        }
        fixture
    }

    pub fn array(&self, name: &str) -> &Array {
        self.floats.get(name).unwrap_or_else(|| panic!("the fixture has no float array {name}"))
    }

    pub fn values(&self, name: &str) -> &[f32] {
        &self.array(name).values
    }

    pub fn scalar(&self, name: &str) -> f32 {
        self.values(name)[0]
    }

    pub fn integers(&self, name: &str) -> &[i64] {
        &self.integers.get(name).unwrap_or_else(|| panic!("the fixture has no integer array {name}")).1
    }

    pub fn integer_shape(&self, name: &str) -> &[usize] {
        &self.integers[name].0
    }

    pub fn indices(&self, name: &str) -> Vec<usize> {
        self.integers(name).iter().map(|&v| v as usize).collect()
    }

    pub fn labels(&self, name: &str) -> Vec<u32> {
        self.integers(name).iter().map(|&v| v as u32).collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.floats.contains_key(name) || self.integers.contains_key(name)
    }

    /// Whether the case is a part of a larger one: the larger one has more arrays.
    pub fn is_cut(&self) -> bool {
        self.metadata.contains_key("cut_from")
    }

    /// Whether the case has this array. Only a case that is cut may lack one.
    pub fn holds(&self, name: &str) -> bool {
        let has = self.has(name);
        assert!(has || self.is_cut(), "the fixture has no array {name}");
        has
    }

    /// The shapes of the network's arrays by the reference's names. A case that is cut lists those of the arrays
    /// that it lacks, too.
    pub fn state_shapes(&self) -> BTreeMap<String, Vec<usize>> {
        match self.metadata.get("state_shapes") {
            Some(shapes) => serde_json::from_str(shapes).unwrap(),
            None => {
                let state = self.below("state/").into_iter();
                state.map(|(name, array)| (name.to_owned(), array.shape.clone())).collect()
            }
        }
    }

    /// The float arrays whose names start with `prefix`, without it.
    pub fn below(&self, prefix: &str) -> BTreeMap<&str, &Array> {
        self.floats.iter().filter_map(|(name, array)| Some((name.strip_prefix(prefix)?, array))).collect()
    }

    /// All names that start with `prefix`, without it.
    pub fn names_below(&self, prefix: &str) -> Vec<&str> {
        let names = self.floats.keys().chain(self.integers.keys());
        names.filter_map(|name| name.strip_prefix(prefix)).collect()
    }

    pub fn json(&self, key: &str) -> serde_json::Value {
        serde_json::from_str(&self.metadata[key]).unwrap()
    }

    pub fn tensor<B: Backend, const D: usize>(&self, name: &str, device: &B::Device) -> Tensor<B, D> {
        self.array(name).to_tensor(device)
    }
}

/// The values of a tensor.
pub fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    Array::from_tensor(tensor).values
}

/// The rows `indices` of `images` as network input, (value - 128) / 64, `[n, 3, 32, 32]`.
pub fn network_input<B: Backend>(
    fixture: &Fixture,
    indices: impl Iterator<Item = usize>,
    device: &B::Device,
) -> Tensor<B, 4> {
    let shape = fixture.integer_shape("images");
    let size: usize = shape[1..].iter().product();
    let images = fixture.integers("images");
    let mut values = Vec::new();
    for index in indices {
        let image = &images[index * size..(index + 1) * size];
        values.extend(image.iter().map(|&v| (v as f32 - 128.0) / 64.0));
    }
    let n = values.len() / size;
    Tensor::from_data(TensorData::new(values, [n, shape[1], shape[2], shape[3]]), device)
}
