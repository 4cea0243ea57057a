//! The same networks in float64, plainly: forward only, `[batch, channels, height, width]`.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::super::{Conv, Piece};
use crate::random::Draws;

/// A batch of activations.
#[derive(Clone)]
pub struct Maps {
    pub batch: usize,
    /// `[channels, height, width]`; flat features have height and width 1.
    pub shape: [usize; 3],
    pub x: Vec<f64>,
}

/// Runs pieces with parameters taken one after the other.
pub struct Reference<'a> {
    pub parameters: &'a [Vec<f64>],
    pub next: usize,
    pub trains: bool,
    pub draws: &'a Draws,
    pub dropouts: usize,
    pub masks: Vec<Vec<f64>>,
    /// Mean and unbiased variance of each convolution with batch norm.
    pub statistics: Vec<Option<(Vec<f64>, Vec<f64>)>>,
}

impl Reference<'_> {
    pub fn run(&mut self, pieces: &[Piece], images: Maps) -> Maps {
        pieces.iter().fold(images, |x, piece| self.piece(piece, x))
    }

    fn take(&mut self) -> Vec<f64> {
        self.next += 1;
        self.parameters[self.next - 1].clone()
    }

    fn piece(&mut self, piece: &Piece, x: Maps) -> Maps {
        let [channels, height, width] = x.shape;
        match piece {
            Piece::Conv(conv) => self.conv(conv, &x),
            Piece::Residual { body, shortcut, join, relu } => {
                let long = body.iter().fold(x.clone(), |y, conv| self.conv(conv, &y));
                let short = match shortcut {
                    Some(conv) => self.conv(conv, &x),
                    None => x,
                };
                let all: Vec<usize> = (0..long.shape[0]).collect();
                let (to, from, channels) = join.clone().unwrap_or((all.clone(), all.clone(), all.len()));
                let shape = [channels, long.shape[1], long.shape[2]];
                let mut sum = Maps::zeros(long.batch, shape);
                for (path, map) in [(long, to), (short, from)] {
                    for (n, (c, target)) in
                        (0..sum.batch).flat_map(|n| map.iter().enumerate().map(move |at| (n, at)))
                    {
                        for pixel in 0..shape[1] * shape[2] {
                            *sum.at(n, *target, pixel) += path.get(n, c, pixel);
                        }
                    }
                }
                if *relu { sum.map(|x| x.max(0.0)) } else { sum }
            }
            Piece::MaxPool(size) => x.pool(*size),
            Piece::Average => {
                let means = x.means();
                Maps { batch: x.batch, shape: [channels, 1, 1], x: means }
            }
            Piece::Flatten => Maps { shape: [channels * height * width, 1, 1], ..x },
            Piece::Relu => x.map(|x| x.max(0.0)),
            Piece::Dropout(probability) if self.trains && *probability > 0.0 => {
                let scale = 1.0 / (1.0 - probability);
                let (mut x, number) = (x, self.dropouts);
                self.dropouts += 1;
                let length = x.x.len() / x.batch;
                for (sample, row) in x.x.chunks_exact_mut(length).enumerate() {
                    let mut rng = self.draws.dropout(number, sample);
                    let kept = |rng: &mut ChaCha8Rng| rng.random::<f32>() >= *probability as f32;
                    row.iter_mut().for_each(|x| *x = if kept(&mut rng) { *x * scale } else { 0.0 });
                }
                x
            }
            Piece::Dropout(_) => x,
            Piece::Linear(outputs) => {
                let (weight, bias) = (self.take(), self.take());
                let mut y = Maps::zeros(x.batch, [*outputs, 1, 1]);
                for (n, o) in (0..x.batch).flat_map(|n| (0..*outputs).map(move |o| (n, o))) {
                    let dot: f64 = (0..channels).map(|i| weight[o * channels + i] * x.get(n, i, 0)).sum();
                    *y.at(n, o, 0) = dot + bias[o];
                }
                y
            }
        }
    }

    fn conv(&mut self, conv: &Conv, x: &Maps) -> Maps {
        let weight = self.take();
        let bias = if conv.bias { self.take() } else { vec![0.0; conv.kernels] };
        let mut y = x.convolved(&weight, &bias, conv);
        let norm = conv.norm.then(|| [self.take(), self.take(), self.take(), self.take()]);
        self.statistics.push(None);
        if let Some([scale, shift, running_mean, running_var]) = norm {
            let (mean, var) = if self.trains { y.moments() } else { (running_mean, running_var) };
            let count = (y.batch * y.pixels()) as f64;
            let unbiased = var.iter().map(|var| var * count / (count - 1.0).max(1.0)).collect();
            if self.trains {
                *self.statistics.last_mut().unwrap() = Some((mean.clone(), unbiased));
            }
            y.each(|_, c, x| (*x - mean[c]) / (var[c] + 1e-5).sqrt() * scale[c] + shift[c]);
        }
        if let Some(hidden) = conv.generator {
            let (first, second, third) = (self.take(), self.take(), self.take());
            let (cin, means) = (x.shape[0], x.means());
            let mut mask = Vec::new();
            for means in means.chunks_exact(cin) {
                let inner: Vec<f64> = first.chunks_exact(cin).map(|row| dot(row, means).max(0.0)).collect();
                let rows = second.chunks_exact(hidden).zip(&third);
                mask.extend(rows.map(|(row, bias)| (dot(row, &inner) + bias).tanh().max(0.0)));
            }
            y.each(|n, c, x| *x * mask[n * conv.kernels + c]);
            self.masks.push(mask);
        }
        if conv.relu { y.map(|x| x.max(0.0)) } else { y }
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
        for (n, oc) in (0..self.batch).flat_map(|n| (0..conv.kernels).map(move |oc| (n, oc))) {
            for pixel in 0..y.pixels() {
                let (oy, ox) = (pixel / y.shape[2], pixel % y.shape[2]);
                let mut sum = bias[oc];
                for (ky, kx) in (0..size).flat_map(|ky| (0..size).map(move |kx| (ky, kx))) {
                    let (iy, ix) =
                        ((oy * stride + ky).wrapping_sub(pad), (ox * stride + kx).wrapping_sub(pad));
                    if iy < height && ix < width {
                        for ic in 0..cin {
                            let w = weight[((oc * cin + ic) * size + ky) * size + kx];
                            sum += w * self.get(n, ic, iy * width + ix);
                        }
                    }
                }
                *y.at(n, oc, pixel) = sum;
            }
        }
        y
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
