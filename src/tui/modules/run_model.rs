//! The model of the modules screen: the run's classes, kernel usage and previewed module.

use std::sync::Arc;

use super::classes::Classes;
use super::preview::{ClassModules, Preview, Source};
use super::retention_history::RetentionHistory;
use crate::modular::TrackedSite;
use crate::preset;
use crate::run::{Manifest, ModuleManifest};
use crate::spec::{Cost, Spec};
use crate::tui::action::Action;
use crate::tui::keymap::Keymap;

/// Name and manifest of a module, or why it cannot be read.
pub(super) type ListedModule = (String, Result<ModuleManifest, String>);

/// The shown run.
#[derive(Debug)]
pub(super) struct RunModel {
    /// Its name.
    pub run: String,
    /// Its classes and which of them are chosen.
    pub classes: Classes,
    /// The modules section of its preset.
    pub settings: preset::Modules,
    /// Its network.
    pub spec: Arc<Spec>,
    /// Cost of the network.
    pub whole: Cost,
    /// The sites with masks.
    pub sites: Vec<TrackedSite>,
    /// Retention per epoch.
    pub retention: RetentionHistory,
    /// Its extracted modules.
    pub modules: Vec<ListedModule>,
    threshold: f64,
    counts: Counts,
    class_modules: Option<(f64, Result<ClassModules, String>)>,
    preview: Option<Result<Preview, String>>,
}

/// The state of the kernel usage.
#[derive(Debug)]
pub(super) enum Counts {
    /// The network has no masks.
    NoMasks,
    /// Training counts it at the end of an epoch, and none is complete yet.
    AfterEpoch,
    /// A worker is reading or counting it.
    Counting,
    /// It could not be read or counted.
    Failed(String),
    /// It is available.
    Known(Source),
}

impl RunModel {
    /// A run of which only the manifest is known.
    ///
    /// # Errors
    ///
    /// When the network's stages do not fit together.
    pub fn new(manifest: &Manifest) -> Result<Self, String> {
        let sites = manifest.tracked_sites().map_err(|error| error.to_string())?;
        Ok(RunModel {
            run: manifest.id.clone(),
            classes: Classes::new(manifest.classes.clone()),
            settings: manifest.preset.modules.clone(),
            spec: Arc::new(manifest.network.clone()),
            whole: Cost::of(&manifest.network).map_err(|error| error.to_string())?,
            counts: if sites.is_empty() { Counts::NoMasks } else { Counts::AfterEpoch },
            sites,
            retention: RetentionHistory::default(),
            modules: Vec::new(),
            threshold: manifest.preset.modules.threshold,
            class_modules: None,
            preview: None,
        })
    }

    /// Whether its network has masks, so that kernels can be assigned to classes.
    pub fn has_masks(&self) -> bool {
        !self.sites.is_empty()
    }

    /// The threshold.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Whether training has fixed the masks of the classes, so that no threshold applies.
    pub fn has_class_masks(&self) -> bool {
        matches!(&self.counts, Counts::Known(source) if source.usage.class_masks().is_some())
    }

    /// Sets the threshold, in steps of a hundredth and above 0. Where training has fixed the masks of the classes, nothing
    /// changes.
    pub fn set_threshold(&mut self, threshold: f64) {
        if self.has_class_masks() {
            return;
        }
        self.threshold = ((threshold * 100.0).round() / 100.0).clamp(0.01, 1.0);
        self.refresh();
    }

    /// The state of the kernel usage.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Sets the state of the kernel usage.
    pub fn set_counts(&mut self, counts: Counts) {
        if !self.has_masks() {
            return;
        }
        let fits = |source: &Source| {
            source.usage.classes() == self.classes.names().len() && source.usage.sites() == self.sites
        };
        self.counts = match counts {
            Counts::Known(source) if !fits(&source) => {
                Counts::Failed("the kernel usage belongs to another network or to other classes".into())
            }
            counts => counts,
        };
        self.class_modules = None;
        self.refresh();
    }

    /// The kernel usage, if available.
    pub fn source(&self) -> Option<&Source> {
        match &self.counts {
            Counts::Known(source) => Some(source),
            _ => None,
        }
    }

    /// The modules of all classes at the threshold.
    pub fn class_modules(&self) -> Option<&ClassModules> {
        self.class_modules.as_ref().and_then(|(_, class_modules)| class_modules.as_ref().ok())
    }

    /// The previewed module of the chosen classes at the threshold.
    pub fn preview(&self) -> Option<&Preview> {
        self.preview.as_ref().and_then(|preview| preview.as_ref().ok())
    }

    /// Why there is no previewed module, and what to do.
    pub fn why_not(&self, keys: &Keymap) -> Option<String> {
        let failed = match (&self.counts, &self.class_modules, &self.preview) {
            (Counts::NoMasks, ..) => return Some(no_masks(keys)),
            (Counts::AfterEpoch, ..) => return Some(AFTER_EPOCH.into()),
            (Counts::Counting, ..) => return Some(COUNTING.into()),
            (Counts::Failed(why), ..) => why,
            (_, Some((_, Err(why))), _) => why,
            (_, _, Some(Err(why))) => why,
            (_, _, None) => return Some(no_class(keys)),
            _ => return None,
        };
        Some(failed.clone())
    }

    /// Recomputes the modules of all classes if usage or threshold changed, and the module of the chosen classes. Must be
    /// called after any change of the chosen classes.
    pub fn refresh(&mut self) {
        self.preview = None;
        let Counts::Known(source) = &self.counts else {
            self.class_modules = None;
            return;
        };
        if self.class_modules.as_ref().is_none_or(|(threshold, _)| *threshold != self.threshold) {
            let class_modules = source.cut(self.threshold).map_err(|error| error.to_string());
            self.class_modules = Some((self.threshold, class_modules));
        }
        let chosen = self.classes.chosen();
        if let (Some((_, Ok(class_modules))), false) = (&self.class_modules, chosen.is_empty()) {
            self.preview = Some(class_modules.preview(source, &chosen).map_err(|error| error.to_string()));
        }
    }
}

const AFTER_EPOCH: &str = "Kernel usage is counted at the end of every epoch; the first numbers appear after \
the first epoch.";
const COUNTING: &str = "Counting the kernel usage of each class...";

fn no_masks(keys: &Keymap) -> String {
    let [home, new] = [Action::GoHome, Action::NewRun].map(|action| keys.key(action));
    format!(
        "This run was trained with the plain method: its network has no masks, so no kernel belongs to a class and no \
         module can be taken out. Train one with masks: press {home} for the runs, then {new} for a new run, and \
         choose a preset without `standard` in its name, such as `digits`."
    )
}

fn no_class(keys: &Keymap) -> String {
    let [one, all] = [Action::ToggleClass, Action::AllClasses].map(|action| keys.key(action));
    format!("Choose the classes of the module: {one} chooses the class under the cursor, {all} chooses all.")
}

/// What to do when there is no module.
pub(super) fn no_module(keys: &Keymap) -> String {
    let extract = keys.key(Action::ExtractModule);
    format!("no module has been extracted from this run: choose classes and press {extract}")
}
