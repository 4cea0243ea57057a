//! Everything that was written down of a run, read once for tables, TensorBoard and reports.

#[cfg(test)]
pub(super) mod fixture;

use std::collections::BTreeMap;

use super::error::Error;
use crate::backend::Machine;
use crate::modular::{self, Split, Usage};
use crate::preset::Preset;
use crate::run::{EpochRecord, Event, Imported, Manifest, ModuleManifest, Run, StepRecord, Store, Summary};

/// A run's logs, its kernel usage and the modules extracted from it.
#[derive(Clone, Debug)]
pub struct History {
    /// What was asked for.
    pub manifest: Manifest,
    /// A record an epoch.
    pub epochs: Vec<EpochRecord>,
    /// Means over a few steps each.
    pub steps: Vec<StepRecord>,
    /// What happened.
    pub events: Vec<Event>,
    /// The modules, by name.
    pub modules: Vec<ModuleManifest>,
    /// Which kernels each class uses, at the newest checkpoint where it was counted.
    pub usage: Option<Usage>,
    /// The preset of the run that this one branched off, if that is still beside it.
    pub before: Option<Preset>,
    /// Modules, torn lines and usage that had to be left out, and why.
    pub problems: Vec<String>,
}

impl History {
    /// Reads a run, also one that is being trained.
    ///
    /// # Errors
    ///
    /// When a log or the usage cannot be read. A module that is damaged is left out and named in [`History::problems`].
    pub fn read(run: &Run) -> Result<History, Error> {
        let mut problems = Vec::new();
        let mut torn = |log: &str, torn: Option<crate::run::Torn>| {
            problems.extend(torn.map(|torn| format!("line {} of the {log} log is cut short", torn.line)));
        };
        let (epochs, end) = run.metrics()?;
        torn("metric", end);
        let (steps, end) = run.steps()?;
        torn("step", end);
        let (events, end) = run.events()?;
        torn("event", end);
        let mut modules = Vec::new();
        for entry in run.modules()? {
            match entry.manifest {
                Ok(manifest) => modules.push(manifest),
                Err(error) => problems.push(error.to_string()),
            }
        }
        let usage = newest_usage(run)?.map(|bytes| usage_of(&bytes, &run.manifest)).transpose()?;
        let usage = usage.and_then(|usage| usage.map_err(|why| problems.push(why)).ok());
        let parent =
            run.manifest.parent.as_ref().and_then(|parent| Store::around(run).exact(&parent.run).ok());
        let before = parent.map(|parent| parent.manifest.preset);
        let manifest = run.manifest.clone();
        Ok(History { manifest, epochs, steps, events, modules, usage, before, problems })
    }

    /// What the run came to, if it has finished.
    pub fn summary(&self) -> Option<&Summary> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Finished { summary, .. } => Some(summary),
            _ => None,
        })
    }

    /// The file whose weights the run began with, if another program had trained them.
    pub fn imported(&self) -> Option<&Imported> {
        self.events.iter().find_map(|event| match event {
            Event::Imported { from, .. } => Some(from),
            _ => None,
        })
    }

    /// What trained it: the versions of the program and the machines, each once, in their order.
    pub fn machines(&self) -> Vec<(&str, &Machine)> {
        let mut machines = Vec::new();
        for event in &self.events {
            if let Event::Machine { program, machine, .. } = event
                && !machines.contains(&(program.as_str(), machine))
            {
                machines.push((program.as_str(), machine));
            }
        }
        machines
    }

    /// The modules of all classes at the preset's threshold; none without usage.
    ///
    /// # Errors
    ///
    /// When a class has no samples.
    pub fn class_modules(&self) -> Result<Option<Split>, Error> {
        let threshold = self.manifest.preset.modules.threshold;
        Ok(self.usage.as_ref().map(|usage| usage.modules(threshold)).transpose()?)
    }

    /// Changes of loss weights and learning rate, and the steps at which they took effect; without those that were
    /// lost, as no checkpoint held them when the next session began.
    pub fn changes(&self) -> Vec<(u64, &str)> {
        let (mut changes, mut held) = (Vec::new(), BTreeMap::new());
        for event in &self.events {
            match event {
                Event::Applied { step, change, .. } => changes.push((*step, change.as_str())),
                Event::Checkpointed { step } => _ = held.insert(*step, changes.len()),
                Event::Started { step, .. } => {
                    let kept = held.get(step).copied();
                    changes.truncate(kept.unwrap_or(changes.len()));
                }
                _ => {}
            }
        }
        changes
    }
}

/// The usage in a file, or why it is not the run's: its files may have been mixed with another's.
fn usage_of(bytes: &[u8], manifest: &Manifest) -> Result<Result<Usage, String>, Error> {
    let usage = match Usage::from_safetensors(bytes, &manifest.network) {
        Ok(usage) => usage,
        Err(modular::Error::UnknownSite { .. }) => {
            return Ok(Err("the kernel usage is of another network: it is left out".into()));
        }
        Err(error) => return Err(error.into()),
    };
    let (classes, known) = (usage.classes(), manifest.classes.len());
    Ok(match classes == known {
        true => Ok(usage),
        false => {
            Err(format!("the kernel usage is of {classes} classes and the run of {known}: it is left out"))
        }
    })
}

fn newest_usage(run: &Run) -> Result<Option<Vec<u8>>, Error> {
    for (step, _) in run.checkpoints()?.into_iter().rev() {
        if let Some(bytes) = run.load_usage(step)? {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_of_another_run_is_left_out_and_said_so() {
        let History { usage, mut manifest, .. } = fixture::history();
        let usage = usage.unwrap();
        let bytes = usage.to_safetensors().unwrap();
        assert_eq!(usage_of(&bytes, &manifest).unwrap(), Ok(usage));
        let network = manifest.network.clone();
        manifest.network.stages.remove(0);
        assert!(usage_of(&bytes, &manifest).unwrap().unwrap_err().contains("another network"));
        manifest.network = network;
        manifest.classes.push("more".into());
        assert!(usage_of(&bytes, &manifest).unwrap().unwrap_err().contains("3 classes and the run of 4"));
        assert!(usage_of(&bytes[1..], &manifest).is_err());
    }
}
