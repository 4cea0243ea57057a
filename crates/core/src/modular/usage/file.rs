//! Usage as a safetensors file: `class_sizes` U32 `[class]`, `counts` U32 and `mask_sums` F64
//! `[class, kernel]`, `labels` U32 `[sample]` and `samples` U8 `[sample, kernels / 8 rounded up]`, the
//! kernels that fired packed from the lowest bit; the tracked layers are JSON in the header.

use std::collections::HashMap;

use fixedbitset::FixedBitSet;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};

use super::{TrackedLayer, Usage};
use crate::modular::Error;

const LAYERS: &str = "layers";

impl Usage {
    /// The usage as the bytes of a safetensors file.
    ///
    /// # Errors
    ///
    /// When the format cannot hold it.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        let layers = serde_json::to_string(&self.layers).map_err(|error| Error::File(error.to_string()))?;
        let (classes, samples) = (self.classes(), self.samples.len());
        let labels = self.labels.iter().map(|&label| label as u32);
        let tensors = [
            ("class_sizes", Dtype::U32, vec![classes], u32_bytes(self.class_sizes.iter().copied())),
            ("counts", Dtype::U32, vec![classes, self.kernels], u32_bytes(self.counts.concat())),
            ("mask_sums", Dtype::F64, vec![classes, self.kernels], f64_bytes(self.mask_sums.concat())),
            ("labels", Dtype::U32, vec![samples], u32_bytes(labels)),
            ("samples", Dtype::U8, vec![samples, self.kernels.div_ceil(8)], self.packed_samples()),
        ];
        let mut views = Vec::new();
        for (name, dtype, shape, bytes) in &tensors {
            views.push((*name, TensorView::new(*dtype, shape.clone(), bytes)?));
        }
        Ok(safetensors::serialize(views, Some(HashMap::from([(LAYERS.to_owned(), layers)])))?)
    }

    /// Reads the bytes of a usage file, and checks that its parts agree.
    ///
    /// # Errors
    ///
    /// When the bytes are damaged, cut short, or contradict each other.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Usage, Error> {
        let file = File::open(bytes)?;
        let layers = file.layers()?;
        let kernels = total_kernels(&layers)?;
        let class_sizes = file.u32s("class_sizes", &[None])?;
        let classes = class_sizes.len();
        let counts = rows(file.u32s("counts", &[Some(classes), Some(kernels)])?, classes, kernels);
        let mask_sums = rows(file.f64s("mask_sums", &[Some(classes), Some(kernels)])?, classes, kernels);
        let labels: Vec<usize> =
            file.u32s("labels", &[None])?.into_iter().map(|label| label as usize).collect();
        let width = kernels.div_ceil(8);
        let packed = file.tensor("samples", Dtype::U8, &[Some(labels.len()), Some(width)])?;
        let samples = (0..labels.len())
            .map(|sample| unpack(&packed[sample * width..(sample + 1) * width], kernels))
            .collect::<Result<_, _>>()?;
        let usage = Usage { layers, kernels, class_sizes, counts, mask_sums, samples, labels };
        usage.check()?;
        Ok(usage)
    }

    fn packed_samples(&self) -> Vec<u8> {
        let width = self.kernels.div_ceil(8);
        let packed = |sample: &FixedBitSet| {
            let blocks: Vec<u8> = sample.as_slice().iter().flat_map(|block| block.to_le_bytes()).collect();
            blocks.into_iter().take(width)
        };
        self.samples.iter().flat_map(packed).collect()
    }

    /// Counts follow from samples where there are any, so both must tell the same.
    fn check(&self) -> Result<(), Error> {
        if self.mask_sums.iter().flatten().any(|sum| !sum.is_finite()) {
            return Err(damaged("a mask sum is not a finite number"));
        }
        let most = |class: usize| self.counts[class].iter().max().copied().unwrap_or(0);
        if (0..self.classes()).any(|class| most(class) > self.class_sizes[class]) {
            return Err(damaged("a kernel fired for more samples than its class has"));
        }
        if self.labels.iter().any(|&label| label >= self.classes()) {
            return Err(damaged("a label names a class that does not exist"));
        }
        if self.samples.is_empty() {
            return Ok(());
        }
        let mut counted = Usage::new(self.layers.clone(), self.classes());
        for (sample, &label) in self.samples.iter().zip(&self.labels) {
            counted.tally(label, sample);
        }
        if counted.counts != self.counts || counted.class_sizes != self.class_sizes {
            return Err(damaged("its counts are not those of its samples"));
        }
        Ok(())
    }
}

/// The tensors of a file and its header's metadata.
struct File<'a> {
    tensors: SafeTensors<'a>,
    metadata: HashMap<String, String>,
}

impl<'a> File<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        Ok(File { tensors: SafeTensors::deserialize(bytes)?, metadata })
    }

    fn layers(&self) -> Result<Vec<TrackedLayer>, Error> {
        let json = self.metadata.get(LAYERS).ok_or_else(|| damaged("its header names no layers"))?;
        let layers: Vec<TrackedLayer> =
            serde_json::from_str(json).map_err(|error| damaged(format!("its layers: {error}")))?;
        if layers.windows(2).any(|pair| pair[0].conv >= pair[1].conv) {
            return Err(damaged("its layers are not in the order of the network's convolutions"));
        }
        Ok(layers)
    }

    /// The bytes of a tensor of this type whose sides are the given ones (`None`: any length).
    fn tensor(&self, name: &str, dtype: Dtype, shape: &[Option<usize>]) -> Result<&'a [u8], Error> {
        let view = self.tensors.tensor(name)?;
        let fits = view.shape().len() == shape.len()
            && view.shape().iter().zip(shape).all(|(side, wanted)| wanted.is_none_or(|n| n == *side));
        if view.dtype() != dtype || !fits {
            let found = format!("{:?} {:?}", view.dtype(), view.shape());
            return Err(damaged(format!("`{name}` is {found}, not {dtype:?} of the shape its layers give")));
        }
        Ok(view.data())
    }

    fn u32s(&self, name: &str, shape: &[Option<usize>]) -> Result<Vec<u32>, Error> {
        let (values, _) = self.tensor(name, Dtype::U32, shape)?.as_chunks::<4>();
        Ok(values.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect())
    }

    fn f64s(&self, name: &str, shape: &[Option<usize>]) -> Result<Vec<f64>, Error> {
        let (values, _) = self.tensor(name, Dtype::F64, shape)?.as_chunks::<8>();
        Ok(values.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect())
    }
}

impl From<SafeTensorError> for Error {
    fn from(error: SafeTensorError) -> Self {
        damaged(error)
    }
}

fn damaged(problem: impl ToString) -> Error {
    Error::File(problem.to_string())
}

fn total_kernels(layers: &[TrackedLayer]) -> Result<usize, Error> {
    layers
        .iter()
        .try_fold(0usize, |sum, layer| sum.checked_add(layer.kernels))
        .ok_or_else(|| damaged("its layers have more kernels than can be counted"))
}

fn rows<T: Clone>(values: Vec<T>, count: usize, length: usize) -> Vec<Vec<T>> {
    (0..count).map(|row| values[row * length..(row + 1) * length].to_vec()).collect()
}

fn unpack(bytes: &[u8], kernels: usize) -> Result<FixedBitSet, Error> {
    if bytes.last().is_some_and(|last| !kernels.is_multiple_of(8) && last >> (kernels % 8) != 0) {
        return Err(damaged("a sample has a bit beyond its last kernel"));
    }
    let blocks = bytes.chunks(size_of::<usize>()).map(|chunk| {
        let mut block = [0; size_of::<usize>()];
        block[..chunk.len()].copy_from_slice(chunk);
        usize::from_le_bytes(block)
    });
    Ok(FixedBitSet::with_capacity_and_blocks(kernels, blocks))
}

fn u32_bytes(values: impl IntoIterator<Item = u32>) -> Vec<u8> {
    values.into_iter().flat_map(u32::to_le_bytes).collect()
}

fn f64_bytes(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    values.into_iter().flat_map(f64::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{layers, rng};
    use super::*;
    use proptest::prelude::*;
    use rand::RngExt;

    fn random_usage(seed: u64, kernels: &[usize], classes: usize, samples: usize) -> Usage {
        let mut rng = rng(seed);
        let mut usage = Usage::new(layers(kernels), classes);
        for _ in 0..samples {
            let masks: Vec<f32> =
                (0..usage.total_kernels()).map(|_| rng.random_range(-1.0f32..1.0).max(0.0)).collect();
            usage.add(rng.random_range(0..classes), &masks).unwrap();
        }
        usage
    }

    fn file(usage: &Usage) -> Vec<u8> {
        usage.to_safetensors().unwrap()
    }

    proptest! {
        #[test]
        fn save_then_load_is_identity(
            seed: u64,
            kernels in prop::collection::vec(1usize..200, 0..4),
            classes in 1usize..4,
            samples in 0usize..9,
        ) {
            let usage = random_usage(seed, &kernels, classes, samples);
            prop_assert_eq!(Usage::from_safetensors(&file(&usage)).unwrap(), usage);
        }

        #[test]
        fn a_damaged_file_is_refused_or_still_usage_but_never_a_panic(
            flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4),
            cut: prop::sample::Index,
        ) {
            let mut bytes = file(&random_usage(3, &[5, 8], 3, 7));
            prop_assert!(Usage::from_safetensors(&bytes[..cut.index(bytes.len())]).is_err());
            for (at, bit) in flips {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            if let Ok(usage) = Usage::from_safetensors(&bytes) {
                prop_assert_eq!(Usage::from_safetensors(&file(&usage)).unwrap(), usage);
            }
        }

        #[test]
        fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Usage::from_safetensors(&bytes).is_err());
        }
    }

    #[test]
    fn counts_without_samples_survive_too() {
        let usage = Usage::from_counts(layers(&[3]), vec![4, 2], vec![vec![4, 0, 1], vec![2, 1, 0]]).unwrap();
        assert_eq!(Usage::from_safetensors(&file(&usage)).unwrap(), usage);
    }

    #[test]
    fn parts_that_contradict_each_other_are_refused() {
        let usage = random_usage(1, &[4], 2, 5);
        let refusal = |damage: &dyn Fn(&mut Usage)| {
            let mut damaged = usage.clone();
            damage(&mut damaged);
            Usage::from_safetensors(&file(&damaged)).unwrap_err().to_string()
        };
        assert!(refusal(&|usage| usage.class_sizes[0] += 1).contains("not those of its samples"));
        assert!(refusal(&|usage| usage.counts[1][2] = 9).contains("more samples than its class has"));
        assert!(refusal(&|usage| usage.labels[0] = 2).contains("class that does not exist"));
        assert!(refusal(&|usage| usage.mask_sums[0][0] = f64::NAN).contains("not a finite number"));
        assert!(refusal(&|usage| usage.layers[0].kernels = 3).contains("`counts` is U32 [2, 4]"));
        assert!(refusal(&|usage| usage.layers[0].kernels = usize::MAX).contains("`counts` is U32 [2, 4]"));
        assert!(refusal(&|usage| usage.layers = layers(&[usize::MAX, 5])).contains("can be counted"));
    }

    #[test]
    fn a_bit_beyond_the_last_kernel_is_refused() {
        assert!(unpack(&[0b0000_0111], 3).is_ok());
        assert!(unpack(&[0b0000_1111], 3).is_err());
    }
}
