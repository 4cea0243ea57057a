//! Convolutions on the CPU, for [Cleave](https://crates.io/crates/cleave)'s engine. No dependencies.
//!
//! Activations are `[batch, height, width, channels]`, so that a vector always holds channels; weights stay
//! `[out, in, kernel, kernel]`, as files and other backends have them.
//!
//! | file | what it holds |
//! |---|---|
//! | `convolution` | `ConvKernel`: a convolution with its weights, forward and backward |
//! | `shape` | its sizes, and sets of channels |
//! | `plan` | which algorithm a convolution uses, and how intermediate results are laid out |
//! | `batching` | a pass over a batch: chunks, teams of threads, phases |
//! | `pass` | the products of a pass; what its jobs share |
//! | `transforms` | images to the products' operands and back, sample by sample |
//! | `winograd` `im2col` `filter_transform` | the transforms themselves |
//! | `gemm` `pack` | matrix multiplication in registers; copies of packed weights |
//! | `groups` `channel_select` | samples that share a list of channels; copies with these channels only |
//! | `epilogue` `residual_sum` | what follows a convolution, in registers; sums of images with different channels |
//! | `isa` `simd` | instruction sets; vectors |
//! | `pool` `ptr` `workspace` | threads; pointers that they share; memory |
//!
//! A convolution becomes one matrix product for each of some points: 36 with Winograd's F(4x4, 3x3), 9 for maps of 2x2
//! pixels, and one, with windows of the image as rows (im2col), for everything else. Channels that are zero in a group
//! of samples are left out of the products; this changes nothing but the time.
//!
//! Only AVX-512, AVX2 and the portable kernels on x86-64 have been run; on aarch64 the portable ones are
//! compiled for NEON.
#![expect(unsafe_code, reason = "vector instructions, and results that threads write side by side")]

mod batching;
mod channel_select;
mod convolution;
mod epilogue;
mod filter_transform;
mod gemm;
mod groups;
mod im2col;
mod isa;
mod pack;
mod pass;
mod plan;
mod pool;
mod ptr;
mod residual_sum;
mod shape;
mod simd;
mod transforms;
mod winograd;
mod workspace;

pub use convolution::ConvKernel;
pub use epilogue::Epilogue;
pub use isa::{InstructionSet, Isa};
pub use pool::parallel;
pub use residual_sum::{Addend, residual_sum};
pub use shape::{Active, ConvShape};
pub use simd::warm_cache;
pub use workspace::{AlignedBuffer, Workspace};

#[cfg(test)]
mod tests;
