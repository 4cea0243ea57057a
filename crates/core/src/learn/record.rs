//! Records of a run from what was measured.

use super::evaluate::Evaluation;
use super::sums::{CROSS_ENTROPY, TOTAL};
use crate::method::MethodConfig;
use crate::modular::Usage;
use crate::run::{MaskRecord, SplitRecord};

impl SplitRecord {
    /// From an evaluation and, where the method makes masks, the usage counted with it.
    pub fn new(evaluation: &Evaluation, method: &MethodConfig, usage: Option<&Usage>) -> Self {
        let Evaluation { cross_entropy, terms, .. } = evaluation;
        let total = cross_entropy + method.term_weights().sum(terms.iter().copied());
        let named = [(CROSS_ENTROPY, *cross_entropy), (TOTAL, total)];
        let losses = named.iter().chain(terms).map(|(name, value)| ((*name).to_owned(), *value)).collect();
        SplitRecord {
            losses,
            accuracy: evaluation.accuracy(),
            class_accuracy: evaluation.class_accuracy(),
            masks: usage.map(MaskRecord::new),
        }
    }
}

impl MaskRecord {
    /// From the samples that usage was counted on.
    pub fn new(usage: &Usage) -> Self {
        let metrics = usage.sample_metrics();
        MaskRecord {
            cohesion: metrics.cohesion,
            coupling: metrics.coupling,
            krr: metrics.krr,
            layer_krr: metrics.layer_krr,
            class_krr: metrics.class_krr,
            layer_class_krr: metrics.layer_class_krr,
            class_cohesion: metrics.class_cohesion,
        }
    }
}
