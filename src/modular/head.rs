//! The classifier of a module.

use rand::RngExt;

use super::Error;
use super::usage::check_classes;
use crate::network::{Array, Spec, Stage, State};
use crate::random::{Stream, generator};

/// The network with a new classifier behind its logits, ReLU and a linear layer, as the published code puts
/// on a module before fine-tuning. Its weights `[outputs, logits]` and biases are uniform within
/// 1 / sqrt(logits), PyTorch's default. The module of one class takes two outputs: the class and the rest.
///
/// # Errors
///
/// When the weights are not the spec's, or `outputs` is below 2.
pub fn with_head(spec: &Spec, state: &State, outputs: usize, seed: u64) -> Result<(Spec, State), Error> {
    state.check(spec)?;
    if outputs < 2 {
        return Err(Error::OneLogit);
    }
    let logits = spec.outputs()?;
    let (mut spec, mut state) = (spec.clone(), state.clone());
    spec.stages.extend([Stage::Relu, Stage::Linear { outputs }]);
    let name = last_linear(&spec)?.1;
    let bound = (1.0 / (logits as f64).sqrt()) as f32;
    let mut rng = generator(seed, Stream::Head, 0);
    for (suffix, shape) in [("weight", vec![outputs, logits]), ("bias", vec![outputs])] {
        let count = shape.iter().product();
        let values = (0..count).map(|_| rng.random_range(-bound..=bound)).collect();
        state.0.insert(format!("{name}.{suffix}"), Array { shape, values });
    }
    Ok((spec, state))
}

/// The network with only the logits of `classes`, in that order: the rows of its last linear layer. This
/// needs no training, and is how a whole network is compared with a module of the same classes.
///
/// # Errors
///
/// When the weights are not the spec's, there is no linear layer, or `classes` has fewer than two, an unknown
/// or a repeated class.
pub fn restrict_logits(spec: &Spec, state: &State, classes: &[usize]) -> Result<(Spec, State), Error> {
    state.check(spec)?;
    let (stage, name) = last_linear(spec)?;
    check_classes(classes, spec.outputs()?)?;
    if let Some(position) = (1..classes.len()).find(|&at| classes[..at].contains(&classes[at])) {
        return Err(Error::RepeatedClass(classes[position]));
    }
    if classes.len() < 2 {
        return Err(Error::OneLogit);
    }
    let (mut spec, mut state) = (spec.clone(), state.clone());
    spec.stages[stage] = Stage::Linear { outputs: classes.len() };
    for suffix in ["weight", "bias"] {
        let name = format!("{name}.{suffix}");
        let rows = state.get(&name)?.select(0, classes);
        state.0.insert(name, rows);
    }
    Ok((spec, state))
}

/// Stage index and name of the linear layer that gives the logits.
fn last_linear(spec: &Spec) -> Result<(usize, String), Error> {
    let last = spec.layers()?.pop().map(|layer| (layer.stage, layer.name));
    last.filter(|(stage, _)| matches!(spec.stages[*stage], Stage::Linear { .. })).ok_or(Error::NoLinear)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{random_spec, random_state, rng};
    use super::*;

    fn network() -> (Spec, State) {
        let mut rng = rng(4);
        let spec = random_spec(&mut rng);
        let state = random_state(&mut rng, &spec);
        (spec, state)
    }

    #[test]
    fn a_head_reads_the_rectified_logits() {
        let (spec, state) = network();
        let (module, weights) = with_head(&spec, &state, 2, 1).unwrap();
        weights.check(&module).unwrap();
        assert_eq!(module.stages[spec.stages.len()..], [Stage::Relu, Stage::Linear { outputs: 2 }]);
        assert!(state.0.iter().all(|(name, array)| weights.get(name).unwrap() == array));
        let new: Vec<f32> = weights
            .0
            .iter()
            .filter(|(name, _)| !state.0.contains_key(*name))
            .flat_map(|(_, a)| a.values.clone())
            .collect();
        assert_eq!(new.len(), 2 * 3 + 2);
        assert!(new.iter().all(|value| value.abs() <= 1.0 / 3f32.sqrt()));
        assert_eq!(with_head(&spec, &state, 2, 1).unwrap().1, weights);
        assert_ne!(with_head(&spec, &state, 2, 2).unwrap().1, weights);
    }

    #[test]
    fn restricted_logits_are_rows_of_the_last_linear_layer() {
        let (spec, state) = network();
        let (restricted, weights) = restrict_logits(&spec, &state, &[2, 0]).unwrap();
        weights.check(&restricted).unwrap();
        let name = format!("{}.weight", last_linear(&spec).unwrap().1);
        assert_eq!(*weights.get(&name).unwrap(), state.get(&name).unwrap().select(0, &[2, 0]));
    }

    #[test]
    fn a_choice_that_cannot_classify_is_refused_with_the_reason() {
        let (spec, state) = network();
        let refusal = |classes: &[usize]| restrict_logits(&spec, &state, classes).unwrap_err().to_string();
        assert!(refusal(&[]).contains("no class was chosen"));
        assert!(refusal(&[1, 1]).contains("class 1 was chosen twice"));
        assert!(refusal(&[0, 3]).contains("no class 3: the 3 classes"));
        assert!(refusal(&[1]).contains("nothing to be compared with"));
        assert!(matches!(with_head(&spec, &state, 1, 0), Err(Error::OneLogit)));
    }
}
