//! Records of a run from what was measured.

use std::collections::BTreeMap;

use super::evaluate::Evaluation;
use crate::method::MethodConfig;
use crate::modular::Usage;
use crate::run::{MaskRecord, SplitRecord};

impl SplitRecord {
    /// From an evaluation and, where the method makes masks, the usage counted with it.
    pub fn new(evaluation: &Evaluation, method: &MethodConfig, usage: Option<&Usage>) -> Self {
        let mut losses = BTreeMap::from([("cross_entropy".to_owned(), evaluation.cross_entropy)]);
        let weights = method.weights();
        let weighted = evaluation.terms.iter().zip(weights).map(|((_, value), (_, weight))| value * weight);
        losses.insert("total".into(), evaluation.cross_entropy + weighted.sum::<f64>());
        losses.extend(evaluation.terms.iter().map(|(name, value)| ((*name).to_owned(), *value)));
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
