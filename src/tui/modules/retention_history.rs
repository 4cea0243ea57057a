//! History of kernel retention by layer and class, per epoch.

use crate::run::{EpochRecord, SplitRecord};

/// Maximum number of epochs; beyond it every second one is dropped.
const MOST: usize = 1024;

/// Retention at the end of an epoch, `[layer][class]`; empty if not measured.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EpochRetention {
    /// Epochs completed.
    pub epoch: u64,
    /// Steps taken.
    pub step: u64,
    /// On training images.
    pub train: Vec<Vec<f64>>,
    /// On validation images.
    pub valid: Vec<Vec<f64>>,
}

/// The epochs with retention, ascending, and the shown one.
#[derive(Clone, Debug, Default)]
pub(super) struct RetentionHistory {
    all: Vec<EpochRetention>,
    /// Index of the shown epoch; `None` for the newest.
    epoch: Option<u64>,
}

impl RetentionHistory {
    /// Adds an epoch, replacing an existing record of it.
    pub fn add(&mut self, record: &EpochRecord) {
        let of = |split: &SplitRecord| {
            split.masks.as_ref().map(|masks| masks.layer_class_krr.clone()).unwrap_or_default()
        };
        let (train, valid) = (of(&record.train), of(&record.valid));
        if train.is_empty() && valid.is_empty() {
            return;
        }
        let retention = EpochRetention { epoch: record.epoch, step: record.step, train, valid };
        match self.all.binary_search_by_key(&record.epoch, |retention| retention.epoch) {
            Ok(at) => self.all[at] = retention,
            Err(at) => self.all.insert(at, retention),
        }
        if self.all.len() > MOST {
            let (mut index, last) = (0, self.all.len() - 1);
            self.all.retain(|_| {
                index += 1;
                index % 2 == 1 || index > last
            });
        }
    }

    /// Number of epochs.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Index and record of the shown epoch.
    pub fn shown(&self) -> Option<(usize, &EpochRetention)> {
        let last = self.all.len().checked_sub(1)?;
        let at = match self.epoch {
            Some(epoch) => self.all.partition_point(|retention| retention.epoch < epoch).min(last),
            None => last,
        };
        Some((at, &self.all[at]))
    }

    /// Whether the newest epoch is followed.
    pub fn follows(&self) -> bool {
        self.epoch.is_none()
    }

    /// Moves by a number of epochs; at the end the newest is followed again.
    pub fn scrub(&mut self, by: isize) {
        if let Some((at, _)) = self.shown() {
            self.show(at.saturating_add_signed(by));
        }
    }

    /// Shows the epoch at an index; at the end the newest is followed.
    pub fn show(&mut self, at: usize) {
        let last = self.all.len().saturating_sub(1);
        self.epoch = self.all.get(at).filter(|_| at < last).map(|retention| retention.epoch);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::run::MaskRecord;

    fn record(epoch: u64) -> EpochRecord {
        let masks = MaskRecord { layer_class_krr: vec![vec![epoch as f64]], ..MaskRecord::default() };
        let split = SplitRecord { masks: Some(masks), ..SplitRecord::default() };
        EpochRecord {
            phase: None,
            step: 10 * epoch,
            epoch,
            learning_rate: 0.1,
            loss_weights: BTreeMap::new(),
            train: split.clone(),
            valid: split,
            best_valid_accuracy: 0.5,
            seconds: 1.0,
            images_per_second: 1.0,
        }
    }

    fn history(epochs: u64) -> RetentionHistory {
        let mut history = RetentionHistory::default();
        (1..=epochs).for_each(|epoch| history.add(&record(epoch)));
        history
    }

    #[test]
    fn the_newest_is_followed_until_one_goes_back_and_again_at_the_end() {
        let mut history = history(3);
        assert_eq!(history.shown().unwrap().1.epoch, 3);
        history.scrub(-1);
        history.add(&record(4));
        assert_eq!((history.shown().unwrap().1.epoch, history.follows()), (2, false));
        history.scrub(9);
        history.add(&record(5));
        assert_eq!((history.shown().unwrap().1.epoch, history.follows()), (5, true));
        history.scrub(-99);
        assert_eq!(history.shown().unwrap().1.epoch, 1);
    }

    #[test]
    fn a_long_run_is_thinned_but_keeps_its_newest() {
        let history = history(5000);
        assert!(history.len() <= MOST, "{}", history.len());
        assert_eq!(history.shown().unwrap().1.epoch, 5000);
    }

    #[test]
    fn an_epoch_that_is_told_again_is_there_once() {
        let mut history = history(3);
        history.add(&record(2));
        assert_eq!(history.len(), 3);
    }
}
