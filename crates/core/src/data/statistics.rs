//! Mean and standard deviation of each channel.

use super::{Images, Source};

/// The published constants of `source`, or those of the training images where there are none.
pub(super) fn of(source: Source, train: &Images) -> (Vec<f32>, Vec<f32>) {
    match published(source) {
        Some((mean, std)) => (mean.to_vec(), std.to_vec()),
        None => measure(train),
    }
}

/// CIFAR-10 and SVHN: as the MwT paper's code uses them (SVHN with the ImageNet values).
fn published(source: Source) -> Option<(&'static [f32], &'static [f32])> {
    Some(match source {
        Source::Cifar10 => (&[0.4914, 0.4822, 0.4465], &[0.2471, 0.2435, 0.2616]),
        Source::Cifar100 => (&[0.5071, 0.4865, 0.4409], &[0.2673, 0.2564, 0.2762]),
        Source::Svhn => (&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]),
        Source::Mnist => (&[0.1307], &[0.3081]),
        Source::FashionMnist => (&[0.2860], &[0.3530]),
        Source::Digits | Source::Folder => return None,
    })
}

/// Mean and (population) standard deviation of each channel, for pixels in 0..1. The sums are exact integers, so the
/// order of the images does not matter. A constant channel has deviation 1 and is thus normalised to 0.
fn measure(images: &Images) -> (Vec<f32>, Vec<f32>) {
    let [channels, height, width] = images.shape;
    let mut sums = vec![(0u64, 0u64); channels];
    for (i, plane) in images.pixels.chunks_exact((height * width).max(1)).enumerate() {
        let (sum, squares) = &mut sums[i % channels];
        for &pixel in plane {
            *sum += u64::from(pixel);
            *squares += u64::from(pixel) * u64::from(pixel);
        }
    }
    let count = (images.len() * height * width).max(1) as f64;
    sums.iter()
        .map(|&(sum, squares)| {
            let mean = sum as f64 / count;
            let variance = (squares as f64 / count - mean * mean).max(0.0);
            let std = if variance < 1e-9 { 1.0 } else { variance.sqrt() / 255.0 };
            ((mean / 255.0) as f32, std as f32)
        })
        .unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_each_channel() {
        let pixels = vec![0, 255, 7, 7, 255, 0, 7, 7];
        let (mean, std) = measure(&Images { shape: [2, 1, 2], pixels, labels: vec![0, 0] });
        assert_eq!((mean[0], std[0]), (0.5, 0.5));
        assert_eq!((mean[1], std[1]), (7.0 / 255.0, 1.0));
    }

    #[test]
    fn an_empty_split_has_finite_numbers() {
        let (mean, std) = measure(&Images::empty([1, 2, 2]));
        assert_eq!((mean, std), (vec![0.0], vec![1.0]));
    }
}
