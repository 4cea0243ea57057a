//! Which kernels of a network stay.

use fixedbitset::FixedBitSet;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Error;
use super::usage::{TrackedLayer, check_length, ranges};
use crate::random::{Stream, generator};
use crate::spec::Spec;

/// Which kernels of every convolution stay, in mask order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// One set a convolution, as long as it has kernels.
    pub convs: Vec<FixedBitSet>,
}

impl Selection {
    /// Every kernel of `spec`.
    pub fn all(spec: &Spec) -> Self {
        let full = |kernels: usize| {
            let mut set = FixedBitSet::with_capacity(kernels);
            set.insert_range(..);
            set
        };
        Selection { convs: spec.convs().map(|conv| full(conv.kernels)).collect() }
    }

    /// The given kernels of the tracked layers, numbered through their concatenation, and every kernel of the
    /// other convolutions.
    ///
    /// # Errors
    ///
    /// When `kernels` has another length than the layers together, or a layer is not the spec's.
    pub fn from_tracked(spec: &Spec, layers: &[TrackedLayer], kernels: &FixedBitSet) -> Result<Self, Error> {
        let mut selection = Selection::all(spec);
        let total = layers.iter().map(|layer| layer.kernels).sum();
        check_length("the kernel set", kernels.len(), total)?;
        for (layer, range) in layers.iter().zip(ranges(layers)) {
            let kept = range.clone().filter(|&kernel| kernels.contains(kernel));
            let conv = selection.layer_mut(layer)?;
            conv.clear();
            conv.extend(kept.map(|kernel| kernel - range.start));
        }
        Ok(selection)
    }

    /// How many kernels stay.
    pub fn kept(&self) -> usize {
        self.kept_per_layer().into_iter().sum()
    }

    /// How many kernels of each convolution stay.
    pub fn kept_per_layer(&self) -> Vec<usize> {
        self.convs.iter().map(|conv| conv.count_ones(..)).collect()
    }

    /// The kernels that stay, convolution by convolution, ascending.
    pub fn indices(&self) -> Vec<Vec<usize>> {
        self.convs.iter().map(|conv| conv.ones().collect()).collect()
    }

    /// A control: as many kernels in each of `layers`, drawn uniformly. Control number `control` of a seed is
    /// always the same.
    ///
    /// # Errors
    ///
    /// When a layer is not among the convolutions.
    pub fn random_like(&self, layers: &[TrackedLayer], seed: u64, control: u64) -> Result<Self, Error> {
        let mut rng = generator(seed, Stream::Control, control);
        let mut selection = self.clone();
        for layer in layers {
            let conv = selection.layer_mut(layer)?;
            *conv = draw(&mut rng, conv.len(), conv.count_ones(..));
        }
        Ok(selection)
    }

    /// Whether every kernel that stays here stays there too.
    pub fn is_subset(&self, other: &Selection) -> bool {
        self.convs.len() == other.convs.len()
            && self.convs.iter().zip(&other.convs).all(|(a, b)| a.is_subset(b))
    }

    /// The kernels of both; convolutions that the other lacks stay as they are.
    pub fn union(&self, other: &Selection) -> Selection {
        let mut union = self.clone();
        for (conv, other) in union.convs.iter_mut().zip(&other.convs) {
            conv.union_with(other);
        }
        union
    }

    /// Checks that this selects from the convolutions of `spec` and leaves something of each.
    ///
    /// # Errors
    ///
    /// Names the first convolution that does not fit or would be left without kernels.
    pub fn check(&self, spec: &Spec) -> Result<(), Error> {
        check_length("the selection's list of convolutions", self.convs.len(), spec.convs().count())?;
        for (index, (kept, conv)) in self.convs.iter().zip(spec.convs()).enumerate() {
            check_length(&format!("the selection of convolution {index}"), kept.len(), conv.kernels)?;
            if kept.is_clear() {
                return Err(Error::NothingKept(index));
            }
        }
        Ok(())
    }

    fn layer_mut(&mut self, layer: &TrackedLayer) -> Result<&mut FixedBitSet, Error> {
        let conv = self.convs.get_mut(layer.conv).filter(|conv| conv.len() == layer.kernels);
        conv.ok_or_else(|| layer.unknown())
    }
}

/// The first `count` of a shuffle (Fisher and Yates) of all kernels.
fn draw(rng: &mut ChaCha8Rng, kernels: usize, count: usize) -> FixedBitSet {
    let mut order: Vec<usize> = (0..kernels).collect();
    let mut drawn = FixedBitSet::with_capacity(kernels);
    for position in 0..count {
        order.swap(position, rng.random_range(position..kernels));
        drawn.insert(order[position]);
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::super::testing::{random_bits, rng};
    use super::*;
    use crate::modular::masked_layers;
    use crate::spec::Architecture;

    #[test]
    fn tracked_kernels_stay_as_told_and_the_others_all() {
        let spec = Architecture::Tiny.spec([1, 16, 16], 10, 0.125, true);
        let layers = masked_layers(&spec).unwrap();
        let mut kernels = FixedBitSet::with_capacity(48);
        kernels.extend([0, 7, 8, 47]);
        let selection = Selection::from_tracked(&spec, &layers, &kernels).unwrap();
        assert_eq!(selection.indices(), [vec![0, 1, 2, 3], vec![0, 7], vec![0], vec![], vec![15]]);
        assert_eq!((selection.kept_per_layer(), selection.kept()), (vec![4, 2, 1, 0, 1], 8));
        assert!(Selection::from_tracked(&spec, &layers[1..], &kernels).is_err());
        assert!(matches!(selection.check(&spec), Err(Error::NothingKept(3))));
    }

    #[test]
    fn a_control_has_as_many_kernels_in_each_layer_and_its_number_fixes_which() {
        let spec = Architecture::Vgg16.spec([3, 32, 32], 10, 0.5, true);
        let layers = masked_layers(&spec).unwrap();
        let kernels = random_bits(&mut rng(1), 2080, 0.3);
        let selection = Selection::from_tracked(&spec, &layers, &kernels).unwrap();
        let control = |number| selection.random_like(&layers, 7, number).unwrap();
        assert_eq!(control(0).kept_per_layer(), selection.kept_per_layer());
        assert_eq!(control(0), control(0));
        assert_ne!(control(0), control(1));
        assert_ne!(control(0), selection);
        assert_eq!(control(0).convs[0], selection.convs[0], "untracked");
    }

    #[test]
    fn a_union_holds_both() {
        let spec = Architecture::Tiny.spec([1, 16, 16], 10, 0.125, true);
        let layers = masked_layers(&spec).unwrap();
        let random =
            |seed| Selection::from_tracked(&spec, &layers, &random_bits(&mut rng(seed), 48, 0.3)).unwrap();
        let (a, b) = (random(1), random(2));
        assert!(a.is_subset(&a.union(&b)) && b.is_subset(&a.union(&b)) && !a.union(&b).is_subset(&a));
    }
}
