//! The text output of `cleave runs show`.

use super::short;
use super::show::{ModuleRow, Report};
use crate::cli::error::Failure;
use crate::cli::output::{self, Table, count, percent, percent_or_dash, ratio_or_dash};
use crate::run::{Parent, SplitRecord, age};

impl Report {
    pub(super) fn print(&self) -> Result<(), Failure> {
        for (name, text) in self.facts() {
            output::line(&format!("{name:<12} {text}"))?;
        }
        self.print_last()?;
        self.print_summary()?;
        self.paper.iter().try_for_each(super::paper::print)?;
        self.print_modules()
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let [channels, height, width] = self.input;
        let reason = self.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        let ago = age(&self.created).map_or_else(String::new, |age| format!(" ({} ago)", short(age)));
        let weights: String = self.weights.iter().map(|(name, value)| format!(", {name} {value}")).collect();
        let mut facts = vec![
            ("run", self.run.clone()),
            ("path", self.path.clone()),
            ("status", format!("{}{reason}", self.status)),
            ("created", format!("{}{ago}, by cleave {}", self.created, self.program)),
            ("preset", format!("{}: {}", self.preset, self.description)),
            ("method", format!("{}{weights}", self.method)),
            ("data", format!("{}, {} classes, {channels}x{height}x{width}", self.data, self.classes.len())),
            ("device", format!("{}, seed {}", self.device, self.seed)),
            ("network", self.network()),
            ("epochs", format!("{} of {}{}", self.epoch, self.epochs, self.best())),
            ("checkpoints", listed(self.checkpoints.iter().map(u64::to_string))),
        ];
        if !self.phases.is_empty() {
            facts.push(("phases", self.phases_in_words()));
        }
        facts.extend(
            self.parent.as_ref().map(|Parent { run, step }| ("parent", format!("{run} at step {step}"))),
        );
        if !self.branches.is_empty() {
            let branches =
                self.branches.iter().map(|Parent { run, step }| format!("{run} (from step {step})"));
            facts.push(("branches", listed(branches)));
        }
        facts
    }

    /// `5 epochs warm-up, 10 epochs`.
    fn phases_in_words(&self) -> String {
        listed(self.phases.iter().map(|phase| {
            let name = phase.name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
            let ending = if phase.epochs == 1 { "" } else { "s" };
            format!("{} epoch{ending}{name}", phase.epochs)
        }))
    }

    fn network(&self) -> String {
        let (params, macs) = (count(self.params), count(self.macs));
        format!("{params} parameters, {} kernels, {macs} MACs", self.kernels)
    }

    fn best(&self) -> String {
        self.last.as_ref().map_or_else(String::new, |record| {
            format!(", best validation accuracy {}", percent(record.best_valid_accuracy))
        })
    }

    fn print_last(&self) -> Result<(), Failure> {
        let Some(record) = &self.last else { return Ok(()) };
        let title = format!("epoch {}", record.epoch);
        let mut table = Table::new(&[&title, "loss", "accuracy", "sample cohesion", "coupling", "KRR"]);
        for (name, split) in [("train", &record.train), ("valid", &record.valid)] {
            table.row(split_cells(name, split));
        }
        output::line("")?;
        Ok(table.print()?)
    }

    fn print_summary(&self) -> Result<(), Failure> {
        let Some(summary) = &self.summary else { return Ok(()) };
        let mut table = Table::new(&["result", "test", "valid", "module cohesion", "coupling", "KRR"]);
        table.row([
            "accuracy".into(),
            percent(summary.test_accuracy),
            percent(summary.valid_accuracy),
            ratio_or_dash(summary.cohesion),
            ratio_or_dash(summary.coupling),
            percent_or_dash(summary.krr),
        ]);
        output::line("")?;
        Ok(table.print()?)
    }

    fn print_modules(&self) -> Result<(), Failure> {
        let mut table =
            Table::new(&["module", "classes", "kernels", "KRR", "params", "whole", "extracted", "tuned"]);
        self.modules.iter().for_each(|module| table.row(module.cells()));
        if table.is_empty() {
            return Ok(());
        }
        output::line("")?;
        table.print()?;
        for ModuleRow { name, problem, .. } in &self.modules {
            if let Some(problem) = problem {
                output::line(&format!("{name} is damaged: {problem}"))?;
            }
        }
        Ok(())
    }
}

impl ModuleRow {
    fn cells(&self) -> [String; 8] {
        let number = |n: Option<u64>| n.map_or_else(|| "-".into(), count);
        [
            self.name.clone(),
            listed(self.classes.iter().cloned()),
            number(self.kernels),
            percent_or_dash(self.krr),
            number(self.params),
            percent_or_dash(self.whole_accuracy),
            percent_or_dash(self.accuracy_before),
            percent_or_dash(self.accuracy_after),
        ]
    }
}

fn split_cells(name: &str, split: &SplitRecord) -> [String; 6] {
    let masks = split.masks.as_ref();
    [
        name.to_owned(),
        split.losses.get("total").map_or_else(|| "-".into(), |loss| format!("{loss:.4}")),
        percent(split.accuracy),
        ratio_or_dash(masks.map(|masks| masks.cohesion)),
        ratio_or_dash(masks.map(|masks| masks.coupling)),
        percent_or_dash(masks.map(|masks| masks.krr)),
    ]
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let text = items.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "-".into() } else { text }
}
