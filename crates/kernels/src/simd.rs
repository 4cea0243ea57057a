//! Vectors of f32: what the kernels need of a processor, so that each algorithm is written once.

use super::Isa;

/// A set of vector instructions.
///
/// Every function is unsafe: the caller runs on a processor that has the instructions (it was called from
/// [`Isa::run`]), and pointers are valid for `LANES` values unless said otherwise. All of it is inlined into
/// the function that [`Isa::run`] compiles with those instructions.
pub(super) trait Simd: Copy {
    /// `LANES` values.
    type V: Copy;
    /// Values of a vector.
    const LANES: usize;
    /// Vector registers.
    const REGISTERS: usize;

    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    /// The first `count` values, of at most `LANES`, and zeros; reads no more.
    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> Self::V {
        let mut values = [0.0f32; 16];
        // SAFETY: `count` values can be read, and the array has room for every vector.
        unsafe {
            for (i, value) in values.iter_mut().enumerate().take(count) {
                *value = *from.add(i);
            }
            Self::load(values.as_ptr())
        }
    }
    /// Writes the first `count` values, of at most `LANES`, and no more.
    #[inline(always)]
    unsafe fn store_part(to: *mut f32, v: Self::V, count: usize) {
        let mut values = [0.0f32; 16];
        // SAFETY: `count` values can be written, and the array has room for every vector.
        unsafe {
            Self::store(values.as_mut_ptr(), v);
            for (i, value) in values.iter().enumerate().take(count) {
                *to.add(i) = *value;
            }
        }
    }
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Where a is larger than b it, else b; so b where either is NaN.
    unsafe fn larger(a: Self::V, b: Self::V) -> Self::V;
    /// The sum of each vector's values.
    unsafe fn sums(v: [Self::V; 4]) -> [f32; 4];
    /// Transposes `LANES` rows of `LANES` values.
    unsafe fn transpose(from: *const f32, stride: usize, to: *mut f32, to_stride: usize);

    /// The vector in which the values at set bits follow each other. May write `LANES` values.
    #[inline(always)]
    unsafe fn compress(from: *const f32, mask: u32, to: *mut f32) {
        let (mut rest, mut next) = (mask, to);
        while rest != 0 {
            // SAFETY: a set bit is a position below `LANES`, and there are no more of them than `LANES`.
            unsafe {
                *next = *from.add(rest.trailing_zeros() as usize);
                next = next.add(1);
            }
            rest &= rest - 1;
        }
    }

    /// As `compress`, but writes no more values than bits are set.
    #[inline(always)]
    unsafe fn pick(from: *const f32, mask: u32, to: *mut f32) {
        // SAFETY: this form of `compress` writes no more.
        unsafe { Self::compress(from, mask, to) }
    }

    /// The vector that `expand` writes.
    #[inline(always)]
    unsafe fn expanded(from: *const f32, mask: u32) -> Self::V {
        let mut values = [0.0f32; 16];
        // SAFETY: the array has room for every vector; no more is read than `expand` reads.
        unsafe {
            Self::expand(from, mask, values.as_mut_ptr());
            Self::load(values.as_ptr())
        }
    }

    /// The reverse of `compress`; zero at the other bits.
    #[inline(always)]
    unsafe fn expand(from: *const f32, mask: u32, to: *mut f32) {
        // SAFETY: `to` holds `LANES` values; no more are taken from `from` than bits are set.
        unsafe {
            Self::store(to, Self::splat(0.0));
            let (mut rest, mut next) = (mask, from);
            while rest != 0 {
                *to.add(rest.trailing_zeros() as usize) = *next;
                next = next.add(1);
                rest &= rest - 1;
            }
        }
    }
}

/// Brings values near that are then read here and there: memory is fastest in order. They are really read, as
/// processors ignore prefetches when there are many.
///
/// # Safety
///
/// `from` holds `len` values.
pub(super) unsafe fn fetch(from: *const f32, len: usize) {
    for first in (0..len).step_by(16) {
        // SAFETY: a value that exists; volatile, since nobody uses it.
        unsafe { from.add(first).read_volatile() };
    }
}

/// Brings values near, in order, before passes over them in another order.
pub fn bring(values: &[f32]) {
    // SAFETY: the slice's values.
    unsafe { fetch(values.as_ptr(), values.len()) }
}

/// Work that is compiled once for each instruction set.
pub(super) trait Job {
    /// Does it. Implementations are `#[inline(always)]`, so that they are compiled with S's instructions.
    ///
    /// # Safety
    ///
    /// The processor has S's instructions; the job's pointers are as its fields say.
    unsafe fn run<S: Simd>(self);
}

impl Isa {
    /// Vectors of a block of outputs that fill the registers best, the widest first.
    pub(super) fn widths(self) -> &'static [usize] {
        match self {
            Isa::Avx512 => &[4, 3, 2, 1],
            Isa::Avx2 => &[2, 1],
            Isa::Neon | Isa::Portable => &[1],
        }
    }

    /// Values of a vector.
    pub(super) fn lanes(self) -> usize {
        match self {
            Isa::Avx512 => 16,
            Isa::Avx2 | Isa::Neon | Isa::Portable => 8,
        }
    }

    /// Does the job with these instructions.
    ///
    /// # Safety
    ///
    /// `self` is one of [`Isa::available`]; the job's pointers are as its fields say.
    pub(super) unsafe fn run(self, job: impl Job) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => super::x86::with_avx512(job),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => super::x86::with_avx2(job),
                _ => job.run::<Portable>(),
            }
        }
    }
}

/// Eight values, left to the compiler.
#[derive(Clone, Copy)]
pub(super) struct Portable;

/// a * b + c, in one rounding where the processor's baseline has the instruction.
#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(target_arch = "aarch64") { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> [f32; 8] {
    std::array::from_fn(f)
}

impl Simd for Portable {
    type V = [f32; 8];
    const LANES: usize = 8;
    const REGISTERS: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        [value; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller's promise; an array of f32 is aligned as f32.
        unsafe { *from.cast() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        // SAFETY: as for `load`.
        unsafe { *to.cast() = v }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        each(|i| multiply_add(a[i], b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn larger(a: Self::V, b: Self::V) -> Self::V {
        each(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn sums(v: [Self::V; 4]) -> [f32; 4] {
        v.map(|v| ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])))
    }
    #[inline(always)]
    unsafe fn transpose(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
        for row in 0..8 {
            for column in 0..8 {
                // SAFETY: both matrices have eight rows and columns.
                unsafe { *to.add(column * to_stride + row) = *from.add(row * stride + column) }
            }
        }
    }
}
