//! What can be wrong with a request for a module.

use thiserror::Error;

use crate::spec::{SpecError, StateError};

/// A module that cannot be cut, or usage that cannot be read. Classes and units are numbered from 0.
#[derive(Debug, Error)]
pub enum Error {
    /// A spec whose stages do not fit together.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Weights that are not the spec's.
    #[error(transparent)]
    State(#[from] StateError),
    /// A threshold that no frequency can be compared with.
    #[error("the threshold {0} is not above 0 and at most 1; the published choice is 0.9")]
    Threshold(f64),
    /// A class without samples, for which no frequency exists.
    #[error("class {0} has no samples to count usage on; give it samples or leave it out of the data")]
    EmptyClass(usize),
    /// A class mask that would cut a site away.
    #[error("a class mask keeps no unit of {0}; each must keep one at least")]
    EmptyMask(String),
    /// A class number that is too high.
    #[error("there is no class {class}: the {classes} classes are numbered from 0")]
    UnknownClass {
        /// The number asked for.
        class: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// No class was chosen.
    #[error("no class was chosen; choose at least one")]
    NoClasses,
    /// A class was chosen twice where its position is its label.
    #[error("class {0} was chosen twice; name each class once")]
    RepeatedClass(usize),
    /// A classifier of one logit was asked for.
    #[error(
        "one logit has nothing to be compared with, so it decides nothing; choose two classes or more, or \
         give a module of one class a head of two outputs (the class and the rest)"
    )]
    OneLogit,
    /// A classifier was to be cut that is not there.
    #[error("the network has no linear stage whose logits could be restricted")]
    NoLinear,
    /// Logits come straight from kernels, some of which would go.
    #[error(
        "the selection drops {dropped} of the network's {outputs} logits, because they come straight from \
         kernels; end the network with a linear stage"
    )]
    LogitsDropped {
        /// How many logits would go.
        dropped: usize,
        /// How many there are.
        outputs: usize,
    },
    /// Values, counts or factors for another number of units.
    #[error("{what} has {found} entries where {expected} are needed")]
    Length {
        /// Which list.
        what: String,
        /// Its length.
        found: usize,
        /// The length that fits.
        expected: usize,
    },
    /// A tracked site that the network does not have.
    #[error("{name} with {units} units is tracked, but the network has no such site")]
    UnknownSite {
        /// The site's name.
        name: String,
        /// Its units.
        units: usize,
    },
    /// The index of a site is too high.
    #[error("there is no site {site}: the network's {sites} sites are numbered from 0")]
    NoSite {
        /// The index asked for.
        site: usize,
        /// How many sites there are.
        sites: usize,
    },
    /// A site of which nothing would be left.
    #[error("the selection keeps no unit of {0}; keep at least one")]
    NothingKept(String),
    /// A mask over an array that no mask can be put on.
    #[error("there is no array `{0}` of trained weights to put a mask on")]
    UnknownArray(String),
    /// An observed value or a factor that is not a number.
    #[error("{what} is {value} for unit {unit}, not a finite number; the network has diverged")]
    NotFinite {
        /// Which value.
        what: &'static str,
        /// The unit's index.
        unit: usize,
        /// The value found.
        value: f32,
    },
    /// A usage file that is damaged or not one.
    #[error("not a readable usage file: {0}; count the usage again from the run's checkpoint")]
    File(String),
    /// Networks that do not read the same images.
    #[error(
        "one network reads {first:?} images (channels, height, width), another {other:?}; they cannot be put side by side"
    )]
    Inputs {
        /// What the first reads.
        first: [usize; 3],
        /// What the other reads.
        other: [usize; 3],
    },
}
