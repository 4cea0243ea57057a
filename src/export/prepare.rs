//! Transformations of a package before it is written.

use super::package::Package;
use crate::spec::{Array, LayerKind, NORM_EPSILON, Stage, State, StateError};

impl Package {
    /// The network without mask generators, like a module of all kernels. Its function differs: every kernel is active
    /// for every image.
    pub fn without_masks(mut self) -> Package {
        self.spec = self.spec.without_masks();
        self.weights.0.retain(|name, _| !name.contains(".mask_generator."));
        self
    }

    /// The same function with batch norm folded into the convolutions, which get a bias. Masks stay, because they are
    /// applied after batch norm.
    ///
    /// # Errors
    ///
    /// When the weights are not those of the network.
    pub fn fold_batch_norm(mut self) -> Result<Package, StateError> {
        self.weights.check(&self.spec)?;
        for layer in self.spec.layers()? {
            if matches!(&layer.kind, LayerKind::Conv { conv, .. } if conv.batch_norm) {
                fold(&mut self.weights, &layer.name)?;
            }
        }
        for conv in self.spec.stages.iter_mut().flat_map(Stage::convs_mut).filter(|conv| conv.batch_norm) {
            (conv.batch_norm, conv.bias) = (false, true);
        }
        Ok(self)
    }
}

/// Folds (W x + b - mean) / sqrt(var + epsilon) * scale + shift into one weight and one bias.
fn fold(weights: &mut State, layer: &str) -> Result<(), StateError> {
    let name = |suffix: &str| format!("{layer}.{suffix}");
    let mut take =
        |suffix: &str| weights.0.remove(&name(suffix)).ok_or_else(|| StateError::Missing(name(suffix)));
    let [scale, shift, mean, var] =
        [take("bn.weight")?, take("bn.bias")?, take("bn.running_mean")?, take("bn.running_var")?];
    let mut weight = take("conv.weight")?;
    let kernels = scale.values.len();
    let mut bias = take("conv.bias").unwrap_or_else(|_| Array::filled(&[kernels], 0.0));
    let row = weight.values.len() / kernels;
    for kernel in 0..kernels {
        let at = |array: &Array| f64::from(array.values[kernel]);
        let factor = at(&scale) / (at(&var) + NORM_EPSILON).sqrt();
        bias.values[kernel] = ((at(&bias) - at(&mean)) * factor + at(&shift)) as f32;
        for value in &mut weight.values[kernel * row..(kernel + 1) * row] {
            *value = (f64::from(*value) * factor) as f32;
        }
    }
    weights.0.insert(name("conv.weight"), weight);
    weights.0.insert(name("conv.bias"), bias);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::package;

    #[test]
    fn a_folded_network_has_its_own_arrays_and_no_batch_norm() {
        let folded = package().fold_batch_norm().unwrap();
        folded.weights.check(&folded.spec).unwrap();
        assert!(folded.weights.0.keys().all(|name| !name.contains(".bn.")));
        assert!(folded.spec.convs().any(|conv| conv.masked));
    }

    #[test]
    fn without_masks_no_generator_is_left() {
        let plain = package().without_masks();
        plain.weights.check(&plain.spec).unwrap();
        assert!(plain.spec.convs().all(|conv| !conv.masked));
    }
}
