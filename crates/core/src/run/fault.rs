//! What a description of a network cannot say. A file says what it likes; its checksum shows only that it is as it was
//! written.

use crate::spec::Spec;

/// Why a network for images of `input` = `[channels, height, width]`, normalised with `mean` and `std`, cannot decide
/// this many classes; none where it can.
pub(super) fn of_network(
    network: &Spec,
    input: [usize; 3],
    [mean, std]: [&[f32]; 2],
    classes: usize,
) -> Option<String> {
    if let Some(fault) = network.out_of_bounds() {
        return Some(format!("its network is invalid: {fault}"));
    }
    let outputs = match network.outputs() {
        Ok(outputs) => outputs,
        Err(error) => return Some(format!("its network is invalid: {error}")),
    };
    if network.input != input {
        return Some(format!("it takes {input:?} images and its network {:?}", network.input));
    }
    let channels = input[0];
    let finite = mean.iter().chain(std).all(|value| value.is_finite()) && !std.contains(&0.0);
    if [mean.len(), std.len()] != [channels; 2] || !finite {
        return Some(format!("mean {mean:?} and std {std:?} do not normalise {channels} channels"));
    }
    (classes != outputs).then(|| format!("it has {classes} classes and its network {outputs} logits"))
}
