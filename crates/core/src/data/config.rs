//! The `[data]` of a preset.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::survey::Survey;
use super::{Augmentation, Error, folder};

/// Where a data set comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// UCI optical handwritten digits, 8x8 grey, embedded in the program.
    Digits,
    /// CIFAR-10 in its official binary files, 32x32 RGB.
    Cifar10,
    /// CIFAR-100 (fine labels) in its official binary files, 32x32 RGB.
    Cifar100,
    /// Street View House Numbers, cropped 32x32 RGB, in its `.mat` files.
    Svhn,
    /// MNIST in IDX files, plain or gzip, 28x28 grey.
    Mnist,
    /// Fashion-MNIST in IDX files, plain or gzip, 28x28 grey.
    FashionMnist,
    /// Image files in `train|valid|test/<class>/`.
    Folder,
}

impl Source {
    /// Every source.
    pub const ALL: [Source; 7] = [
        Source::Digits,
        Source::Cifar10,
        Source::Cifar100,
        Source::Svhn,
        Source::Mnist,
        Source::FashionMnist,
        Source::Folder,
    ];

    /// The name that a preset uses.
    pub fn name(self) -> &'static str {
        match self {
            Source::Digits => "digits",
            Source::Cifar10 => "cifar10",
            Source::Cifar100 => "cifar100",
            Source::Svhn => "svhn",
            Source::Mnist => "mnist",
            Source::FashionMnist => "fashion-mnist",
            Source::Folder => "folder",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// The `[data]` of a preset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Which data set.
    pub source: Source,
    /// Where its files are; by default where `cleave data fetch` puts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Resize every image to `size x size` (bilinear).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// The share of each class's training images that validation gets, 0 up to (not including) 1. An image
    /// folder with a `valid` folder uses that instead.
    #[serde(default = "default_valid_fraction")]
    pub valid_fraction: f64,
    /// Zero pixels around an image before a random crop back to its size; 0 for no crop. By default what
    /// suits the source: 4 for 32x32 colour images and folders, 2 for MNIST and Fashion-MNIST, 1 for digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop_padding: Option<usize>,
    /// Flip every other image left to right, at random. By default what suits the source: not for digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flip: Option<bool>,
    /// SVHN: train on `extra` as well as on `train`.
    #[serde(default)]
    pub extra: bool,
    /// Keep so many training images, in proportion to the classes; for trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Image folder: 3 for RGB (the default), 1 for grey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
}

fn default_valid_fraction() -> f64 {
    0.1
}

/// The largest side that images are resized to, in pixels.
const LARGEST_SIZE: usize = 1024;

impl DataConfig {
    /// The data set of `source` with every setting at its default.
    pub fn new(source: Source) -> DataConfig {
        DataConfig {
            source,
            path: None,
            size: None,
            valid_fraction: default_valid_fraction(),
            crop_padding: None,
            flip: None,
            extra: false,
            limit: None,
            channels: None,
        }
    }

    /// `[channels, height, width]` and number of classes where they are known before any file is read: not
    /// of image folders.
    pub fn published_shape(&self) -> Option<([usize; 3], usize)> {
        let (channels, side, classes) = match self.source {
            Source::Digits => (1, 8, 10),
            Source::Cifar10 | Source::Svhn => (3, 32, 10),
            Source::Cifar100 => (3, 32, 100),
            Source::Mnist | Source::FashionMnist => (1, 28, 10),
            Source::Folder => return None,
        };
        let side = self.size.unwrap_or(side);
        Some(([channels, side, side], classes))
    }

    /// What is known of the data before their images are read; an image folder is listed for that. `None` for a
    /// folder whose path is not set.
    ///
    /// # Errors
    ///
    /// When a folder cannot be listed, or is not divided into splits and classes.
    pub fn survey(&self) -> Result<Option<Survey>, Error> {
        let train = match self.source {
            Source::Digits => 1_437,
            Source::Cifar10 | Source::Cifar100 => 50_000,
            Source::Svhn if self.extra => 73_257 + 531_131,
            Source::Svhn => 73_257,
            Source::Mnist | Source::FashionMnist => 60_000,
            Source::Folder => {
                let Some(path) = &self.path else { return Ok(None) };
                return folder::survey(path, self.size, self.channels.unwrap_or(3)).map(Some);
            }
        };
        let published = self.published_shape();
        Ok(published.map(|(shape, classes)| Survey { shape, classes, train, has_valid: false }))
    }

    /// How many of the training images of a survey an epoch of training sees.
    pub fn images_of_an_epoch(&self, survey: &Survey) -> usize {
        let share = if survey.has_valid { 1.0 } else { 1.0 - self.valid_fraction };
        let kept = (survey.train as f64 * share).round() as usize;
        self.limit.map_or(kept, |limit| kept.min(limit))
    }

    /// How training images are augmented: as set, or the default of the source.
    pub fn augmentation(&self) -> Augmentation {
        let (crop_padding, flip) = match self.source {
            Source::Digits => (1, false),
            Source::Mnist => (2, false),
            Source::FashionMnist => (2, true),
            Source::Svhn => (4, false),
            Source::Cifar10 | Source::Cifar100 | Source::Folder => (4, true),
        };
        Augmentation {
            crop_padding: self.crop_padding.unwrap_or(crop_padding),
            flip: self.flip.unwrap_or(flip),
        }
    }

    /// Where the files are, given the cache directory of fetched sets.
    pub fn directory(&self, cache: &Path) -> PathBuf {
        self.path.clone().unwrap_or_else(|| cache.join(self.source.name()))
    }

    /// Refuses invalid settings, before any file is read.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] with the key and what would be right.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |key, what: String| Err(Error::Setting { key, what });
        if !(0.0..1.0).contains(&self.valid_fraction) {
            return wrong("valid_fraction", format!("{} is not in 0 up to 1; try 0.1", self.valid_fraction));
        }
        if self.size.is_some_and(|size| size == 0 || size > LARGEST_SIZE) {
            return wrong("size", format!("a side must be 1 to {LARGEST_SIZE} pixels"));
        }
        if self.crop_padding.is_some_and(|padding| padding > LARGEST_SIZE) {
            return wrong("crop_padding", format!("must be at most {LARGEST_SIZE} pixels; try 4"));
        }
        if self.limit == Some(0) {
            return wrong("limit", "0 leaves nothing to train on; remove it to use every image".into());
        }
        if self.extra && self.source != Source::Svhn {
            return wrong("extra", format!("only svhn has extra images, {} has none", self.source));
        }
        match (self.source, self.channels) {
            (Source::Folder, None | Some(1 | 3)) | (_, None) => {}
            (Source::Folder, Some(n)) => {
                return wrong("channels", format!("{n} is neither 1 (grey) nor 3 (RGB)"));
            }
            _ => {
                return wrong(
                    "channels",
                    format!("is for image folders; {} comes with its own", self.source),
                );
            }
        }
        if self.source == Source::Folder && self.path.is_none() {
            return wrong(
                "path",
                "an image folder needs a path: the folder that holds train and test".into(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_serde() {
        for source in Source::ALL {
            let config: DataConfig = toml::from_str(&format!("source = {:?}", source.name())).unwrap();
            assert_eq!(config, DataConfig::new(source));
            let text = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<DataConfig>(&text).unwrap(), config);
        }
        assert!(toml::from_str::<DataConfig>("source = \"digits\"\nsice = 16").is_err());
    }

    #[test]
    fn digits_are_never_flipped_unless_asked() {
        let mut config = DataConfig::new(Source::Svhn);
        assert_eq!(config.augmentation(), Augmentation { crop_padding: 4, flip: false });
        config.flip = Some(true);
        assert!(config.augmentation().flip);
        assert_eq!(
            DataConfig::new(Source::Digits).augmentation(),
            Augmentation { crop_padding: 1, flip: false }
        );
    }

    #[test]
    fn settings_without_sense_are_refused_by_key() {
        let digits = || DataConfig::new(Source::Digits);
        let wrong = [
            ("valid_fraction", DataConfig { valid_fraction: 1.0, ..digits() }),
            ("valid_fraction", DataConfig { valid_fraction: f64::NAN, ..digits() }),
            ("size", DataConfig { size: Some(0), ..digits() }),
            ("size", DataConfig { size: Some(1 << 40), ..digits() }),
            ("crop_padding", DataConfig { crop_padding: Some(usize::MAX), ..digits() }),
            ("limit", DataConfig { limit: Some(0), ..digits() }),
            ("extra", DataConfig { extra: true, ..digits() }),
            ("channels", DataConfig { channels: Some(1), ..digits() }),
            (
                "channels",
                DataConfig { channels: Some(2), path: Some(".".into()), ..DataConfig::new(Source::Folder) },
            ),
            ("path", DataConfig::new(Source::Folder)),
        ];
        for (expected, config) in wrong {
            assert!(
                matches!(config.check(), Err(Error::Setting { key, .. }) if key == expected),
                "{config:?}"
            );
        }
    }
}
