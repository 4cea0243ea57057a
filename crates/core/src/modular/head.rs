//! The classifier of a module.

use super::Error;
use super::usage::{check_classes, check_length};
use crate::random::{Stream, generator, uniform};
use crate::spec::{Array, Spec, Stage, State};

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
    let bound = (1.0 / (logits as f64).sqrt()) as f32;
    let mut rng = generator(seed, Stream::Head, 0);
    let mut draw = |count: usize| (0..count).map(|_| uniform(&mut rng, bound)).collect::<Vec<f32>>();
    let layer = Affine { outputs, weight: draw(outputs * logits), bias: draw(outputs) };
    let mut spec = spec.clone();
    spec.stages.push(Stage::Relu);
    with_linear(&spec, state, &layer)
}

/// y = W x + b.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// Length of y.
    pub outputs: usize,
    /// W, `[outputs, inputs]`.
    pub weight: Vec<f32>,
    /// b, `[outputs]`.
    pub bias: Vec<f32>,
}

/// The network with a linear layer behind its logits.
///
/// # Errors
///
/// When the layer is not as wide as the network's logits.
pub fn with_linear(spec: &Spec, state: &State, layer: &Affine) -> Result<(Spec, State), Error> {
    let inputs = spec.outputs()?;
    check_length("the weight of the linear layer", layer.weight.len(), layer.outputs * inputs)?;
    check_length("its bias", layer.bias.len(), layer.outputs)?;
    let (mut spec, mut state) = (spec.clone(), state.clone());
    spec.stages.push(Stage::Linear { outputs: layer.outputs });
    let name = last_linear(&spec)?.1;
    let weight = Array { shape: vec![layer.outputs, inputs], values: layer.weight.clone() };
    let bias = Array { shape: vec![layer.outputs], values: layer.bias.clone() };
    state.0.extend([(format!("{name}.weight"), weight), (format!("{name}.bias"), bias)]);
    Ok((spec, state))
}

/// The network with other logits, each a sum of its own with these factors: the rows of its last linear layer
/// are mixed, so it costs nothing more.
///
/// # Errors
///
/// When the weights are not the spec's, there is no linear layer, or a factor is for a logit that does not exist.
pub fn with_logits(spec: &Spec, state: &State, logits: &[Vec<(usize, f32)>]) -> Result<(Spec, State), Error> {
    state.check(spec)?;
    let (stage, name) = last_linear(spec)?;
    let used: Vec<usize> = logits.iter().flatten().map(|(logit, _)| *logit).collect();
    if !used.is_empty() {
        check_classes(&used, spec.outputs()?)?;
    }
    let (mut spec, mut state) = (spec.clone(), state.clone());
    spec.stages[stage] = Stage::Linear { outputs: logits.len() };
    for suffix in ["weight", "bias"] {
        let name = format!("{name}.{suffix}");
        let array = state.get(&name)?;
        let row = array.values.len() / array.shape[0].max(1);
        let mut values = vec![0.0; logits.len() * row];
        for (values, factors) in values.chunks_exact_mut(row.max(1)).zip(logits) {
            for (logit, factor) in factors {
                let source = &array.values[logit * row..(logit + 1) * row];
                values.iter_mut().zip(source).for_each(|(value, source)| *value += factor * source);
            }
        }
        let shape = [&[logits.len()], &array.shape[1..]].concat();
        state.0.insert(name, Array { shape, values });
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
    check_classes(classes, spec.outputs()?)?;
    if let Some(position) = (1..classes.len()).find(|&at| classes[..at].contains(&classes[at])) {
        return Err(Error::RepeatedClass(classes[position]));
    }
    if classes.len() < 2 {
        return Err(Error::OneLogit);
    }
    with_logits(spec, state, &classes.iter().map(|&class| vec![(class, 1.0)]).collect::<Vec<_>>())
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
    fn logits_can_be_mixed_and_a_layer_put_behind_them() {
        let (spec, state) = network();
        let (mixed, weights) = with_logits(&spec, &state, &[vec![(0, 1.0), (2, -1.0)]]).unwrap();
        weights.check(&mixed).unwrap();
        let name = format!("{}.bias", last_linear(&spec).unwrap().1);
        let (old, new) = (&state.get(&name).unwrap().values, &weights.get(&name).unwrap().values);
        assert_eq!(new[..], [old[0] - old[2]]);
        let layer = Affine { outputs: 2, weight: vec![2.0, 3.0], bias: vec![0.5, 0.0] };
        let (longer, weights) = with_linear(&mixed, &weights, &layer).unwrap();
        weights.check(&longer).unwrap();
        assert!(with_logits(&spec, &state, &[vec![(3, 1.0)]]).is_err());
        assert!(with_linear(&spec, &state, &layer).is_err());
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
