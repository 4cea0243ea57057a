//! The embedded data set: 1,797 real handwritten digits of 8x8 grey pixels.
//!
//! Origin, licence (CC BY 4.0) and format are in `assets/digits`. The division into training and test is
//! fixed: with the images listed by class, and within a class in file order, every fifth one from the first
//! on is a test image: 360 of them, 34 to 37 a class. It does not separate writers.

use super::{Images, Splits};

static RECORDS: &[u8] = include_bytes!("../../../../assets/digits/digits.bin");

/// A label byte and 64 pixels of 5 bits.
const RECORD: usize = 1 + 40;

/// The largest pixel value in the file.
const WHITE: u16 = 16;

/// Training 1,437 and test 360 images of shape `[1, 8, 8]`, pixels scaled to 0..255.
pub(super) fn read() -> Splits {
    let mut all = Images::empty([1, 8, 8]);
    for record in RECORDS.chunks_exact(RECORD) {
        all.labels.push(u32::from(record[0]));
        all.pixels.extend((0..64).map(|i| scale(pixel(&record[1..], i))));
    }
    let mut by_class: Vec<usize> = (0..all.len()).collect();
    by_class.sort_by_key(|&i| all.labels[i]);
    let choose = |is_test: bool| {
        let chosen = by_class.iter().enumerate().filter(|(position, _)| (position % 5 == 0) == is_test);
        let mut chosen: Vec<usize> = chosen.map(|(_, &i)| i).collect();
        chosen.sort_unstable();
        all.select(&chosen)
    };
    let classes = (0..10).map(|digit| digit.to_string()).collect();
    Splits { classes, train: choose(false), valid: None, test: choose(true) }
}

/// The `i`-th 5-bit number of `packed`, most significant bit first.
fn pixel(packed: &[u8], i: usize) -> u16 {
    let (byte, bit) = (i * 5 / 8, i * 5 % 8);
    let pair = u16::from(packed[byte]) << 8 | u16::from(packed.get(byte + 1).copied().unwrap_or(0));
    pair >> (11 - bit) & 31
}

fn scale(value: u16) -> u8 {
    ((value * 255 + WHITE / 2) / WHITE).min(255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_division_is_stratified_and_has_360_test_images() {
        let splits = read();
        assert_eq!((splits.train.len(), splits.test.len()), (1437, 360));
        assert!(splits.test.class_sizes(10).iter().all(|n| (34..=37).contains(n)));
        let mut all = splits.train;
        all.append(splits.test);
        assert_eq!(all.class_sizes(10), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    #[test]
    fn the_first_image_is_the_zero_of_the_original_file() {
        let zero = [
            [0, 0, 5, 13, 9, 1, 0, 0],
            [0, 0, 13, 15, 10, 15, 5, 0],
            [0, 3, 15, 2, 0, 11, 8, 0],
            [0, 4, 12, 0, 0, 8, 8, 0],
            [0, 5, 8, 0, 0, 9, 8, 0],
            [0, 4, 11, 0, 1, 12, 7, 0],
            [0, 2, 14, 5, 10, 12, 0, 0],
            [0, 0, 6, 13, 10, 0, 0, 0],
        ];
        let splits = read();
        assert_eq!(splits.test.labels[0], 0);
        assert_eq!(splits.test.image(0), zero.concat().into_iter().map(scale).collect::<Vec<_>>());
        assert_eq!((scale(0), scale(16), scale(8)), (0, 255, 128));
    }
}
