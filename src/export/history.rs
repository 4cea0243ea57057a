//! All records of a run, read once for tables, TensorBoard and reports.

#[cfg(test)]
pub(super) mod fixture;

use std::collections::BTreeMap;

use super::error::Error;
use crate::backend::Machine;
use crate::modular::{self, Split, Usage};
use crate::preset::Preset;
use crate::run::{EpochRecord, Event, Imported, Manifest, ModuleManifest, Run, StepRecord, Store, Summary};

/// A run's logs, kernel usage and modules.
#[derive(Clone, Debug)]
pub struct History {
    /// The manifest.
    pub manifest: Manifest,
    /// One record per epoch.
    pub epochs: Vec<EpochRecord>,
    /// Step records, each the mean over a few steps.
    pub steps: Vec<StepRecord>,
    /// The events.
    pub events: Vec<Event>,
    /// The modules, by name.
    pub modules: Vec<ModuleManifest>,
    /// Kernel usage at the newest checkpoint that has it.
    pub usage: Option<Usage>,
    /// The preset of the parent run, if that still exists.
    pub before: Option<Preset>,
    /// Modules, truncated lines and usage that were left out, and why.
    pub problems: Vec<String>,
}

impl History {
    /// Reads a run, which may be training.
    ///
    /// # Errors
    ///
    /// When a log or the usage cannot be read. Damaged modules are left out and listed in `problems`.
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

    /// The results, if the run has finished.
    pub fn summary(&self) -> Option<&Summary> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Finished { summary, .. } => Some(summary),
            _ => None,
        })
    }

    /// The import record, if the weights were imported.
    pub fn imported(&self) -> Option<&Imported> {
        self.events.iter().find_map(|event| match event {
            Event::Imported { from, .. } => Some(from),
            _ => None,
        })
    }

    /// The program versions and machines that trained the run, each once, in order.
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

    /// The modules of all classes at the preset's threshold; `None` without usage.
    ///
    /// # Errors
    ///
    /// When a class has no samples.
    pub fn class_modules(&self) -> Result<Option<Split>, Error> {
        let threshold = self.manifest.preset.modules.threshold;
        Ok(self.usage.as_ref().map(|usage| usage.modules(threshold)).transpose()?)
    }

    /// Setting changes with the steps at which they took effect, excluding changes that were lost because no checkpoint
    /// contained them when the run was resumed.
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
            return Ok(Err("left out the kernel usage: it belongs to another network".into()));
        }
        Err(error) => return Err(error.into()),
    };
    let (classes, known) = (usage.classes(), manifest.classes.len());
    Ok(match classes == known {
        true => Ok(usage),
        false => Err(format!("left out the kernel usage: it has {classes} classes and the run has {known}")),
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
        assert!(usage_of(&bytes, &manifest).unwrap().unwrap_err().contains("3 classes and the run has 4"));
        assert!(usage_of(&bytes[1..], &manifest).is_err());
    }
}
