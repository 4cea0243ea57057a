//! The same networks in float64, plainly: forward only, `[batch, channels, height, width]`.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::super::PassMasks;
use crate::random::Draws;
use crate::spec::{Conv, NORM_EPSILON, Residual, Stage};

/// A batch of activations.
#[derive(Clone)]
pub struct Maps {
    pub batch: usize,
    /// `[channels, height, width]`; flat features have height and width 1.
    pub shape: [usize; 3],
    pub x: Vec<f64>,
}

/// Runs stages with parameters taken one after the other.
pub struct Reference<'a> {
    pub parameters: &'a [Vec<f64>],
    pub next: usize,
    pub trains: bool,
    /// Parameters that keep their values; empty: none.
    pub frozen: &'a [bool],
    pub draws: &'a Draws,
    pub dropouts: usize,
    pub masks: &'a PassMasks,
    /// Given masks in float64, in the order of `masks.given`.
    pub given: &'a [Vec<f64>],
    /// By site: the mask of a generator, or the mean of |activation|.
    pub sites: Vec<Vec<f64>>,
    /// Mean and unbiased variance of each convolution with batch norm.
    pub statistics: Vec<Option<(Vec<f64>, Vec<f64>)>>,
}

impl Reference<'_> {
    pub fn run(&mut self, stages: &[Stage], images: Maps) -> Maps {
        let mut x = images;
        for (at, stage) in stages.iter().enumerate() {
            x = self.stage(stage, x);
            let linear = at > 0 && matches!(stages[at - 1], Stage::Linear { .. });
            if linear && matches!(stage, Stage::Relu) {
                self.sites.push(x.magnitudes());
            }
        }
        x
    }

    fn take(&mut self) -> Vec<f64> {
        self.next += 1;
        self.parameters[self.next - 1].clone()
    }

    fn stage(&mut self, stage: &Stage, x: Maps) -> Maps {
        let [channels, height, width] = x.shape;
        match stage {
            Stage::Conv(conv) => self.conv(conv, &x),
            Stage::Residual(residual) => self.residual(residual, x),
            Stage::MaxPool { size } => x.pool(*size),
            Stage::GlobalAvgPool => {
                let means = x.means();
                Maps { batch: x.batch, shape: [channels, 1, 1], x: means }
            }
            Stage::Flatten => Maps { shape: [channels * height * width, 1, 1], ..x },
            Stage::Relu => x.map(|x| x.max(0.0)),
            Stage::Dropout { probability } => {
                self.dropouts += 1;
                if self.trains { self.dropped(self.dropouts - 1, *probability, x) } else { x }
            }
            Stage::Linear { outputs } => {
                let (weight, bias) = (self.take(), self.take());
                let mut y = Maps::zeros(x.batch, [*outputs, 1, 1]);
                for (n, o) in (0..x.batch).flat_map(|n| (0..*outputs).map(move |o| (n, o))) {
                    let dot: f64 = (0..channels).map(|i| weight[o * channels + i] * x.get(n, i, 0)).sum();
                    *y.at(n, o, 0) = dot + bias[o];
                }
                y
            }
            Stage::Parallel { .. } => unreachable!("the engine does not run networks side by side"),
        }
    }

    fn dropped(&mut self, number: usize, probability: f64, mut x: Maps) -> Maps {
        let scale = 1.0 / (1.0 - probability);
        let length = x.x.len() / x.batch;
        for (sample, row) in x.x.chunks_exact_mut(length).enumerate() {
            let mut rng = self.draws.dropout(number, sample);
            let kept = |rng: &mut ChaCha8Rng| rng.random::<f32>() >= probability as f32;
            row.iter_mut().for_each(|x| *x = if kept(&mut rng) { *x * scale } else { 0.0 });
        }
        x
    }

    fn residual(&mut self, residual: &Residual, x: Maps) -> Maps {
        let long = residual.body.iter().fold(x.clone(), |y, conv| self.conv(conv, &y));
        let short = match &residual.shortcut {
            Some(conv) => self.conv(conv, &x),
            None => x,
        };
        let all: Vec<usize> = (0..long.shape[0]).collect();
        let (to, from, channels) = match &residual.join {
            Some(join) => (join.body.clone(), join.shortcut.clone(), join.channels),
            None => (all.clone(), all.clone(), all.len()),
        };
        let shape = [channels, long.shape[1], long.shape[2]];
        let mut sum = Maps::zeros(long.batch, shape);
        for (path, map) in [(long, to), (short, from)] {
            for (n, (c, target)) in (0..sum.batch).flat_map(|n| map.iter().enumerate().map(move |at| (n, at)))
            {
                for pixel in 0..shape[1] * shape[2] {
                    *sum.at(n, *target, pixel) += path.get(n, c, pixel);
                }
            }
        }
        let sum = if residual.relu { sum.map(|x| x.max(0.0)) } else { sum };
        self.sites.push(sum.magnitudes());
        sum
    }

    fn conv(&mut self, conv: &Conv, x: &Maps) -> Maps {
        let weight = self.take();
        let bias = if conv.bias { self.take() } else { vec![0.0; conv.kernels] };
        let mut y = x.convolved(&weight, &bias, conv);
        let stored = self.frozen.get(self.next + 2).is_some_and(|frozen| *frozen);
        let norm = conv.batch_norm.then(|| [self.take(), self.take(), self.take(), self.take()]);
        self.statistics.push(None);
        if let Some([scale, shift, running_mean, running_var]) = norm {
            let of_batch = self.trains && !stored;
            let (mean, var) = if of_batch { y.moments() } else { (running_mean, running_var) };
            let count = (y.batch * y.pixels()) as f64;
            let unbiased = var.iter().map(|var| var * count / (count - 1.0).max(1.0)).collect();
            if of_batch {
                *self.statistics.last_mut().unwrap() = Some((mean.clone(), unbiased));
            }
            y.each(|_, c, x| (*x - mean[c]) / (var[c] + NORM_EPSILON).sqrt() * scale[c] + shift[c]);
        }
        let mut mask = conv.masked.then(|| self.generated(conv, x));
        if let Some(number) = self.masks.given.iter().position(|given| given.site == self.sites.len()) {
            let mask = mask.get_or_insert_with(|| vec![1.0; x.batch * conv.kernels]);
            let rows = mask.chunks_exact_mut(conv.kernels).zip(self.given[number].chunks_exact(conv.kernels));
            for (_, (row, given)) in rows.enumerate().filter(|(sample, _)| self.masks.takes(*sample)) {
                row.copy_from_slice(given);
            }
        }
        if let Some(mask) = &mask {
            y.each(|n, c, x| *x * mask[n * conv.kernels + c]);
        }
        let y = if conv.relu { y.map(|x| x.max(0.0)) } else { y };
        self.sites.push(mask.filter(|_| conv.masked).unwrap_or_else(|| y.magnitudes()));
        y
    }

    fn generated(&mut self, conv: &Conv, x: &Maps) -> Vec<f64> {
        let (first, second, third) = (self.take(), self.take(), self.take());
        let (cin, means) = (x.shape[0], x.means());
        let mut mask = Vec::new();
        for means in means.chunks_exact(cin) {
            let inner: Vec<f64> = first.chunks_exact(cin).map(|row| dot(row, means).max(0.0)).collect();
            let rows = second.chunks_exact(conv.generator_hidden()).zip(&third);
            mask.extend(rows.map(|(row, bias)| (dot(row, &inner) + bias).tanh().max(0.0)));
        }
        mask
    }
}

impl Maps {
    fn zeros(batch: usize, shape: [usize; 3]) -> Maps {
        Maps { batch, shape, x: vec![0.0; batch * shape.iter().product::<usize>()] }
    }

    fn pixels(&self) -> usize {
        self.shape[1] * self.shape[2]
    }

    fn at(&mut self, n: usize, c: usize, pixel: usize) -> &mut f64 {
        let index = (n * self.shape[0] + c) * self.pixels() + pixel;
        &mut self.x[index]
    }

    fn get(&self, n: usize, c: usize, pixel: usize) -> f64 {
        self.x[(n * self.shape[0] + c) * self.pixels() + pixel]
    }

    fn map(mut self, mut f: impl FnMut(f64) -> f64) -> Maps {
        self.x.iter_mut().for_each(|x| *x = f(*x));
        self
    }

    fn each(&mut self, f: impl Fn(usize, usize, &f64) -> f64) {
        let (pixels, channels) = (self.pixels(), self.shape[0]);
        for (index, x) in self.x.iter_mut().enumerate() {
            *x = f(index / pixels / channels, index / pixels % channels, x);
        }
    }

    /// Means of |x| over the pixels, `[batch, channels]`.
    fn magnitudes(&self) -> Vec<f64> {
        self.clone().map(f64::abs).means()
    }

    fn means(&self) -> Vec<f64> {
        let pixels = self.pixels();
        self.x.chunks_exact(pixels).map(|map| map.iter().sum::<f64>() / pixels as f64).collect()
    }

    fn moments(&self) -> (Vec<f64>, Vec<f64>) {
        let count = (self.batch * self.pixels()) as f64;
        let sum = |c: usize, f: &dyn Fn(f64) -> f64| -> f64 {
            let at = (0..self.batch).flat_map(|n| (0..self.pixels()).map(move |pixel| (n, pixel)));
            at.map(|(n, pixel)| f(self.get(n, c, pixel))).sum::<f64>() / count
        };
        let mean: Vec<f64> = (0..self.shape[0]).map(|c| sum(c, &|x| x)).collect();
        let var = (0..self.shape[0]).map(|c| sum(c, &|x| (x - mean[c]).powi(2))).collect();
        (mean, var)
    }

    fn pool(&self, size: usize) -> Maps {
        let [channels, height, width] = self.shape;
        let mut out = Maps::zeros(self.batch, [channels, height / size, width / size]);
        let (columns, pixels) = (width / size, out.pixels());
        for index in 0..out.x.len() {
            let (image, pixel) = (index / pixels, index % pixels);
            let window = (0..size * size).map(|i| {
                let (y, x) = (pixel / columns * size + i / size, pixel % columns * size + i % size);
                self.x[image * height * width + y * width + x]
            });
            out.x[index] = window.fold(f64::NEG_INFINITY, f64::max);
        }
        out
    }

    fn convolved(&self, weight: &[f64], bias: &[f64], conv: &Conv) -> Maps {
        let [cin, height, width] = self.shape;
        let (size, stride, pad) = (conv.size, conv.stride, conv.size / 2);
        let side = |n: usize| (n + 2 * pad - size) / stride + 1;
        let mut y = Maps::zeros(self.batch, [conv.kernels, side(height), side(width)]);
        let (rows, columns) = (y.shape[1], y.shape[2]);
        for (index, map) in y.x.chunks_exact_mut(rows * columns).enumerate() {
            let (n, oc) = (index / conv.kernels, index % conv.kernels);
            map.fill(bias[oc]);
            for (ic, tap) in (0..cin).flat_map(|ic| (0..size * size).map(move |tap| (ic, tap))) {
                let (w, ky, kx) = (weight[(oc * cin + ic) * size * size + tap], tap / size, tap % size);
                let x = &self.x[(n * cin + ic) * height * width..][..height * width];
                for (oy, y) in map.chunks_exact_mut(columns).enumerate() {
                    let iy = (oy * stride + ky).wrapping_sub(pad);
                    if iy >= height {
                        continue;
                    }
                    let x = &x[iy * width..][..width];
                    // The first output column whose input column is inside.
                    let first = pad.saturating_sub(kx).div_ceil(stride);
                    let inside = x.get(first * stride + kx - pad..).unwrap_or_default();
                    let inputs = inside.iter().step_by(stride);
                    y.iter_mut().skip(first).zip(inputs).for_each(|(y, x)| *y += w * x);
                }
            }
        }
        y
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
