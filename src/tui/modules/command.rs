//! The command line that takes the same module out without the workbench.

use crate::train::Request;
use crate::tui::command::{option, quoted};
use crate::tui::message::Named;
use crate::tui::widget::Form;

/// `cleave extract` with the options of a request; classes by name where that is unambiguous.
pub(super) fn extract(run: &str, names: &[String], request: &Request) -> String {
    let mut words = vec!["cleave".into(), "extract".into(), quoted(run)];
    let classes: Vec<String> = request.classes.iter().map(|&class| handle(class, names)).collect();
    words.extend(["--classes".into(), quoted(&classes.join(","))]);
    words.extend(["--threshold".into(), request.threshold.to_string()]);
    words.extend(["--fine-tune".into(), request.fine_tune_epochs.to_string()]);
    if !request.head {
        words.push("--head-free".into());
    }
    if request.fold_masks {
        words.push("--fold-masks".into());
    }
    if request.controls > 0 {
        words.extend(["--controls".into(), request.controls.to_string()]);
    }
    if !request.name.is_empty() {
        words.extend(["--name".into(), quoted(&request.name)]);
    }
    words.join(" ")
}

/// How the command line names a class: by its name; by its number where the name holds a comma, which would
/// separate two, or belongs to an earlier class too.
fn handle(class: usize, names: &[String]) -> String {
    let name = names.get(class).map_or("", String::as_str);
    let first = names.iter().position(|other| other == name) == Some(class);
    let plain = first && !name.is_empty() && !name.contains(',') && !name.starts_with('-') && name != "all";
    if plain { name.to_owned() } else { class.to_string() }
}

/// `cleave compose` with what its form says.
pub(super) fn compose(form: &Form, modules: &[Named]) -> String {
    let modules: Vec<String> =
        modules.iter().map(|(run, module)| quoted(&format!("{run}/{module}"))).collect();
    let join = form.value("join");
    let epochs = if join == "logits" { String::new() } else { option("fine-tune", &form.value("epochs")) };
    let [name, join, licence] = ["name", "join", "licence"].map(|field| option(field, &form.value(field)));
    format!("cleave compose {}{name}{join}{epochs}{licence}", modules.join(" "))
}

/// `cleave replace` with what its form says.
pub(super) fn replace(form: &Form, run: &str) -> String {
    let [class, with, name] = [("class", "class"), ("with", "donor"), ("name", "name")]
        .map(|(flag, field)| option(flag, &form.value(field)));
    format!("cleave replace --in {}{class}{with}{name}", quoted(run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_for_a_shell_and_numbers_stand_for_names_that_cannot_be_given() {
        let names = ["it's", "a,b", "sea lion", "7", "7"].map(String::from);
        let request = Request {
            classes: vec![0, 1, 2, 3, 4],
            threshold: 0.85,
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
}
