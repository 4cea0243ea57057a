//! CIFAR-10 and CIFAR-100 in their official binary files.
//!
//! A record is the label bytes (CIFAR-10: the class; CIFAR-100: the coarse, then the fine class), then 1,024
//! red, 1,024 green and 1,024 blue bytes, each row-major.

use std::collections::HashSet;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::file::{self, REPLACE};
use super::{Error, Images, Splits};
use crate::disk;

const SHAPE: [usize; 3] = [3, 32, 32];
const PIXELS: usize = 3 * 32 * 32;

/// What a published set consists of.
pub(super) struct Layout {
    title: &'static str,
    name: &'static str,
    directory: &'static str,
    names: &'static str,
    train: &'static [&'static str],
    test: &'static str,
    train_records: usize,
    test_records: usize,
    /// How many classes each label byte tells apart; the last one counts.
    labels: &'static [u8],
}

/// CIFAR-10: five training files and a test file of 10,000 images each.
pub(super) static CIFAR10: Layout = Layout {
    title: "CIFAR-10",
    name: "cifar10",
    directory: "cifar-10-batches-bin",
    names: "batches.meta.txt",
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: "test_batch.bin",
    train_records: 10_000,
    test_records: 10_000,
    labels: &[10],
};

/// CIFAR-100: 50,000 training and 10,000 test images in one file each.
pub(super) static CIFAR100: Layout = Layout {
    title: "CIFAR-100",
    name: "cifar100",
    directory: "cifar-100-binary",
    names: "fine_label_names.txt",
    train: &["train.bin"],
    test: "test.bin",
    train_records: 50_000,
    test_records: 10_000,
    labels: &[20, 100],
};

/// Reads the set in `directory`, or in the folder of the published name within it.
pub(super) fn read(layout: &Layout, directory: &Path) -> Result<Splits, Error> {
    let inner = directory.join(layout.directory);
    let directory = if inner.is_dir() { inner } else { directory.to_path_buf() };
    let classes = read_names(layout, &find(layout, &directory, layout.names)?)?;
    let mut train = Images::empty(SHAPE);
    for name in layout.train {
        let path = find(layout, &directory, name)?;
        train.append(read_records(&path, layout.train_records, layout.labels)?);
    }
    let test = read_records(&find(layout, &directory, layout.test)?, layout.test_records, layout.labels)?;
    Ok(Splits { classes, train, valid: None, test })
}

fn find(layout: &Layout, directory: &Path, name: &str) -> Result<PathBuf, Error> {
    let path = directory.join(name);
    if path.exists() {
        return Ok(path);
    }
    let Layout { title, name: set, directory: folder, .. } = layout;
    Err(Error::Missing {
        what: format!("{name} of {title} (binary version)"),
        path: directory.to_path_buf(),
        hint: format!("run `cleave data fetch {set}` or set data.path to the folder that holds {folder}"),
    })
}

/// The class names: one a line, as many as there are classes, all different.
fn read_names(layout: &Layout, path: &Path) -> Result<Vec<String>, Error> {
    let lines = file::read_lines(path)?;
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    for (line, name) in lines.iter().map(|line| line.trim()).enumerate().filter(|(_, name)| !name.is_empty())
    {
        if !seen.insert(name) {
            let what = format!("class name {name:?} comes twice");
            return Err(Error::malformed(path, format!("line {}", line + 1), what, REPLACE));
        }
        names.push(name.to_string());
    }
    let classes = layout.labels.last().copied().unwrap_or(0);
    if names.len() != usize::from(classes) {
        let what = format!("{} class names instead of {classes}", names.len());
        return Err(Error::malformed(path, format!("line {}", lines.len()), what, REPLACE));
    }
    Ok(names)
}

/// The images of one file, which has exactly `records` of them.
fn read_records(path: &Path, records: usize, labels: &[u8]) -> Result<Images, Error> {
    let (file, length) = disk::open_linked(path)?;
    let record_len = labels.len() + PIXELS;
    if length != (records * record_len) as u64 {
        let what = format!("{length} bytes instead of {records} records of {record_len}");
        return Err(Error::malformed(path, format!("byte {length}"), what, REPLACE));
    }
    let mut reader = BufReader::new(file);
    let mut images = Images::empty(SHAPE);
    images.pixels.resize(records * PIXELS, 0);
    let mut label = vec![0; labels.len()];
    for (i, pixels) in images.pixels.chunks_exact_mut(PIXELS).enumerate() {
        reader.read_exact(&mut label).map_err(Error::io("read", path))?;
        reader.read_exact(pixels).map_err(Error::io("read", path))?;
        if let Some((label, classes)) = label.iter().zip(labels).find(|(label, classes)| label >= classes) {
            let what = format!("label {label} is not one of 0 to {}", classes - 1);
            return Err(Error::malformed(path, format!("record {}", i + 1), what, REPLACE));
        }
        images.labels.extend(label.last().map(|&label| u32::from(label)));
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn record(labels: &[u8], seed: u8) -> Vec<u8> {
        labels.iter().copied().chain((0..PIXELS).map(|i| (i as u8).wrapping_mul(seed))).collect()
    }

    #[test]
    fn records_are_label_bytes_then_planes() {
        let file = file(&[record(&[3, 99], 5), record(&[19, 0], 7)].concat());
        let images = read_records(file.path(), 2, &[20, 100]).unwrap();
        assert_eq!(images.labels, [99, 0]);
        assert_eq!(images.image(1), &record(&[], 7)[..]);
    }

    #[test]
    fn a_wrong_label_is_named_by_its_record() {
        let file = file(&[record(&[3], 5), record(&[10], 7)].concat());
        let message = read_records(file.path(), 2, &[10]).unwrap_err().to_string();
        assert!(message.contains("record 2: label 10 is not one of 0 to 9"), "{message}");
    }

    #[test]
    fn a_truncated_file_is_refused_even_at_a_record_boundary() {
        let file = file(&record(&[3], 5));
        let message = read_records(file.path(), 2, &[10]).unwrap_err().to_string();
        assert!(message.contains("3073 bytes instead of 2 records of 3073"), "{message}");
    }

    #[test]
    fn names_must_be_complete_and_distinct() {
        let names =
            |text: &str| read_names(&CIFAR10, file(text.as_bytes()).path()).map_err(|e| e.to_string());
        assert_eq!(names("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n").unwrap().len(), 10);
        assert!(names("a\nb\nc\n").unwrap_err().contains("3 class names instead of 10"));
        assert!(
            names("a\nb\nc\nd\ne\nf\ng\nh\ni\na\n")
                .unwrap_err()
                .contains("line 10: class name \"a\" comes twice")
        );
        let bad = file(&[b'a', b'\n', 0xff]);
        assert!(read_names(&CIFAR10, bad.path()).unwrap_err().to_string().contains("byte 2: not UTF-8"));
    }

    proptest! {
        #[test]
        fn any_bytes_give_images_or_an_error(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..200), fill: bool,
        ) {
            if fill {
                bytes.resize(2 * (PIXELS + 1), 1);
            }
            let file = file(&bytes);
            if let Ok(images) = read_records(file.path(), 2, &[10]) {
                prop_assert!(images.len() == 2 && images.labels.iter().all(|&label| label < 10));
            }
            let _ = read_names(&CIFAR10, file.path());
        }
    }
}
