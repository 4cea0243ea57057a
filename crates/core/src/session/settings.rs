//! The settings in force, and what changes them.

use std::collections::BTreeMap;

use super::error::Error;
use crate::learn::cosine;
use crate::method::MethodConfig;
use crate::preset::Preset;
use crate::run::{CheckpointInfo, Setting};
use crate::spec::{Frozen, Spec};

/// What may change while a run trains.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The method with the loss weights in force.
    pub method: MethodConfig,
    /// Learning rate in place of the schedule's.
    pub learning_rate: Option<f64>,
    /// What does not train.
    pub frozen: Frozen,
}

impl Settings {
    /// Those of a preset, in a phase of it where it has phases.
    ///
    /// # Errors
    ///
    /// When the phase asks for a weight, layer or stage that is not there.
    pub fn of(preset: &Preset, phase: Option<usize>, spec: &Spec) -> Result<Settings, Error> {
        let (method, frozen) = (preset.method_in(phase)?, preset.frozen_in(phase, spec)?);
        Ok(Settings { method, learning_rate: None, frozen })
    }

    /// Those of a checkpoint.
    ///
    /// # Errors
    ///
    /// When the network or the method has no such layer or weight.
    pub(super) fn of_checkpoint(preset: &Preset, info: &CheckpointInfo, spec: &Spec) -> Result<Self, Error> {
        let mut settings = Settings::of(preset, phase_of(info), spec)?;
        for (name, value) in &info.loss_weights {
            settings.method.set_weight(name, *value).map_err(Error::Refused)?;
        }
        settings.learning_rate = info.learning_rate;
        settings.frozen = Frozen::none(spec)?;
        for part in &info.frozen {
            settings.frozen.freeze(part).map_err(|why| Error::Refused(why.to_string()))?;
        }
        Ok(settings)
    }

    /// The loss weights by name.
    pub(super) fn weights(&self) -> BTreeMap<String, f64> {
        self.method.weights().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Puts a setting in force.
    ///
    /// # Errors
    ///
    /// When the method has no such weight, the network no such layer, the value makes no sense, or nothing would be
    /// left to train.
    pub fn put(&mut self, setting: &Setting) -> Result<(), String> {
        match setting {
            Setting::Weight { name, value } => self.method.set_weight(name, *value)?,
            Setting::LearningRate(rate) => {
                check_rate(*rate)?;
                self.learning_rate = *rate;
            }
            Setting::Freeze { layer } => {
                let mut frozen = self.frozen.clone();
                frozen.freeze(layer).map_err(|unknown| unknown.to_string())?;
                if !frozen.leaves_something() {
                    return Err(format!("{layer} is all that still trains: nothing would be left to train"));
                }
                self.frozen = frozen;
            }
            Setting::Thaw { layer } => self.frozen.thaw(layer).map_err(|unknown| unknown.to_string())?,
        }
        Ok(())
    }
}

/// Refuses a learning rate that makes no sense.
pub(super) fn check_rate(rate: Option<f64>) -> Result<(), String> {
    match rate {
        Some(rate) if !rate.is_finite() || rate < 0.0 => {
            Err(format!("a learning rate must be a number of at least 0, not {rate}"))
        }
        _ => Ok(()),
    }
}

/// Index of the phase whose settings are in a checkpoint.
pub(super) fn phase_of(info: &CheckpointInfo) -> Option<usize> {
    info.phase.and_then(|number| usize::try_from(number).ok()?.checked_sub(1))
}

/// The learning rate that a preset gives for an epoch, from 0: the training's cosine, or that of the phase where it
/// has a learning rate of its own.
pub fn scheduled_rate(preset: &Preset, epoch: u64) -> f64 {
    let training = &preset.training;
    let index = preset.phase_at(epoch);
    if let Some((index, phase)) = index.and_then(|index| Some((index, preset.phase.get(index)?)))
        && let Some(rate) = phase.learning_rate
    {
        return cosine(rate, epoch.saturating_sub(preset.epochs_before(index)), phase.epochs);
    }
    match training.cosine_period() {
        // A run of imported weights has no epochs.
        0 => training.learning_rate,
        period => cosine(training.learning_rate, epoch, period),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn settings() -> Settings {
        let preset = Preset::find("digits", Path::new(""), &[]).unwrap();
        Settings::of(&preset, None, &preset.spec([1, 8, 8], 10).unwrap()).unwrap()
    }

    #[test]
    fn a_layer_is_frozen_and_thawed_by_name() {
        let mut settings = settings();
        let set = |settings: &mut Settings, text: &str| settings.put(&text.parse().unwrap());
        set(&mut settings, "freeze conv0").unwrap();
        set(&mut settings, "freeze conv1.mask_generator").unwrap();
        assert_eq!(settings.frozen.parts(), ["conv0", "conv1.mask_generator"]);
        set(&mut settings, "thaw conv0").unwrap();
        assert_eq!(settings.frozen.parts(), ["conv1.mask_generator"]);
    }

    #[test]
    fn what_cannot_be_frozen_is_refused_with_the_reason_and_changes_nothing() {
        let mut settings = settings();
        let all = ["conv0", "conv1", "conv2", "conv3", "conv4"];
        for layer in all {
            settings.put(&Setting::Freeze { layer: layer.into() }).unwrap();
        }
        let before = settings.clone();
        let why = settings.put(&Setting::Freeze { layer: "conv9".into() }).unwrap_err();
        assert!(why.contains("no layer `conv9`: there are conv0, conv1,"), "{why}");
        let why = settings.put(&Setting::Freeze { layer: "linear0".into() }).unwrap_err();
        assert!(why.contains("nothing would be left to train"), "{why}");
        assert_eq!(settings, before);
    }
}
