//! Usage as a safetensors file: `class_sizes` U32 `[class]`, `counts` U32 and `mask_sums` F64
//! `[class, unit]`, `labels` U32 `[sample]` and `samples` U8 `[sample, units / 8 rounded up]`, the units that
//! fired packed from the lowest bit; where training fixed the classes' masks, also `class_masks` U8
//! `[class, units / 8 rounded up]`, packed alike; the tracked sites are JSON in the header. Files of before there were
//! sites name `layers` instead: convolutions by their index among the convolutions.

use std::collections::HashMap;

use fixedbitset::FixedBitSet;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};

use serde::Deserialize;

use super::{TrackedSite, Usage, is_conv, total_units};
use crate::modular::Error;
use crate::spec::Spec;

/// Key of the tracked sites in the header.
const SITES: &str = "sites";
/// Key of the tracked convolutions in the header of an older file.
const LAYERS: &str = "layers";

/// A tracked convolution of an older file.
#[derive(Deserialize)]
struct TrackedLayer {
    name: String,
    /// Its index among the spec's convolutions.
    conv: usize,
    kernels: usize,
}

impl Usage {
    /// The usage as the bytes of a safetensors file.
    ///
    /// # Errors
    ///
    /// When the format cannot hold it.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        let sites = serde_json::to_string(&self.sites).map_err(|error| Error::File(error.to_string()))?;
        let (classes, samples) = (self.classes(), self.samples.len());
        let labels = self.labels.iter().map(|&label| label as u32);
        let mut tensors = vec![
            ("class_sizes", Dtype::U32, vec![classes], u32_bytes(self.class_sizes.iter().copied())),
            ("counts", Dtype::U32, vec![classes, self.units], u32_bytes(self.counts.concat())),
            ("mask_sums", Dtype::F64, vec![classes, self.units], f64_bytes(self.mask_sums.concat())),
            ("labels", Dtype::U32, vec![samples], u32_bytes(labels)),
            ("samples", Dtype::U8, vec![samples, self.units.div_ceil(8)], self.packed(&self.samples)),
        ];
        if let Some(masks) = &self.class_masks {
            let shape = vec![classes, self.units.div_ceil(8)];
            tensors.push(("class_masks", Dtype::U8, shape, self.packed(masks)));
        }
        let mut views = Vec::new();
        for (name, dtype, shape, bytes) in &tensors {
            views.push((*name, TensorView::new(*dtype, shape.clone(), bytes)?));
        }
        Ok(safetensors::serialize(views, Some(HashMap::from([(SITES.to_owned(), sites)])))?)
    }

    /// Reads the bytes of a usage file of a network of `spec`, and checks that its parts agree.
    ///
    /// # Errors
    ///
    /// When the bytes are damaged, cut short, or contradict each other, or the sites are not the network's.
    pub fn from_safetensors(bytes: &[u8], spec: &Spec) -> Result<Usage, Error> {
        let file = File::open(bytes)?;
        let sites = file.sites(spec)?;
        let units = total_units(&sites);
        let class_sizes = file.u32s("class_sizes", &[None])?;
        let classes = class_sizes.len();
        let counts = rows(file.u32s("counts", &[Some(classes), Some(units)])?, classes, units);
        let mask_sums = rows(file.f64s("mask_sums", &[Some(classes), Some(units)])?, classes, units);
        let labels: Vec<usize> =
            file.u32s("labels", &[None])?.into_iter().map(|label| label as usize).collect();
        let width = units.div_ceil(8);
        let sets = |name: &str, rows: usize| {
            let packed = file.tensor(name, Dtype::U8, &[Some(rows), Some(width)])?;
            let set = |row| unpack(&packed[row * width..(row + 1) * width], units);
            (0..rows).map(set).collect::<Result<Vec<_>, _>>()
        };
        let samples = sets("samples", labels.len())?;
        let class_masks = file.has("class_masks").then(|| sets("class_masks", classes)).transpose()?;
        let usage =
            Usage { sites, units, class_sizes, counts, mask_sums, samples, labels, class_masks: None };
        usage.check()?;
        match class_masks {
            Some(masks) => usage.with_class_masks(masks),
            None => Ok(usage),
        }
    }

    fn packed(&self, sets: &[FixedBitSet]) -> Vec<u8> {
        let width = self.units.div_ceil(8);
        let packed = |sample: &FixedBitSet| {
            let blocks: Vec<u8> = sample.as_slice().iter().flat_map(|block| block.to_le_bytes()).collect();
            blocks.into_iter().take(width)
        };
        sets.iter().flat_map(packed).collect()
    }

    /// Counts follow from samples where there are any, so both must agree.
    fn check(&self) -> Result<(), Error> {
        if self.mask_sums.iter().flatten().any(|sum| !sum.is_finite()) {
            return Err(damaged("a sum of observed values is not a finite number"));
        }
        let most = |class: usize| self.counts[class].iter().max().copied().unwrap_or(0);
        if (0..self.classes()).any(|class| most(class) > self.class_sizes[class]) {
            return Err(damaged("a unit fired for more samples than its class has"));
        }
        if self.labels.iter().any(|&label| label >= self.classes()) {
            return Err(damaged("a label names a class that does not exist"));
        }
        if self.samples.is_empty() {
            return Ok(());
        }
        let mut counted = Usage::new(self.sites.clone(), self.classes());
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

    fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// The tracked sites, which must be those of a network of `spec`.
    fn sites(&self, spec: &Spec) -> Result<Vec<TrackedSite>, Error> {
        let sites = spec.sites()?;
        let tracked = match (self.metadata.get(SITES), self.metadata.get(LAYERS)) {
            (Some(json), _) => serde_json::from_str(json).map_err(damaged_sites)?,
            (None, Some(json)) => {
                let layers: Vec<TrackedLayer> = serde_json::from_str(json).map_err(damaged_sites)?;
                let convs =
                    sites.iter().enumerate().filter(|(_, site)| is_conv(site)).map(|(index, _)| index);
                let convs: Vec<usize> = convs.collect();
                let site = |TrackedLayer { name, conv, kernels }: TrackedLayer| match convs.get(conv) {
                    Some(&site) => Ok(TrackedSite { name, site, units: kernels }),
                    None => Err(Error::UnknownSite { name, units: kernels }),
                };
                layers.into_iter().map(site).collect::<Result<Vec<_>, _>>()?
            }
            (None, None) => return Err(damaged("its header names no sites")),
        };
        tracked.iter().try_for_each(|tracked| tracked.of(&sites).map(drop))?;
        match tracked.windows(2).any(|pair| pair[0].site >= pair[1].site) {
            true => Err(damaged("its sites are not in the order of the network's")),
            false => Ok(tracked),
        }
    }

    /// The bytes of a tensor of this type whose sides are the given ones (`None`: any length).
    fn tensor(&self, name: &str, dtype: Dtype, shape: &[Option<usize>]) -> Result<&'a [u8], Error> {
        let view = self.tensors.tensor(name)?;
        let fits = view.shape().len() == shape.len()
            && view.shape().iter().zip(shape).all(|(side, wanted)| wanted.is_none_or(|n| n == *side));
        if view.dtype() != dtype || !fits {
            let found = format!("{:?} {:?}", view.dtype(), view.shape());
            return Err(damaged(format!(
                "`{name}` is {found}, not {dtype:?} of the shape that its sites give"
            )));
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

fn damaged_sites(error: serde_json::Error) -> Error {
    damaged(format!("its sites: {error}"))
}

fn damaged(problem: impl ToString) -> Error {
    Error::File(problem.to_string())
}

fn rows<T: Clone>(values: Vec<T>, count: usize, length: usize) -> Vec<Vec<T>> {
    (0..count).map(|row| values[row * length..(row + 1) * length].to_vec()).collect()
}

fn unpack(bytes: &[u8], units: usize) -> Result<FixedBitSet, Error> {
    if bytes.last().is_some_and(|last| !units.is_multiple_of(8) && last >> (units % 8) != 0) {
        return Err(damaged("a sample has a bit beyond its last unit"));
    }
    let blocks = bytes.chunks(size_of::<usize>()).map(|chunk| {
        let mut block = [0; size_of::<usize>()];
        block[..chunk.len()].copy_from_slice(chunk);
        usize::from_le_bytes(block)
    });
    Ok(FixedBitSet::with_capacity_and_blocks(units, blocks))
}

fn u32_bytes(values: impl IntoIterator<Item = u32>) -> Vec<u8> {
    values.into_iter().flat_map(u32::to_le_bytes).collect()
}

fn f64_bytes(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    values.into_iter().flat_map(f64::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{chain, rng, sites};
    use super::*;
    use crate::spec::Architecture;
    use proptest::prelude::*;
    use rand::RngExt;

    /// Usage of the convolutions of [`chain`] behind its first.
    fn random_usage(seed: u64, units: &[usize], classes: usize, samples: usize) -> Usage {
        let mut rng = rng(seed);
        let mut usage = Usage::new(sites(units), classes);
        for _ in 0..samples {
            let observed: Vec<f32> =
                (0..usage.total_units()).map(|_| rng.random_range(-1.0f32..1.0).max(0.0)).collect();
            usage.add(rng.random_range(0..classes), &observed).unwrap();
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
            units in prop::collection::vec(1usize..200, 0..4),
            classes in 1usize..4,
            samples in 0usize..9,
        ) {
            let usage = random_usage(seed, &units, classes, samples);
            prop_assert_eq!(Usage::from_safetensors(&file(&usage), &chain(&units)).unwrap(), usage);
        }

        #[test]
        fn a_damaged_file_is_refused_or_still_usage_but_never_a_panic(
            flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4),
            cut: prop::sample::Index,
        ) {
            let mut bytes = file(&random_usage(3, &[5, 8], 3, 7));
            let spec = chain(&[5, 8]);
            prop_assert!(Usage::from_safetensors(&bytes[..cut.index(bytes.len())], &spec).is_err());
            for (at, bit) in flips {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            if let Ok(usage) = Usage::from_safetensors(&bytes, &spec) {
                prop_assert_eq!(Usage::from_safetensors(&file(&usage), &spec).unwrap(), usage);
            }
        }

        #[test]
        fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Usage::from_safetensors(&bytes, &chain(&[1])).is_err());
        }
    }

    #[test]
    fn counts_without_samples_survive_too() {
        let usage = Usage::from_counts(sites(&[3]), vec![4, 2], vec![vec![4, 0, 1], vec![2, 1, 0]]).unwrap();
        assert_eq!(Usage::from_safetensors(&file(&usage), &chain(&[3])).unwrap(), usage);
    }

    /// A file as version 0.1 wrote it for a run with one mask generator, 3 kernels, 2 classes and 2 samples.
    fn file_of_an_earlier_version(layers: &str) -> Vec<u8> {
        let header = [
            r#"{"__metadata__":{"layers":""#,
            &layers.replace('"', r#"\""#),
            r#""},"mask_sums":{"dtype":"F64","shape":[2,3],"data_offsets":[0,48]},"#,
            r#""class_sizes":{"dtype":"U32","shape":[2],"data_offsets":[48,56]},"#,
            r#""counts":{"dtype":"U32","shape":[2,3],"data_offsets":[56,80]},"#,
            r#""labels":{"dtype":"U32","shape":[2],"data_offsets":[80,88]},"#,
            r#""samples":{"dtype":"U8","shape":[2,1],"data_offsets":[88,90]}}"#,
        ]
        .concat();
        let header = format!("{header:<width$}", width = header.len().next_multiple_of(8));
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        bytes.extend(f64_bytes([0.5, 0.0, 0.25, 0.0, 0.75, 1.0]));
        bytes.extend(u32_bytes([1, 1, 1, 0, 1, 0, 1, 1, 0, 1]));
        bytes.extend([0b101, 0b110]);
        bytes
    }

    #[test]
    fn a_file_of_an_earlier_version_is_read_as_the_same_usage() {
        let bytes = file_of_an_earlier_version(r#"[{"name":"conv1","conv":1,"kernels":3}]"#);
        let mut expected = Usage::new(sites(&[3]), 2);
        expected.add(0, &[0.5, 0.0, 0.25]).unwrap();
        expected.add(1, &[0.0, 0.75, 1.0]).unwrap();
        assert_eq!(Usage::from_safetensors(&bytes, &chain(&[3])).unwrap(), expected);
    }

    #[test]
    fn convolutions_of_an_earlier_version_are_found_among_sums() {
        let spec = Architecture::Resnet18.spec([3, 32, 32], 2, 3.0 / 64.0, true);
        let layer = r#"[{"name":"residual1.conv0","conv":3,"kernels":3}]"#;
        let usage = Usage::from_safetensors(&file_of_an_earlier_version(layer), &spec).unwrap();
        assert_eq!(usage.sites(), [TrackedSite { name: "residual1.conv0".into(), site: 4, units: 3 }]);
        let other = r#"[{"name":"residual1.conv0","conv":4,"kernels":3}]"#;
        let error = Usage::from_safetensors(&file_of_an_earlier_version(other), &spec).unwrap_err();
        assert!(matches!(error, Error::UnknownSite { .. }), "{error}");
    }

    #[test]
    fn usage_of_another_network_is_refused() {
        let bytes = file(&random_usage(1, &[4, 3], 2, 5));
        for spec in [chain(&[4, 2]), chain(&[4])] {
            assert!(matches!(Usage::from_safetensors(&bytes, &spec), Err(Error::UnknownSite { .. })));
        }
    }

    #[test]
    fn parts_that_contradict_each_other_are_refused() {
        let usage = random_usage(1, &[4, 3], 2, 5);
        let refusal = |damage: &dyn Fn(&mut Usage)| {
            let mut damaged = usage.clone();
            damage(&mut damaged);
            Usage::from_safetensors(&file(&damaged), &chain(&[4, 3])).unwrap_err().to_string()
        };
        assert!(refusal(&|usage| usage.class_sizes[0] += 1).contains("not those of its samples"));
        assert!(refusal(&|usage| usage.counts[1][2] = 9).contains("more samples than its class has"));
        assert!(refusal(&|usage| usage.labels[0] = 2).contains("class that does not exist"));
        assert!(refusal(&|usage| usage.mask_sums[0][0] = f64::NAN).contains("not a finite number"));
        assert!(refusal(&|usage| usage.sites.swap(0, 1)).contains("in the order of the network's"));
        assert!(refusal(&|usage| drop(usage.sites.pop())).contains("`counts` is U32 [2, 7]"));
        assert!(refusal(&|usage| usage.sites[0].units = usize::MAX).contains("no such site"));
    }

    #[test]
    fn a_bit_beyond_the_last_unit_is_refused() {
        assert!(unpack(&[0b0000_0111], 3).is_ok());
        assert!(unpack(&[0b0000_1111], 3).is_err());
    }
}
