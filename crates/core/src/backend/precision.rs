//! In what arithmetic products (convolutions, matrix products) are computed.

use std::fmt;
use std::str::FromStr;

use burn::tensor::FloatDType;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use serde::{Deserialize, Serialize};

/// What a user asks for with `--precision`. Weights, sums, batch norm, losses and the optimiser are f32
/// whatever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// f32 to its last digits.
    #[default]
    F32,
    /// Factors rounded to 11 significant bits by the GPU's matrix units, products summed in f32.
    Tf32,
    /// Factors and results rounded to 8 significant bits.
    Bf16,
}

/// How a backend comes to a product of the precision asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// The backend's own product.
    #[default]
    Plain,
    /// Three products of halves, where the backend rounds factors to TF32: a = a1 + a2 with a1 exact in TF32,
    /// and a b = a1 b1 + a1 b2 + a2 b1 + an error of about 2^-22.
    Split,
    /// A product of bf16 numbers.
    Bf16,
}

impl Precision {
    /// All of them.
    pub const ALL: [Precision; 3] = [Precision::F32, Precision::Tf32, Precision::Bf16];
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Precision::F32 => "f32",
            Precision::Tf32 => "tf32",
            Precision::Bf16 => "bf16",
        })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Precision::ALL.into_iter().find(|precision| precision.to_string() == text);
        known.ok_or_else(|| format!("`{text}` is no precision; use f32, tf32 or bf16"))
    }
}

impl Arithmetic {
    /// What a bilinear function gives for two tensors.
    pub(super) fn apply<B: Backend>(
        self,
        a: FloatTensor<B>,
        b: FloatTensor<B>,
        product: impl Fn(FloatTensor<B>, FloatTensor<B>) -> FloatTensor<B>,
    ) -> FloatTensor<B> {
        match self {
            Arithmetic::Plain => product(a, b),
            Arithmetic::Split => {
                let ((a, a_rest), (b, b_rest)) = (halves::<B>(a), halves::<B>(b));
                // The small ones first.
                let rest = B::float_add(product(a.clone(), b_rest), product(a_rest, b.clone()));
                B::float_add(rest, product(a, b))
            }
            Arithmetic::Bf16 => {
                let narrow = |x| B::float_cast(x, FloatDType::BF16);
                B::float_cast(product(narrow(a), narrow(b)), FloatDType::F32)
            }
        }
    }
}

/// A number's first 11 significant bits, which are TF32's, and the rest (T. J. Dekker, 1971).
///
/// That a compiler may contract x * 8193 - x to one rounding does no harm: the difference is then 8192 x
/// exactly, and the first half again x rounded to 11 bits.
fn halves<B: Backend>(x: FloatTensor<B>) -> (FloatTensor<B>, FloatTensor<B>) {
    const SHIFT: f32 = 8193.0;
    let scaled = B::float_mul_scalar(x.clone(), SHIFT.into());
    let first = B::float_sub(scaled.clone(), B::float_sub(scaled, x.clone()));
    let rest = B::float_sub(x, first.clone());
    (first, rest)
}
