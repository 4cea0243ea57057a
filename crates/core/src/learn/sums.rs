//! Sums over the samples of training steps, by name.

use std::collections::BTreeMap;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::error::Error;
use crate::method::MethodConfig;
use crate::run::EpochSums;
use crate::spec::Array;

/// Cross-entropy.
pub const CROSS_ENTROPY: &str = "cross_entropy";
/// The weighted sum of cross-entropy and the method's terms.
pub const TOTAL: &str = "total";
/// Correct predictions.
pub const CORRECT: &str = "correct";
/// Fraction of observed units in use.
pub const UNIT_RATE: &str = "kernel_rate";

/// Sums over samples, as [`sum_names`] names them. On a device of its own they stay there until they are read.
#[derive(Clone, Debug)]
pub struct Sums<B: Backend> {
    names: Vec<&'static str>,
    values: Values<B>,
}

#[derive(Clone, Debug)]
enum Values<B: Backend> {
    Host(Vec<f64>),
    /// `[sums]`.
    Device(Tensor<B, 1>),
}

/// The names of the sums that a step gives for a method: cross-entropy, the method's terms, their weighted total,
/// correct predictions and units in use.
pub fn sum_names(method: &MethodConfig) -> Vec<&'static str> {
    let terms = method.term_specs().iter().map(|term| term.name);
    std::iter::once(CROSS_ENTROPY).chain(terms).chain([TOTAL, CORRECT, UNIT_RATE]).collect()
}

impl<B: Backend> Sums<B> {
    /// Numbers in the host's memory, as many as there are names.
    pub(super) fn on_host(names: Vec<&'static str>, values: Vec<f64>) -> Self {
        Sums { names, values: Values::Host(values) }
    }

    /// Numbers on a device, `[sums]`, as many as there are names.
    pub(super) fn on_device(names: Vec<&'static str>, values: Tensor<B, 1>) -> Self {
        Sums { names, values: Values::Device(values) }
    }

    /// The sums that a checkpoint holds.
    ///
    /// # Errors
    ///
    /// When one of the method's is missing.
    pub fn of(method: &MethodConfig, kept: &EpochSums) -> Result<Self, Error> {
        let names = sum_names(method);
        let missing = |name: &str| Error::Sums(format!("there is none of {name}"));
        let values = match kept {
            EpochSums::Named(sums) => {
                let values = names.iter().map(|&name| sums.get(name).copied().ok_or_else(|| missing(name)));
                values.collect::<Result<_, _>>()?
            }
            EpochSums::Listed(sums) if sums.len() == names.len() => sums.clone(),
            EpochSums::Listed(_) => return Err(Error::Sums("they are those of another method".into())),
        };
        Ok(Sums { values: Values::Host(values), names })
    }

    /// Both together: sums of the same method.
    pub fn plus(self, other: Self) -> Self {
        let values = match (self.values, other.values) {
            (Values::Host(a), Values::Host(b)) => Values::Host(a.iter().zip(b).map(|(a, b)| a + b).collect()),
            (Values::Device(a), Values::Device(b)) => Values::Device(a + b),
            (Values::Device(a), Values::Host(b)) | (Values::Host(b), Values::Device(a)) => {
                let b: Vec<f32> = b.into_iter().map(|value| value as f32).collect();
                let data = TensorData::new(b, a.dims());
                let b = Tensor::from_data(data, &a.device());
                Values::Device(a + b)
            }
        };
        Sums { names: self.names, values }
    }

    /// Reads them: waits for the device.
    pub fn read(&self) -> Vec<(&'static str, f64)> {
        let values = match &self.values {
            Values::Host(values) => values.clone(),
            Values::Device(tensor) => {
                Array::from_tensor(tensor.clone()).values.into_iter().map(f64::from).collect()
            }
        };
        self.names.iter().copied().zip(values).collect()
    }

    /// As [`Sums::read`], to look a name up.
    pub fn named(&self) -> BTreeMap<String, f64> {
        self.read().into_iter().map(|(name, sum)| (name.to_owned(), sum)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Cpu, cpu_device};
    use crate::method::Mwt;

    #[test]
    fn sums_of_a_checkpoint_go_on_by_name_on_the_host_and_on_a_device() {
        let method = MethodConfig::Mwt(Mwt::default());
        let values: Vec<f64> = (1..=6).map(f64::from).collect();
        let mut named: BTreeMap<String, f64> =
            sum_names(&method).into_iter().map(str::to_owned).zip(values.clone()).collect();
        named.insert("of another time".into(), 9.0);
        let begun = Sums::<Cpu>::of(&method, &EpochSums::Named(named.clone())).unwrap();
        let older = Sums::<Cpu>::of(&method, &EpochSums::Listed(values)).unwrap();
        assert_eq!(begun.read(), older.read());
        assert_eq!(begun.read()[1], ("cohesion", 2.0));
        let step = |values: Vec<f64>| Sums::on_host(sum_names(&method), values);
        let device: Vec<f32> = vec![0.5; 6];
        let device = Sums::on_device(sum_names(&method), Tensor::from_data(device.as_slice(), &cpu_device()));
        for more in [step(vec![0.5; 6]), device] {
            let sum = begun.clone().plus(more.clone()).plus(more);
            assert_eq!(
                sum.read().iter().map(|(_, v)| *v).collect::<Vec<_>>(),
                [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
            );
        }
        named.remove("coupling");
        let refused = |kept| Sums::<Cpu>::of(&method, &kept).unwrap_err().to_string();
        assert!(refused(EpochSums::Named(named)).contains("coupling"));
        assert!(refused(EpochSums::Listed(vec![1.0; 4])).contains("another method"));
    }
}
