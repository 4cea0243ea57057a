//! MNIST and Fashion-MNIST in the IDX format, plain or gzip.
//!
//! An IDX file is a magic number (two zero bytes, the element type, the number of dimensions), each dimension
//! as a 32-bit big-endian number, and the elements, last dimension fastest.

use std::path::{Path, PathBuf};

use super::file::Stream;
use super::{Error, Images, Splits};

/// The classes of MNIST.
pub(super) const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// The classes of Fashion-MNIST, as its authors name them.
pub(super) const GARMENTS: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// Reads the four files of `directory`.
pub(super) fn read(directory: &Path, title: &str, name: &str, classes: &[&str]) -> Result<Splits, Error> {
    let split = |prefix| read_split(directory, title, name, prefix, classes.len());
    let (train, test) = (split("train")?, split("t10k")?);
    if train.shape != test.shape {
        let path = directory.join("t10k-images-idx3-ubyte");
        let what = format!("test images are {:?}, training images {:?}", test.shape, train.shape);
        return Err(Error::malformed(&path, "byte 8", what, "take both from the same data set"));
    }
    Ok(Splits { classes: classes.iter().map(|name| name.to_string()).collect(), train, valid: None, test })
}

fn read_split(
    directory: &Path,
    title: &str,
    name: &str,
    prefix: &str,
    classes: usize,
) -> Result<Images, Error> {
    let labels_path = find(directory, title, name, &format!("{prefix}-labels"), "idx1-ubyte")?;
    let images_path = find(directory, title, name, &format!("{prefix}-images"), "idx3-ubyte")?;
    let ([count], labels) = read_bytes::<1>(&labels_path)?;
    let ([images, height, width], pixels) = read_bytes::<3>(&images_path)?;
    if images != count {
        let what = format!("{images} images, but {count} labels in {}", labels_path.display());
        return Err(Error::malformed(&images_path, "byte 4", what, "take both from the same data set"));
    }
    if let Some(i) = labels.iter().position(|&label| usize::from(label) >= classes) {
        let what = format!("label {} is not one of 0 to {}", labels[i], classes - 1);
        return Err(Error::malformed(&labels_path, format!("record {}", i + 1), what, super::file::REPLACE));
    }
    Ok(Images { shape: [1, height, width], pixels, labels: labels.into_iter().map(u32::from).collect() })
}

/// The file under any of the names that it is handed around with.
fn find(directory: &Path, title: &str, name: &str, stem: &str, kind: &str) -> Result<PathBuf, Error> {
    let names =
        ["-", "."].into_iter().flat_map(|dash| ["", ".gz"].map(|gz| format!("{stem}{dash}{kind}{gz}")));
    names.map(|name| directory.join(name)).find(|path| path.exists()).ok_or_else(|| Error::Missing {
        what: format!("{stem}-{kind} (or .gz) of {title}"),
        path: directory.to_path_buf(),
        hint: format!("run `cleave data fetch {name}` or set data.path to the folder that holds it"),
    })
}

/// The dimensions and the elements of an IDX file of unsigned bytes with `N` dimensions.
fn read_bytes<const N: usize>(path: &Path) -> Result<([usize; N], Vec<u8>), Error> {
    let mut stream = Stream::open(path)?;
    let magic: [u8; 4] = stream.array("the magic number")?;
    if magic != [0, 0, 8, N as u8] {
        let what =
            format!("magic number {magic:02x?} is not that of an IDX file of bytes with {N} dimensions");
        return Err(stream.wrong(what));
    }
    let mut dimensions = [0; N];
    let mut elements = 1u64;
    for dimension in &mut dimensions {
        let value = u32::from_be_bytes(stream.array("a dimension")?);
        if value == 0 {
            return Err(stream.wrong("a dimension is 0"));
        }
        *dimension = value as usize;
        elements = elements.saturating_mul(u64::from(value));
    }
    let bytes = stream.read(elements, "what the header promises")?;
    stream.end()?;
    Ok((dimensions, bytes))
}
