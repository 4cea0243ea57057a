//! One extraction at a time; of the wishes that come meanwhile the newest wins.

use std::time::Duration;

use crate::reuse::Request;

/// What runs, what waits, and how the last one ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Extraction {
    running: Option<Running>,
    next: Option<Request>,
    /// Why the last one failed, in a sentence.
    pub failure: Option<String>,
}

/// An extraction on its way.
#[derive(Clone, Debug)]
pub(super) struct Running {
    /// What was asked for.
    pub request: Request,
    /// Revision of the command; `None` for the work of a worker.
    pub revision: Option<u64>,
    /// Since when, counted from the start of the program.
    pub since: Duration,
}

impl Extraction {
    /// What runs.
    pub fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// What will run next.
    pub fn next(&self) -> Option<&Request> {
        self.next.as_ref()
    }

    /// Takes a wish: gives it back if it can start now, else it waits in place of any that waited.
    #[must_use]
    pub fn wish(&mut self, request: Request) -> Option<Request> {
        self.failure = None;
        match self.running {
            Some(_) => {
                self.next = Some(request);
                None
            }
            None => Some(request),
        }
    }

    /// Notes that an extraction was sent off.
    pub fn started(&mut self, request: Request, revision: Option<u64>, since: Duration) {
        self.running = Some(Running { request, revision, since });
    }

    /// Whether this revision is the running one's.
    pub fn is(&self, revision: u64) -> bool {
        self.running.as_ref().is_some_and(|running| running.revision == Some(revision))
    }

    /// Notes the end of what ran, and gives what is to start now.
    #[must_use]
    pub fn ended(&mut self, failure: Option<String>) -> Option<Request> {
        self.running = None;
        self.failure = failure;
        self.next.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modular::Provenance;

    fn request(name: &str) -> Request {
        Request {
            classes: vec![0, 1],
            provenance: Provenance::usage(0.9),
            head: true,
            fold_masks: false,
            fine_tune_epochs: 1,
            controls: 0,
            name: name.into(),
        }
    }

    #[test]
    fn the_latest_of_the_wishes_that_wait_is_the_one_that_runs_next() {
        let mut extraction = Extraction::default();
        let first = extraction.wish(request("a")).unwrap();
        extraction.started(first, Some(1), Duration::ZERO);
        assert!(extraction.wish(request("b")).is_none());
        assert!(extraction.wish(request("c")).is_none());
        assert_eq!(extraction.ended(None).unwrap().name, "c");
        assert!(extraction.running().is_none() && extraction.next().is_none());
    }

    #[test]
    fn a_failure_stays_in_sight_until_the_next_wish() {
        let mut extraction = Extraction::default();
        extraction.started(request("a"), Some(1), Duration::ZERO);
        assert!(extraction.is(1) && !extraction.is(2));
        assert!(extraction.ended(Some("no kernels".into())).is_none());
        assert_eq!(extraction.failure.as_deref(), Some("no kernels"));
        let _ = extraction.wish(request("b"));
        assert!(extraction.failure.is_none());
    }
}
