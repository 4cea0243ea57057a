//! Command lines that reproduce runs and modules, for the workbench and for reports.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::modular::Provenance;
use crate::preset::{Preset, embedded};
use crate::reuse::Request;
use crate::run::{Parent, class_word};

/// A word quoted for a shell, in single quotes unless it is plain.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// ` --name value`, with a leading space; empty without a value.
pub fn option(name: &str, value: &str) -> String {
    match value.trim() {
        "" => String::new(),
        value => format!(" --{name} {}", quoted(value)),
    }
}

/// `cleave extract` with the options of a request, for a run with these class names.
pub fn extract(run: &str, names: &[String], request: &Request) -> String {
    let classes: Vec<String> = request.classes.iter().map(|&class| class_word(class, names)).collect();
    let mut line = format!(
        "cleave extract {} --classes {}{} --fine-tune {}",
        quoted(run),
        quoted(&classes.join(",")),
        way(&request.provenance),
        request.fine_tune_epochs
    );
    for (flag, given) in [(" --head-free", !request.head), (" --fold-masks", request.fold_masks)] {
        line.push_str(if given { flag } else { "" });
    }
    if request.controls > 0 {
        let _ = write!(line, " --controls {}", request.controls);
    }
    line + &option("name", &request.name)
}

/// The options that say how units are chosen.
fn way(provenance: &Provenance) -> String {
    match provenance {
        Provenance { by, threshold: Some(threshold), .. } if by == Provenance::USAGE => {
            format!(" --threshold {threshold}")
        }
        // Only a newer version can have written it; the line then fails with a message that names the option.
        other => option("by", &other.by),
    }
}

/// `cleave train` for a branch with this preset. `before` is the parent's preset; if unknown, the built-in preset of
/// the same name is used, and without one every value is written.
pub fn branch(parent: &Parent, preset: &Preset, before: Option<&Preset>) -> String {
    let found = before.is_none().then(|| original(preset)).flatten();
    // A branch has the network of its parent.
    let changed = changed(preset, before.or(found.as_ref())).filter(|(key, _)| !key.starts_with("network."));
    format!("cleave train --branch {} --step {}{}", quoted(&parent.run), parent.step, set(changed))
}

/// The options that turn the built-in preset of the same name into this preset. `None` if there is none, or if a value
/// would have to be removed.
pub fn set_of_own(preset: &Preset) -> Option<String> {
    let before = original(preset)?;
    let now = leaves(preset);
    let keeps = leaves(&before).keys().all(|key| now.contains_key(key) || key.starts_with("paper."));
    keeps.then(|| set(changed(preset, Some(&before))))
}

fn set(values: impl Iterator<Item = (String, String)>) -> String {
    values.map(|(key, value)| option("set", &format!("{key}={value}"))).collect()
}

/// The built-in preset of the same name.
fn original(preset: &Preset) -> Option<Preset> {
    let (name, text) = embedded().find(|(name, _)| *name == preset.name)?;
    Preset::parse(text, name, &[]).ok()
}

/// Values that differ from those of `before`; all values without it. The `paper` section is not a setting.
fn changed(preset: &Preset, before: Option<&Preset>) -> impl Iterator<Item = (String, String)> {
    let before = before.map(leaves).unwrap_or_default();
    let differs = move |(key, value): &(String, String)| before.get(key) != Some(value);
    let is_setting = |(key, _): &(String, String)| key.contains('.') && !key.starts_with("paper.");
    leaves(preset).into_iter().filter(differs).filter(is_setting)
}

/// Dotted keys and values of a preset, including all defaults.
fn leaves(preset: &Preset) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    if let Some(table) = preset.to_toml().ok().and_then(|text| text.parse::<toml::Table>().ok()) {
        gather("", &toml::Value::Table(table), &mut found);
    }
    found
}

fn gather(key: &str, value: &toml::Value, found: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                gather(&key, value, found);
            }
        }
        value => {
            found.insert(key.to_owned(), value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn any_text_is_one_word_of_a_shell() {
        assert_eq!((quoted("MIT"), quoted("it's $HOME")), ("MIT".into(), "'it'\\''s $HOME'".into()));
    }

    #[test]
    fn names_are_quoted_for_a_shell_and_numbers_stand_for_names_that_cannot_be_given() {
        let names = ["it's", "a,b", "sea lion", "7", "7"].map(String::from);
        let request = Request {
            classes: vec![0, 1, 2, 3, 4],
            provenance: Provenance::usage(0.85),
            head: false,
            fold_masks: true,
            fine_tune_epochs: 0,
            controls: 5,
            name: "x".into(),
        };
        assert_eq!(
            extract("my-run", &names, &request),
            r"cleave extract my-run --classes 'it'\''s,1,sea lion,7,4' --threshold 0.85 --fine-tune 0 --head-free --fold-masks --controls 5 --name x"
        );
    }

    #[test]
    fn a_branch_says_where_it_began_and_what_it_changed() {
        let preset = |set: &[&str]| {
            let set: Vec<_> = set.iter().map(|set| set.parse().unwrap()).collect();
            Preset::find("digits", Path::new(""), &set).unwrap()
        };
        let parent = Parent { run: "digits-1".into(), step: 7 };
        let now = preset(&["method.beta=4", "training.seed=9"]);
        let line = "cleave train --branch digits-1 --step 7 --set method.beta=4.0";
        assert_eq!(branch(&parent, &now, Some(&preset(&["training.seed=9"]))), line);
        assert_eq!(branch(&parent, &now, None), format!("{line} --set training.seed=9"));
        let own = Preset { name: "mine".into(), ..now };
        assert!(branch(&parent, &own, None).contains(" --set training.epochs="));
        assert_eq!(set_of_own(&own), None);
        assert_eq!(set_of_own(&preset(&["method.beta=4"])).unwrap(), " --set method.beta=4.0");
    }
}
