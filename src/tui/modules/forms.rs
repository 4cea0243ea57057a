//! The forms of the modules screen, and the requests and jobs they describe.

use std::path::{Path, PathBuf};

use super::module_list::Marked;
use super::paint::percent;
use super::run_model::RunModel;
use super::sets::Sets;
use crate::modular::Provenance;
use crate::reuse::{Join, Request};
use crate::run::{check_name as check, slug};
use crate::tui::message::{Job, ModuleName};
use crate::tui::output;
use crate::tui::widget::{Field, Form};

/// An open form and its purpose.
#[derive(Clone, Debug)]
pub(super) enum OpenForm {
    /// Extract a module.
    Extract(Form),
    /// Export a module.
    Export(Form, String),
    /// Compose modules.
    Compose(Form, Vec<ModuleName>),
    /// Replace a class by one of these modules.
    Replace(Form, Vec<ModuleName>),
    /// Save the chosen classes as a named set.
    SaveSet(Form),
    /// Choose an image to classify.
    Image(Form),
    /// Export the shown chart.
    Chart(Form),
}

impl OpenForm {
    /// The form.
    pub fn form(&self) -> &Form {
        match self {
            OpenForm::Extract(form)
            | OpenForm::Export(form, _)
            | OpenForm::Compose(form, _)
            | OpenForm::Replace(form, _)
            | OpenForm::SaveSet(form)
            | OpenForm::Image(form)
            | OpenForm::Chart(form) => form,
        }
    }

    /// The form, mutable.
    pub fn form_mut(&mut self) -> &mut Form {
        match self {
            OpenForm::Extract(form)
            | OpenForm::Export(form, _)
            | OpenForm::Compose(form, _)
            | OpenForm::Replace(form, _)
            | OpenForm::SaveSet(form)
            | OpenForm::Image(form)
            | OpenForm::Chart(form) => form,
        }
    }

    /// Validates fields that depend on each other, after the field of this index changed.
    pub fn changed(&mut self, field: usize, model: &RunModel) {
        match self {
            OpenForm::Extract(form) => check_extract(form, model),
            OpenForm::Export(form, module) => {
                let name = format!("{}-{module}", model.run);
                output::changed(form, field, &name);
            }
            OpenForm::Compose(form, _) => check_compose(form),
            OpenForm::Replace(form, _) => {
                if form.fields.get(field).is_some_and(|field| field.name == "class") {
                    let name = replaced_name(&form.value("class"));
                    form.set_text("name", &name);
                }
            }
            OpenForm::SaveSet(_) | OpenForm::Image(_) | OpenForm::Chart(_) => {}
        }
    }
}

/// The form for extracting the module of the chosen classes, with defaults from the run's preset.
pub(super) fn extract(model: &RunModel) -> Form {
    let settings = &model.settings;
    let name = free_name(&model.modules, &base_name(model));
    let mut form = Form::new(
        "Extract module",
        "extract",
        vec![
            Field::text("name", "Name", &name).check(check_name).help("letters A to Z, digits and . _ -"),
            Field::tick("head", "New head", needs_head(model)).help(
                "a new linear layer for these classes, to be fine-tuned; off: keep the network's logits",
            ),
            Field::tick("fold", "Fold masks", false)
                .help("fold the mean masks into batch norm (not in the paper)"),
            Field::count("epochs", "Fine-tune epochs", settings.fine_tune_epochs as u64, (0, 10_000))
                .help("keeps the epoch with the best validation accuracy; 0: no fine-tuning"),
            Field::count("controls", "Random controls", settings.controls as u64, (0, 100))
                .help("modules of as many random kernels for comparison; each takes as long as the module"),
        ],
    );
    let chosen = model.classes.chosen_names();
    let mut notes = vec![format!("{} classes: {}", chosen.len(), chosen.join(", "))];
    if let Some(preview) = model.preview() {
        let way = match model.has_class_masks() {
            true => "class masks fixed in training".to_owned(),
            false => format!("threshold {}", model.threshold()),
        };
        notes.push(format!(
            "{way}: {} of {} kernels ({}), {} of the parameters",
            preview.kernels,
            preview.tracked,
            percent(preview.krr()),
            percent(preview.params_ratio()),
        ));
    }
    form.notes = notes;
    check_extract(&mut form, model);
    form
}

/// Applies the trainer's checks of a request, and checks that the name is free.
fn check_extract(form: &mut Form, model: &RunModel) {
    let (head, one) = (form.ticked("head"), model.classes.chosen().len() == 1);
    let name = form.value("name");
    let taken = model.modules.iter().any(|(other, _)| *other == name);
    let problems = [
        ("name", taken.then(|| "name already in use".to_owned())),
        ("head", (one && !head).then(|| "required for a single class".to_owned())),
        (
            "epochs",
            (head && form.number("epochs") == Some(0.0)).then(|| "at least 1 with a new head".to_owned()),
        ),
    ];
    for (field, problem) in problems {
        if let Some(field) = form.field_mut(field) {
            field.set_problem(problem);
        }
    }
}

/// The request of a valid form.
pub(super) fn request(form: &Form, model: &RunModel) -> Option<Request> {
    Some(Request {
        classes: model.classes.chosen(),
        provenance: Provenance::usage(model.threshold()),
        head: form.ticked("head"),
        fold_masks: form.ticked("fold"),
        fine_tune_epochs: form.number("epochs")? as usize,
        controls: form.number("controls")? as usize,
        name: form.value("name"),
    })
}

/// Whether a module gets a new head unless a person decides otherwise: where it is fine-tuned, or has one class.
fn needs_head(model: &RunModel) -> bool {
    model.settings.fine_tune_epochs > 0 || model.classes.chosen().len() == 1
}

/// The request of an unchanged form.
pub(super) fn plain_request(model: &RunModel) -> Request {
    Request {
        classes: model.classes.chosen(),
        provenance: Provenance::usage(model.threshold()),
        head: needs_head(model),
        fold_masks: false,
        fine_tune_epochs: match needs_head(model) {
            true => model.settings.fine_tune_epochs.max(1),
            false => model.settings.fine_tune_epochs,
        },
        controls: model.settings.controls,
        name: free_name(&model.modules, &base_name(model)),
    }
}

/// A default name from the classes, as the command line generates it.
fn base_name(model: &RunModel) -> String {
    let (names, all) = (model.classes.chosen_names(), model.classes.names().len());
    slug(&match names.len() {
        n if n == all => "all".to_owned(),
        1..=4 => names.join("-"),
        n => format!("{n}-classes"),
    })
}

fn free_name(modules: &[super::run_model::ListedModule], base: &str) -> String {
    let numbered = (2..).map(|number: u64| format!("{base}-{number}"));
    let mut names = std::iter::once(base.to_owned()).chain(numbered);
    names.find(|name| modules.iter().all(|(other, _)| other != name)).unwrap_or_default()
}

fn check_name(name: &str) -> Result<(), String> {
    let short = match name {
        "" => "required",
        "latest" => "reserved",
        name if name.starts_with(['.', '-']) => "must not start with . or -",
        name if name.len() > 64 => "at most 64 characters",
        _ => "only A-Z 0-9 . _ -",
    };
    check(name).map_err(|_| short.into())
}

/// The form for exporting a module.
pub(super) fn export(run: &str, module: &str) -> Form {
    output::form(&format!("Export {module}"), &format!("{run}-{module}"), false)
}

/// The form for composing the marked modules.
pub(super) fn compose(marked: &[Marked], epochs: usize) -> Form {
    let modules = marked.iter().map(|marked| &marked.module);
    let classes: Vec<&str> = modules.clone().flat_map(|module| &module.classes).map(String::as_str).collect();
    let name = match classes.len() {
        1..=3 => slug(&classes.join("-")),
        n => format!("{n}-classes"),
    };
    let mut form = Form::new(
        "Compose modules",
        "compose",
        vec![
            Field::text("name", "Name", &name)
                .check(check_name)
                .help("stored in the run of the first module"),
            Field::choice("join", "Join", JOINS.map(|(name, ..)| name.to_owned()).to_vec(), 0)
                .help(JOINS[0].2),
            Field::count("epochs", "Fine-tune epochs", epochs as u64, (1, 10_000))
                .help("for a union, which is extracted again; parallel modules are not changed"),
            Field::text("licence", "Licence", "").help("licence to state on the card; may be empty"),
        ],
    );
    form.notes = modules
        .map(|module| format!("{}/{}: {}", module.run, module.name, module.classes.join(", ")))
        .collect();
    form
}

/// Ways to join modules: name, value, help.
const JOINS: [(&str, Join, &str); 3] = [
    ("auto", Join::Auto, "union for modules of one run and checkpoint, logits otherwise"),
    ("union", Join::Union, "extract the union of their kernels from their run and fine-tune it"),
    ("logits", Join::Logits, "run in parallel; a scale and a shift per module make logits comparable"),
];

fn join_of(form: &Form) -> (Join, &'static str) {
    let found = JOINS.iter().find(|(name, ..)| *name == form.value("join"));
    found.map_or((Join::Auto, ""), |(_, join, help)| (*join, help))
}

fn check_compose(form: &mut Form) {
    let help = join_of(form).1;
    if let Some(field) = form.field_mut("join") {
        field.help = help.into();
    }
}

/// The job of a form for composing modules.
pub(super) fn compose_job(form: &Form, modules: Vec<ModuleName>) -> Job {
    let join = join_of(form).0;
    let epochs = form.number("epochs").map(|epochs| epochs as usize);
    Job::Compose {
        modules,
        name: form.value("name"),
        join,
        fine_tune: epochs.filter(|_| join != Join::Logits),
        licence: Some(form.value("licence")).filter(|licence| !licence.is_empty()),
    }
}

/// The form for replacing a class. `chosen` is the initial class and index in `donors`.
pub(super) fn replace(model: &RunModel, donors: &[ModuleName], chosen: (usize, usize)) -> Form {
    let classes = model.classes.names().to_vec();
    let class = classes.get(chosen.0).cloned().unwrap_or_default();
    let donors = donors.iter().map(|(run, module)| format!("{run}/{module}")).collect();
    let mut form = Form::new(
        "Replace a weak class",
        "replace",
        vec![
            Field::choice("class", "Class", classes, chosen.0).help("the class to replace"),
            Field::choice("donor", "Module", donors, chosen.1)
                .help("must have a class of this name, or be a module of one class"),
            Field::text("name", "Name", &replaced_name(&class)).check(check_name),
        ],
    );
    form.notes = vec![
        "The module's logit replaces that of the class. A linear layer over all logits".into(),
        "is trained for 5 epochs with both networks frozen (as in MODA).".into(),
    ];
    form
}

fn replaced_name(class: &str) -> String {
    slug(&format!("replaced-{class}"))
}

/// The job of a form for replacing a class.
pub(super) fn replace_job(form: &Form, model: &RunModel, donors: &[ModuleName]) -> Option<Job> {
    let class = form.field("class")?.chosen()?;
    let donor = donors.get(form.field("donor")?.chosen()?)?.clone();
    Some(Job::Replace { run: model.run.clone(), class, donor, name: form.value("name") })
}

/// The job of a valid export form.
pub(super) fn export_job(form: &Form, run: &str, module: &str) -> Job {
    let to = PathBuf::from(form.value("path"));
    Job::Export { run: run.into(), module: Some(module.into()), export: output::export(form), to }
}

/// The form for saving the chosen classes.
pub(super) fn save_set(chosen: &[String], sets: &Sets) -> Form {
    let name = sets.iter().find(|(_, classes)| *classes == chosen).map(|(name, _)| name.as_str());
    let mut form = Form::new(
        "Save this set of classes",
        "save",
        vec![
            Field::text("name", "Name", name.unwrap_or_default())
                .check(|name| match name.trim() {
                    "" => Err("required".into()),
                    name if name.chars().count() > 40 => Err("at most 40 characters".into()),
                    _ => Ok(()),
                })
                .help("replaces a set of this name"),
        ],
    );
    form.notes = vec![format!("{} classes: {}", chosen.len(), chosen.join(", "))];
    form
}

/// The form for the path of an image.
pub(super) fn image(path: &str) -> Form {
    Form::new(
        "Classify an image",
        "classify",
        vec![
            Field::text("path", "Path", path)
                .help("a png, jpg, bmp, gif, webp, tiff or pnm file; empty: the run's test images"),
        ],
    )
}

/// The form for exporting the shown chart; `name` is the file name without extension.
pub(super) fn chart(name: &str) -> Form {
    Form::new(
        "Export the chart",
        "export",
        vec![
            Field::text("path", "Path", &format!("{name}.svg"))
                .check(|path| match format_of(path.as_ref()) {
                    Some(_) => Ok(()),
                    None => Err("must end in .svg, .png or .csv".into()),
                })
                .help("relative to the directory that cleave was started in; overwritten if it exists"),
        ],
    )
}

/// The format given by a chart file's extension.
pub(super) fn format_of(path: &Path) -> Option<&'static str> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    ["svg", "png", "csv"].into_iter().find(|format| *format == ending)
}
