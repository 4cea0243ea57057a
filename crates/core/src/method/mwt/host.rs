//! The losses of modular training and their gradients, from masks in the host's memory, all layers in one pass.
//!
//! Both losses are weighted sums of cosine similarities z_i z_j over pairs of rows. Sums over all pairs follow from
//! the sums s of each class's rows, so that no pair is looked at: over the pairs inside a class
//! (|s|^2 - sum |z_i|^2) / 2, and over the pairs of two classes (|sum s|^2 - sum |s|^2) / 2.

use super::average::Average;
use super::tensor::MIN_NORM;

/// The losses of a batch and the gradient of their weighted total.
#[derive(Clone, Debug, Default)]
pub struct HostLosses {
    /// Mean over layers of 1 - mean cosine similarity of same-class pairs.
    pub cohesion: f64,
    /// Mean over layers of the mean cosine similarity of different-class pairs.
    pub coupling: f64,
    /// `[batch, kernels]` for each layer.
    pub gradients: Vec<Vec<f32>>,
}

/// As [`modular_losses`](super::modular_losses), averaged over layers, with the gradient of
/// `alpha * cohesion + beta * coupling` at each layer's masks `[batch, kernels]`.
pub fn host_losses<'a>(
    masks: impl ExactSizeIterator<Item = &'a [f32]>,
    labels: &[u32],
    average: Average,
    [alpha, beta]: [f64; 2],
) -> HostLosses {
    let pairs = Pairs::new(labels, average);
    let layers = masks.len() as f64;
    let mut losses = HostLosses::default();
    for masks in masks {
        let (alike, crossed, gradient) = pairs.layer(masks, [-alpha / layers, beta / layers]);
        losses.cohesion += (pairs.present - alike) / layers;
        losses.coupling += crossed / layers;
        losses.gradients.push(gradient);
    }
    losses
}

/// How much pairs count, class by class.
struct Pairs {
    /// Each sample's class, numbered from 0.
    classes: Vec<usize>,
    /// What a pair inside each class counts.
    inside: Vec<f64>,
    /// A pair of classes a and b counts `across * factor[a] * factor[b]`.
    factor: Vec<f64>,
    across: f64,
    /// 1 when there are pairs inside a class, else 0.
    present: f64,
}

impl Pairs {
    fn new(labels: &[u32], average: Average) -> Self {
        let mut known: Vec<u32> = labels.to_vec();
        known.sort_unstable();
        known.dedup();
        let classes: Vec<usize> = labels.iter().map(|label| known.partition_point(|k| k < label)).collect();
        let mut sizes = vec![0.0; known.len()];
        classes.iter().for_each(|&class| sizes[class] += 1.0);
        let pairs = |n: f64| n * (n - 1.0) / 2.0;
        let one_over = |n: f64| if n > 0.0 { 1.0 / n } else { 0.0 };
        let same: f64 = sizes.iter().copied().map(pairs).sum();
        let (inside, factor, across) = match average {
            Average::Pairs => {
                let different = pairs(labels.len() as f64) - same;
                (vec![one_over(same); sizes.len()], vec![1.0; sizes.len()], one_over(different))
            }
            Average::Classes => {
                let paired = sizes.iter().filter(|n| **n > 1.0).count() as f64;
                let inside = sizes.iter().map(|&n| one_over(paired * pairs(n))).collect();
                let factor = sizes.iter().copied().map(one_over).collect();
                (inside, factor, one_over(pairs(sizes.len() as f64)))
            }
        };
        Pairs { classes, inside, factor, across, present: if same > 0.0 { 1.0 } else { 0.0 } }
    }

    /// The weighted sums of similarities inside and across classes of one layer's masks, and the gradient of
    /// the total that counts them with these weights.
    fn layer(&self, masks: &[f32], [on_alike, on_crossed]: [f64; 2]) -> (f64, f64, Vec<f32>) {
        let kernels = masks.len() / self.classes.len().max(1);
        if kernels == 0 {
            return (0.0, 0.0, Vec::new());
        }
        let rows = || masks.chunks_exact(kernels).zip(&self.classes);
        let norms: Vec<f64> = masks.chunks_exact(kernels).map(|row| dot(row, row).sqrt()).collect();
        let scales: Vec<f32> = norms.iter().map(|norm| (1.0 / norm.max(MIN_NORM)) as f32).collect();
        // Sums of each class's rows, and what they and the rows themselves come to.
        let mut sums = vec![0f32; self.inside.len() * kernels];
        let mut alike = 0.0;
        for ((row, &class), (scale, norm)) in rows().zip(scales.iter().zip(&norms)) {
            let sum = &mut sums[class * kernels..][..kernels];
            sum.iter_mut().zip(row).for_each(|(sum, m)| *sum += m * scale);
            alike -= self.inside[class] * (norm * f64::from(*scale)).powi(2) / 2.0;
        }
        let mut total = vec![0f32; kernels];
        let mut crossed = 0.0;
        for (class, sum) in sums.chunks_exact(kernels).enumerate() {
            let (square, factor) = (dot(sum, sum), self.factor[class]);
            alike += self.inside[class] * square / 2.0;
            crossed -= factor * factor * square / 2.0;
            total.iter_mut().zip(sum).for_each(|(total, s)| *total += s * factor as f32);
        }
        crossed = self.across * (crossed + dot(&total, &total) / 2.0);

        // What a row's z adds to the total: w_s (s - z) + w_t (total - factor s), s of its class.
        let mut gradient = vec![0f32; masks.len()];
        let rows = rows().zip(gradient.chunks_exact_mut(kernels)).zip(scales.iter().zip(&norms));
        for (((row, &class), gradient), (&scale, norm)) in rows {
            let sum = &sums[class * kernels..][..kernels];
            let (alike, across) =
                (on_alike * self.inside[class], on_crossed * self.across * self.factor[class]);
            let on_sum = (alike - across * self.factor[class]) as f32;
            let (on_total, on_self) = (across as f32, (-alike) as f32 * scale);
            for (((g, m), s), t) in gradient.iter_mut().zip(row).zip(sum).zip(&total) {
                *g = on_sum * s + on_total * t + on_self * m;
            }
            // Through the division by the row's norm, unless the norm was too small to be the divisor.
            let along = match *norm > MIN_NORM {
                true => (dot(gradient, row) * f64::from(scale).powi(2)) as f32,
                false => 0.0,
            };
            gradient.iter_mut().zip(row).for_each(|(g, m)| *g = (*g - along * m) * scale);
        }
        (alike, crossed, gradient)
    }
}

/// The inner product, in float64 over parts that are summed in float32.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let part = |(a, b): (&[f32], &[f32])| {
        let mut sums = [0f32; 16];
        for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
            sums.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum += a * b);
        }
        let rest = a.len() / 16 * 16;
        let tail: f32 = a[rest..].iter().zip(&b[rest..]).map(|(a, b)| a * b).sum();
        sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() + f64::from(tail)
    };
    a.chunks(256).zip(b.chunks(256)).map(part).sum()
}
