//! Resizing of planar 8-bit images: bilinear, with pixel centres at half-integers, and averaging over the
//! covered area (a triangle of that width) when an image shrinks.

use super::Images;

/// `pixels` `[channels, height, width]` at `size` = `[height, width]`.
pub(super) fn resize_planes(pixels: Vec<u8>, shape: [usize; 3], size: [usize; 2]) -> Vec<u8> {
    let [channels, height, width] = shape;
    if [height, width] == size {
        return pixels;
    }
    let (rows, columns) = (taps(height, size[0]), taps(width, size[1]));
    let mut out = Vec::with_capacity(channels * size[0] * size[1]);
    let mut narrowed = Vec::with_capacity(height * size[1]);
    let mut sums = vec![0.0; size[1]];
    for plane in pixels.chunks_exact(height * width) {
        narrowed.clear();
        for row in plane.chunks_exact(width) {
            narrowed.extend(columns.iter().map(|tap| tap.sum(row)));
        }
        for Tap { first, weights } in &rows {
            sums.fill(0.0);
            for (row, weight) in narrowed.chunks_exact(size[1]).skip(*first).zip(weights) {
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value * weight);
            }
            out.extend(sums.iter().map(|sum| (sum + 0.5) as u8));
        }
    }
    out
}

/// Every image at `side x side`.
pub(super) fn resize_images(images: &mut Images, side: usize) {
    let [channels, height, width] = images.shape;
    // An image's planes follow each other, so all images together are one picture of many channels.
    let pixels = std::mem::take(&mut images.pixels);
    images.pixels = resize_planes(pixels, [images.len() * channels, height, width], [side, side]);
    images.shape = [channels, side, side];
}

/// The input pixels that an output pixel is a weighted mean of, along one axis; their weights sum to 1.
struct Tap {
    first: usize,
    weights: Vec<f32>,
}

impl Tap {
    fn sum(&self, row: &[u8]) -> f32 {
        row[self.first..].iter().zip(&self.weights).map(|(&pixel, weight)| f32::from(pixel) * weight).sum()
    }
}

fn taps(old: usize, new: usize) -> Vec<Tap> {
    let scale = old as f32 / new as f32;
    let radius = scale.max(1.0);
    let tap = |i: usize| {
        let centre = (i as f32 + 0.5) * scale;
        let first = (centre - radius).max(0.0) as usize;
        let last = ((centre + radius).ceil() as usize).min(old);
        let weight = |j: usize| (1.0 - (j as f32 + 0.5 - centre).abs() / radius).max(0.0);
        let total: f32 = (first..last).map(weight).sum();
        Tap { first, weights: (first..last).map(|j| weight(j) / total).collect() }
    };
    (0..new).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_interpolates_between_pixel_centres() {
        let out = resize_planes(vec![0, 200], [1, 1, 2], [1, 4]);
        assert_eq!(out, [0, 50, 150, 200]);
    }

    #[test]
    fn halving_weighs_neighbours_by_distance() {
        // Weights 3 3 1 of 7 at the border, 1 3 3 at the other.
        let out = resize_planes(vec![70, 0, 0, 0], [1, 1, 4], [1, 2]);
        assert_eq!(out, [30, 0]);
    }

    #[test]
    fn a_flat_image_stays_flat_and_channels_stay_apart() {
        let mut images =
            Images { shape: [2, 3, 3], pixels: [vec![40; 9], vec![90; 9]].concat(), labels: vec![0] };
        resize_images(&mut images, 5);
        assert_eq!(images.shape, [2, 5, 5]);
        assert_eq!(images.pixels, [vec![40; 25], vec![90; 25]].concat());
    }
}
