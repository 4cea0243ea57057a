//! Places in a network whose units (channels or features) can be observed, kept or cut.

use super::error::SpecError;
use super::stages::Spec;

/// A place whose units (channels or features) can be observed, kept or cut.
///
/// What is observed is one value a sample and unit, `[batch, units]`: the mask where there is a mask generator,
/// otherwise the mean of |activation| over height and width. A unit fires for a sample where that is above 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The layer's name, such as `conv3` or `residual1.shortcut`; of a sum `residual1.sum`.
    pub name: String,
    /// Channels or features.
    pub units: usize,
    /// What it is the output of.
    pub kind: SiteKind,
}

/// What a [`Site`] is the output of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteKind {
    /// A convolution, behind its batch norm, mask and ReLU, as far as it has them.
    Conv {
        /// Index in [`Spec::layers`].
        layer: usize,
        /// Whether it has a mask generator.
        masked: bool,
        /// Whether ReLU is part of it.
        relu: bool,
    },
    /// A residual's sum, behind its ReLU if it has one.
    Sum {
        /// Whether ReLU is part of it.
        relu: bool,
    },
    /// A hidden linear layer, behind the ReLU stage that comes directly after it. A linear layer without one gives
    /// logits and is no site.
    Linear {
        /// Index in [`Spec::layers`].
        layer: usize,
    },
}

impl Site {
    /// Whether it has a mask generator.
    pub fn is_masked(&self) -> bool {
        matches!(self.kind, SiteKind::Conv { masked: true, .. })
    }

    /// Whether it ends with a ReLU, so that a unit may be 0.
    pub fn is_rectified(&self) -> bool {
        match self.kind {
            SiteKind::Conv { relu, .. } | SiteKind::Sum { relu } => relu,
            SiteKind::Linear { .. } => true,
        }
    }
}

impl Spec {
    /// Indices of the sites that have a mask generator.
    ///
    /// # Errors
    ///
    /// As [`Spec::check`].
    pub fn masked_sites(&self) -> Result<Vec<usize>, SpecError> {
        self.sites_with(Site::is_masked)
    }

    /// Indices of the sites that end with a ReLU.
    ///
    /// # Errors
    ///
    /// As [`Spec::check`].
    pub fn active_sites(&self) -> Result<Vec<usize>, SpecError> {
        self.sites_with(Site::is_rectified)
    }

    fn sites_with(&self, wanted: impl Fn(&Site) -> bool) -> Result<Vec<usize>, SpecError> {
        let sites = self.sites()?.into_iter().enumerate();
        Ok(sites.filter(|(_, site)| wanted(site)).map(|(index, _)| index).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::architecture::Architecture::{Rescnn, Resnet18, Vgg16};
    use super::super::stages::{Conv, Init, Stage};
    use super::*;

    fn names(spec: &Spec) -> Vec<String> {
        spec.sites().unwrap().into_iter().map(|site| site.name).collect()
    }

    #[test]
    fn the_sites_of_a_vgg_are_its_convolutions_and_its_hidden_linear_layers() {
        let spec = Vgg16.spec([3, 32, 32], 10, 1.0, true);
        let expected: Vec<String> =
            (0..13).map(|i| format!("conv{i}")).chain(["linear0".into(), "linear1".into()]).collect();
        assert_eq!(names(&spec), expected);
        let sites = spec.sites().unwrap();
        assert_eq!(sites[12].kind, SiteKind::Conv { layer: 12, masked: true, relu: true });
        assert_eq!((sites[13].units, sites[13].kind), (512, SiteKind::Linear { layer: 13 }));
        assert_eq!(spec.masked_sites().unwrap(), (1..13).collect::<Vec<_>>());
        assert_eq!(spec.active_sites().unwrap(), (0..15).collect::<Vec<_>>());
    }

    #[test]
    fn a_residual_gives_the_sites_of_its_body_its_shortcut_and_its_sum() {
        let spec = Resnet18.spec([3, 32, 32], 10, 1.0, true);
        let expected = ["residual2.conv0", "residual2.conv1", "residual2.shortcut", "residual2.sum"];
        assert_eq!(names(&spec)[7..11], expected);
        assert_eq!(names(&spec).len(), 1 + 8 * 3 + 3);
        let sites = spec.sites().unwrap();
        assert_eq!((sites[10].units, sites[10].kind), (128, SiteKind::Sum { relu: true }));
        let active = spec.active_sites().unwrap();
        assert!(active.contains(&7) && active.contains(&10), "inner convolutions and sums are rectified");
        assert!(!active.contains(&8) && !active.contains(&9), "what a sum adds is not");
    }

    #[test]
    fn sums_without_relu_are_sites_but_not_active_ones() {
        let spec = Rescnn.spec([3, 32, 32], 10, 1.0, true);
        let sites = spec.sites().unwrap();
        let sums: Vec<usize> = (0..sites.len()).filter(|&at| sites[at].name.ends_with(".sum")).collect();
        assert_eq!(sums.len(), 3);
        assert!(sums.iter().all(|&at| sites[at].kind == SiteKind::Sum { relu: false }));
        let active = spec.active_sites().unwrap();
        assert_eq!(active.len(), 12);
        assert!(sums.iter().all(|at| !active.contains(at)));
    }

    #[test]
    fn networks_side_by_side_give_their_sites_branch_by_branch() {
        let hidden = |outputs| [Stage::Linear { outputs }, Stage::Relu, Stage::Linear { outputs: 2 }];
        let conv = Stage::Conv(Conv { masked: true, ..Conv::new(4) });
        let branches = vec![
            [&[conv.clone(), Stage::GlobalAvgPool][..], &hidden(5)].concat(),
            [&[conv, Stage::Flatten][..], &hidden(6)].concat(),
        ];
        let stages = vec![Stage::Parallel { branches }, Stage::Relu, Stage::Linear { outputs: 3 }];
        let spec = Spec { input: [1, 4, 4], init: Init::default(), stages };
        let kinds: Vec<_> = spec.sites().unwrap().into_iter().map(|site| (site.name, site.units)).collect();
        let expected = [("conv0", 4), ("linear0", 5), ("conv1", 4), ("linear2", 6)];
        assert_eq!(kinds, expected.map(|(name, units)| (name.to_owned(), units)));
        assert_eq!(spec.masked_sites().unwrap(), [0, 2]);
    }

    #[test]
    fn a_linear_layer_that_no_relu_follows_directly_is_no_site() {
        let dropout = Stage::Dropout { probability: 0.5 };
        let stages =
            vec![Stage::Flatten, Stage::Linear { outputs: 5 }, dropout, Stage::Linear { outputs: 3 }];
        let spec = Spec { input: [1, 4, 4], init: Init::default(), stages };
        assert_eq!(spec.sites().unwrap(), []);
    }
}
