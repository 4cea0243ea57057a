//! An experiment as a file: data, network, method, training and modules.
//!
//! | file | what it holds |
//! |---|---|
//! | `network` | the `[network]` table and the [`Spec`] that it means |
//! | `training`, `phase`, `modules`, `paper` | the tables of these names |
//! | `check` | which values are allowed |
//! | `library` | presets by name: the user's and those in the program |
//! | `layers` | bases, a file and `--set` laid over each other, each value knowing where it was written |
//! | `overrides` | `--set KEY=VALUE` |
//! | `explain` | what a reader's error means to the person who wrote the file |
//! | `error` | what is wrong, where, and what to do |

mod check;
mod error;
mod explain;
mod layers;
mod library;
mod modules;
mod network;
mod overrides;
mod paper;
mod phase;
#[cfg(test)]
mod tests;
mod training;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data::DataConfig;
use crate::method::MethodConfig;
use crate::spec::Spec;

pub use error::{Error, Mistake};
pub use library::{Listed, embedded, list};
pub use modules::Modules;
pub use network::NetworkConfig;
pub use overrides::Override;
pub use paper::PaperRow;
pub use phase::{Objective, Phase, Trains};
pub use training::Training;

/// An experiment: everything that a run needs to be repeated, but for the program and the data.
///
/// A preset file may begin with `base = "NAME"`: it then says only what differs from that preset. Tables are
/// merged key by key, with two exceptions: a `[method]` of another name replaces the base's, and so does a
/// `[network]` with `stages` where the base has an `architecture`, or the other way round. A base's `name`
/// and `description` stay its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// What it is called; by default the file's name without `.toml`.
    #[serde(default)]
    pub name: String,
    /// What it is for, in one line.
    #[serde(default)]
    pub description: String,
    /// What is learned from.
    pub data: DataConfig,
    /// What learns.
    pub network: NetworkConfig,
    /// What makes training modular.
    pub method: MethodConfig,
    /// How it is trained.
    #[serde(default)]
    pub training: Training,
    /// Phases of training, one after the other; without any, all of it is one phase.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phase: Vec<Phase>,
    /// How modules are cut and fine-tuned.
    #[serde(default)]
    pub modules: Modules,
    /// The published result that this preset is to reproduce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<PaperRow>,
}

impl Preset {
    /// Reads a preset's text. `origin` is its path, or what else to call it in messages; a `base` that is a
    /// path is looked up beside it, any other among the presets in the program.
    ///
    /// # Errors
    ///
    /// Says which key or value is wrong, in which line of which text, and what would be right.
    pub fn parse(text: &str, origin: &str, overrides: &[Override]) -> Result<Preset, Error> {
        Preset::layered(library::Found::text(text, origin), None, overrides)
    }

    /// The preset of this name in `user_dir` (as `NAME.toml`), else in the program. What ends in `.toml` or
    /// contains a separator is a path.
    ///
    /// # Errors
    ///
    /// When there is no such preset (naming the nearest), or as [`Preset::parse`].
    pub fn find(name: &str, user_dir: &Path, overrides: &[Override]) -> Result<Preset, Error> {
        Preset::layered(library::find(name, user_dir)?, Some(user_dir), overrides)
    }

    fn layered(
        first: library::Found,
        user_dir: Option<&Path>,
        overrides: &[Override],
    ) -> Result<Preset, Error> {
        let changes: Vec<(String, &str)> = overrides.iter().map(Override::layer).collect();
        layers::read(first, user_dir, &changes)
    }

    /// The network for `[channels, height, width]` images of `classes` classes, with mask generators exactly
    /// if the method wants them.
    ///
    /// # Errors
    ///
    /// Names the stage that does not fit what reaches it, or the last one if it does not give one logit a
    /// class; says what the network lacks for the method.
    pub fn spec(&self, input: [usize; 3], classes: usize) -> Result<Spec, Error> {
        self.spec_of(input, Some(classes))
    }

    /// As [`Preset::spec`]; `None`: of as many classes as the network has logits.
    fn spec_of(&self, input: [usize; 3], classes: Option<usize>) -> Result<Spec, Error> {
        let spec = self.network.spec(input, classes, self.method.has_generators())?;
        let help = "change network.stages, or train without modules: method.name = \"plain\"";
        self.method.check_spec(&spec).map_err(|why| Error::value("network.stages", &why, help))?;
        Ok(spec)
    }

    /// The network, where the shape of the images is known before they are read.
    ///
    /// # Errors
    ///
    /// As [`Preset::spec`].
    pub fn known_spec(&self) -> Result<Option<Spec>, Error> {
        check::known_spec(self)
    }

    /// Refuses values that make no sense, and a network that does not fit the data where the data's shape is
    /// known before they are read.
    ///
    /// # Errors
    ///
    /// Says the key, its value and what is allowed.
    pub fn check(&self) -> Result<(), Error> {
        check::check(self)
    }

    /// The whole preset as TOML, defaults and base included.
    ///
    /// # Errors
    ///
    /// When TOML cannot hold a value, such as a path that is not UTF-8.
    pub fn to_toml(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(Error::Write)
    }
}
