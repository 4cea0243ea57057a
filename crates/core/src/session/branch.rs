//! Branches: a new run that goes on from another run's checkpoint.

use super::error::Error;
use super::settings::{Settings, phase_of};
use crate::data::DataConfig;
use crate::preset::Preset;
use crate::run::{Applied, CheckpointInfo, Event, Manifest, Parent, PhaseStart, Run, Setting, Store, now};
use crate::spec::Spec;

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
        preset.check()?;
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
        // The settings are those of the preset from there on, in the phase that the step falls in.
        checkpoint.info.loss_weights.clear();
        checkpoint.info.frozen.clear();
        (checkpoint.info.learning_rate, checkpoint.info.phase) = (None, None);
        let (from, to) = (&old.preset.method, &preset.method);
        if !checkpoint.info.epoch_sums.is_empty() && from.term_specs() != to.term_specs() {
            return Err(Error::Refused(format!(
                "step {step} is within an epoch, over which the losses of one method are summed: branch to other loss \
                 terms from a checkpoint at the end of an epoch"
            )));
        }
        if !from.is_same_but_for_weights(to) {
            // What a method remembers follows from its settings: with others it begins anew.
            checkpoint.method.0.clear();
        }
        manifest.preset = preset;
    }
    let events = in_force(step, &checkpoint.info, &manifest.preset, &checkpoint.spec)?;
    let mut writer = Store::around(run).create(name, manifest)?;
    events.iter().try_for_each(|event| writer.events.append(event))?;
    writer.save_checkpoint(&checkpoint, None)?;
    writer.events.append(&Event::Checkpointed { step })?;
    Ok(writer.run.clone())
}

/// What the log of a branch begins with: the phase that is under way, and the settings that are neither its nor the
/// preset's.
fn in_force(step: u64, info: &CheckpointInfo, preset: &Preset, spec: &Spec) -> Result<Vec<Event>, Error> {
    let phase = phase_of(info);
    let planned = Settings::of(preset, phase, spec)?;
    let now = Settings::of_checkpoint(preset, info, spec)?;
    let begun = phase
        .and_then(|index| PhaseStart::of(preset, index, step, planned.weights(), planned.frozen.parts()));
    let before = planned.method.weights();
    let is_same = |name: &str, value: f64| before.iter().any(|(of, old)| *of == name && *old == value);
    let weights = now.method.weights().into_iter().filter(|&(name, value)| !is_same(name, value));
    let weights = weights.map(|(name, value)| Setting::Weight { name: name.to_owned(), value });
    let rate = now.learning_rate.map(|rate| Setting::LearningRate(Some(rate)));
    let (old, new) = (planned.frozen.parts(), now.frozen.parts());
    let thawed = old.iter().filter(|part| !now.frozen.holds(part)).cloned();
    let thawed = thawed.map(|layer| Setting::Thaw { layer });
    let frozen = new.into_iter().filter(|part| !old.contains(part)).map(|layer| Setting::Freeze { layer });
    let settings = weights.chain(rate).chain(thawed).chain(frozen);
    let applied = settings.map(|set| Event::Applied { step, revision: None, change: Applied::Set(set) });
    Ok(begun.into_iter().map(|begun| Event::Phase(Box::new(begun))).chain(applied).collect())
}

/// What decides which images make up which step.
fn epochs(preset: &Preset) -> (usize, DataConfig) {
    let data = DataConfig { path: None, crop_padding: None, flip: None, ..preset.data.clone() };
    (preset.training.batch, data)
}
