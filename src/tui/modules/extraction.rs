//! The extraction queue: one extraction at a time; of the requests meanwhile only the newest is kept.

use std::time::Duration;

use crate::reuse::Request;

/// The running and the waiting extraction, and the result of the last.
#[derive(Clone, Debug, Default)]
pub(super) struct Extraction {
    running: Option<Running>,
    next: Option<Request>,
    /// Why the last one failed.
    pub failure: Option<String>,
}

/// A running extraction.
#[derive(Clone, Debug)]
pub(super) struct Running {
    /// Its request.
    pub request: Request,
    /// Revision of the command to the session; `None` for a worker's job.
    pub revision: Option<u64>,
    /// Its start, as time since the start of the program.
    pub since: Duration,
}

impl Extraction {
    /// The running extraction.
    pub fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// The waiting request.
    pub fn next(&self) -> Option<&Request> {
        self.next.as_ref()
    }

    /// Adds a request: returns it if it can start now, else it replaces the waiting one.
    #[must_use]
    pub fn request(&mut self, request: Request) -> Option<Request> {
        self.failure = None;
        match self.running {
            Some(_) => {
                self.next = Some(request);
                None
            }
            None => Some(request),
        }
    }

    /// Records that an extraction has started.
    pub fn started(&mut self, request: Request, revision: Option<u64>, since: Duration) {
        self.running = Some(Running { request, revision, since });
    }

    /// Whether the running extraction has this revision.
    pub fn is(&self, revision: u64) -> bool {
        self.running.as_ref().is_some_and(|running| running.revision == Some(revision))
    }

    /// Records the end of the running extraction; returns the request to start next.
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
        let first = extraction.request(request("a")).unwrap();
        extraction.started(first, Some(1), Duration::ZERO);
        assert!(extraction.request(request("b")).is_none());
        assert!(extraction.request(request("c")).is_none());
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
        let _ = extraction.request(request("b"));
        assert!(extraction.failure.is_none());
    }
}
