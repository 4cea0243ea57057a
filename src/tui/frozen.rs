//! The frozen layers of a run, as its events say.

use crate::run::{Manifest, Setting};
use crate::spec::Frozen;

/// The frozen parts of a run's network, from a list of their names, which the trainer has checked.
pub fn frozen(manifest: &Manifest, parts: &[String]) -> Frozen {
    let mut frozen = Frozen::none(&manifest.network).unwrap_or_default();
    for part in parts {
        put(&mut frozen, &Setting::Freeze { layer: part.clone() });
    }
    frozen
}

/// Takes in a change that the trainer has made.
pub fn put(frozen: &mut Frozen, set: &Setting) {
    let known = match set {
        Setting::Freeze { layer } => frozen.freeze(layer),
        Setting::Thaw { layer } => frozen.thaw(layer),
        Setting::Weight { .. } | Setting::LearningRate(_) => Ok(()),
    };
    // A log of another version may name a layer otherwise; what is frozen is only shown.
    drop(known);
}
