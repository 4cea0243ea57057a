//! Branches: a new run that goes on from another run's checkpoint.

use super::error::Error;
use super::schedule::Setting;
use crate::data::DataConfig;
use crate::preset::Preset;
use crate::run::{CheckpointInfo, Event, Manifest, Parent, Run, Store, now};

/// Makes a run directory that begins with the checkpoint of `step` of `run`. With a `preset`, that is what
/// the new run follows from there, loss weights and learning rate included; without one it goes on with the
/// settings that were in force, which its event log names where they are not its preset's.
///
/// # Errors
///
/// When there is no such checkpoint, the preset is for another network, other images or another batch, the
/// name is taken, or the disk refuses.
pub fn branch(run: &Run, step: u64, name: Option<&str>, preset: Option<Preset>) -> Result<Run, Error> {
    let mut checkpoint = run.load(step)?;
    // They are the parent's.
    checkpoint.info.seconds = 0.0;
    let old = &run.manifest;
    let parent = Some(Parent { run: old.id.clone(), step });
    let mut manifest = Manifest { parent, created: now(), id: String::new(), ..old.clone() };
    if let Some(preset) = preset {
        if preset.spec(old.input, old.classes.len())? != old.network {
            return Err(Error::Refused(
                "a branch keeps its parent's network: [network] and the need for masks cannot change".into(),
            ));
        }
        if epochs(&preset) != epochs(&old.preset) {
            return Err(Error::Refused(
                "a branch keeps its parent's batch and images, through whose epochs its steps count: \
                 training.batch cannot change, nor [data] but for path, crop_padding and flip"
                    .into(),
            ));
        }
        checkpoint.info.loss_weights.clear();
        checkpoint.info.learning_rate = None;
        if preset.method.name() != old.preset.method.name() {
            // What another method remembers means nothing to this one.
            checkpoint.method.0.clear();
        }
        manifest.preset = preset;
    }
    let settings = changed(&checkpoint.info, &manifest.preset);
    let mut writer = Store::around(run).create(name, manifest)?;
    for setting in settings {
        writer.events.append(&Event::Applied { step, revision: None, change: setting.to_string() })?;
    }
    writer.save_checkpoint(&checkpoint, None)?;
    writer.events.append(&Event::Checkpointed { step })?;
    Ok(writer.run.clone())
}

/// The settings in force that are not the preset's.
fn changed(info: &CheckpointInfo, preset: &Preset) -> Vec<Setting> {
    let before = preset.method.weights();
    let is_same = |name: &str, value: f64| before.iter().any(|(of, old)| *of == name && *old == value);
    let weights = info.loss_weights.iter().filter(|&(name, value)| !is_same(name, *value));
    let weights = weights.map(|(name, &value)| Setting::Weight { name: name.clone(), value });
    weights.chain(info.learning_rate.map(|rate| Setting::LearningRate(Some(rate)))).collect()
}

/// What decides which images make up which step.
fn epochs(preset: &Preset) -> (usize, DataConfig) {
    let data = DataConfig { path: None, crop_padding: None, flip: None, ..preset.data.clone() };
    (preset.training.batch, data)
}
