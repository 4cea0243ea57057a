//! Session events and worker replies: updates the shared state and the screens, and notifies the user.

use super::{App, Banner, Overlay};
use crate::run::{Applied, Event, Status};
use crate::session::Setting;
use crate::tui::action::{Action, Screen};
use crate::tui::curves::LEARNING_RATE;
use crate::tui::message::{Effect, Job, Launch, Reply, RunRow};
use crate::tui::notices::Tone;
use crate::tui::widget::Dialog;

impl App {
    /// Handles an event of the session.
    pub(super) fn session(&mut self, event: &Event) -> Vec<Effect> {
        if let Some(live) = &mut self.shared.live {
            live.event(event);
        }
        let mut effects = self.home.event(event, &mut self.shared);
        effects.extend(self.dashboard.event(event, &mut self.shared));
        effects.extend(self.modules.event(event, &mut self.shared));
        // A screen that issued the command reports its result itself.
        let reported = effects.iter().any(|effect| matches!(effect, Effect::Toast(_) | Effect::Notify(..)));
        effects.extend(self.report_event(event, reported));
        if event.is_end() {
            effects.push(Effect::Job(Box::new(Job::Runs)));
        }
        effects
    }

    /// Reports an event (only in the log if a screen reported it) and notifies at the end of a run.
    fn report_event(&mut self, event: &Event, reported: bool) -> Option<Effect> {
        let run = self.shared.live.as_ref().map(|live| live.run().to_owned()).unwrap_or_default();
        let (tone, text) = match event {
            Event::Steps(_) | Event::Usage { .. } | Event::Imported { .. } | Event::Machine { .. } => {
                return None;
            }
            Event::Epoch(record) => {
                let accuracy = 100.0 * record.valid.accuracy;
                (Tone::Quiet, format!("epoch {}: validation accuracy {accuracy:.1} %", record.epoch))
            }
            Event::Phase(begun) => (Tone::Plain, format!("{begun}, from step {} on", begun.step)),
            Event::Started { step, device, .. } => {
                let from = if *step > 0 { format!(" from step {step}") } else { String::new() };
                (Tone::Plain, format!("training {run}{from} on {device}"))
            }
            Event::Tuning { .. } => (Tone::Plain, "tuning kernels: the first steps take longer".into()),
            Event::Ready { seconds, .. } => (Tone::Quiet, format!("first step after {seconds:.1} s")),
            // Their result events are reported instead.
            Event::Applied {
                change: Applied::Checkpoint | Applied::Evaluated | Applied::Stopped, ..
            } => {
                return None;
            }
            // The header shows these.
            Event::Applied {
                step,
                change: change @ (Applied::Paused | Applied::Resumed | Applied::OneStep),
                ..
            } => (Tone::Quiet, format!("{change}, from step {step} on")),
            Event::Applied { step, change, .. } => (Tone::Good, format!("{change}, from step {step} on")),
            Event::Refused { why, .. } => (Tone::Warn, why.clone()),
            Event::Checkpointed { step } => (Tone::Quiet, format!("checkpoint of step {step} saved")),
            Event::Warning { message, .. } => (Tone::Warn, message.clone()),
            Event::Evaluated { step, accuracy, .. } => {
                (Tone::Good, format!("validation accuracy {:.1} % at step {step}", 100.0 * accuracy))
            }
            Event::Extracted { module, .. } => (Tone::Good, format!("extracted module {module}")),
            Event::Finished { summary, .. } => {
                let text =
                    format!("{run} has finished: test accuracy {:.1} %", 100.0 * summary.test_accuracy);
                return Some(Effect::Notify(Tone::Good, text));
            }
            Event::Stopped { step } => {
                (Tone::Plain, format!("{run} stopped after step {step}; it can be resumed from the run list"))
            }
            Event::Failed { step, message, checkpoint, .. } => {
                return Some(self.failed(&run, *step, message, *checkpoint));
            }
        };
        if let Event::Applied { change, .. } = event
            && let Some(set) = change.setting()
        {
            // Only the newest value of a slider is shown.
            self.notices.dismiss(&match set {
                Setting::Weight { name, .. } => format!("{name} = "),
                Setting::LearningRate(_) => LEARNING_RATE.to_owned(),
                Setting::Freeze { .. } | Setting::Thaw { .. } => set.to_string(),
            });
        }
        self.say(if reported { Tone::Quiet } else { tone }, &text);
        None
    }

    /// Shows a banner for a failed run, which stays until dismissed.
    fn failed(&mut self, run: &str, step: u64, message: &str, checkpoint: Option<u64>) -> Effect {
        let kept = match checkpoint {
            Some(step) => format!("the checkpoint of step {step} is intact"),
            None => "there is no checkpoint".into(),
        };
        // The checkpoint is mentioned first, because the message may be long.
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = format!("{run} failed at step {step}; {kept}: {message}");
        self.banner = Some(Banner { text, log: format!("log: {}", self.start.log.display()) });
        Effect::Notify(Tone::Bad, format!("{run} failed: {message}"))
    }

    /// At start, offers to resume the newest run if it was interrupted.
    fn offer_resume(&mut self, rows: &[RunRow]) {
        if let Some(RunRow { entry, .. }) = rows.first()
            && entry.status == Status::Interrupted
        {
            let resume = self.shared.key(Action::ResumeRun);
            let text = format!(
                "{} was interrupted; press {resume} to resume it from its newest checkpoint",
                entry.id
            );
            self.say(Tone::Warn, &text);
        }
    }

    /// Unmarks and closes runs that no longer exist.
    fn drop_removed(&mut self, rows: &[RunRow]) {
        let is_there = |run: &String| rows.iter().any(|row| row.entry.id == *run);
        self.shared.marked.retain(is_there);
        self.shared.open.take_if(|run| !is_there(run));
    }

    /// Handles a worker's reply.
    pub(super) fn reply(&mut self, reply: Reply) -> Vec<Effect> {
        self.unfinished = self.unfinished.saturating_sub(usize::from(reply.is_awaited()));
        let mut effects = Vec::new();
        match &reply {
            Reply::Runs(runs) => {
                match runs {
                    Err(why) => self.say(Tone::Bad, why),
                    Ok(rows) if self.shared.runs.is_none() => self.offer_resume(rows),
                    Ok(rows) => self.drop_removed(rows),
                }
                self.shared.runs = Some(runs.clone());
            }
            Reply::Launch(why) => {
                self.launching = None;
                if self.home.refused() {
                    effects.extend(self.go(Screen::Home));
                }
                self.say(Tone::Quiet, why);
                self.overlay = Some(Overlay::Message(Dialog::message("Training did not start", why)));
            }
            Reply::Done(Ok(done)) => self.say(Tone::Good, done),
            Reply::Done(Err(why)) | Reply::Quiet(Err(why)) => self.say(Tone::Bad, why),
            Reply::Extracted(_, Err(why))
            | Reply::Predicted { found: Err(why), .. }
            | Reply::Made(Err(why)) => self.say(Tone::Bad, why),
            Reply::Removed { run, module, done } => match done {
                Ok(()) => self.say(Tone::Good, &format!("deleted module {module} of {run}")),
                Err(why) => self.say(Tone::Bad, why),
            },
            _ => {}
        }
        if let (Some(Overlay::Form(form)), Reply::Presets(Ok(presets))) = (&mut self.overlay, &reply) {
            form.offer(presets);
        }
        effects.extend(self.home.reply(&reply, &mut self.shared));
        effects.extend(self.dashboard.reply(&reply, &mut self.shared));
        effects.extend(self.modules.reply(&reply, &mut self.shared));
        effects
    }
}

impl Launch {
    /// A short description of the launch.
    pub(super) fn what(&self) -> String {
        match self {
            Launch::New { preset, name, .. } => match name {
                Some(name) => format!("{name} ({})", preset.name),
                None => format!("a run of {}", preset.name),
            },
            Launch::Resume { run } => format!("resuming {run}"),
            Launch::Branch { run, .. } => format!("a branch of {run}"),
            Launch::Import { file, .. } => format!("the weights of {}", file.display()),
        }
    }
}
