//! Which vector instructions to use: found when the program runs.

use std::fmt;

use crate::simd::{Job, Portable};

/// Vector instructions that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// AVX-512 (F), on x86-64.
    Avx512,
    /// AVX2 with FMA, on x86-64.
    Avx2,
    /// The portable kernels compiled for aarch64, whose baseline has NEON.
    Neon,
    /// Plain Rust for any processor.
    Portable,
}

impl InstructionSet {
    /// All of them, the fastest first.
    pub const ALL: [InstructionSet; 4] =
        [InstructionSet::Avx512, InstructionSet::Avx2, InstructionSet::Neon, InstructionSet::Portable];
}

/// Proof that this processor has an instruction set. There is no way to make one but to look: unsafe code may rely
/// on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Isa(InstructionSet);

impl fmt::Debug for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Isa {
    /// The proof, if this processor has the instructions.
    pub fn detect(set: InstructionSet) -> Option<Isa> {
        let found = match set {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            InstructionSet::Avx512 | InstructionSet::Avx2 => false,
            InstructionSet::Neon => cfg!(target_arch = "aarch64"),
            InstructionSet::Portable => true,
        };
        found.then_some(Isa(set))
    }

    /// All that this processor has, the fastest first.
    pub fn available() -> Vec<Isa> {
        InstructionSet::ALL.into_iter().filter_map(Isa::detect).collect()
    }

    /// The fastest that this processor has.
    pub fn best() -> Isa {
        InstructionSet::ALL.into_iter().find_map(Isa::detect).unwrap_or(Isa(InstructionSet::Portable))
    }

    /// Which instructions they are.
    pub fn set(self) -> InstructionSet {
        self.0
    }

    /// Block widths, in vectors, that the products have code for, the widest first. The widest fills the registers:
    /// 6 rows x 4 vectors of sums are 24 of 32 registers with AVX-512, 6 x 2 are 12 of 16 with AVX2.
    pub(crate) fn widths(self) -> &'static [usize] {
        match self.0 {
            InstructionSet::Avx512 => &[4, 3, 2, 1],
            InstructionSet::Avx2 => &[2, 1],
            InstructionSet::Neon | InstructionSet::Portable => &[1],
        }
    }

    /// Values of a vector.
    pub(crate) fn lanes(self) -> usize {
        match self.0 {
            InstructionSet::Avx512 => 16,
            InstructionSet::Avx2 | InstructionSet::Neon | InstructionSet::Portable => 8,
        }
    }

    /// Runs a job with these instructions.
    ///
    /// # Safety
    ///
    /// The job's pointers are valid as its fields say.
    pub(crate) unsafe fn run(self, job: impl Job) {
        // SAFETY: `self` is the proof that the processor has the instructions; the job's pointers are valid by this
        // function's contract.
        unsafe {
            match self.0 {
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx512 => crate::simd::x86::with_avx512(job),
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx2 => crate::simd::x86::with_avx2(job),
                _ => job.run(Portable),
            }
        }
    }
}
