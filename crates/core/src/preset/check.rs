//! Which values a preset may have.

use super::Preset;
use super::error::{Error, demand};
use super::phase;
use crate::data::{DataConfig, Source};
use crate::spec::Spec;

/// See [`Preset::check`].
pub(super) fn check(preset: &Preset) -> Result<(), Error> {
    data(&preset.data)?;
    preset.network.check()?;
    for weight in preset.method.weight_specs() {
        let value = preset.method.weight(weight.name).unwrap_or(weight.default);
        demand(weight.allows(value), &format!("method.{}", weight.name), value, &weight.allowed())?;
    }
    preset.method.check(preset.training.epochs).map_err(|(key, why)| {
        Error::value(&format!("method.{key}"), &format!("`method.{key}`: {why}"), "")
    })?;
    training(preset)?;
    modules(preset)?;
    paper(preset)?;
    phase::check(preset, known_spec(preset)?.as_ref())
}

/// The network, where the shape of the images is known before they are read.
pub(super) fn known_spec(preset: &Preset) -> Result<Option<Spec>, Error> {
    shape(&preset.data).map(|(input, classes)| preset.spec_of(input, classes)).transpose()
}

fn data(data: &DataConfig) -> Result<(), Error> {
    let share = data.valid_fraction;
    demand(share > 0.0 && share <= 0.5, "data.valid_fraction", share, "above 0, at most 0.5")?;
    data.check().map_err(|error| match error {
        crate::data::Error::Setting { key, what } => {
            Error::value(&format!("data.{key}"), &format!("`data.{key}`: {what}"), "")
        }
        other => Error::value("data", &other.to_string(), ""),
    })
}

fn training(preset: &Preset) -> Result<(), Error> {
    let training = &preset.training;
    demand(training.epochs >= 1, "training.epochs", training.epochs, "at least 1")?;
    demand(training.batch >= 1, "training.batch", training.batch, "at least 1")?;
    let rate = training.learning_rate;
    demand(rate > 0.0 && rate.is_finite(), "training.learning_rate", rate, "a number above 0")?;
    let momentum = training.momentum;
    demand((0.0..1.0).contains(&momentum), "training.momentum", momentum, "at least 0, below 1")?;
    let period = training.cosine_period();
    demand(period >= 1, "training.cosine_epochs", period, "at least 1")?;
    // TOML's integers, in which a run's manifest keeps the seed, end there.
    demand(i64::try_from(training.seed).is_ok(), "training.seed", training.seed, "below 2^63")
}

fn modules(preset: &Preset) -> Result<(), Error> {
    let modules = &preset.modules;
    let threshold = modules.threshold;
    demand(threshold > 0.0 && threshold <= 1.0, "modules.threshold", threshold, "above 0, at most 1")?;
    let rate = modules.fine_tune_learning_rate;
    demand(rate > 0.0 && rate.is_finite(), "modules.fine_tune_learning_rate", rate, "a number above 0")?;
    let period = modules.fine_tune_cosine_epochs;
    demand(period >= 1, "modules.fine_tune_cosine_epochs", period, "at least 1")
}

fn paper(preset: &Preset) -> Result<(), Error> {
    let Some(row) = &preset.paper else { return Ok(()) };
    let fractions = [
        ("standard_accuracy", row.standard_accuracy),
        ("modular_accuracy", row.modular_accuracy),
        ("krr", row.krr),
        ("cohesion", row.cohesion),
        ("coupling", row.coupling),
    ];
    fractions.into_iter().try_for_each(|(name, value)| {
        let allowed = "a fraction of 0 to 1, not a percentage";
        demand((0.0..=1.0).contains(&value), &format!("paper.{name}"), value, allowed)
    })
}

/// `[channels, height, width]` and the number of classes, as far as they are known before the data are read.
fn shape(data: &DataConfig) -> Option<([usize; 3], Option<usize>)> {
    let (channels, side, classes) = match data.source {
        Source::Digits => (1, Some(8), Some(10)),
        Source::Cifar10 | Source::Svhn => (3, Some(32), Some(10)),
        Source::Cifar100 => (3, Some(32), Some(100)),
        Source::Mnist | Source::FashionMnist => (1, Some(28), Some(10)),
        Source::Folder => (data.channels.unwrap_or(3), None, None),
    };
    let side = data.size.or(side)?;
    Some(([channels, side, side], classes))
}
