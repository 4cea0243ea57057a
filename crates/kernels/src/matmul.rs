//! Products of two matrices, for linear layers and mask generators.

use super::gemm::{Rows, Terms};
use super::plan::{Blocks, spaced};
use super::pool::parallel;
use super::simd::{Job, Simd};
use super::weights::{Shared, transposed};
use super::work::part;
use super::{Isa, Scratch};

/// A matrix, as it is or transposed.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl<'a> Matrix<'a> {
    /// `values` `[rows, columns]`.
    ///
    /// # Panics
    ///
    /// If there are more or fewer values.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "the values of a matrix");
        Matrix { values, rows, columns, transposed: false }
    }

    /// The transposed matrix.
    pub fn transposed(self) -> Self {
        Matrix { transposed: !self.transposed, rows: self.columns, columns: self.rows, ..self }
    }
}

/// `c = a b`, or `c += a b` with `add`; c is `[rows of a, columns of b]`.
///
/// # Panics
///
/// If the sizes do not fit or the processor lacks `isa`.
pub fn matmul(
    (isa, threads): (Isa, usize),
    a: Matrix,
    b: Matrix,
    c: &mut [f32],
    add: bool,
    scratch: &mut Scratch,
) {
    assert!(isa.is_available(), "this processor has no {isa:?}");
    assert_eq!(a.columns, b.rows, "the inner sizes of a product");
    assert_eq!(c.len(), a.rows * b.columns, "the size of a product");
    let (rows, depth, columns) = (a.rows, a.columns, b.columns);
    if c.is_empty() {
        return;
    }
    let blocks = Blocks::of(columns, isa);
    let packed = scratch.input.shared(depth * blocks.len());
    let (from, c) = (Shared(b.values.as_ptr().cast_mut()), Shared(c.as_mut_ptr()));
    parallel(threads, blocks.count, |_, block| {
        let (first, width) = (block * blocks.width, blocks.width.min(columns - block * blocks.width));
        // SAFETY: each job packs its own block, of columns that b has.
        unsafe {
            let to = packed.at(block * depth * blocks.width);
            let (from, stride) = match b.transposed {
                true => (from.at(first * depth), depth),
                false => (from.at(first), columns),
            };
            let sizes = if b.transposed { [width, depth] } else { [depth, width] };
            isa.run(Copied { from, stride, to, to_stride: blocks.width, sizes, transpose: b.transposed });
        }
    });
    let (a_at, a_row) = if a.transposed {
        let (to, row) = (scratch.output.shared(rows * spaced(depth)), spaced(depth));
        let (from, parts) = (Shared(a.values.as_ptr().cast_mut()), rows.div_ceil(64));
        parallel(threads, parts, |_, index| {
            let (first, last) = (index * 64, rows.min(index * 64 + 64));
            // SAFETY: each job transposes its own rows of a.
            unsafe {
                let (from, to) = (from.at(first), to.at(first * row));
                let sizes = [depth, last - first];
                isa.run(Copied { from, stride: rows, to, to_stride: row, sizes, transpose: true });
            }
        });
        (to, row)
    } else {
        (Shared(a.values.as_ptr().cast_mut()), depth)
    };
    let direct = !add && columns == blocks.len();
    let (out, out_row) = match direct {
        true => (c, columns),
        false => (scratch.input_gradient.shared(rows * spaced(blocks.len())), spaced(blocks.len())),
    };
    let parts = (threads * 4).div_ceil(blocks.count).clamp(1, rows.div_ceil(24));
    parallel(threads, blocks.count * parts, |_, index| {
        let (block, part_of) = (index / parts, index % parts);
        let (first, last) = part(rows, parts, part_of);
        let column = block * blocks.width;
        // SAFETY: each job writes its own rows of its own block, in `out` and then in `c`.
        unsafe {
            isa.run(Rows {
                a: a_at.at(first * a_row),
                lda: a_row,
                rows: last - first,
                b: packed.at(block * depth * blocks.width),
                ldb: blocks.width,
                vectors: blocks.vectors_of(block),
                k: depth,
                terms: Terms::All,
                out: out.at(first * out_row + column),
                ldo: out_row,
                columns: blocks.vectors_of(block) * isa.lanes(),
                finish: None,
            });
            for row in first..last {
                let (from, to) = (out.at(row * out_row + column), c.at(row * columns + column));
                let width = blocks.width.min(columns - column);
                match (direct, add) {
                    (true, _) => break,
                    (false, false) => to.copy_from_nonoverlapping(from, width),
                    (false, true) => (0..width).for_each(|i| *to.add(i) += *from.add(i)),
                }
            }
        }
    });
}

/// Copies a matrix, or its transpose.
struct Copied {
    from: *const f32,
    stride: usize,
    to: *mut f32,
    to_stride: usize,
    /// Rows and columns of `from`.
    sizes: [usize; 2],
    transpose: bool,
}

impl Job for Copied {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let [rows, columns] = self.sizes;
        // SAFETY: the fields' promises.
        unsafe {
            if self.transpose {
                return transposed::<S>(self.from, self.stride, self.to, self.to_stride, rows, columns);
            }
            for row in 0..rows {
                let (from, to) = (self.from.add(row * self.stride), self.to.add(row * self.to_stride));
                to.copy_from_nonoverlapping(from, columns);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::noise;
    use super::*;

    #[test]
    fn products_of_matrices_and_their_transposes_are_right() {
        for (isa, [m, k, n]) in Isa::available().into_iter().flat_map(|isa| {
            [[1, 7, 1], [5, 64, 64], [33, 100, 130], [128, 17, 40], [3, 512, 10]].map(|size| (isa, size))
        }) {
            if cfg!(miri) && m * k * n > 30_000 {
                continue;
            }
            let (a, b, old) = (noise(m * k, 1), noise(k * n, 2), noise(m * n, 3));
            for (at, bt, add) in
                [(false, false, false), (true, false, true), (false, true, false), (true, true, true)]
            {
                let mut c = old.clone();
                let left = if at { Matrix::new(&a, k, m).transposed() } else { Matrix::new(&a, m, k) };
                let right = if bt { Matrix::new(&b, n, k).transposed() } else { Matrix::new(&b, k, n) };
                matmul((isa, 2), left, right, &mut c, add, &mut Scratch::new());
                for (index, value) in c.into_iter().enumerate() {
                    let (i, j) = (index / n, index % n);
                    let exact: f64 = (0..k)
                        .map(|l| {
                            let left = if at { a[l * m + i] } else { a[i * k + l] };
                            let right = if bt { b[j * k + l] } else { b[l * n + j] };
                            f64::from(left) * f64::from(right)
                        })
                        .sum::<f64>()
                        + if add { f64::from(old[index]) } else { 0.0 };
                    assert!((f64::from(value) - exact).abs() < 1e-4, "{isa:?} {m}x{k}x{n} at {i},{j}");
                }
            }
        }
    }
}
