//! Random crops and flips, and the order of an epoch.
//!
//! The draws for an image depend on the seed, the step and the position of the image in its batch alone, so that a
//! resumed run has the same draws as one that was never stopped.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::Images;
use crate::random::{Stream, below, generator, shuffle};

/// How training images are augmented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Augmentation {
    /// Zero pixels around an image before a random crop back to its size; 0 for no crop.
    pub crop_padding: usize,
    /// Flip left to right with probability 1/2, after the crop.
    pub flip: bool,
}

impl Augmentation {
    /// Images as they are.
    pub const NONE: Augmentation = Augmentation { crop_padding: 0, flip: false };
}

/// The augmentation of one image of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Row and column of the window in the padded image, each from 0 to `2 * crop_padding`.
    pub top_left: (usize, usize),
    /// Whether the window is mirrored left to right.
    pub flip: bool,
}

/// The order in which an epoch takes `n` samples: a shuffle that follows from the seed and the epoch.
pub fn epoch_order(n: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    shuffle(&mut generator(seed, Stream::Order, epoch), &mut order);
    order
}

/// The pixels of the images at `indices`, each augmented by a draw: `[batch, channels, height, width]`.
pub fn vary(
    images: &Images,
    indices: &[usize],
    augmentation: Augmentation,
    draws: impl Iterator<Item = Draw>,
) -> Vec<u8> {
    if augmentation == Augmentation::NONE {
        return images.select(indices).pixels;
    }
    let mut pixels = vec![0; indices.len() * images.image_len()];
    for ((&i, draw), out) in indices.iter().zip(draws).zip(pixels.chunks_exact_mut(images.image_len().max(1)))
    {
        let Draw { top_left, flip } = draw;
        crop_and_flip(images.image(i), images.shape, augmentation.crop_padding, top_left, flip, out);
    }
    pixels
}

/// The augmentations of the images of the batch of `step`, in their order, drawn from a stream; the iterator has no end.
pub fn draws(augmentation: Augmentation, seed: u64, stream: Stream, step: u64) -> impl Iterator<Item = Draw> {
    let mut generator = generator(seed, stream, step);
    let places = 2 * augmentation.crop_padding + 1;
    std::iter::repeat_with(move || {
        // Always three draws for each image, so that no setting changes the draws of another.
        let top_left = (below(&mut generator, places), below(&mut generator, places));
        Draw { top_left, flip: generator.next_u64() >> 63 == 1 && augmentation.flip }
    })
}

/// Cuts a window of the image's own size out of the image with `padding` zero pixels on every side.
///
/// `image` and `out` are `[channels, height, width]` = `shape`; `top_left` is the window's (row, column) in
/// the padded image, each from 0 to `2 * padding`. The flip comes after the crop. Zero is a raw pixel: after
/// normalisation it is `-mean / std`.
pub fn crop_and_flip(
    image: &[u8],
    shape: [usize; 3],
    padding: usize,
    top_left: (usize, usize),
    flip: bool,
    out: &mut [u8],
) {
    let [_, height, width] = shape;
    let (top, left) = top_left;
    // Columns `from..to` of a window row come from the image, starting at image column `first`.
    let from = padding.saturating_sub(left).min(width);
    let to = (width + padding).saturating_sub(left).clamp(from, width);
    let first = (from + left).saturating_sub(padding);
    out.fill(0);
    let planes = image.chunks_exact(height * width).zip(out.chunks_exact_mut(height * width));
    for (plane, out) in planes {
        for (y, out) in out.chunks_exact_mut(width).enumerate() {
            let row = (y + top).checked_sub(padding).filter(|&row| row < height && from < to);
            if let Some(row) = row {
                let start = row * width + first;
                out[from..to].copy_from_slice(&plane[start..start + to - from]);
            }
            if flip {
                out.reverse();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gradient(n: usize) -> Images {
        let shape = [2, 5, 4];
        let pixels = (0..n * 40).map(|i| (i % 251) as u8 + 1).collect();
        Images { shape, pixels, labels: (0..n as u32).collect() }
    }

    #[test]
    fn the_middle_window_is_the_image() {
        let images = gradient(1);
        let mut out = vec![9; 40];
        crop_and_flip(images.image(0), images.shape, 3, (3, 3), false, &mut out);
        assert_eq!(out, images.image(0));
    }

    #[test]
    fn an_order_is_a_permutation_that_follows_from_seed_and_epoch() {
        let order = epoch_order(50, 1, 2);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        assert_eq!(order, epoch_order(50, 1, 2));
        assert_ne!(order, epoch_order(50, 1, 3));
        assert_ne!(order, epoch_order(50, 2, 2));
        assert!(epoch_order(0, 1, 2).is_empty());
    }

    #[test]
    fn orders_never_change_between_versions() {
        assert_eq!(epoch_order(8, 0, 0), [2, 5, 1, 3, 7, 4, 6, 0]);
    }

    fn varied(
        images: &Images,
        indices: &[usize],
        augmentation: Augmentation,
        seed: u64,
        step: u64,
    ) -> Vec<u8> {
        vary(images, indices, augmentation, draws(augmentation, seed, Stream::Augment, step))
    }

    #[test]
    fn no_augmentation_is_a_selection() {
        let images = gradient(4);
        let plain = varied(&images, &[3, 1], Augmentation::NONE, 5, 6);
        assert_eq!(plain, images.select(&[3, 1]).pixels);
        assert_eq!(images.labels_of(&[3, 1]), [3, 1]);
    }

    #[test]
    fn crops_and_flips_cover_their_range() {
        let images = gradient(1);
        let augmentation = Augmentation { crop_padding: 1, flip: true };
        let pixels = varied(&images, &[0; 600], augmentation, 5, 6);
        let distinct: std::collections::BTreeSet<&[u8]> = pixels.chunks(40).collect();
        assert_eq!(distinct.len(), 18);
    }

    /// The same by plain indexing: a padded copy, a window, a mirror.
    fn slow(
        image: &[u8],
        [c, h, w]: [usize; 3],
        p: usize,
        (top, left): (usize, usize),
        flip: bool,
    ) -> Vec<u8> {
        let mut out = Vec::new();
        for k in 0..c {
            for y in 0..h {
                for x in 0..w {
                    let x = if flip { w - 1 - x } else { x };
                    let (row, column) = ((y + top) as isize - p as isize, (x + left) as isize - p as isize);
                    let inside = (0..h as isize).contains(&row) && (0..w as isize).contains(&column);
                    out.push(if inside { image[(k * h + row as usize) * w + column as usize] } else { 0 });
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn windows_equal_the_plain_form(
            shape in [1usize..4, 1usize..9, 1usize..9], padding in 0usize..12,
            top in 0usize..30, left in 0usize..30, flip: bool,
        ) {
            let image: Vec<u8> = (0..shape.iter().product()).map(|i: usize| (i % 250) as u8 + 1).collect();
            let mut out = vec![77; image.len()];
            crop_and_flip(&image, shape, padding, (top, left), flip, &mut out);
            prop_assert_eq!(out, slow(&image, shape, padding, (top, left), flip));
        }

        #[test]
        fn draws_depend_on_the_position_alone(seed: u64, step: u64, n in 1usize..20) {
            let images = gradient(20);
            let augmentation = Augmentation { crop_padding: 2, flip: true };
            let long = varied(&images, &(0..20).collect::<Vec<_>>(), augmentation, seed, step);
            let short = varied(&images, &(0..n).collect::<Vec<_>>(), augmentation, seed, step);
            prop_assert_eq!(&long[..n * 40], &short[..]);
        }
    }
}
