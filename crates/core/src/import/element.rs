//! Number formats.

use half::{bf16, f16};

/// A format of floating-point numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F32,
    F64,
    F16,
    Bf16,
}

impl Element {
    /// By the name that safetensors or PyTorch's storages give it; none for anything but floats.
    pub(super) fn named(name: &str) -> Option<Element> {
        Some(match name {
            "F32" | "FloatStorage" => Element::F32,
            "F64" | "DoubleStorage" => Element::F64,
            "F16" | "HalfStorage" => Element::F16,
            "BF16" | "BFloat16Storage" => Element::Bf16,
            _ => return None,
        })
    }

    /// Bytes of a number.
    pub(super) fn size(self) -> usize {
        match self {
            Element::F64 => 8,
            Element::F32 => 4,
            Element::F16 | Element::Bf16 => 2,
        }
    }

    /// A number from its little-endian bytes, rounded to 32 bits. Bytes of another length give NaN.
    pub(super) fn value(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Element::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Element::F64, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            (Element::F16, &[a, b]) => f16::from_le_bytes([a, b]).to_f32(),
            (Element::Bf16, &[a, b]) => bf16::from_le_bytes([a, b]).to_f32(),
            _ => f32::NAN,
        }
    }
}
