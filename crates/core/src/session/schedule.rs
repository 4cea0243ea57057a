//! Changes of settings at given steps.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::settings::{Settings, check_rate};
use crate::preset::Preset;
use crate::run::Setting;
use crate::spec::Spec;

/// A change that takes effect before the step with this number (steps count from 0).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Number of steps taken before it.
    pub step: u64,
    /// What changes.
    pub set: Setting,
}

/// Changes to replay, such as those that a person made in an earlier run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// In any order; of two at one step the later in the list wins.
    #[serde(default)]
    pub change: Vec<Change>,
}

impl Schedule {
    /// Whether a run of this preset can make all its changes, one after the other. Changes of layers are checked where
    /// the network is known; whether they leave something to train, where the preset has no phases with settings of
    /// their own.
    ///
    /// # Errors
    ///
    /// Names the first change that it cannot make.
    pub fn check(&self, preset: &Preset, spec: Option<&Spec>) -> Result<(), Error> {
        let refused = |step: u64, why| {
            Error::Refused(format!("the schedule's change at step {step} cannot be made: {why}"))
        };
        let mut settings = spec.map(|spec| Settings::of(preset, None, spec)).transpose()?;
        let mut method = preset.method.clone();
        let mut changes: Vec<&Change> = self.change.iter().collect();
        changes.sort_by_key(|change| change.step);
        changes.into_iter().try_for_each(|Change { step, set }| {
            if !preset.phase.is_empty() {
                settings = spec.map(|spec| Settings::of(preset, None, spec)).transpose()?;
            }
            let checked = match (&mut settings, set) {
                (Some(settings), set) => settings.put(set),
                (None, Setting::Weight { name, value }) => method.set_weight(name, *value),
                (None, Setting::LearningRate(rate)) => check_rate(*rate),
                (None, Setting::Freeze { .. } | Setting::Thaw { .. }) => Ok(()),
            };
            checked.map_err(|why| refused(*step, why))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_schedule_is_readable_toml() {
        let text = "[[change]]\nstep = 40\nset.weight = { name = \"beta\", value = 2.5 }\n\n\
                    [[change]]\nstep = 60\nset.learning-rate = 0.01\n\n\
                    [[change]]\nstep = 60\nset.freeze = { layer = \"conv0\" }\n\n\
                    [[change]]\nstep = 70\nset.thaw.layer = \"conv0\"\n";
        let schedule: Schedule = toml::from_str(text).unwrap();
        let set = |index: usize| schedule.change[index].set.clone();
        assert_eq!(set(0), Setting::Weight { name: "beta".into(), value: 2.5 });
        assert_eq!(set(1), Setting::LearningRate(Some(0.01)));
        assert_eq!(set(2), Setting::Freeze { layer: "conv0".into() });
        assert_eq!(set(3), Setting::Thaw { layer: "conv0".into() });
    }

    #[test]
    fn a_schedule_is_read_back_from_its_file() {
        let weight = Setting::Weight { name: "beta".into(), value: 0.1 + 0.2 };
        let rates = [Some(1e-9), Some(1.0), None].map(Setting::LearningRate);
        let layer = || "residual0.conv1".to_owned();
        let layers = [Setting::Freeze { layer: layer() }, Setting::Thaw { layer: layer() }];
        let sets = rates.into_iter().chain([weight]).chain(layers);
        let change = sets.map(|set| Change { step: 40, set }).collect();
        let schedule = Schedule { change };
        let text = toml::to_string(&schedule).unwrap();
        assert_eq!(toml::from_str::<Schedule>(&text).unwrap(), schedule, "{text}");
        let wrong = toml::from_str::<Schedule>(&text.replace("scheduled", "fast")).unwrap_err();
        assert!(wrong.to_string().contains("`fast` is no learning rate"), "{wrong}");
    }

    #[test]
    fn a_schedule_with_a_change_that_cannot_be_made_is_refused_before_training() {
        let preset = Preset::find("digits", Path::new(""), &[]).unwrap();
        let spec = preset.spec([1, 8, 8], 10).unwrap();
        let check = |set: Setting, spec: Option<&Spec>| {
            Schedule { change: vec![Change { step: 7, set }] }.check(&preset, spec)
        };
        let freeze = || Setting::Freeze { layer: "conv7".into() };
        let why = check(freeze(), Some(&spec)).unwrap_err().to_string();
        assert!(why.contains("change at step 7 cannot be made: there is no layer `conv7`"), "{why}");
        check(freeze(), None).unwrap();
        check(Setting::Thaw { layer: "conv0".into() }, Some(&spec)).unwrap();
        assert!(check(Setting::Weight { name: "gamma".into(), value: 1.0 }, None).is_err());
        assert!(check(Setting::LearningRate(Some(-1.0)), None).is_err());
        let layers = ["linear0", "conv0", "conv1", "conv2", "conv3", "conv4"].iter().zip(10..);
        let freeze = |(layer, step): (&&str, u64)| Change {
            step,
            set: Setting::Freeze { layer: (*layer).to_owned() },
        };
        // In any order in the file.
        let mut change: Vec<Change> = layers.map(|(layer, step)| freeze((layer, step))).collect();
        change.rotate_left(3);
        let why = Schedule { change }.check(&preset, Some(&spec)).unwrap_err().to_string();
        assert!(why.contains("change at step 15 cannot be made: conv4 is all that still trains"), "{why}");
    }
}
