//! All records of a run, read once for tables, TensorBoard and reports.

#[cfg(test)]
pub(super) mod fixture;

use std::collections::BTreeMap;

use super::error::Error;
use crate::backend::Machine;
use crate::modular::{ClassModules, Usage, masked_layers};
use crate::preset::Preset;
use crate::run::{
    Applied, EpochRecord, Event, Imported, Manifest, ModuleManifest, PhaseStart, Run, StepRecord, Store,
    Summary,
};

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
        let usage = newest_usage(run)?;
        let fault = usage.as_ref().and_then(|usage| fault(usage, &run.manifest));
        let usage = usage.filter(|_| fault.is_none());
        problems.extend(fault);
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
    pub fn class_modules(&self) -> Result<Option<ClassModules>, Error> {
        let threshold = self.manifest.preset.modules.threshold;
        Ok(self.usage.as_ref().map(|usage| usage.modules(threshold)).transpose()?)
    }

    /// The phases that have begun, in order; a phase that began again after a resume once.
    pub fn phases(&self) -> Vec<&PhaseStart> {
        let mut phases: Vec<&PhaseStart> = Vec::new();
        for event in &self.events {
            if let Event::Phase(begun) = event {
                phases.retain(|before| before.phase < begun.phase);
                phases.push(begun);
            }
        }
        phases
    }

    /// Setting changes with the steps at which they took effect, excluding changes that were lost because no checkpoint
    /// contained them when the run was resumed.
    pub fn changes(&self) -> Vec<(u64, &Applied)> {
        let (mut changes, mut held) = (Vec::new(), BTreeMap::new());
        for event in &self.events {
            match event {
                Event::Applied { step, change, .. } => changes.push((*step, change)),
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

/// Why the usage does not belong to the run, if it does not: files may have been copied from another run.
fn fault(usage: &Usage, manifest: &Manifest) -> Option<String> {
    let (classes, known) = (usage.class_sizes().len(), manifest.classes.len());
    if classes != known {
        return Some(format!("left out the kernel usage: it has {classes} classes and the run has {known}"));
    }
    let is_same = masked_layers(&manifest.network).is_ok_and(|layers| layers == usage.layers());
    (!is_same).then(|| "left out the kernel usage: it belongs to another network".into())
}

fn newest_usage(run: &Run) -> Result<Option<Usage>, Error> {
    for (step, _) in run.checkpoints()?.into_iter().rev() {
        if let Some(bytes) = run.load_usage(step)? {
            return Ok(Some(Usage::from_safetensors(&bytes)?));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_of_another_run_is_told_of() {
        let History { usage, mut manifest, .. } = fixture::history();
        let usage = usage.unwrap();
        assert_eq!(fault(&usage, &manifest), None);
        let network = manifest.network.clone();
        manifest.network.stages.remove(0);
        assert!(fault(&usage, &manifest).unwrap().contains("another network"));
        manifest.network = network;
        manifest.classes.push("more".into());
        assert!(fault(&usage, &manifest).unwrap().contains("3 classes and the run has 4"));
    }
}
