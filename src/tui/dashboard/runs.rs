//! The shown run and the overlaid runs: live, loaded or requested.

use std::sync::Arc;

use crate::run::{Event, Manifest};
use crate::session::Change;
use crate::tui::curves::Curves;
use crate::tui::message::{Effect, Job, LoadedCurves};
use crate::tui::shared::Shared;

/// Maximum number of overlaid runs.
const MOST: usize = 5;

/// Events kept while the history of a resumed run is being read.
const BACKLOG: usize = 10_000;

/// A run read from its logs.
#[derive(Debug)]
struct Opened {
    run: String,
    found: Result<Read, String>,
}

/// The result of reading it.
#[derive(Debug)]
struct Read {
    manifest: Manifest,
    curves: Arc<Curves>,
    last: Option<Event>,
}

/// The data of the charts.
#[derive(Debug, Default)]
pub struct Runs {
    live: Option<Curves>,
    /// For a resumed run until its history is read: the step at which it resumed, and its events since.
    backlog: Option<(u64, Vec<Event>)>,
    opened: Option<Opened>,
    others: Vec<Arc<Curves>>,
    /// Runs whose logs were requested.
    asked: Vec<String>,
    /// A run whose parent is not overlaid, because the user removed it.
    alone: Option<String>,
    /// Number of marked runs beyond the maximum when the user was last told so.
    left_out: usize,
}

impl Runs {
    /// Requests the missing runs; failed requests are repeated.
    pub fn look(&mut self, smoothing: f64, shared: &Shared) -> Vec<Effect> {
        self.asked.clear();
        if self.opened.as_ref().is_some_and(|opened| Some(opened.run.as_str()) != shared.open.as_deref()) {
            self.opened = None;
        }
        let mut effects = self.ask(smoothing, shared);
        effects.extend(self.say_left_out(shared));
        effects
    }

    /// Reports once that more runs are marked than can be overlaid.
    fn say_left_out(&mut self, shared: &Shared) -> Option<Effect> {
        let others = shared.marked.iter().filter(|run| Some(run.as_str()) != shared.current()).count();
        let left_out = others.saturating_sub(MOST);
        if shared.current().is_none() || std::mem::replace(&mut self.left_out, left_out) == left_out {
            return None;
        }
        let said = format!("{MOST} of {others} marked runs are overlaid; unmark some to see the rest");
        (left_out > 0).then_some(Effect::Toast(said))
    }

    fn ask(&mut self, smoothing: f64, shared: &Shared) -> Vec<Effect> {
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
        needed.into_iter().map(|run| read(run, u64::MAX, smoothing)).collect()
    }

    /// The runs to overlay: those marked for comparison, and the parent.
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

    /// Removes the overlaid runs from the charts.
    pub fn clear(&mut self, shared: &mut Shared) {
        self.alone = shared.current().map(str::to_owned);
        shared.marked.clear();
        self.others.clear();
    }

    /// Handles an event of the session.
    pub fn event(&mut self, event: &Event, smoothing: f64, shared: &Shared) -> Vec<Effect> {
        let Some(live) = &shared.live else { return Vec::new() };
        let mut effects = Vec::new();
        if let Event::Started { step, .. } = event {
            let curves = Curves::new(&live.manifest, smoothing);
            self.backlog = (*step > curves.first_step()).then(|| (*step, Vec::new()));
            self.live = Some(curves);
            self.asked.retain(|run| run != live.run());
            if self.backlog.is_some() {
                effects.push(read(live.run().to_owned(), *step, smoothing));
            }
            effects.extend(self.ask(smoothing, shared));
        }
        if let Some((_, events)) = self.backlog.as_mut().filter(|(_, events)| events.len() < BACKLOG) {
            events.push(event.clone());
        }
        if let Some(curves) = &mut self.live {
            curves.event(event);
        }
        effects
    }

    /// Handles logs that were read.
    pub fn loaded(
        &mut self,
        (run, until): (&str, u64),
        found: &Result<Arc<LoadedCurves>, String>,
        smoothing: f64,
        shared: &mut Shared,
    ) -> Vec<Effect> {
        let problem = found.as_ref().ok().and_then(|loaded| loaded.problem.as_ref());
        let mut effects: Vec<Effect> =
            problem.map(|why| Effect::Toast(format!("{run}: {why}"))).into_iter().collect();
        if self.is_live(run) {
            match found {
                Ok(loaded) => self.catch_up(loaded, until, smoothing, shared),
                // The run stays in the waiting state, so that earlier changes are not overwritten.
                Err(why) => {
                    effects.push(Effect::Toast(format!("the history of {run} cannot be read: {why}")))
                }
            }
            return effects;
        }
        if shared.open.as_deref() == Some(run) {
            let found = found.clone().map(|loaded| Read {
                manifest: loaded.manifest.clone(),
                curves: curves(&loaded, smoothing),
                last: loaded.last.clone(),
            });
            self.opened = Some(Opened { run: run.to_owned(), found });
            effects.extend(self.ask(smoothing, shared));
            return effects;
        }
        match found {
            Ok(loaded) if self.wanted(shared).iter().any(|wanted| wanted == run) => {
                self.others.retain(|curves| curves.run != run);
                self.others.push(curves(loaded, smoothing));
                effects
            }
            Err(why) if self.asked.iter().any(|asked| asked == run) => {
                vec![Effect::Toast(format!("{run} cannot be compared: {why}"))]
            }
            _ => Vec::new(),
        }
    }

    /// Prepends the history of a resumed run to its events since.
    fn catch_up(&mut self, loaded: &LoadedCurves, until: u64, smoothing: f64, shared: &mut Shared) {
        let Some((_, events)) = self.backlog.take_if(|(step, _)| *step == until) else { return };
        let mut curves = Arc::unwrap_or_clone(curves(loaded, smoothing));
        // Changes that the session logged at this step are already among the events.
        let (begun, rest) = (&events[..events.len().min(1)], &events[events.len().min(1)..]);
        begun.iter().for_each(|event| curves.event(event));
        let before: Vec<Change> = curves.changes.iter().map(|applied| applied.change.clone()).collect();
        rest.iter().for_each(|event| curves.event(event));
        self.live = Some(curves);
        if let Some(live) = &mut shared.live {
            live.resume(before);
        }
    }

    /// The step at which a resumed run resumed, while its history is being read.
    #[cfg(test)]
    pub fn goes_on_from(&self, run: &str) -> Option<u64> {
        self.backlog.as_ref().filter(|_| self.is_live(run)).map(|(step, _)| *step)
    }

    fn is_live(&self, run: &str) -> bool {
        self.live.as_ref().is_some_and(|curves| curves.run == run)
    }

    /// The series of the shown run.
    pub fn shown(&self, shared: &Shared) -> Option<&Curves> {
        let run = shared.current()?;
        let live = self.live.as_ref().filter(|curves| curves.run == run);
        live.or_else(|| match &self.opened {
            Some(Opened { run: of, found: Ok(read) }) if of == run => Some(read.curves.as_ref()),
            _ => None,
        })
    }

    /// Whether the shown run is live and its history is still being read.
    pub fn is_catching_up(&self, shared: &Shared) -> bool {
        self.backlog.is_some() && shared.current().is_some_and(|run| self.is_live(run))
    }

    /// The manifest of the shown run.
    pub fn manifest<'a>(&'a self, shared: &'a Shared) -> Option<&'a Manifest> {
        let run = shared.current()?;
        let live = shared.live.as_ref().filter(|live| live.run() == run).map(|live| &live.manifest);
        live.or_else(|| match &self.opened {
            Some(Opened { run: of, found: Ok(read) }) if of == run => Some(&read.manifest),
            _ => None,
        })
    }

    /// The last event of an opened run once its logs are read, or the error.
    pub fn opened(&self, run: &str) -> Option<Result<Option<&Event>, &str>> {
        let opened = self.opened.as_ref().filter(|opened| opened.run == run)?;
        Some(match &opened.found {
            Ok(read) => Ok(read.last.as_ref()),
            Err(why) => Err(why.as_str()),
        })
    }

    /// The overlaid runs.
    pub fn others(&self, shared: &Shared) -> Vec<&Curves> {
        let live = self.live.iter();
        let wanted = self.wanted(shared);
        let others = self.others.iter().map(Arc::as_ref);
        let find = |run: &String| live.clone().chain(others.clone()).find(|curves| curves.run == *run);
        wanted.iter().filter_map(find).collect()
    }

    /// Sets the smoothing weight of all runs.
    pub fn smooth(&mut self, weight: f64) {
        let opened = self.opened.iter_mut().filter_map(|opened| opened.found.as_mut().ok());
        let read = opened.map(|read| &mut read.curves).chain(&mut self.others).map(Arc::make_mut);
        self.live.iter_mut().chain(read).for_each(|curves| curves.smooth(weight));
    }
}

/// The job that reads the charted series of a run.
fn read(run: String, until: u64, smoothing: f64) -> Effect {
    Effect::Job(Box::new(Job::History { run, until, smoothing }))
}

/// The series that were read, with the current smoothing.
fn curves(loaded: &LoadedCurves, smoothing: f64) -> Arc<Curves> {
    let mut curves = loaded.curves.clone();
    if loaded.smoothing != smoothing {
        Arc::make_mut(&mut curves).smooth(smoothing);
    }
    curves
}
