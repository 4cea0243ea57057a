//! The shown run and those laid over it: in training, loaded, or asked for.

use std::sync::Arc;

use crate::run::Manifest;
use crate::train::{Change, Event};
use crate::tui::curves::Curves;
use crate::tui::message::{Effect, History, Job};
use crate::tui::shared::Shared;

/// Runs laid over the shown one, at most.
const MOST: usize = 5;

/// Events kept while the past of a resumed run is being read.
const BACKLOG: usize = 10_000;

/// A run from its logs.
#[derive(Debug)]
struct Opened {
    run: String,
    found: Result<(Arc<History>, Box<Curves>), String>,
}

/// What the charts are made of.
#[derive(Debug, Default)]
pub struct Runs {
    live: Option<Curves>,
    /// The step at which a resumed run went on, and what it said since, until its past is read.
    backlog: Option<(u64, Vec<Event>)>,
    opened: Option<Opened>,
    others: Vec<Curves>,
    /// Runs whose logs were asked for.
    asked: Vec<String>,
    /// A run whose parent is not to be laid over it.
    alone: Option<String>,
}

impl Runs {
    /// Asks for what is to be shown and is not there. What failed before is asked for again.
    pub fn look(&mut self, shared: &Shared) -> Vec<Effect> {
        self.asked.clear();
        if self.opened.as_ref().is_some_and(|opened| Some(opened.run.as_str()) != shared.open.as_deref()) {
            self.opened = None;
        }
        self.ask(shared)
    }

    fn ask(&mut self, shared: &Shared) -> Vec<Effect> {
        let wanted = self.wanted(shared);
        self.others.retain(|curves| wanted.contains(&curves.run));
        let open = shared.open.iter().filter(|run| {
            self.opened.as_ref().is_none_or(|opened| opened.run != **run) && !self.is_live(run)
        });
        let missing = wanted
            .iter()
            .filter(|run| !self.is_live(run) && self.others.iter().all(|curves| curves.run != **run));
        let needed: Vec<String> =
            open.chain(missing).filter(|run| !self.asked.contains(run)).cloned().collect();
        self.asked.extend(needed.iter().cloned());
        needed.into_iter().map(|run| Effect::Job(Box::new(Job::History(run)))).collect()
    }

    /// The runs to lay over the shown one: those marked for comparison, and its parent.
    fn wanted(&self, shared: &Shared) -> Vec<String> {
        let Some(current) = shared.current() else { return Vec::new() };
        let parent = self.manifest(shared).and_then(|manifest| manifest.parent.as_ref());
        let parent = parent.filter(|_| self.alone.as_deref() != Some(current)).map(|parent| &parent.run);
        let mut wanted: Vec<String> = Vec::new();
        for run in shared.marked.iter().chain(parent) {
            if run != current && !wanted.contains(run) && wanted.len() < MOST {
                wanted.push(run.clone());
            }
        }
        wanted
    }

    /// Takes compared runs off the charts.
    pub fn clear(&mut self, shared: &mut Shared) {
        self.alone = shared.current().map(str::to_owned);
        shared.marked.clear();
        self.others.clear();
    }

    /// The session said something.
    pub fn event(&mut self, event: &Event, smoothing: f64, shared: &Shared) -> Vec<Effect> {
        let Some(live) = &shared.live else { return Vec::new() };
        let mut effects = Vec::new();
        if let Event::Started { step, .. } = event {
            let curves = Curves::new(&live.manifest, smoothing);
            self.backlog = (*step > curves.first_step()).then(|| (*step, Vec::new()));
            self.live = Some(curves);
            self.asked.retain(|run| run != live.run());
            if self.backlog.is_some() {
                effects.push(Effect::Job(Box::new(Job::History(live.run().to_owned()))));
            }
            effects.extend(self.ask(shared));
        }
        if let Some((_, events)) = self.backlog.as_mut().filter(|(_, events)| events.len() < BACKLOG) {
            events.push(event.clone());
        }
        if let Some(curves) = &mut self.live {
            curves.event(event);
        }
        effects
    }

    /// Logs were read.
    pub fn loaded(
        &mut self,
        run: &str,
        found: &Result<Arc<History>, String>,
        smoothing: f64,
        shared: &mut Shared,
    ) -> Vec<Effect> {
        if self.is_live(run) {
            if let Ok(history) = found {
                self.catch_up(history, smoothing, shared);
            }
            return Vec::new();
        }
        let curves = |history: &Arc<History>| Curves::load(history, u64::MAX, smoothing);
        if shared.open.as_deref() == Some(run) {
            let found = found.clone().map(|history| {
                let curves = Box::new(curves(&history));
                (history, curves)
            });
            self.opened = Some(Opened { run: run.to_owned(), found });
            return self.ask(shared);
        }
        match found {
            Ok(history) if self.wanted(shared).iter().any(|wanted| wanted == run) => {
                self.others.retain(|curves| curves.run != run);
                self.others.push(curves(history));
                Vec::new()
            }
            Err(why) if self.asked.iter().any(|asked| asked == run) => {
                vec![Effect::Toast(format!("{run} cannot be compared: {why}"))]
            }
            _ => Vec::new(),
        }
    }

    /// Puts the past of a resumed run before what it has said since.
    fn catch_up(&mut self, history: &History, smoothing: f64, shared: &mut Shared) {
        let Some((step, events)) = self.backlog.take() else { return };
        let mut curves = Curves::load(history, step, smoothing);
        // What the session itself has logged at this step is among the events.
        let (begun, rest) = (&events[..events.len().min(1)], &events[events.len().min(1)..]);
        begun.iter().for_each(|event| curves.event(event));
        let before: Vec<Change> = curves.changes.iter().map(|applied| applied.change.clone()).collect();
        rest.iter().for_each(|event| curves.event(event));
        self.live = Some(curves);
        if let Some(live) = &mut shared.live {
            live.resume(before);
        }
    }

    fn is_live(&self, run: &str) -> bool {
        self.live.as_ref().is_some_and(|curves| curves.run == run)
    }

    /// The series of the shown run.
    pub fn shown(&self, shared: &Shared) -> Option<&Curves> {
        let run = shared.current()?;
        let live = self.live.as_ref().filter(|curves| curves.run == run);
        live.or_else(|| match &self.opened {
            Some(Opened { run: of, found: Ok((_, curves)) }) if of == run => Some(curves.as_ref()),
            _ => None,
        })
    }

    /// What was asked for in the shown run.
    pub fn manifest<'a>(&'a self, shared: &'a Shared) -> Option<&'a Manifest> {
        let run = shared.current()?;
        let live = shared.live.as_ref().filter(|live| live.run() == run).map(|live| &live.manifest);
        live.or_else(|| match &self.opened {
            Some(Opened { run: of, found: Ok((history, _)) }) if of == run => Some(&history.manifest),
            _ => None,
        })
    }

    /// The logs of a run that was opened, once read; or why they could not be.
    pub fn opened(&self, run: &str) -> Option<Result<&History, &str>> {
        let opened = self.opened.as_ref().filter(|opened| opened.run == run)?;
        Some(match &opened.found {
            Ok((history, _)) => Ok(history.as_ref()),
            Err(why) => Err(why.as_str()),
        })
    }

    /// The runs that lie over the shown one.
    pub fn others(&self, shared: &Shared) -> Vec<&Curves> {
        let live = self.live.iter();
        let wanted = self.wanted(shared);
        let find = |run: &String| live.clone().chain(&self.others).find(|curves| curves.run == *run);
        wanted.iter().filter_map(find).collect()
    }

    /// Smooths all of them with another weight.
    pub fn smooth(&mut self, weight: f64) {
        let opened = self.opened.iter_mut().filter_map(|opened| opened.found.as_mut().ok());
        let opened = opened.map(|(_, curves)| curves.as_mut());
        self.live.iter_mut().chain(opened).chain(&mut self.others).for_each(|curves| curves.smooth(weight));
    }
}
