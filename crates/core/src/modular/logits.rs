//! What logits say: probabilities and the most probable class.

use std::ops::Sub;

/// The softmax of a row of logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Softmax<T> {
    /// The largest logit, which is taken off before exponentials.
    pub largest: T,
    /// Sum of the exponentials of what is then left.
    pub sum: f64,
    /// The probability of each class.
    pub probabilities: Vec<f64>,
}

/// The softmax of a row of logits, safe for large ones: exp(x_i - max x) / sum over j of exp(x_j - max x).
/// A row that holds NaN gives NaN.
pub fn softmax<T>(logits: &[T]) -> Softmax<T>
where
    T: Copy + Default + PartialOrd + Sub<Output = T> + Into<f64>,
{
    let larger = |a: T, b: T| if b > a { b } else { a };
    let largest = logits.iter().copied().reduce(larger).unwrap_or_default();
    let mut probabilities: Vec<f64> = logits.iter().map(|&x| (x - largest).into().exp()).collect();
    let sum: f64 = probabilities.iter().sum();
    probabilities.iter_mut().for_each(|value| *value /= sum);
    Softmax { largest, sum, probabilities }
}

/// Index of the largest value; the first of equals, 0 for an empty row.
pub fn argmax<T: PartialOrd>(row: &[T]) -> usize {
    (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_add_up_however_large_the_logits() {
        assert_eq!(softmax(&[1000.0f32, 1000.0, -1000.0]).probabilities, [0.5, 0.5, 0.0]);
        let Softmax { largest, sum, probabilities } = softmax(&[0.0f64, 3f64.ln()]);
        assert!((largest + sum.ln() - 4f64.ln()).abs() < 1e-12 && (probabilities[1] - 0.75).abs() < 1e-12);
    }

    #[test]
    fn a_row_with_nan_has_no_probabilities() {
        for row in [[f32::NAN, 1.0], [1.0, f32::NAN]] {
            assert!(softmax(&row).probabilities.iter().all(|value| value.is_nan()));
        }
    }

    #[test]
    fn of_equal_values_the_first_is_the_largest() {
        assert_eq!((argmax(&[1, 3, 3, 2]), argmax::<f64>(&[])), (1, 0));
    }
}
