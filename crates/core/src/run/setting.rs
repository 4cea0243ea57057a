//! Settings that may change while training runs, and what a command or a scheduled change did.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
    /// A layer, or a part of one, no longer trains.
    Freeze {
        /// Its name, such as `conv3`, `residual1` or `conv3.mask_generator`.
        layer: String,
    },
    /// It trains again.
    Thaw {
        /// Its name.
        layer: String,
    },
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

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Weight { name, value } => write!(f, "{name} = {value}"),
            Setting::LearningRate(Some(rate)) => write!(f, "learning rate = {rate}"),
            Setting::LearningRate(None) => write!(f, "learning rate as scheduled"),
            Setting::Freeze { layer } => write!(f, "freeze {layer}"),
            Setting::Thaw { layer } => write!(f, "thaw {layer}"),
        }
    }
}

impl FromStr for Setting {
    type Err = String;

    /// Reads what [`Setting`]'s `Display` writes, as it stands in a run's event log.
    fn from_str(text: &str) -> Result<Setting, String> {
        let unknown = || format!("`{text}` is no change of a setting");
        if text == "learning rate as scheduled" {
            return Ok(Setting::LearningRate(None));
        }
        let Some((name, value)) = text.split_once(" = ") else {
            let layer = |layer: &str| (!layer.contains(' ')).then(|| layer.to_owned()).ok_or_else(unknown);
            return match text.split_once(' ') {
                Some(("freeze", name)) => Ok(Setting::Freeze { layer: layer(name)? }),
                Some(("thaw", name)) => Ok(Setting::Thaw { layer: layer(name)? }),
                _ => Err(unknown()),
            };
        };
        let value = value.parse().map_err(|_| unknown())?;
        match name {
            "learning rate" => Ok(Setting::LearningRate(Some(value))),
            name => Ok(Setting::Weight { name: name.into(), value }),
        }
    }
}

/// What a command or a scheduled change did. In the event log it is the text that a person reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// Training waits.
    Paused,
    /// It goes on.
    Resumed,
    /// One step was taken while it waits.
    OneStep,
    /// A checkpoint was saved.
    Checkpoint,
    /// The validation split was measured.
    Evaluated,
    /// The extraction of a module of this name began.
    Extracting(String),
    /// A branch of this name was made.
    Branched(String),
    /// Training ends.
    Stopped,
    /// A setting changed.
    Set(Setting),
    /// What another version of the program logged.
    Other(String),
}

impl Applied {
    /// The setting that changed, if one did.
    pub fn setting(&self) -> Option<&Setting> {
        match self {
            Applied::Set(setting) => Some(setting),
            _ => None,
        }
    }
}

impl From<Setting> for Applied {
    fn from(setting: Setting) -> Self {
        Applied::Set(setting)
    }
}

const EXTRACTING: &str = "extracting ";
const BRANCHED: &str = "branched to ";

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Applied::Paused => f.write_str("paused"),
            Applied::Resumed => f.write_str("resumed"),
            Applied::OneStep => f.write_str("one step"),
            Applied::Checkpoint => f.write_str("checkpoint"),
            Applied::Evaluated => f.write_str("evaluated"),
            Applied::Extracting(module) => write!(f, "{EXTRACTING}{module}"),
            Applied::Branched(run) => write!(f, "{BRANCHED}{run}"),
            Applied::Stopped => f.write_str("stopped"),
            Applied::Set(setting) => setting.fmt(f),
            Applied::Other(text) => f.write_str(text),
        }
    }
}

impl FromStr for Applied {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Applied, Infallible> {
        let words =
            [Applied::Paused, Applied::Resumed, Applied::OneStep, Applied::Checkpoint, Applied::Evaluated];
        let mut words = words.into_iter().chain([Applied::Stopped]);
        if let Some(found) = words.find(|word| word.to_string() == text) {
            return Ok(found);
        }
        let named = |start| text.strip_prefix(start).map(str::to_owned);
        Ok(named(EXTRACTING)
            .map(Applied::Extracting)
            .or_else(|| named(BRANCHED).map(Applied::Branched))
            .or_else(|| text.parse().ok().map(Applied::Set))
            .unwrap_or_else(|| Applied::Other(text.to_owned())))
    }
}

impl Serialize for Applied {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'a> Deserialize<'a> for Applied {
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let Ok(applied) = text.parse();
        Ok(applied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Vec<Setting> {
        let layer = || "residual1.conv0".to_owned();
        vec![
            Setting::Weight { name: "beta".into(), value: 1.5e-7 },
            Setting::LearningRate(Some(0.05)),
            Setting::LearningRate(None),
            Setting::Freeze { layer: layer() },
            Setting::Thaw { layer: layer() },
        ]
    }

    #[test]
    fn a_setting_is_read_back_from_the_event_log() {
        for setting in settings() {
            assert_eq!(setting.to_string().parse(), Ok(setting));
        }
        for other in ["paused", "a = b", "freeze", "freeze a b", "melt conv0"] {
            assert!(other.parse::<Setting>().is_err(), "{other}");
        }
    }

    #[test]
    fn what_a_command_did_is_logged_as_text_and_read_back() {
        let named = [Applied::Extracting("a pair".into()), Applied::Branched("b".into())];
        let words = [Applied::Paused, Applied::Resumed, Applied::OneStep, Applied::Checkpoint];
        let others = [Applied::Evaluated, Applied::Stopped, Applied::Other("beta 1.5 to 3".into())];
        let sets = settings().into_iter().map(Applied::Set);
        for applied in named.into_iter().chain(words).chain(others).chain(sets) {
            let json = serde_json::to_string(&applied).unwrap();
            assert_eq!(json, format!("\"{applied}\""));
            assert_eq!(serde_json::from_str::<Applied>(&json).unwrap(), applied);
        }
    }
}
