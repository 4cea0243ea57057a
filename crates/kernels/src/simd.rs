//! Vectors of f32: what the kernels need of a processor, so that each algorithm is written once.

mod portable;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

pub(crate) use portable::Portable;

/// Vectors of the widest instruction set: no set has more values in one.
pub(crate) const MAX_LANES: usize = 16;

/// A set of vector instructions. A value is the proof that the processor has them, so arithmetic is safe; what takes
/// pointers is not. All of it is inlined into the function that [`Isa::run`](crate::Isa::run) compiles with those
/// instructions.
///
/// # Safety
///
/// Unsafe code relies on what an implementation promises:
///
/// * a value of the type exists only on a processor that has its instructions;
/// * `LANES` is the number of f32 in a `V` and a power of two, at most [`MAX_LANES`];
/// * each function reads and writes no more than its comment says.
pub(crate) unsafe trait Simd: Copy {
    /// `LANES` values.
    type V: Copy;
    /// Values of a vector.
    const LANES: usize;
    /// Vector registers.
    const REGISTERS: usize;

    /// The value in every lane.
    fn splat(self, value: f32) -> Self::V;

    /// Loads `LANES` values.
    ///
    /// # Safety
    ///
    /// `from` is valid for reading `LANES` values; it need not be aligned to a vector.
    unsafe fn load(self, from: *const f32) -> Self::V;

    /// Stores `LANES` values.
    ///
    /// # Safety
    ///
    /// `to` is valid for writing `LANES` values; it need not be aligned to a vector.
    unsafe fn store(self, to: *mut f32, v: Self::V);

    /// The first `count` values, and zeros; reads no more.
    ///
    /// # Safety
    ///
    /// `count` is at most `LANES`, and `from` valid for reading so many values.
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, count: usize) -> Self::V {
        let mut values = [0.0f32; MAX_LANES];
        // SAFETY: `count` values can be read, by this function's contract, and the array holds `LANES` values.
        unsafe {
            for (i, value) in values.iter_mut().enumerate().take(count) {
                *value = *from.add(i);
            }
            self.load(values.as_ptr())
        }
    }

    /// Stores the first `count` values, and no more.
    ///
    /// # Safety
    ///
    /// `count` is at most `LANES`, and `to` valid for writing so many values.
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, v: Self::V, count: usize) {
        let mut values = [0.0f32; MAX_LANES];
        // SAFETY: `count` values can be written, by this function's contract, and the array holds `LANES` values.
        unsafe {
            self.store(values.as_mut_ptr(), v);
            for (i, value) in values.iter().enumerate().take(count) {
                *to.add(i) = *value;
            }
        }
    }

    /// `a + b`
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;

    /// a where it is larger than b, else b: so b where either is NaN. `above(floor, x)` keeps a NaN of x.
    fn above(self, a: Self::V, b: Self::V) -> Self::V;

    /// The larger of both; NaN where either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;

    /// The sum of each vector's values.
    fn sums(self, v: [Self::V; 4]) -> [f32; 4];

    /// Transposes a square of `LANES` rows of `LANES` values, rows `stride` and `to_stride` values apart.
    ///
    /// # Safety
    ///
    /// All rows of `from` are valid for reading, those of `to` for writing; they do not overlap.
    unsafe fn transpose(self, from: *const f32, stride: usize, to: *mut f32, to_stride: usize);

    /// Writes the values at set bits one behind the other. What follows them in `to`, up to `LANES` values, is then
    /// arbitrary.
    ///
    /// # Safety
    ///
    /// `from` is valid for reading `LANES` values and `to` for writing as many; `mask` has no bit from `LANES` on.
    #[inline(always)]
    unsafe fn compress(self, from: *const f32, mask: u32, to: *mut f32) {
        // SAFETY: `compress_exact` writes no more than `LANES` values, as no more bits are set.
        unsafe { self.compress_exact(from, mask, to) }
    }

    /// As `compress`, but writes no more values than bits are set.
    ///
    /// # Safety
    ///
    /// As for `compress`; `to` is valid for writing as many values as bits are set.
    #[inline(always)]
    unsafe fn compress_exact(self, from: *const f32, mask: u32, to: *mut f32) {
        let (mut rest, mut next) = (mask, to);
        while rest != 0 {
            // SAFETY: a set bit is a position below `LANES`, and `to` has room for a value a bit.
            unsafe {
                *next = *from.add(rest.trailing_zeros() as usize);
                next = next.add(1);
            }
            rest &= rest - 1;
        }
    }

    /// The vector with the values of `from`, in order, in the lanes of set bits, and zeros in the others; reads no more
    /// values than bits are set.
    ///
    /// # Safety
    ///
    /// `from` is valid for reading as many values as bits are set; `mask` has no bit from `LANES` on.
    #[inline(always)]
    unsafe fn expand(self, from: *const f32, mask: u32) -> Self::V {
        let mut values = [0.0f32; MAX_LANES];
        let (mut rest, mut next) = (mask, from);
        // SAFETY: there is a value to read for every set bit, and the array holds `LANES` values.
        unsafe {
            while rest != 0 {
                values[rest.trailing_zeros() as usize] = *next;
                next = next.add(1);
                rest &= rest - 1;
            }
            self.load(values.as_ptr())
        }
    }
}

/// The first `lanes` bits.
#[inline(always)]
pub(crate) fn low_bits(lanes: usize) -> u32 {
    debug_assert!((1..=32).contains(&lanes));
    u32::MAX >> (32 - lanes)
}

/// Work that is compiled once for each instruction set.
pub(crate) trait Job {
    /// Does it. Implementations are `#[inline(always)]`, so that they are compiled with S's instructions.
    ///
    /// # Safety
    ///
    /// The job's pointers are valid as its fields say.
    unsafe fn run<S: Simd>(self, s: S);
}

/// Touches every cache line of some values, so that irregular accesses that follow find them in the cache. It loads
/// them, since processors drop software prefetches under load.
///
/// # Safety
///
/// `from` is valid for reading `len` values.
pub(crate) unsafe fn warm_cache_at(from: *const f32, len: usize) {
    for first in (0..len).step_by(16) {
        // SAFETY: `first` is below `len`; volatile, since nobody uses the value.
        unsafe { from.add(first).read_volatile() };
    }
}

/// Touches every cache line of some values, in order, before a pass over them in another order: memory is fastest
/// when it is read in order.
pub fn warm_cache(values: &[f32]) {
    // SAFETY: the slice's values can be read.
    unsafe { warm_cache_at(values.as_ptr(), values.len()) }
}
