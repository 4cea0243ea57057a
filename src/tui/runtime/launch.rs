//! Starts a session in the background, because reading the data is slow.

use std::fmt::Display;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Sender;
use std::thread;

use super::Incoming;
use crate::import::{File, Names};
use crate::preset::{Override, Preset};
use crate::run::{Event, Manifest};
use crate::session::{Prepared, Schedule, Session};
use crate::tui::message::{Launch, Msg, Reply};
use crate::tui::worker::Context;

/// Prepares a run and starts its session on a thread named `launch`, which then forwards its events.
pub(super) fn launch(context: Context, launch: Launch, outbox: Sender<Incoming>) -> io::Result<()> {
    let body = move || {
        let prepared = catch_unwind(AssertUnwindSafe(|| prepare(&context, launch)));
        let prepared = prepared.unwrap_or_else(|_| Err("internal error; see workbench.log".into()));
        let Started { session, manifest, warnings } = match prepared {
            Ok(started) => started,
            Err(why) => {
                // A missing receiver means that the program is quitting.
                let _ = outbox.send(Incoming::Msg(Msg::Reply(Box::new(Reply::Launch(why)))));
                return;
            }
        };
        let (remote, events) = session.split();
        if outbox.send(Incoming::Session(manifest, remote)).is_err() {
            return;
        }
        let warnings = warnings.into_iter().map(|message| Event::Warning { step: 0, message });
        forward(warnings.chain(events), &outbox);
    };
    thread::Builder::new().name("launch".into()).spawn(body).map(drop)
}

/// Forwards events until the session ends; adds a `Failed` event if the session sent no final one.
fn forward(events: impl Iterator<Item = Event>, outbox: &Sender<Incoming>) {
    let (mut ended, mut last) = (false, 0);
    for event in events {
        ended = event.is_end();
        if let Event::Steps(record) = &event {
            last = record.step;
        }
        if outbox.send(Incoming::Msg(Msg::Session(event))).is_err() {
            return;
        }
    }
    if !ended {
        let message = "the trainer stopped without reporting a result".into();
        let failed = Event::Failed { step: last, message, diverged: false, checkpoint: None };
        let _ = outbox.send(Incoming::Msg(Msg::Session(failed)));
    }
}

struct Started {
    session: Session,
    manifest: Box<Manifest>,
    warnings: Vec<String>,
}

/// Prepares and starts the session of a run.
fn prepare(context: &Context, launch: Launch) -> Result<Started, String> {
    let text = |error: &dyn Display| error.to_string();
    let (device, _) = context.device.resolve().map_err(|error| text(&error))?;
    let (store, archives) = (&context.store, context.paths.archives());
    let mut replayed = Schedule::default();
    let prepared = match launch {
        Launch::New { preset, name, schedule } => {
            replayed = schedule;
            Prepared::new(preset, name.as_deref(), &device.to_string(), store, &archives)
        }
        Launch::Resume { run } => match Prepared::resume(&run, store, &archives) {
            Ok(None) => return Err(format!("{run} is already complete")),
            Ok(Some(prepared)) => Ok(prepared),
            Err(error) => Err(error),
        },
        Launch::Branch { run, step, name, preset } => {
            let parent = store.exact(&run).map_err(|error| text(&error))?;
            Prepared::branch(&parent, step, name.as_deref(), preset, &archives)
        }
        Launch::Import { file, preset, set, map, name } => {
            let overrides = set.iter().map(|text| text.parse::<Override>()).collect::<Result<Vec<_>, _>>();
            let overrides = overrides.map_err(|error| text(&error))?;
            let preset = Preset::find(&preset, &context.paths.presets(), &overrides);
            let preset = preset.map_err(|error| text(&error))?;
            let file = File::open(&file, None).map_err(|error| text(&error))?;
            let names = map.as_deref().map(Names::open).transpose().map_err(|error| text(&error))?;
            let (name, device) = (name.as_deref(), device.to_string());
            Prepared::import(preset, &file, names, name, &device, store, &archives)
                .map(|(prepared, _)| prepared)
        }
    };
    let prepared = prepared.map_err(|error| text(&error))?;
    let manifest = Box::new(prepared.writer.run.manifest.clone());
    let warnings = prepared.warnings.clone();
    context.data.keep(&manifest, prepared.dataset.clone());
    let session = Session::start(prepared.job(replayed, device)).map_err(|error| text(&error))?;
    Ok(Started { session, manifest, warnings })
}
