//! Street View House Numbers, cropped digits: `train_32x32.mat`, `test_32x32.mat` and `extra_32x32.mat`.
//!
//! Each holds `X`, `[32, 32, 3, n]` bytes with the row index fastest, and `y`, n labels from 1 to 10, where
//! 10 is the digit 0.

use std::path::Path;

use super::file::REPLACE;
use super::mat::{self, Array, Values};
use super::{Error, Images, Splits};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// Reads `directory`; with `extra`, the extra images are part of the training split.
pub(super) fn read(directory: &Path, extra: bool) -> Result<Splits, Error> {
    let mut train = read_split(directory, "train", "svhn")?;
    if extra {
        train.append(read_split(directory, "extra", "svhn-extra")?);
    }
    let classes = (0..10).map(|digit| digit.to_string()).collect();
    Ok(Splits { classes, train, valid: None, test: read_split(directory, "test", "svhn")? })
}

fn read_split(directory: &Path, split: &str, set: &str) -> Result<Images, Error> {
    let name = format!("{split}_32x32.mat");
    let path = directory.join(&name);
    if !path.exists() {
        let hint = format!("run `cleave data fetch {set}` or set data.path to the folder that holds it");
        return Err(Error::Missing { what: format!("{name} of SVHN"), path: directory.to_path_buf(), hint });
    }
    let [x, y] = mat::read(&path, ["X", "y"])?;
    let pixels = to_rows(&path, x)?;
    let labels = to_labels(&path, y)?;
    if pixels.len() != labels.len() * 3 * PLANE {
        let what = format!("{} labels for {} images", labels.len(), pixels.len() / (3 * PLANE));
        return Err(Error::malformed(&path, "variable y", what, REPLACE));
    }
    Ok(Images { shape: [3, SIDE, SIDE], pixels, labels })
}

/// `[32, 32, 3, n]` with the row fastest, as `[n, 3, 32, 32]` with the column fastest.
fn to_rows(path: &Path, array: Array) -> Result<Vec<u8>, Error> {
    // MATLAB drops a last dimension of 1.
    let fits = matches!(array.dimensions[..], [SIDE, SIDE, 3] | [SIDE, SIDE, 3, _]);
    let (true, Values::Bytes(mut pixels)) = (fits, array.values) else {
        let what = format!("dimensions {:?}, not bytes of dimensions [32, 32, 3, n]", array.dimensions);
        return Err(Error::malformed(path, "variable X", what, REPLACE));
    };
    for plane in pixels.chunks_exact_mut(PLANE) {
        for row in 0..SIDE {
            for column in row + 1..SIDE {
                plane.swap(row * SIDE + column, column * SIDE + row);
            }
        }
    }
    Ok(pixels)
}

fn to_labels(path: &Path, array: Array) -> Result<Vec<u32>, Error> {
    let numbers = match array.values {
        Values::Bytes(bytes) => bytes.into_iter().map(f64::from).collect(),
        Values::Numbers(numbers) => numbers,
    };
    let label = |(i, number): (usize, f64)| {
        if number.fract() == 0.0 && (1.0..=10.0).contains(&number) {
            return Ok(number as u32 % 10);
        }
        let what = format!("label {number} is not one of 1 to 10");
        Err(Error::malformed(path, format!("variable y, record {}", i + 1), what, REPLACE))
    };
    numbers.into_iter().enumerate().map(label).collect()
}
