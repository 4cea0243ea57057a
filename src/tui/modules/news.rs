//! Handling of session events and worker replies on the modules screen.

use std::sync::Arc;

use super::module_list::ModuleList;
use super::preview::Source;
use super::run_model::{Counts, RunModel};
use super::{Modules, View, job};
use crate::reuse::Request;
use crate::run::{Event, Manifest, ModuleManifest};
use crate::session::Command;
use crate::tui::live::Live;
use crate::tui::message::{Effect, Job, Reply, RunModules};
use crate::tui::notices::Tone;
use crate::tui::shared::Shared;

impl Modules {
    /// Switches to the shown run if it changed.
    pub(super) fn sync(&mut self, shared: &Shared) -> Vec<Effect> {
        let current = shared.current().map(str::to_owned);
        if current == self.run {
            return Vec::new();
        }
        *self = Modules {
            entered: self.entered,
            run: current.clone(),
            sets: std::mem::take(&mut self.sets),
            making: self.making.take(),
            list: ModuleList { marked: std::mem::take(&mut self.list.marked), ..ModuleList::default() },
            ..Modules::default()
        };
        let Some(run) = current else { return Vec::new() };
        if let Some(live) = shared.session() {
            self.begin(&live.manifest);
            self.count_live(live);
        }
        vec![job(Job::RunModules(run))]
    }

    fn begin(&mut self, manifest: &Manifest) {
        match RunModel::new(manifest) {
            Ok(model) => self.model = Some(model),
            Err(why) => self.trouble = Some(why),
        }
    }

    /// Adopts the kernel usage that the session counted last.
    fn count_live(&mut self, live: &Live) {
        if let (Some(model), Some((step, usage))) = (&mut self.model, &live.usage) {
            let source = Source::new(*step, true, usage.clone(), model.spec.clone());
            model.set_counts(source.map_or_else(Counts::Failed, Counts::Known));
        }
    }

    pub(super) fn handle_event(&mut self, event: &Event, shared: &mut Shared) -> Vec<Effect> {
        let mut effects = self.sync(shared);
        let shown = shared.live.as_ref().is_some_and(|live| self.run.as_deref() == Some(live.run()));
        if !shown {
            return effects;
        }
        match event {
            Event::Epoch(record) => {
                if let Some(model) = &mut self.model {
                    model.retention.add(record);
                }
            }
            Event::Usage { .. } => {
                if let Some(live) = &shared.live {
                    self.count_live(live);
                }
            }
            Event::Extracted { revision, module, .. } if self.extraction.is(*revision) => {
                self.notice = Some(Ok(format!("extracted {module}")));
                effects.extend(self.next(None, shared));
                effects.push(job(Job::RunModules(self.run.clone().unwrap_or_default())));
                effects.push(Effect::Notify(Tone::Good, format!("extracted module {module}")));
                self.newest = Some(module.clone());
            }
            Event::Refused { revision, why, .. } if self.extraction.is(*revision) => {
                effects.extend(self.next(Some(why.clone()), shared));
            }
            event if event.is_end() => effects.extend(self.session_ended(shared)),
            _ => {}
        }
        effects
    }

    /// The running extraction has ended: starts the waiting one.
    fn next(&mut self, failure: Option<String>, shared: &mut Shared) -> Vec<Effect> {
        let next = self.extraction.ended(failure);
        next.map(|request| self.start(request, shared)).unwrap_or_default()
    }

    /// An extraction may complete after the session's last event without another event: reloads the list, and reads the
    /// usage at the last checkpoint.
    fn session_ended(&mut self, shared: &mut Shared) -> Vec<Effect> {
        let Some(run) = self.run.clone() else { return Vec::new() };
        let mut effects = vec![job(Job::RunModules(run))];
        let sent = self.extraction.running().is_some_and(|running| running.revision.is_some());
        if sent {
            effects.extend(self.next(None, shared));
        }
        effects.extend(self.read_usage());
        effects
    }

    /// Requests the kernel usage at the run's newest checkpoint.
    fn read_usage(&mut self) -> Option<Effect> {
        let model = self.model.as_mut().filter(|model| model.has_masks())?;
        if model.source().is_none() {
            model.set_counts(Counts::Counting);
        }
        Some(job(Job::Usage { run: model.run.clone(), step: None }))
    }

    /// Sends an extraction to the session or, for a run that is not live, to a worker.
    pub(super) fn start(&mut self, request: Request, shared: &mut Shared) -> Vec<Effect> {
        let live = shared.session().is_some();
        let now = shared.now;
        match (live, &mut shared.live, &self.run) {
            (true, Some(live), _) => {
                let command = Command::Extract(request.clone());
                let revision = live.send(command.clone());
                self.extraction.started(request, Some(revision), now);
                vec![Effect::Send(command)]
            }
            (_, _, Some(run)) => {
                self.extraction.started(request.clone(), None, now);
                vec![job(Job::Extract { run: run.clone(), request })]
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn handle_reply(&mut self, reply: &Reply, shared: &mut Shared) -> Vec<Effect> {
        let mut effects = self.sync(shared);
        match reply {
            Reply::RunModules(run, found) if Some(run) == self.run.as_ref() => match found {
                Ok(found) => effects.extend(self.read(found, shared)),
                Err(why) => self.trouble = Some(why.clone()),
            },
            Reply::Usage { run, found } if Some(run) == self.run.as_ref() => {
                if let Some(model) = &mut self.model {
                    let counts = match found {
                        Ok((step, usage, spec)) => Source::new(*step, false, usage.clone(), Arc::clone(spec))
                            .map_or_else(Counts::Failed, Counts::Known),
                        Err(why) => Counts::Failed(why.clone()),
                    };
                    model.set_counts(counts);
                }
            }
            Reply::Extracted(run, found) if Some(run) == self.run.as_ref() => {
                effects.extend(self.extracted(found, shared));
            }
            Reply::Made(found) => effects.extend(self.made(found)),
            Reply::Examined { run, module, found } if Some(run) == self.run.as_ref() => {
                self.list.examined.insert(module.clone(), Some(found.clone()));
            }
            Reply::Predicted { run, module, image, index, found } if Some(run) == self.run.as_ref() => {
                self.image.answer((module, image.as_deref(), *index), found);
            }
            Reply::Removed { run, module, done } if Some(run) == self.run.as_ref() => {
                let said = |()| format!("deleted module {module} of {run}");
                self.notice = Some(done.clone().map(said));
                effects.push(job(Job::RunModules(run.clone())));
            }
            Reply::Sets(Ok(sets)) => self.sets.clone_from(sets),
            Reply::Sets(Err(why)) => self.notice = Some(Err(why.clone())),
            _ => {}
        }
        effects
    }

    /// Handles the result of a worker's extraction.
    fn extracted(&mut self, found: &Result<Box<ModuleManifest>, String>, shared: &mut Shared) -> Vec<Effect> {
        let mut effects = self.next(found.as_ref().err().cloned(), shared);
        if let Ok(module) = found {
            self.notice = Some(Ok(format!("extracted {}", module.name)));
            self.newest = Some(module.name.clone());
            effects.push(Effect::Notify(Tone::Good, format!("extracted module {}", module.name)));
            effects.push(job(Job::RunModules(module.run.clone())));
        }
        effects
    }

    /// Handles the result of composing modules or replacing a class.
    fn made(&mut self, found: &Result<Box<ModuleManifest>, String>) -> Vec<Effect> {
        self.making = None;
        match found {
            Ok(module) => {
                let said = format!("created {}/{}", module.run, module.name);
                self.notice = Some(Ok(said.clone()));
                if self.run.as_ref() == Some(&module.run) {
                    // Show its card instead of the comparison of its parts.
                    self.list.marked.clear();
                    self.newest = Some(module.name.clone());
                    self.go_to(View::Card);
                }
                vec![Effect::Notify(Tone::Good, said), job(Job::RunModules(module.run.clone()))]
            }
            Err(why) => {
                self.notice = Some(Err(format!("failed: {why}")));
                Vec::new()
            }
        }
    }

    /// Adopts a run's epochs and modules, and its manifest if unknown.
    fn read(&mut self, found: &RunModules, shared: &Shared) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.model.is_none() {
            self.begin(&found.manifest);
            if shared.session().is_none() {
                effects.extend(self.read_usage());
            }
        }
        let Some(model) = &mut self.model else { return effects };
        found.epochs.iter().for_each(|record| model.retention.add(record));
        model.modules.clone_from(&found.modules);
        self.list.keep_in(model);
        // Show the module just extracted, unless the user has moved on.
        if let Some(name) = self.newest.take_if(|_| self.view == View::Card) {
            self.list.select(model, &name);
        }
        effects.extend(self.examine());
        effects
    }
}
