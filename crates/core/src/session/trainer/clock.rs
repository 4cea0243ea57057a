//! Wall-clock bookkeeping, which no result depends on.

use std::time::{Duration, Instant};

/// Step means are read back from the device no more often than this.
const READ_INTERVAL: Duration = Duration::from_millis(250);
/// A checkpoint is saved at an epoch's end when saving would take at most one part in this many of the time.
const SAVING_SHARE: u32 = 20;

/// What a run's steps took. Only training counts: evaluation, checkpoints and pauses do not slow it.
pub(super) struct Clock {
    started: Instant,
    /// What processes before this one took.
    before: Duration,
    all: Spent,
    epoch: Spent,
    recent: Spent,
    read: Instant,
    saved: Instant,
    saving: Duration,
}

/// Time of training and the images of its steps.
#[derive(Clone, Copy, Default)]
pub(super) struct Spent {
    pub(super) time: Duration,
    pub(super) images: u64,
}

impl Spent {
    /// Images a second.
    pub(super) fn speed(self) -> f64 {
        self.images as f64 / self.time.as_secs_f64().max(1e-9)
    }
}

impl Clock {
    /// Goes on from so many seconds of earlier processes.
    pub(super) fn new(seconds: f64) -> Self {
        let now = Instant::now();
        let nothing = Spent::default();
        Clock {
            started: now,
            before: Duration::try_from_secs_f64(seconds).unwrap_or_default(),
            all: nothing,
            epoch: nothing,
            recent: nothing,
            read: now,
            saved: now,
            saving: Duration::ZERO,
        }
    }

    /// Seconds of this process.
    pub(super) fn process(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Seconds of the run so far, those of earlier processes included.
    pub(super) fn seconds(&self) -> f64 {
        self.before.as_secs_f64() + self.process()
    }

    /// Of this process's steps.
    pub(super) fn all(&self) -> Spent {
        self.all
    }

    /// Of the epoch's steps, those of this process.
    pub(super) fn epoch(&self) -> Spent {
        self.epoch
    }

    /// Of the steps since the last record.
    pub(super) fn recent(&self) -> Spent {
        self.recent
    }

    /// A step on so many images was made, or its device waited for.
    pub(super) fn spend(&mut self, time: Duration, images: usize) {
        for spent in [&mut self.all, &mut self.epoch, &mut self.recent] {
            spent.time += time;
            spent.images += images as u64;
        }
    }

    /// Whether the last record was long enough ago.
    pub(super) fn is_due(&self) -> bool {
        self.read.elapsed() >= READ_INTERVAL
    }

    /// A record was taken.
    pub(super) fn recorded(&mut self) {
        (self.recent, self.read) = (Spent::default(), Instant::now());
    }

    /// An epoch was recorded.
    pub(super) fn next_epoch(&mut self) {
        self.epoch = Spent::default();
        self.recorded();
    }

    /// Whether enough time has passed since the last checkpoint that another costs little.
    pub(super) fn allows_saving(&self) -> bool {
        self.saved.elapsed() >= self.saving * SAVING_SHARE
    }

    /// A checkpoint was saved, which took this long.
    pub(super) fn saved(&mut self, time: Duration) {
        (self.saved, self.saving) = (Instant::now(), time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_training_counts_in_the_speed() {
        let mut clock = Clock::new(0.0);
        let step = Duration::from_millis(10);
        clock.spend(step, 64);
        clock.recorded();
        // An evaluation, a checkpoint or a pause.
        std::thread::sleep(Duration::from_millis(40));
        clock.next_epoch();
        std::thread::sleep(Duration::from_millis(40));
        clock.spend(step, 64);
        clock.spend(step, 36);
        assert_eq!(clock.recent().speed(), 5_000.0);
        assert_eq!(clock.epoch().speed(), 5_000.0);
        assert_eq!(clock.all().images, 164);
        assert!(clock.process() >= 0.08);
    }
}
