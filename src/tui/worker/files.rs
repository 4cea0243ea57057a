//! Jobs that read and write files.

use std::path::Path;
use std::sync::Arc;

use super::super::curves::Logs;
use super::super::message::{Job, LoadedCurves, PresetSummary, Reply, RunModules, RunRow};
use super::super::modules::sets;
use super::Context;
use crate::preset::{self, Override, Preset};
use crate::run::{Entry, FileState, Module, Run};
use crate::session::Schedule;
use crate::spec::{Cost, Spec};

/// Pixels of a PNG image per unit of the picture.
const SCALE: f32 = 2.0;
use crate::{disk, export};

pub(super) fn work(context: &Context, job: Job) -> Reply {
    match job {
        Job::Runs => Reply::Runs(runs(context)),
        Job::History { run, until, smoothing } => {
            let found = history(context, &run, until, smoothing).map(Arc::new);
            Reply::History { run, until, found }
        }
        Job::Checkpoints(run) => {
            let found = context.store.open(&run).and_then(|run| run.checkpoints()).map_err(text);
            Reply::Checkpoints(run, found.map(|found| found.into_iter().map(|(step, _)| step).collect()))
        }
        Job::RunModules(run) => {
            let found = run_modules(context, &run).map(Arc::new);
            Reply::RunModules(run, found)
        }
        Job::Presets => Reply::Presets(Ok(presets(context))),
        Job::Preset { name, set } => {
            let summary = preset_summary(context, &name, &set).map(Box::new);
            Reply::Preset { name, set, summary }
        }
        Job::RemoveRun(run) => {
            // Another process may have removed the run since it was listed: only the exact name may match.
            let found = context.store.directory_of(&run);
            let removed = found.and_then(|_| context.store.remove(&run)).map_err(text);
            Reply::Done(removed.map(|path| format!("deleted {}", path.display())))
        }
        Job::Tag { run, tags } => {
            let tagged = context.store.exact(&run).and_then(|run| run.set_tags(&tags)).map_err(text);
            Reply::Done(tagged.map(|()| match tags.is_empty() {
                true => format!("removed the tags of {run}"),
                false => format!("{run} is tagged {}", tags.join(", ")),
            }))
        }
        Job::RemoveModule { run, module } => {
            let done = context.store.exact(&run).and_then(|run| run.remove_module(&module)).map_err(text);
            Reply::Removed { run, module, done }
        }
        Job::Verify { run, module } => Reply::Done(verify(context, &run, &module)),
        Job::Report { runs, to } => Reply::Done(report(context, &runs, &to)),
        Job::Sets => Reply::Sets(sets::read(&sets::path(&context.paths.config))),
        Job::KeepSet { name, classes } => {
            Reply::Sets(sets::keep(&sets::path(&context.paths.config), &name, &classes))
        }
        Job::SaveSchedule { to, schedule, quiet } => {
            let saved =
                schedule_text(&schedule).and_then(|toml| disk::write(&to, toml.as_bytes()).map_err(text));
            match quiet {
                true => Reply::Quiet(saved.map_err(|why| format!("the changes could not be saved: {why}"))),
                false => Reply::Done(saved.map(|()| format!("saved {}", to.display()))),
            }
        }
        Job::SaveFile { to, bytes } => Reply::Done(save(&to, &bytes)),
        Job::SavePng { to, picture } => {
            Reply::Done(picture.png(SCALE).map_err(text).and_then(|bytes| save(&to, &bytes)))
        }
        Job::SaveSettings(settings) => {
            let saved = settings.write(&context.paths.config);
            Reply::Quiet(saved.map_err(|error| format!("the settings could not be saved: {error}")))
        }
        other => Reply::Done(Err(format!("not a file job: {other:?}"))),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn save(to: &Path, bytes: &[u8]) -> Result<String, String> {
    disk::write(to, bytes).map_err(text)?;
    Ok(format!("saved {}", to.display()))
}

fn runs(context: &Context) -> Result<Vec<RunRow>, String> {
    let entries = context.store.list().map_err(text)?;
    let row = |entry: Entry| RunRow { tags: Run::tags(&entry.path), entry };
    Ok(entries.into_iter().map(row).collect())
}

/// What can be read of a run; an unreadable log does not prevent reading the rest.
fn history(context: &Context, name: &str, until: u64, smoothing: f64) -> Result<LoadedCurves, String> {
    let run = context.store.exact(name).map_err(text)?;
    let mut problems = Vec::new();
    let mut note = |error: crate::run::Error| problems.push(error.to_string());
    let epochs = run.metrics().map(|(records, _)| records).map_err(&mut note).unwrap_or_default();
    let steps = run.steps().map(|(records, _)| records).map_err(&mut note).unwrap_or_default();
    let events = run.events().map(|(records, _)| records).map_err(&mut note).unwrap_or_default();
    let checkpoints = run.checkpoints().map_err(&mut note).unwrap_or_default();
    let checkpoints = checkpoints.into_iter().map(|(step, _)| step).collect();
    let logs = Logs { manifest: run.manifest, epochs, steps, events, checkpoints };
    let problem = (!problems.is_empty()).then(|| problems.join("; "));
    Ok(LoadedCurves { problem, ..LoadedCurves::of(logs, until, smoothing) })
}

fn run_modules(context: &Context, name: &str) -> Result<RunModules, String> {
    let run = context.store.open(name).map_err(text)?;
    let (epochs, _) = run.metrics().map_err(text)?;
    let modules = run.modules().map_err(text)?;
    let modules = modules.into_iter().map(|entry| (entry.name, entry.manifest.map_err(text))).collect();
    Ok(RunModules { epochs, modules, manifest: run.manifest })
}

fn verify(context: &Context, run: &str, name: &str) -> Result<String, String> {
    let entries = context.store.exact(run).and_then(|run| run.modules()).map_err(text)?;
    let entry = entries.into_iter().find(|entry| entry.name == name);
    let entry = entry.ok_or_else(|| format!("the run {run} has no module {name}"))?;
    let found = Module::verify(&entry.path).map_err(text)?;
    let (mut whole, mut unknown) = (0, 0);
    for (_, state) in found.files {
        match state {
            FileState::Whole => whole += 1,
            FileState::NoSum => unknown += 1,
            FileState::Wrong(why) => return Err(format!("{name} has changed since it was written: {why}")),
        }
    }
    let without = match unknown {
        0 => String::new(),
        n => format!("; {n} not checked: an older version recorded no checksum"),
    };
    let others = match found.others.as_slice() {
        [] => String::new(),
        others => format!("; not part of it: {}", others.join(", ")),
    };
    Ok(format!("{name} is intact: {whole} files match their checksums{without}{others}"))
}

fn report(context: &Context, runs: &[String], to: &Path) -> Result<String, String> {
    let read = |run: &String| {
        let run = context.store.exact(run).map_err(text)?;
        export::History::read(&run).map_err(text)
    };
    let histories = runs.iter().map(read).collect::<Result<Vec<_>, String>>()?;
    let page = export::report::Report::new(&histories).map_err(text)?;
    let files: Vec<(&str, &[u8])> =
        page.files.iter().map(|(name, content)| (name.as_str(), content.as_bytes())).collect();
    export::write_all(to, &files, false).map_err(text)?;
    Ok(format!("wrote the report to {}", to.join("report.html").display()))
}

fn presets(context: &Context) -> Vec<(String, String)> {
    let listed = preset::list(&context.paths.presets());
    listed
        .into_iter()
        .map(|listed| {
            let line = listed.problem.map_or(listed.description, |why| format!("cannot be read: {why}"));
            (listed.name, line)
        })
        .collect()
}

fn preset_summary(context: &Context, name: &str, set: &[String]) -> Result<PresetSummary, String> {
    let overrides = set.iter().map(|text| text.parse::<Override>()).collect::<Result<Vec<_>, _>>();
    let preset = Preset::find(name, &context.paths.presets(), &overrides.map_err(text)?).map_err(text)?;
    preset.check().map_err(text)?;
    let survey = preset.data.survey().map_err(text)?;
    let spec = survey.map(|survey| preset.spec(survey.shape, survey.classes)).transpose().map_err(text)?;
    let images = survey.map(|survey| preset.data.images_of_an_epoch(&survey));
    let toml = preset.to_toml().map_err(text)?;
    let seconds_per_epoch = spec.as_ref().and_then(|spec| expected_seconds(context, &preset, spec));
    Ok(PresetSummary { preset, toml, spec, images, seconds_per_epoch })
}

/// Seconds per epoch of the newest run with the same network and data, or of the newest run with the same data,
/// scaled by the networks' multiply-accumulates.
fn expected_seconds(context: &Context, preset: &Preset, spec: &Spec) -> Option<f64> {
    let entries = context.store.list().ok()?;
    let done = entries.iter().filter_map(|entry| Some((entry.manifest.as_ref()?, entry.last.as_ref()?)));
    let same_data: Vec<_> = done.filter(|(manifest, _)| manifest.preset.data == preset.data).collect();
    let same = same_data.iter().find(|(manifest, _)| manifest.network == *spec);
    if let Some((_, last)) = same {
        return Some(last.seconds);
    }
    let (manifest, last) = same_data.first()?;
    let work = |spec: &Spec| Cost::of(spec).ok().map(|cost| cost.macs() as f64);
    Some(last.seconds * work(spec)? / work(&manifest.network)?)
}

fn schedule_text(schedule: &Schedule) -> Result<String, String> {
    toml::to_string(schedule).map_err(text)
}
