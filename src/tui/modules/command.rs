//! The command lines equivalent to composing modules and replacing a class.

use crate::export::command::{option, quoted};
use crate::run::class_word;
use crate::tui::message::ModuleName;
use crate::tui::widget::{Field, Form};

/// `cleave compose` with the values of its form.
pub(super) fn compose(form: &Form, modules: &[ModuleName]) -> String {
    let modules: Vec<String> =
        modules.iter().map(|(run, module)| quoted(&format!("{run}/{module}"))).collect();
    let join = form.value("join");
    let epochs = if join == "logits" { String::new() } else { option("fine-tune", &form.value("epochs")) };
    let [name, join, licence] = ["name", "join", "licence"].map(|field| option(field, &form.value(field)));
    format!("cleave compose {}{name}{join}{epochs}{licence}", modules.join(" "))
}

/// `cleave replace` with the values of its form, for a run with these class names.
pub(super) fn replace(form: &Form, run: &str, names: &[String]) -> String {
    let class = form.field("class").and_then(Field::chosen).unwrap_or(0);
    let class = option("class", &class_word(class, names));
    let [with, name] =
        [("with", "donor"), ("name", "name")].map(|(flag, field)| option(flag, &form.value(field)));
    format!("cleave replace --in {}{class}{with}{name}", quoted(run))
}
