//! What makes modules of a trained network.

use super::error::Error;
use super::extract::{Request, Trained};
use crate::modular::{Provenance, Split};

/// A way to split a trained network into one part for each class.
///
/// Some ways read how often units fire for each class, others nothing but the weights and the data. Whatever the way,
/// extraction, cards, exports, composition and replacement take the [`Split`] that it gives.
pub trait Splitter {
    /// Whether it reads [`Trained::usage`], which can take minutes to count.
    fn wants_usage(&self) -> bool;

    /// Splits the network.
    ///
    /// # Errors
    ///
    /// When its settings make no sense, or what it reads is absent.
    fn split(&self, trained: &Trained<'_>) -> Result<Split, Error>;
}

/// A class keeps the units that fire for at least this fraction of its samples; where training fixed class masks, what
/// its mask keeps.
struct UsageThreshold(f64);

impl Splitter for UsageThreshold {
    fn wants_usage(&self) -> bool {
        true
    }

    fn split(&self, trained: &Trained<'_>) -> Result<Split, Error> {
        Ok(trained.counted_usage()?.modules(self.0)?)
    }
}

/// A class keeps what its mask keeps that training fixed.
struct ClassMasks;

impl Splitter for ClassMasks {
    fn wants_usage(&self) -> bool {
        true
    }

    fn split(&self, trained: &Trained<'_>) -> Result<Split, Error> {
        let usage = trained.counted_usage()?;
        match usage.class_masks() {
            // Any threshold gives them.
            Some(_) => Ok(usage.modules(1.0)?),
            None => Err(Error::Refused("the network's training has fixed no class masks".into())),
        }
    }
}

/// The way that a provenance names, with its settings.
///
/// # Errors
///
/// When this program knows no such way.
pub fn splitter(provenance: &Provenance) -> Result<Box<dyn Splitter>, Error> {
    match (provenance.by.as_str(), provenance.threshold) {
        (Provenance::USAGE, Some(threshold)) => Ok(Box::new(UsageThreshold(threshold))),
        (Provenance::CLASS_MASKS, None) => Ok(Box::new(ClassMasks)),
        _ => Err(Error::Refused(format!(
            "the units were chosen by {provenance}, which this version cannot repeat; it splits by usage with a \
             threshold, or by class masks"
        ))),
    }
}

impl Request {
    /// Whether usage must be known to extract this: to split the network, or to fold mean masks in.
    ///
    /// # Errors
    ///
    /// When this program knows no such way to split.
    pub fn wants_usage(&self) -> Result<bool, Error> {
        Ok(splitter(&self.provenance)?.wants_usage() || self.fold_masks)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::fixture::{dataset, manifest, spec};
    use super::*;
    use crate::spec::State;

    #[test]
    fn usage_that_was_not_counted_is_not_taken_for_empty() {
        let (manifest, dataset, spec) = (manifest(), dataset(), spec());
        let state = State::init(&spec, 1).unwrap();
        let (manifest, spec, state, dataset) = (&manifest, &spec, &state, &dataset);
        let trained = Trained { manifest, step: 7, spec, state, usage: None, dataset };
        let why = splitter(&Provenance::usage(0.9)).unwrap().split(&trained).unwrap_err().to_string();
        assert!(why.contains("not counted"), "{why}");
    }

    #[test]
    fn a_way_that_is_not_known_is_named() {
        assert!(splitter(&Provenance::usage(0.9)).unwrap().wants_usage());
        let other = Provenance { by: "dowsing".into(), threshold: None, settings: BTreeMap::new() };
        let why = splitter(&other).err().unwrap().to_string();
        assert!(why.contains("chosen by dowsing"), "{why}");
    }
}
