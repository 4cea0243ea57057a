//! What is known of a data set before its images are read.

/// What is known of a data set before its images are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survey {
    /// `[channels, height, width]` of its images.
    pub shape: [usize; 3],
    /// How many classes it has.
    pub classes: usize,
    /// Training images, those for validation among them if they are taken out.
    pub train: usize,
    /// Whether validation has images of its own.
    pub has_valid: bool,
}
