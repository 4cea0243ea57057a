//! Masks that are given to a pass in place of those of the mask generators.

use crate::spec::{Site, SiteKind};

/// Masks that a pass uses. By default those of the mask generators, for all samples.
///
/// A given mask is a constant: it sends no gradient to a generator. A convolution without generator takes one too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PassMasks {
    /// At most one a site.
    pub given: Vec<GivenMask>,
    /// Which samples of the batch take the given masks; the others use their own. Empty: all take them.
    pub samples: Vec<bool>,
    /// Whether the gradient of the loss at the given values is wanted. It is 0 for samples that do not take them, and
    /// where a ReLU follows a value of 0.
    pub gradient: bool,
}

/// The mask of one convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenMask {
    /// Index of the convolution's site in [`Spec::sites`](crate::spec::Spec::sites).
    pub site: usize,
    /// `[batch, units]`, usually of zeros and ones. Rows of samples that do not take them are not read.
    pub values: Vec<f32>,
}

impl PassMasks {
    /// The mask that is given at a site.
    pub fn at(&self, site: usize) -> Option<&GivenMask> {
        self.given.iter().find(|given| given.site == site)
    }

    /// Whether this sample takes the given masks.
    pub fn takes(&self, sample: usize) -> bool {
        self.samples.get(sample).is_none_or(|takes| *takes)
    }

    /// Whether all samples take the given masks.
    pub fn all_take(&self) -> bool {
        self.samples.iter().all(|takes| *takes)
    }

    /// Checks that they fit a batch of so many samples.
    ///
    /// # Panics
    ///
    /// Names the mask that does not.
    pub fn check(&self, sites: &[Site], batch: usize) {
        let marks = self.samples.len();
        assert!(marks == 0 || marks == batch, "{marks} samples are marked in a batch of {batch}");
        for (index, GivenMask { site, values }) in self.given.iter().enumerate() {
            let Some(Site { name, units, kind: SiteKind::Conv { .. } }) = sites.get(*site) else {
                panic!("a mask is given at site {site}, which is no convolution");
            };
            let twice = self.given[..index].iter().any(|given| given.site == *site);
            assert!(!twice, "two masks are given at {name}");
            assert_eq!(values.len(), batch * units, "values of the mask given at {name}");
        }
    }
}

/// What the backward pass needs to know of given masks.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Sites of the given masks.
    pub sites: Vec<usize>,
    samples: Vec<bool>,
    pub gradient: bool,
}

impl Taken {
    pub(super) fn new(masks: &PassMasks) -> Self {
        let sites = masks.given.iter().map(|given| given.site).collect();
        let samples = if masks.given.is_empty() { Vec::new() } else { masks.samples.clone() };
        Taken { sites, samples, gradient: masks.gradient }
    }

    /// The number of the mask given at a site.
    pub(super) fn at(&self, site: usize) -> Option<usize> {
        self.sites.iter().position(|given| *given == site)
    }

    /// Whether this sample takes the given masks.
    pub(super) fn takes(&self, sample: usize) -> bool {
        self.samples.get(sample).is_none_or(|takes| *takes)
    }
}
