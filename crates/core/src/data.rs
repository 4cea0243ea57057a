//! Data: file formats in, one in-memory data set out, and batches from it.
//!
//! A [`DataConfig`] names a [`Source`]; [`load`] reads it, resizes it, splits off a seeded, stratified validation
//! split and adds the normalisation constants. [`vary`] makes augmented batches of the result. [`fetch`] downloads
//! the published archives, [`check`] verifies the files in the cache and [`catalog`] lists the known data sets.
//!
//! Pixels stay `u8` until they reach the device: a pixel `p` of channel `k` enters a network as
//! `(p / 255 - mean[k]) / std[k]`.

mod augment;
mod catalog;
mod cifar;
mod config;
mod decode;
mod digits;
mod download;
mod error;
mod fetch;
mod file;
mod folder;
mod idx;
mod images;
mod mat;
mod resize;
mod split;
mod statistics;
mod survey;
mod svhn;

use std::path::Path;

pub use augment::{Augmentation, Draw, crop_and_flip, draws, epoch_order, vary};
pub use catalog::{Archive, Entry, Member, SETS, Set, catalog, find_set};
pub use config::{DataConfig, Source};
pub use decode::read_image;
pub use error::Error;
pub use fetch::{FileCheck, FileState, Progress, Stage, check, fetch};
pub use images::Images;
pub use survey::Survey;

/// A data set in memory.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The name of the source, as a preset spells it.
    pub name: String,
    /// Class names; a label is an index into them.
    pub classes: Vec<String>,
    /// The training split.
    pub train: Images,
    /// The validation split, for choices (epochs, thresholds); empty where `data.valid_fraction` is 0.
    pub valid: Images,
    /// The test split, for final measurements only.
    pub test: Images,
    /// Mean of each channel, for pixels in 0..1.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, for pixels in 0..1; never 0.
    pub std: Vec<f32>,
}

/// What a reader found, before resizing and splitting.
#[derive(Debug)]
struct Splits {
    classes: Vec<String>,
    train: Images,
    valid: Option<Images>,
    test: Images,
}

/// Reads the data set that `config` names: from `config.path`, or from `<cache>/<source name>`.
///
/// The same `config`, files and `seed` give the same data set, in the same order.
///
/// # Errors
///
/// When a setting is invalid, files are missing or damaged, a class has no training image, or a split is
/// empty. The message says which file and where in it, and what to do.
pub fn load(config: &DataConfig, seed: u64, cache: &Path) -> Result<Dataset, Error> {
    config.check()?;
    let mut splits = read(config, &config.directory(cache))?;
    if let Some(size) = config.size {
        resize_all(&mut splits, size);
    }
    let counts = splits.train.class_sizes(splits.classes.len());
    if let Some(absent) = counts.iter().position(|&count| count == 0) {
        return Err(Error::NoTraining { class: splits.classes[absent].clone() });
    }
    if splits.test.is_empty() {
        return Err(Error::EmptySplit { split: "test", hint: "add test images" });
    }
    let (train, valid) = carve(config, seed, splits.train, splits.valid, counts.len())?;
    let (mean, std) = statistics::of(config.source, &train);
    let name = config.source.name().to_string();
    Ok(Dataset { name, classes: splits.classes, train, valid, test: splits.test, mean, std })
}

fn read(config: &DataConfig, directory: &Path) -> Result<Splits, Error> {
    match config.source {
        Source::Digits => Ok(digits::read()),
        Source::Cifar10 => cifar::read(&cifar::CIFAR10, directory),
        Source::Cifar100 => cifar::read(&cifar::CIFAR100, directory),
        Source::Svhn => svhn::read(directory, config.extra),
        Source::Mnist => idx::read(directory, "MNIST", "mnist", &idx::DIGITS),
        Source::FashionMnist => idx::read(directory, "Fashion-MNIST", "fashion-mnist", &idx::GARMENTS),
        Source::Folder => folder::read(directory, config.size, config.channels.unwrap_or(3)),
    }
}

fn resize_all(splits: &mut Splits, size: usize) {
    for images in
        [Some(&mut splits.train), splits.valid.as_mut(), Some(&mut splits.test)].into_iter().flatten()
    {
        resize::resize_images(images, size);
    }
}

/// The training and validation splits. A validation split that came with the data is kept as it is.
fn carve(
    config: &DataConfig,
    seed: u64,
    train: Images,
    given: Option<Images>,
    classes: usize,
) -> Result<(Images, Images), Error> {
    let fraction = if given.is_some() { 0.0 } else { config.valid_fraction };
    let division = split::divide(&train.labels, classes, fraction, config.limit, seed)?;
    let valid = match given {
        Some(valid) if valid.is_empty() => {
            return Err(Error::EmptySplit { split: "valid", hint: "add images to it or remove it" });
        }
        Some(valid) => valid,
        None => train.select(&division.valid),
    };
    if fraction == 0.0 && config.limit.is_none() {
        return Ok((train, valid));
    }
    Ok((train.select(&division.train), valid))
}
