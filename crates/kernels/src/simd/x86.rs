//! AVX-512 and AVX2 with FMA.

use std::arch::x86_64::*;

use super::{Job, Simd};

/// Does a job with AVX-512.
///
/// # Safety
///
/// The processor has AVX-512F; the job's pointers are valid as its fields say.
#[target_feature(enable = "avx512f")]
pub(crate) unsafe fn with_avx512(job: impl Job) {
    // SAFETY: the job's pointers are valid, by this function's contract; the processor has what the token proves.
    unsafe { job.run(Avx512(())) }
}

/// Does a job with AVX2 and FMA.
///
/// # Safety
///
/// The processor has AVX2 and FMA; the job's pointers are valid as its fields say.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn with_avx2(job: impl Job) {
    // SAFETY: the job's pointers are valid, by this function's contract; the processor has what the token proves.
    unsafe { job.run(Avx2(())) }
}

/// Vectors of sixteen values. Values of the type are made in [`with_avx512`] only.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

/// Vectors of eight values. Values of the type are made in [`with_avx2`] only.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

/// The four sums of four vectors of four.
///
/// # Safety
///
/// The processor has SSE3.
#[inline(always)]
unsafe fn quarter_sums(v: [__m128; 4]) -> [f32; 4] {
    let mut sums = [0.0; 4];
    // SAFETY: the processor has SSE3, by this function's contract, and the array has four values.
    unsafe {
        let halves = (_mm_hadd_ps(v[0], v[1]), _mm_hadd_ps(v[2], v[3]));
        _mm_storeu_ps(sums.as_mut_ptr(), _mm_hadd_ps(halves.0, halves.1));
    }
    sums
}

/// The mask of the first `count` of 16 values.
#[inline(always)]
fn first(count: usize) -> __mmask16 {
    ((1u32 << count) - 1) as __mmask16
}

// SAFETY: a value is made in `with_avx512` only, whose caller promises the instructions; `V` has LANES values, and
// each function accesses what the trait says.
unsafe impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    const REGISTERS: usize = 32;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        // SAFETY: `self` is the proof that the processor has AVX-512F.
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        // SAFETY: `self` proves AVX-512F; `from` is valid for 16 values.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        // SAFETY: `self` proves AVX-512F; `to` is valid for 16 values.
        unsafe { _mm512_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, count: usize) -> Self::V {
        // SAFETY: `self` proves AVX-512F; only the first `count` values are read, and those can be.
        unsafe { _mm512_maskz_loadu_ps(first(count), from) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, v: Self::V, count: usize) {
        // SAFETY: `self` proves AVX-512F; only the first `count` values are written, and those can be.
        unsafe { _mm512_mask_storeu_ps(to, first(count), v) }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` is the proof that the processor has AVX-512F.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` is the proof that the processor has AVX-512F.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` is the proof that the processor has AVX-512F.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: `self` is the proof that the processor has AVX-512F.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn above(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` is the proof that the processor has AVX-512F.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` is the proof that the processor has AVX-512F.
        unsafe {
            // The instruction gives b where either is NaN.
            let is_nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a);
            _mm512_mask_mov_ps(_mm512_max_ps(a, b), is_nan, a)
        }
    }
    #[inline(always)]
    fn sums(self, v: [Self::V; 4]) -> [f32; 4] {
        // SAFETY: `self` is the proof that the processor has AVX-512F.
        unsafe {
            let mut quarters = [_mm_setzero_ps(); 4];
            for (quarter, v) in quarters.iter_mut().zip(v) {
                let low = _mm512_castps512_ps256(v);
                let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(v)));
                let half = _mm256_add_ps(low, high);
                *quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps::<1>(half));
            }
            quarter_sums(quarters)
        }
    }
    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: `self` proves AVX-512F; both matrices have 16 rows of 16 values.
        unsafe {
            let mut rows = [_mm512_setzero_ps(); 16];
            for (i, row) in rows.iter_mut().enumerate() {
                *row = _mm512_loadu_ps(from.add(i * stride));
            }
            // Pairs of rows, then pairs of pairs: each quarter of a vector is then a 4x4 block transposed.
            for i in (0..16).step_by(4) {
                let low = (
                    _mm512_castps_pd(_mm512_unpacklo_ps(rows[i], rows[i + 1])),
                    _mm512_castps_pd(_mm512_unpacklo_ps(rows[i + 2], rows[i + 3])),
                );
                let high = (
                    _mm512_castps_pd(_mm512_unpackhi_ps(rows[i], rows[i + 1])),
                    _mm512_castps_pd(_mm512_unpackhi_ps(rows[i + 2], rows[i + 3])),
                );
                rows[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(low.0, low.1));
                rows[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low.0, low.1));
                rows[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high.0, high.1));
                rows[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high.0, high.1));
            }
            // The same for the 4x4 matrix of quarters.
            for i in 0..4 {
                let even = (
                    _mm512_shuffle_f32x4::<0x88>(rows[i], rows[i + 4]),
                    _mm512_shuffle_f32x4::<0x88>(rows[i + 8], rows[i + 12]),
                );
                let odd = (
                    _mm512_shuffle_f32x4::<0xdd>(rows[i], rows[i + 4]),
                    _mm512_shuffle_f32x4::<0xdd>(rows[i + 8], rows[i + 12]),
                );
                let columns = [
                    _mm512_shuffle_f32x4::<0x88>(even.0, even.1),
                    _mm512_shuffle_f32x4::<0x88>(odd.0, odd.1),
                    _mm512_shuffle_f32x4::<0xdd>(even.0, even.1),
                    _mm512_shuffle_f32x4::<0xdd>(odd.0, odd.1),
                ];
                for (quarter, column) in columns.into_iter().enumerate() {
                    _mm512_storeu_ps(to.add((quarter * 4 + i) * to_stride), column);
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn compress(self, from: *const f32, mask: u32, to: *mut f32) {
        // SAFETY: `self` proves AVX-512F; both pointers are valid for 16 values. Compressing in the register and storing
        // all of it is much faster than the form of the instruction that writes to memory.
        unsafe {
            _mm512_storeu_ps(to, _mm512_maskz_compress_ps(mask as __mmask16, _mm512_loadu_ps(from)));
        }
    }
    #[inline(always)]
    unsafe fn compress_exact(self, from: *const f32, mask: u32, to: *mut f32) {
        // SAFETY: `self` proves AVX-512F; `from` is valid for 16 values, `to` for as many as bits are set.
        unsafe {
            let packed = _mm512_maskz_compress_ps(mask as __mmask16, _mm512_loadu_ps(from));
            _mm512_mask_storeu_ps(to, first(mask.count_ones() as usize), packed);
        }
    }
    #[inline(always)]
    unsafe fn expand(self, from: *const f32, mask: u32) -> Self::V {
        // SAFETY: `self` proves AVX-512F; `from` is valid for as many values as bits are set.
        unsafe {
            let values = _mm512_maskz_loadu_ps(first(mask.count_ones() as usize), from);
            _mm512_maskz_expand_ps(mask as __mmask16, values)
        }
    }
}

// SAFETY: a value is made in `with_avx2` only, whose caller promises the instructions; `V` has LANES values, and
// each function accesses what the trait says.
unsafe impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    const REGISTERS: usize = 16;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        // SAFETY: `self` is the proof that the processor has AVX2 and FMA.
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        // SAFETY: `self` proves AVX2 and FMA; `from` is valid for 8 values.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        // SAFETY: `self` proves AVX2 and FMA; `to` is valid for 8 values.
        unsafe { _mm256_storeu_ps(to, v) }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` is the proof that the processor has AVX2 and FMA.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` is the proof that the processor has AVX2 and FMA.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` is the proof that the processor has AVX2 and FMA.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: `self` is the proof that the processor has AVX2 and FMA.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn above(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` is the proof that the processor has AVX2 and FMA.
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` is the proof that the processor has AVX2 and FMA.
        unsafe {
            // The instruction gives b where either is NaN.
            let is_nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a);
            _mm256_blendv_ps(_mm256_max_ps(a, b), a, is_nan)
        }
    }
    #[inline(always)]
    fn sums(self, v: [Self::V; 4]) -> [f32; 4] {
        // SAFETY: `self` is the proof that the processor has AVX2 and FMA.
        unsafe {
            let mut quarters = [_mm_setzero_ps(); 4];
            for (quarter, v) in quarters.iter_mut().zip(v) {
                *quarter = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            }
            quarter_sums(quarters)
        }
    }
    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: `self` proves AVX2; both matrices have 8 rows of 8 values.
        unsafe {
            let mut rows = [_mm256_setzero_ps(); 8];
            for (i, row) in rows.iter_mut().enumerate() {
                *row = _mm256_loadu_ps(from.add(i * stride));
            }
            for i in [0, 4] {
                let low = (
                    _mm256_castps_pd(_mm256_unpacklo_ps(rows[i], rows[i + 1])),
                    _mm256_castps_pd(_mm256_unpacklo_ps(rows[i + 2], rows[i + 3])),
                );
                let high = (
                    _mm256_castps_pd(_mm256_unpackhi_ps(rows[i], rows[i + 1])),
                    _mm256_castps_pd(_mm256_unpackhi_ps(rows[i + 2], rows[i + 3])),
                );
                rows[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(low.0, low.1));
                rows[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low.0, low.1));
                rows[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high.0, high.1));
                rows[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high.0, high.1));
            }
            for i in 0..4 {
                let columns = (
                    _mm256_permute2f128_ps::<0x20>(rows[i], rows[i + 4]),
                    _mm256_permute2f128_ps::<0x31>(rows[i], rows[i + 4]),
                );
                _mm256_storeu_ps(to.add(i * to_stride), columns.0);
                _mm256_storeu_ps(to.add((i + 4) * to_stride), columns.1);
            }
        }
    }
}
