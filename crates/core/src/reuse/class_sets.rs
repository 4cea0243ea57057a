//! What the modules of many sets of classes are worth as they are cut, beside the whole network and random kernels.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

use super::error::Error;
use super::extract::Trained;
use super::task::relabelled;
use super::tune::Tuning;
use crate::backend::Training;
use crate::data::Images;
use crate::learn::{Batches, Normaliser};
use crate::modular::{Selection, Split, argmax, restrict_logits, slice};
use crate::network::Network;
use crate::random::{Stream, generator, sample};
use crate::run::class_label;
use crate::spec::{Array, Cost};

/// The most classes of which every set can be asked for: 1,013 sets of ten, 65,519 of sixteen.
const MOST_CLASSES_OF_ALL: usize = 16;

/// Which sets of classes are measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassSets {
    /// Every pair.
    AllPairs,
    /// Every set of two classes or more.
    All,
    /// So many sets of so many classes, drawn without repetition.
    Random {
        /// Classes in each set.
        size: usize,
        /// How many sets.
        count: usize,
    },
    /// The sets of a text file: a line each, with classes separated by commas, as [`class_label`] reads them. Empty lines and lines that begin with
    /// `#` are passed over.
    File(PathBuf),
}

/// The module of one set of classes, and what it is compared with. Accuracies are fractions of the test images of these
/// classes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetResult {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Test images of these classes.
    pub images: usize,
    /// The whole network, its logits restricted to these classes.
    pub whole: f64,
    /// The module as cut: not fine-tuned, logits restricted to these classes.
    pub as_cut: f64,
    /// As many kernels a layer, drawn at random, cut from the same network alike: one figure for each control.
    pub random: Vec<f64>,
    /// Fraction of the tracked kernels that the module keeps.
    pub krr: f64,
    /// Parameters of the module.
    pub params: u64,
    /// Multiply-accumulates an image.
    pub macs: u64,
}

/// Means over sets of classes, as fractions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SetsSummary {
    /// How many sets.
    pub count: usize,
    /// Mean accuracy of the whole network on the sets' classes.
    pub whole_mean: f64,
    /// Mean accuracy of the modules as cut.
    pub as_cut_mean: f64,
    /// The lowest accuracy of a module as cut.
    pub as_cut_worst: f64,
    /// Fraction of the modules whose accuracy as cut is at most a hundredth below that of the whole network.
    pub within_1_point: f64,
    /// Mean accuracy of the random controls; `None` without controls.
    pub random_mean: Option<f64>,
    /// Mean fraction of the tracked kernels that a module keeps.
    pub krr_mean: f64,
    /// Mean number of parameters of a module.
    pub params_mean: f64,
    /// Mean number of multiply-accumulates an image.
    pub macs_mean: f64,
}

impl FromStr for ClassSets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split(':').collect::<Vec<_>>()[..] {
            ["all-pairs"] => Ok(ClassSets::AllPairs),
            ["all"] => Ok(ClassSets::All),
            ["random", size, count] => {
                let number = |text: &str, what: &str, least: usize| match text.parse() {
                    Ok(number) if number >= least => Ok(number),
                    _ => Err(format!("{what} `{text}` is not a whole number of at least {least}")),
                };
                let size = number(size, "the number of classes", 2)?;
                Ok(ClassSets::Random { size, count: number(count, "the number of sets", 1)? })
            }
            ["random", ..] => Err("write random:K:N for N sets of K classes, such as random:3:100".into()),
            _ => Ok(ClassSets::File(text.into())),
        }
    }
}

impl ClassSets {
    /// The sets, of classes with these names; each in ascending order.
    ///
    /// # Errors
    ///
    /// When there are too few or too many classes for what is asked, or the file cannot be read or names classes that are
    /// not there or twice.
    pub fn of(&self, classes: &[String], seed: u64) -> Result<Vec<Vec<usize>>, Error> {
        let known = classes.len();
        if known < 2 {
            return Err(Error::Refused("a network of one class has no sets of classes".into()));
        }
        match self {
            ClassSets::AllPairs => {
                Ok((0..known).flat_map(|a| (a + 1..known).map(move |b| vec![a, b])).collect())
            }
            ClassSets::All if known > MOST_CLASSES_OF_ALL => Err(Error::Refused(format!(
                "{known} classes have too many sets to measure all; take all-pairs or random:K:N"
            ))),
            ClassSets::All => {
                let sets = (0..1u32 << known).filter(|set| set.count_ones() >= 2);
                Ok(sets.map(|set| (0..known).filter(|class| set >> class & 1 == 1).collect()).collect())
            }
            ClassSets::Random { size, count } => random(*size, *count, known, seed),
            ClassSets::File(path) => listed(path, classes),
        }
    }
}

/// Sets of `size` of `known` classes, `count` of them or as many as there are, in the order in which they were drawn.
fn random(size: usize, count: usize, known: usize, seed: u64) -> Result<Vec<Vec<usize>>, Error> {
    if size > known {
        return Err(Error::Refused(format!("{size} classes a set are more than the {known} that there are")));
    }
    // C(known, size), as far as it matters.
    let possible = (0..size).fold(1f64, |sets, k| sets * (known - k) as f64 / (k + 1) as f64);
    if count as f64 > possible.round() {
        return Err(Error::Refused(format!(
            "there are only {possible:.0} sets of {size} of {known} classes, not {count}"
        )));
    }
    let mut generator = generator(seed, Stream::ClassSets, size as u64);
    let (mut sets, mut drawn) = (Vec::new(), BTreeSet::new());
    while sets.len() < count {
        let mut set = sample(&mut generator, known, size);
        set.sort_unstable();
        if drawn.insert(set.clone()) {
            sets.push(set);
        }
    }
    Ok(sets)
}

/// The sets of a file.
fn listed(path: &Path, classes: &[String]) -> Result<Vec<Vec<usize>>, Error> {
    let at = |line: usize, why: String| Error::Refused(format!("{}:{line}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| {
        Error::Refused(format!(
            "cannot read the class sets {}: {error}; give all-pairs, all, random:K:N or the path of a file",
            path.display()
        ))
    })?;
    let mut sets = Vec::new();
    for (line, text) in (1..).zip(text.lines().map(str::trim)) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let index = |name: &str| {
            class_label(name.trim(), classes).ok_or_else(|| {
                at(line, format!("there is no class `{}`: there are {}", name.trim(), classes.join(", ")))
            })
        };
        let mut set = text.split(',').map(index).collect::<Result<Vec<usize>, Error>>()?;
        set.sort_unstable();
        if set.len() < 2 || set.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(at(line, "a set needs two classes or more, each named once".into()));
        }
        sets.push(set);
    }
    match sets.is_empty() {
        true => Err(Error::Refused(format!("{} lists no set of classes", path.display()))),
        false => Ok(sets),
    }
}

impl SetsSummary {
    /// Over these results.
    pub fn of(results: &[SetResult]) -> Self {
        let mean = |values: &mut dyn Iterator<Item = f64>| {
            let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
            (count > 0).then(|| sum / count as f64)
        };
        let over = |value: fn(&SetResult) -> f64| mean(&mut results.iter().map(value)).unwrap_or(0.0);
        SetsSummary {
            count: results.len(),
            whole_mean: over(|set| set.whole),
            as_cut_mean: over(|set| set.as_cut),
            as_cut_worst: results.iter().map(|set| set.as_cut).fold(1.0, f64::min),
            within_1_point: over(|set| f64::from(set.as_cut >= set.whole - 0.01 - 1e-9)),
            random_mean: mean(&mut results.iter().flat_map(|set| set.random.iter().copied())),
            krr_mean: over(|set| set.krr),
            params_mean: over(|set| set.params as f64),
            macs_mean: over(|set| set.macs as f64),
        }
    }
}

impl Trained<'_> {
    /// Measures the modules of these sets of classes as cut, each beside `controls` random ones, on the test split.
    /// `done` is called with each result.
    ///
    /// # Errors
    ///
    /// When a set makes no sense, or has no test images.
    pub fn evaluate_sets<B: Training>(
        &self,
        split: &Split,
        sets: &[Vec<usize>],
        controls: usize,
        device: &B::Device,
        done: &mut dyn FnMut(&SetResult),
    ) -> Result<Vec<SetResult>, Error> {
        let test = &self.dataset.test;
        let logits = self.test_logits::<B>(device)?;
        let classes = self.dataset.classes.len();
        let tuning = Tuning { manifest: self.manifest };
        let mut results = Vec::new();
        for set in sets {
            let union = split.union(set)?;
            let selection = split.selection(self.spec, set)?;
            let images = relabelled(test, set);
            if images.is_empty() {
                let names: Vec<&str> =
                    set.iter().map(|&class| self.dataset.classes[class].as_str()).collect();
                return Err(Error::Refused(format!("there are no test images of {}", names.join(", "))));
            }
            let measure = |selection: &Selection| -> Result<(f64, Cost), Error> {
                let (spec, state) = slice(self.spec, self.state, selection)?;
                let (spec, state) = restrict_logits(&spec, &state, set)?;
                Ok((tuning.accuracy::<B>(&spec, &state, &images, device)?, Cost::of(&spec)?))
            };
            let random = |draw| {
                let random = selection.random_like(&split.sites, self.manifest.seed, draw)?;
                measure(&random).map(|(accuracy, _)| accuracy)
            };
            let (as_cut, cost) = measure(&selection)?;
            let result = SetResult {
                classes: set.iter().map(|&class| self.dataset.classes[class].clone()).collect(),
                images: images.len(),
                whole: restricted_accuracy(&logits, classes, test, set),
                as_cut,
                random: (0..controls as u64).map(random).collect::<Result<_, Error>>()?,
                krr: union.count_ones(..) as f64 / union.len().max(1) as f64,
                params: cost.params(),
                macs: cost.macs(),
            };
            done(&result);
            results.push(result);
        }
        Ok(results)
    }

    /// The whole network's logits of the test split, `[images, classes]`.
    fn test_logits<B: Training>(&self, device: &B::Device) -> Result<Vec<f32>, Error> {
        let network = Network::<B::InnerBackend>::new(self.spec.clone(), self.state, device)?;
        let mut logits = Vec::new();
        let batches = Batches::of_run(self.manifest, &self.dataset.test);
        batches.run(&network, &Normaliser::of_run(self.manifest), device, |_, output| {
            logits.extend(Array::from_tensor(output.logits).values);
            Ok(())
        })?;
        Ok(logits)
    }
}

/// Fraction of the images of these classes whose highest logit among these classes is that of their own.
fn restricted_accuracy(logits: &[f32], classes: usize, images: &Images, set: &[usize]) -> f64 {
    let (mut right, mut all) = (0usize, 0usize);
    for (row, label) in logits.chunks_exact(classes).zip(&images.labels) {
        let Some(position) = set.iter().position(|class| class == &(*label as usize)) else { continue };
        let among: Vec<f32> = set.iter().map(|&class| row[class]).collect();
        all += 1;
        right += usize::from(argmax(&among) == position);
    }
    right as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("c{class}")).collect()
    }

    fn sets(text: &str, classes: usize) -> Result<Vec<Vec<usize>>, String> {
        text.parse::<ClassSets>()?.of(&names(classes), 3).map_err(|error| error.to_string())
    }

    #[test]
    fn pairs_and_all_sets_are_complete() {
        let pairs = sets("all-pairs", 10).unwrap();
        assert_eq!((pairs.len(), &pairs[0], &pairs[44]), (45, &vec![0, 1], &vec![8, 9]));
        let all = sets("all", 10).unwrap();
        assert_eq!((all.len(), all.iter().map(Vec::len).max()), (1013, Some(10)));
        assert_eq!(sets("all", 2).unwrap(), [[0, 1]]);
        assert!(sets("all", 100).unwrap_err().contains("too many sets"));
        assert_eq!(sets("all-pairs", 100).unwrap().len(), 4950);
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        for (text, why) in [
            ("random:3", "random:K:N"),
            ("random:1:5", "at least 2"),
            ("random:3:0", "at least 1"),
            ("random:x:5", "not a whole number"),
            ("random:11:1", "more than the 10"),
            ("random:2:46", "only 45 sets of 2 of 10"),
            ("/no/such/file", "cannot read the class sets /no/such/file"),
        ] {
            let found = sets(text, 10).unwrap_err();
            assert!(found.contains(why), "{text}: {found}");
        }
        assert!(sets("all-pairs", 1).is_err());
    }

    #[test]
    fn a_file_lists_sets_by_class_names() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sets");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            sets(path.to_str().unwrap(), 10)
        };
        assert_eq!(read("# mine\nc3, c1\n\nc0,#9,c4\n").unwrap(), [vec![1, 3], vec![0, 4, 9]]);
        for (text, why) in [
            ("c1,c2\nc1,cat\n", ":2: there is no class `cat`: there are c0, c1,"),
            ("c1,c1\n", ":1: a set needs two classes or more, each named once"),
            ("c1\n", ":1: a set needs two classes"),
            ("# nothing\n", "lists no set of classes"),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.contains(why), "{text}: {found}");
        }
    }

    #[test]
    fn means_worst_and_share_are_over_the_sets() {
        let result = |whole, as_cut, random: &[f64]| SetResult {
            classes: Vec::new(),
            images: 10,
            whole,
            as_cut,
            random: random.to_vec(),
            krr: 0.25,
            params: 100,
            macs: 50,
        };
        let found = SetsSummary::of(&[result(0.9, 0.89, &[0.5, 0.7]), result(1.0, 0.5, &[0.3, 0.1])]);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(close(found.whole_mean, 0.95) && close(found.as_cut_mean, 0.695), "{found:?}");
        assert!(close(found.as_cut_worst, 0.5) && close(found.within_1_point, 0.5), "{found:?}");
        assert!(close(found.random_mean.unwrap(), 0.4) && found.count == 2, "{found:?}");
        assert_eq!(SetsSummary::of(&[result(1.0, 1.0, &[])]).random_mean, None);
    }

    #[test]
    fn the_whole_network_is_measured_among_the_sets_classes() {
        let images = Images { shape: [1, 1, 1], pixels: vec![0; 4], labels: vec![0, 2, 1, 2] };
        let logits = [5.0, 9.0, 1.0, 0.0, 9.0, 1.0, 9.0, 1.0, 0.0, 3.0, 0.0, 1.0];
        assert_eq!(restricted_accuracy(&logits, 3, &images, &[0, 2]), 2.0 / 3.0);
        assert_eq!(restricted_accuracy(&logits, 3, &images, &[0, 1, 2]), 0.0);
    }

    proptest! {
        #[test]
        fn random_sets_differ_and_hold_so_many_classes(
            classes in 2usize..30, size in 2usize..30, count in 1usize..40, seed: u64,
        ) {
            prop_assume!(size <= classes);
            if let Ok(sets) = random(size, count, classes, seed) {
                prop_assert_eq!(sets.len(), count);
                for (index, set) in sets.iter().enumerate() {
                    prop_assert!(set.len() == size && set.windows(2).all(|pair| pair[0] < pair[1]));
                    prop_assert!(set[size - 1] < classes && !sets[..index].contains(set));
                }
                prop_assert_eq!(sets, random(size, count, classes, seed).unwrap());
            } else {
                let possible = (0..size).fold(1f64, |sets, k| sets * (classes - k) as f64 / (k + 1) as f64);
                prop_assert!((count as f64) > possible.round());
            }
        }
    }
}
