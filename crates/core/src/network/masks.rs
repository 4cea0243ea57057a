//! Masks that are given to a pass in place of those of the mask generators.

/// Masks that a pass uses. By default those of the mask generators, for all samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PassMasks {
    /// At most one a site.
    pub given: Vec<GivenMask>,
    /// Which samples of the batch take the given masks; the others use their own. Empty: all take them.
    pub samples: Vec<bool>,
    /// Whether the gradient of the loss at the given values is wanted.
    pub gradient: bool,
}

/// The mask of one convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenMask {
    /// Index of the convolution's site.
    pub site: usize,
    /// `[batch, units]`, usually of zeros and ones.
    pub values: Vec<f32>,
}

impl PassMasks {
    /// Whether this sample takes the given masks.
    pub fn takes(&self, sample: usize) -> bool {
        self.samples.get(sample).is_none_or(|takes| *takes)
    }
}
