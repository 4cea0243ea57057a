//! The names that our arrays have in widely used layouts of PyTorch models.
//!
//! | layout | convolutions | linear layers |
//! |---|---|---|
//! | ours | `conv3.conv`, `residual1.conv0.conv` | `linear0` |
//! | sequential (torchvision's VGG, the CIFAR VGGs, the MwT authors' VGG16) | `features.7` | `classifier.0`, `classifier` |
//! | blocks (torchvision's ResNet, the CIFAR ResNets, the MwT authors' ResNet18) | `conv1`, `layer2.0.conv1`, `layer2.0.downsample.0`, `layer2.0.shortcut.0` | `fc`, `linear` |
//! | residual functions (ResNets of pytorch-cifar100) | `conv1.0`, `conv3_x.0.residual_function.0`, `conv3_x.0.shortcut.0` | `fc` |
//! | numbered (CNNSplitter's and the MwT authors' SimCNN) | `conv_3` | `fc_13` |
//! | numbered blocks (CNNSplitter's and the MwT authors' ResCNN) | `conv_3.0` | `classifier.2` |
//!
//! Batch norm follows its convolution as `features.8`, `layer2.0.bn1` or `layer2.0.downsample.1`. The MwT authors'
//! masked convolution is one module with `conv`, `bn` and `mask_generator.mask_generator` in it.

use crate::spec::{Conv, Spec, SpecError, Stage};

/// One of our arrays and its names elsewhere, ours first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidates {
    pub ours: String,
    pub shape: Vec<usize>,
    /// In the order of the layouts; a layout that cannot name it has none.
    pub theirs: Vec<(Layout, String)>,
}

/// A family of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layout {
    Ours,
    Sequential,
    Downsample,
    Shortcut,
    ResidualFunction,
    Numbered,
    NumberedBlocks,
}

/// The names of every array of a network.
pub(super) fn candidates(spec: &Spec) -> Result<Vec<Candidates>, SpecError> {
    let places = Walk::of(spec);
    let layers = spec.layers()?;
    let candidates = spec.slots()?.into_iter().map(|slot| {
        let own = |name: &str| slot.name.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
        let found = layers.iter().zip(&places).find_map(|(layer, place)| Some((own(&layer.name)?, place)));
        let theirs = found.map_or_else(Vec::new, |(suffix, place)| place.names(suffix));
        let theirs = std::iter::once((Layout::Ours, slot.name.clone())).chain(theirs).collect();
        Candidates { ours: slot.name.clone(), shape: slot.shape, theirs }
    });
    Ok(candidates.collect())
}

/// Where a layer stands, in the words of the layouts.
struct Place {
    /// Names of the convolution or linear layer, and of the batch norm behind it.
    bases: Vec<(Layout, String, String)>,
    masked: bool,
}

impl Place {
    /// The names of the layer's array that is called `suffix` with us.
    fn names(&self, suffix: &str) -> Vec<(Layout, String)> {
        let name = |(layout, layer, norm): &(Layout, String, String)| {
            let name = match (self.masked, suffix.split_once('.')) {
                (true, Some(("mask_generator", rest))) => {
                    let rest = rest.replacen("hidden", "0", 1).replacen("output", "2", 1);
                    format!("{layer}.mask_generator.mask_generator.{rest}")
                }
                (true, _) => format!("{layer}.{suffix}"),
                (false, Some(("conv", rest))) => format!("{layer}.{rest}"),
                (false, Some(("bn", rest))) => format!("{norm}.{rest}"),
                (false, _) => format!("{layer}.{suffix}"),
            };
            (*layout, name)
        };
        self.bases.iter().map(name).collect()
    }
}

/// A walk through the stages, counting as the layouts do.
#[derive(Default)]
struct Walk {
    places: Vec<Place>,
    /// Modules of `features` so far.
    features: usize,
    /// Modules of `classifier` so far, with and without `flatten`; none before the classifier.
    classifier: Option<[usize; 2]>,
    convs: usize,
    linears: usize,
    /// The group of residual blocks, from 1, and the block in it.
    group: usize,
    block: usize,
}

impl Walk {
    fn of(spec: &Spec) -> Vec<Place> {
        let mut walk = Walk::default();
        let only = spec.stages.iter().filter(|stage| matches!(stage, Stage::Linear { .. })).count() == 1;
        for stage in &spec.stages {
            walk.stage(stage, only);
        }
        walk.places
    }

    fn stage(&mut self, stage: &Stage, only_linear: bool) {
        match stage {
            Stage::Conv(conv) => {
                let mut bases = self.numbered();
                bases.push(sequence(Layout::Sequential, "features", self.features));
                if self.convs == 0 {
                    bases.push((Layout::Downsample, "conv1".into(), "bn1".into()));
                    bases.push(sequence(Layout::ResidualFunction, "conv1", 0));
                }
                self.conv(conv, bases);
                let norm = usize::from(conv.batch_norm && !conv.masked);
                self.features += 1 + norm + usize::from(conv.relu);
            }
            Stage::Residual(residual) => {
                match self.group == 0 || residual.shortcut.is_some() {
                    true => (self.group, self.block) = (self.group + 1, 0),
                    false => self.block += 1,
                }
                self.residual(&residual.body, residual.shortcut.as_ref());
            }
            Stage::Linear { .. } => self.linear(only_linear),
            Stage::Flatten | Stage::GlobalAvgPool => self.classifier = Some([1, 0]),
            Stage::MaxPool { .. } => self.features += 1,
            // Other programs have no networks side by side; our own names still fit.
            Stage::Parallel { branches } => {
                branches.iter().flatten().for_each(|stage| self.stage(stage, false));
            }
            Stage::Relu | Stage::Dropout { .. } => match &mut self.classifier {
                Some(counts) => counts.iter_mut().for_each(|count| *count += 1),
                None => self.features += 1,
            },
        }
    }

    /// The names that count convolutions wherever they are.
    fn numbered(&self) -> Vec<(Layout, String, String)> {
        let name = format!("conv_{}", self.convs);
        let norm = format!("bn_{}", self.convs);
        vec![sequence(Layout::NumberedBlocks, &name, 0), (Layout::Numbered, name, norm)]
    }

    fn conv(&mut self, conv: &Conv, bases: Vec<(Layout, String, String)>) {
        self.convs += 1;
        self.places.push(Place { bases, masked: conv.masked });
    }

    fn residual(&mut self, body: &[Conv], shortcut: Option<&Conv>) {
        let (layer, stage) = (
            format!("layer{}.{}", self.group, self.block),
            format!("conv{}_x.{}", self.group + 1, self.block),
        );
        for (index, conv) in body.iter().enumerate() {
            let mut bases = self.numbered();
            let number = index + 1;
            let names = (format!("{layer}.conv{number}"), format!("{layer}.bn{number}"));
            bases.push((Layout::Downsample, names.0, names.1));
            // Convolution, batch norm and ReLU are three modules.
            bases.push(sequence(Layout::ResidualFunction, &format!("{stage}.residual_function"), 3 * index));
            self.conv(conv, bases);
        }
        if let Some(conv) = shortcut {
            let mut bases = self.numbered();
            bases.push(sequence(Layout::Downsample, &format!("{layer}.downsample"), 0));
            bases.push(sequence(Layout::Shortcut, &format!("{layer}.shortcut"), 0));
            bases.push(sequence(Layout::ResidualFunction, &format!("{stage}.shortcut"), 0));
            self.conv(conv, bases);
        }
    }

    fn linear(&mut self, only: bool) {
        let counts = self.classifier.get_or_insert([0, 0]);
        let plain = |layout: Layout, name: String| (layout, name, String::new());
        let mut bases = vec![
            plain(Layout::Sequential, format!("classifier.{}", counts[1])),
            plain(Layout::NumberedBlocks, format!("classifier.{}", counts[0])),
            plain(Layout::Numbered, format!("fc_{}", self.convs + self.linears)),
        ];
        if only {
            let names = [
                (Layout::Downsample, "fc"),
                (Layout::Shortcut, "linear"),
                (Layout::Sequential, "classifier"),
            ];
            bases.extend(names.map(|(layout, name)| plain(layout, name.into())));
        }
        counts.iter_mut().for_each(|count| *count += 1);
        self.linears += 1;
        self.places.push(Place { bases, masked: false });
    }
}

/// A convolution and its batch norm as neighbours in a `Sequential`.
fn sequence(layout: Layout, name: &str, index: usize) -> (Layout, String, String) {
    (layout, format!("{name}.{index}"), format!("{name}.{}", index + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Architecture;

    fn names(architecture: Architecture, modular: bool, layout: Layout, ours: &str) -> Vec<String> {
        let spec = architecture.spec([3, 32, 32], 10, 0.125, modular);
        let candidates = candidates(&spec).unwrap();
        let found = candidates.iter().find(|one| one.ours == ours).unwrap();
        found.theirs.iter().filter(|(of, _)| *of == layout).map(|(_, name)| name.clone()).collect()
    }

    #[test]
    fn convolutions_of_a_vgg_are_counted_with_norms_activations_and_pools() {
        let name = |modular, ours| names(Architecture::Vgg16, modular, Layout::Sequential, ours);
        assert_eq!(name(false, "conv0.bn.weight"), ["features.1.weight"]);
        assert_eq!(name(false, "conv2.conv.weight"), ["features.7.weight"]);
        assert_eq!(name(false, "conv12.bn.running_var"), ["features.41.running_var"]);
        assert_eq!(name(true, "conv2.conv.weight"), ["features.6.conv.weight"]);
        assert_eq!(
            name(true, "conv1.mask_generator.output.bias"),
            ["features.3.mask_generator.mask_generator.2.bias"]
        );
        assert_eq!(name(true, "linear2.bias"), ["classifier.6.bias"]);
    }

    #[test]
    fn blocks_of_a_resnet_are_counted_in_groups() {
        let name = |layout, ours| names(Architecture::Resnet18, false, layout, ours);
        assert_eq!(name(Layout::Downsample, "conv0.bn.weight"), ["bn1.weight"]);
        assert_eq!(name(Layout::Downsample, "residual1.conv1.bn.bias"), ["layer1.1.bn2.bias"]);
        assert_eq!(name(Layout::Downsample, "residual2.shortcut.bn.bias"), ["layer2.0.downsample.1.bias"]);
        assert_eq!(name(Layout::Shortcut, "residual6.shortcut.conv.weight"), ["layer4.0.shortcut.0.weight"]);
        assert_eq!(
            name(Layout::ResidualFunction, "residual3.conv1.conv.weight"),
            ["conv3_x.1.residual_function.3.weight"]
        );
        assert_eq!(name(Layout::Shortcut, "linear0.weight"), ["linear.weight"]);
    }

    #[test]
    fn the_authors_number_the_layers_of_simcnn_and_rescnn() {
        let sim = |ours| names(Architecture::Simcnn, true, Layout::Numbered, ours);
        assert_eq!(sim("conv3.bn.weight"), ["conv_3.bn.weight"]);
        assert_eq!(sim("linear1.weight"), ["fc_14.weight"]);
        let res = |ours| names(Architecture::Rescnn, true, Layout::NumberedBlocks, ours);
        assert_eq!(res("residual0.conv1.conv.bias"), ["conv_3.0.conv.bias"]);
        assert_eq!(res("conv0.conv.weight"), ["conv_0.0.weight"]);
        assert_eq!(res("linear0.weight"), ["classifier.2.weight"]);
    }
}
