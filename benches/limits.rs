//! What the machine can do at most: `cargo bench --bench limits -- [--threads N]`.
//!
//! Multiply-adds of vectors in registers, and bytes a second of long arrays that are read, copied, and updated as
//! the optimiser does. `docs/benchmarks.md` sets the times of training beside these.

use std::hint::black_box;
use std::time::Instant;

/// Floats of each array: far more than the caches hold.
const LENGTH: usize = 64 << 20;
/// Multiply-adds of a lane in each of the accumulators.
const ROUNDS: usize = 20_000_000;
/// Independent sums: more than an instruction's latency times those begun each cycle.
const SUMS: usize = 16;

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--threads").skip(1);
    let default = std::thread::available_parallelism().map_or(1, usize::from);
    let most: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(default);
    for threads in [1, most] {
        let flops = on_each(threads, |_| multiply_adds()) * threads as f64;
        println!("{threads} thread(s): {:7.1} GFLOP/s in multiply-adds", flops / 1e9);
        let arrays: Vec<[Vec<f32>; 3]> =
            (0..threads).map(|_| [1.0f32, 2.0, 3.0].map(|x| vec![x; LENGTH / threads])).collect();
        let arrays: Vec<_> = arrays.into_iter().map(std::sync::Mutex::new).collect();
        let of = |thread: usize| arrays[thread].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let rate = |bytes: usize, work: &(dyn Fn(&mut [Vec<f32>; 3]) + Sync)| {
            let bytes = (LENGTH / threads * bytes) as f64;
            threads as f64 * on_each(threads, |thread| bytes / seconds(|| work(&mut of(thread)))) / 1e9
        };
        println!(
            "{:14}{:7.1} GB/s read",
            "",
            rate(4, &|[a, ..]| {
                black_box(sum(a));
            })
        );
        println!(
            "{:14}{:7.1} GB/s copied (read and written)",
            "",
            rate(8, &|[a, b, _]| b.copy_from_slice(a))
        );
        let update = |[p, v, g]: &mut [Vec<f32>; 3]| {
            for ((p, v), g) in p.iter_mut().zip(v).zip(g) {
                *v = 0.9 * *v + *g;
                *p -= 0.01 * (*g + 0.9 * *v);
            }
        };
        println!("{:14}{:7.1} GB/s in an update (three read, two written)", "", rate(20, &update));
    }
}

/// The mean of what `work(thread)` gives on this many threads at once.
fn on_each(threads: usize, work: impl Fn(usize) -> f64 + Sync) -> f64 {
    let work = &work;
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        started.into_iter().map(|thread| thread.join().unwrap_or(f64::NAN)).sum::<f64>() / threads as f64
    })
}

/// The shortest of some runs.
fn seconds(mut work: impl FnMut()) -> f64 {
    let once = |_| {
        let begun = Instant::now();
        work();
        begun.elapsed().as_secs_f64()
    };
    (0..5).map(once).fold(f64::INFINITY, f64::min)
}

fn sum(values: &[f32]) -> f32 {
    let mut sums = [0.0f32; 64];
    for part in values.chunks_exact(64) {
        sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
    }
    sums.iter().sum()
}

/// Floating-point operations a second of one thread, with the widest vectors it has.
fn multiply_adds() -> f64 {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return 2.0 * 16.0 * (SUMS * ROUNDS) as f64 / seconds(|| x86::wide(black_box(1e-3)));
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return 2.0 * 8.0 * (SUMS * ROUNDS) as f64 / seconds(|| x86::narrow(black_box(1e-3)));
        }
    }
    let plain = || {
        let (x, mut sums) = (black_box(1e-3f32), [0.0f32; SUMS]);
        for _ in 0..ROUNDS {
            sums.iter_mut().for_each(|sum| *sum = *sum * x + x);
        }
        black_box(sums);
    };
    2.0 * (SUMS * ROUNDS) as f64 / seconds(plain)
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector instructions, behind a check that the processor has them")]
mod x86 {
    use super::{ROUNDS, SUMS, black_box};
    use std::arch::x86_64::*;

    pub(super) fn wide(x: f32) {
        #[target_feature(enable = "avx512f")]
        fn run(x: f32) {
            let (x, mut sums) = (_mm512_set1_ps(x), [_mm512_set1_ps(0.0); SUMS]);
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = _mm512_fmadd_ps(*sum, x, x);
                }
            }
            black_box(sums);
        }
        // SAFETY: the caller found AVX-512.
        unsafe { run(x) }
    }

    pub(super) fn narrow(x: f32) {
        #[target_feature(enable = "avx2,fma")]
        fn run(x: f32) {
            let (x, mut sums) = (_mm256_set1_ps(x), [_mm256_set1_ps(0.0); SUMS]);
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = _mm256_fmadd_ps(*sum, x, x);
                }
            }
            black_box(sums);
        }
        // SAFETY: the caller found AVX2 and FMA.
        unsafe { run(x) }
    }
}
