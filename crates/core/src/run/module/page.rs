//! `README.md` of a module: its description and its card as a page to read.

use std::fmt::Write;

use serde::Serialize;

use super::card::{Card, Origin, Taxonomy};
use super::manifest::ModuleManifest;
use crate::markup::markdown;

impl ModuleManifest {
    /// The page beside a module: what [`ModuleManifest`] says, in Markdown.
    pub fn readme(&self) -> String {
        let mut page = format!("# Module {}\n\n", markdown(&self.name));
        page.push_str(&self.summary());
        page.push_str("\n\n## Classes\n\n");
        for (label, class) in self.classes.iter().enumerate() {
            let _ = writeln!(page, "{label}. {}", markdown(class));
        }
        page.push_str(&self.accuracies());
        page.push_str(&self.numbers());
        if let Some(card) = &self.card {
            page.push_str(&card.sections());
        }
        page.push_str(
            "\n## Files\n\n`module.toml` says all of this to programs, with the network and the SHA-256 of every \
             other file; `weights.safetensors` holds the weights. `cleave verify` in this directory checks \
             them, `cleave predict` tries the module on pictures, `cleave export` writes it for other \
             programs.\n",
        );
        page
    }

    fn summary(&self) -> String {
        let origin = self.card.as_ref().map_or(Origin::Extracted, |card| card.origin);
        let (run, step) = (markdown(&self.run), self.step);
        let how = match origin {
            Origin::Extracted => {
                let by = self
                    .provenance()
                    .map_or(String::new(), |by| format!(" by {}", markdown(&by.to_string())));
                format!("cut out of the run {run} after step {step}{by}")
            }
            Origin::Composed => "put together from the modules named below".into(),
            Origin::Replaced => format!("the network of the run {run}, of which a module decides one class"),
        };
        let kind =
            if self.one_vs_rest { "tells one class from all others" } else { "tells its classes apart" };
        let [channels, height, width] = self.input;
        format!(
            "A convolutional network that {kind}: {how}, by cleave {}, on {}. It takes \
             {channels}x{height}x{width} images (channels, height, width); an input value is (pixel / 255 - \
             mean) / std with mean {:?} and std {:?}.",
            markdown(&self.program),
            markdown(&self.created),
            self.mean,
            self.std
        )
    }

    fn accuracies(&self) -> String {
        let percent = |value: Option<f64>| value.map_or("-".into(), |v| format!("{:.2} %", 100.0 * v));
        let mut text =
            String::from("\n## Accuracy\n\n| on the test images of its classes | before | after |\n");
        text.push_str("|---|---:|---:|\n");
        let mut row = |name: &str, before, after| {
            let _ = writeln!(text, "| {name} | {} | {} |", percent(before), percent(after));
        };
        if self.whole_accuracy.is_some() {
            row("whole network", self.whole_accuracy, None);
        }
        row("module", self.accuracy_before, self.accuracy_after);
        for control in &self.controls {
            let name = format!("random kernels {}", control.draw + 1);
            row(&name, Some(control.accuracy_before), control.accuracy_after);
        }
        for class in self.card.iter().flat_map(|card| &card.class_accuracy) {
            row(&format!("class {}", markdown(&class.class)), Some(class.before), Some(class.after));
        }
        if let Some(card) = &self.card {
            let _ = writeln!(text, "\n{}", markdown(&card.protocol));
        }
        text
    }

    fn numbers(&self) -> String {
        format!(
            "\n## Size\n\n{} parameters, {} multiply-accumulates an image, {} kernels kept: {:.2} % of the masked \
             ones (kernel retention rate), {:.2} % of all.\n",
            self.params,
            self.macs,
            self.kernels,
            100.0 * self.krr,
            100.0 * self.krr_all
        )
    }
}

impl Card {
    fn sections(&self) -> String {
        let mut text = String::from("\n## Where it comes from\n\n");
        let _ = writeln!(text, "Data: {}.\n", markdown(&self.data));
        for parent in &self.parents {
            let what =
                parent.module.as_ref().map_or("whole network".into(), |m| format!("module {}", markdown(m)));
            let _ = writeln!(text, "* run {}, step {}: {what}", markdown(&parent.run), parent.step);
        }
        let licence = if self.licence.is_empty() { "not stated".into() } else { markdown(&self.licence) };
        let _ = writeln!(text, "\n## Licence\n\n{licence}\n\n## Taxonomy\n\n| axis | value |\n|---|---|");
        let Taxonomy { computation, routing, aggregation, training } = &self.taxonomy;
        for (axis, value) in [
            ("computation", word(computation)),
            ("routing", word(routing)),
            ("aggregation", word(aggregation)),
            ("training", word(training)),
        ] {
            let _ = writeln!(text, "| {axis} | {value} |");
        }
        text.push_str("\nAfter the survey \"Modular Deep Learning\" (arXiv 2302.11529).\n");
        text
    }
}

/// A unit variant as it is written in `module.toml`.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture;

    #[test]
    fn the_page_says_what_a_stranger_needs_and_names_are_only_text() {
        let mut manifest = fixture::module("zero").manifest;
        manifest.classes = vec!["<script>|x".into(), "rest".into()];
        let page = manifest.readme();
        for said in [
            "# Module zero",
            "75.00 %",
            "128 parameters",
            "cut out of the run digits after step 7 by usage with threshold 0.9",
            "not stated",
        ] {
            assert!(page.contains(said), "{said} in {page}");
        }
        assert!(page.contains("0. &lt;script\\>\\|x") && !page.contains("<script"), "{page}");
    }
}
