//! Changes of settings at given steps.

use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::method::MethodConfig;

/// A setting that may change while training runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Setting {
    /// Weight of a loss term of the method.
    Weight {
        /// Its name, such as `alpha`.
        name: String,
        /// Its value from then on.
        value: f64,
    },
    /// Learning rate in place of the cosine's; `None`, in a file `"scheduled"`, goes back to the cosine.
    LearningRate(#[serde(with = "rate")] Option<f64>),
}

/// A learning rate in a file, which has no sign for nothing.
mod rate {
    use serde::{Deserialize, Deserializer, Serializer, de};

    const SCHEDULED: &str = "scheduled";

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a number, or \"scheduled\" to go back to the preset's learning rate")]
    enum Written {
        Rate(f64),
        Word(String),
    }

    pub(super) fn serialize<S: Serializer>(rate: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        match rate {
            Some(rate) => to.serialize_f64(*rate),
            None => to.serialize_str(SCHEDULED),
        }
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Option<f64>, D::Error> {
        match Written::deserialize(from)? {
            Written::Rate(rate) => Ok(Some(rate)),
            Written::Word(word) if word == SCHEDULED => Ok(None),
            Written::Word(word) => {
                Err(de::Error::custom(format!("`{word}` is no learning rate: a number or \"{SCHEDULED}\"")))
            }
        }
    }
}

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
    /// Whether a run of this method can make all its changes.
    ///
    /// # Errors
    ///
    /// Names the first change that it cannot make.
    pub fn check(&self, method: &MethodConfig) -> Result<(), Error> {
        self.change.iter().try_for_each(|Change { step, set }| {
            let refused =
                |why| Error::Refused(format!("the schedule's change at step {step} cannot be: {why}"));
            set.put(&mut method.clone(), &mut None).map_err(refused)
        })
    }
}

impl Setting {
    /// Puts it in force: in the method's loss weights, or as the learning rate in place of the cosine's.
    ///
    /// # Errors
    ///
    /// When the method has no such weight or the value makes no sense.
    pub fn put(&self, method: &mut MethodConfig, learning_rate: &mut Option<f64>) -> Result<(), String> {
        match self {
            Setting::Weight { name, value } => method.set_weight(name, *value),
            Setting::LearningRate(Some(rate)) if !rate.is_finite() || *rate < 0.0 => {
                Err(format!("a learning rate must be a number of at least 0, not {rate}"))
            }
            Setting::LearningRate(rate) => {
                *learning_rate = *rate;
                Ok(())
            }
        }
    }
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Setting::Weight { name, value } => write!(f, "{name} = {value}"),
            Setting::LearningRate(Some(rate)) => write!(f, "learning rate = {rate}"),
            Setting::LearningRate(None) => write!(f, "learning rate as scheduled"),
        }
    }
}

impl std::str::FromStr for Setting {
    type Err = String;

    /// Reads what [`Setting`]'s `Display` writes, as it stands in a run's event log.
    fn from_str(text: &str) -> Result<Setting, String> {
        let unknown = || format!("`{text}` is no change of a setting");
        if text == "learning rate as scheduled" {
            return Ok(Setting::LearningRate(None));
        }
        let (name, value) = text.split_once(" = ").ok_or_else(unknown)?;
        let value = value.parse().map_err(|_| unknown())?;
        match name {
            "learning rate" => Ok(Setting::LearningRate(Some(value))),
            name => Ok(Setting::Weight { name: name.into(), value }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_read_back_from_the_event_log() {
        let weight = Setting::Weight { name: "beta".into(), value: 1.5e-7 };
        for setting in [weight, Setting::LearningRate(Some(0.05)), Setting::LearningRate(None)] {
            assert_eq!(setting.to_string().parse(), Ok(setting));
        }
        assert!("paused".parse::<Setting>().is_err() && "a = b".parse::<Setting>().is_err());
    }

    #[test]
    fn a_schedule_is_readable_toml() {
        let text = "[[change]]\nstep = 40\nset.weight = { name = \"beta\", value = 2.5 }\n\n\
                    [[change]]\nstep = 60\nset.learning-rate = 0.01\n";
        let schedule: Schedule = toml::from_str(text).unwrap();
        assert_eq!(schedule.change[0].set, Setting::Weight { name: "beta".into(), value: 2.5 });
        assert_eq!(schedule.change[1].set, Setting::LearningRate(Some(0.01)));
    }

    #[test]
    fn a_schedule_is_read_back_from_its_file() {
        let weight = Setting::Weight { name: "beta".into(), value: 0.1 + 0.2 };
        let rates = [Some(1e-9), Some(1.0), None].map(Setting::LearningRate);
        let change = rates.into_iter().chain([weight]).map(|set| Change { step: 40, set }).collect();
        let schedule = Schedule { change };
        let text = toml::to_string(&schedule).unwrap();
        assert_eq!(toml::from_str::<Schedule>(&text).unwrap(), schedule, "{text}");
        let wrong = toml::from_str::<Schedule>(&text.replace("scheduled", "fast")).unwrap_err();
        assert!(wrong.to_string().contains("`fast` is no learning rate"), "{wrong}");
    }
}
