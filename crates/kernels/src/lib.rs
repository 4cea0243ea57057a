//! Convolutions on the CPU, for [Cleave](https://crates.io/crates/cleave)'s engine. No dependencies.
//!
//! Activations are `[batch, height, width, channels]`, so that a vector always holds channels; weights stay
//! `[out, in, kernel, kernel]`, as files and other backends have them.
//!
//! | file | what it holds |
//! |---|---|
//! | `convolution` | `ConvKernel`: a convolution with its weights; `shape`: its sizes, and sets of channels |
//! | `plan` | which scheme a convolution uses and how intermediate results lie |
//! | `work` | a pass over a batch: chunks, and the threads that work on them |
//! | `pass` `transfer` | the jobs of a pass: products at the points; samples to points and back |
//! | `tiles` `staging` `weights` | transforms of images, copies of images, transforms of weights |
//! | `groups` | samples that share a list of channels |
//! | `gemm` `matmul` | products of matrices, by registers and whole |
//! | `finish` | what follows a convolution, done in registers |
//! | `simd` `x86` | vectors: what the kernels need, and the instructions |
//! | `pool` `scratch` | threads and memory |
//!
//! A convolution becomes one matrix product for each of some points: 36 for 4x4 outputs, 9 for images of 2x2
//! pixels, and one, with windows of the image as rows, for everything else. Channels that are zero in a group
//! of samples are left out of the products; this changes nothing but the time.
//!
//! Only AVX-512, AVX2 and the portable kernels on x86-64 have been run; on aarch64 the portable ones are
//! compiled for NEON.
#![expect(unsafe_code, reason = "vector instructions, and results that threads write side by side")]

mod convolution;
mod finish;
mod gemm;
mod groups;
mod matmul;
mod pass;
mod plan;
mod pool;
mod scratch;
mod shape;
mod simd;
mod staging;
mod tiles;
mod transfer;
mod weights;
mod work;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use convolution::ConvKernel;
pub use finish::Epilogue;
pub use matmul::{Matrix, matmul};
pub use pool::parallel;
pub use scratch::{Lines, Scratch};
pub use shape::{Active, ConvShape};
pub use simd::bring;
pub use staging::{Addend, sum};

/// The instructions that the kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512 (F), on x86-64.
    Avx512,
    /// AVX2 with FMA, on x86-64.
    Avx2,
    /// The portable kernels compiled for aarch64, whose baseline has NEON.
    Neon,
    /// Plain Rust for any processor.
    Portable,
}

impl Isa {
    /// What this processor can run, the fastest first.
    pub fn available() -> Vec<Isa> {
        [Isa::Avx512, Isa::Avx2, Isa::Neon, Isa::Portable]
            .into_iter()
            .filter(|isa| isa.is_available())
            .collect()
    }

    /// Whether this processor can run it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx512 | Isa::Avx2 => false,
            Isa::Neon => cfg!(target_arch = "aarch64"),
            Isa::Portable => true,
        }
    }

    /// The fastest of what this processor can run.
    pub fn best() -> Isa {
        Isa::available()[0]
    }
}

#[cfg(test)]
mod tests;
