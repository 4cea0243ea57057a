//! Image folders: `train|valid|test/<class>/*.png` and the like.
//!
//! The classes are the folder names of all splits together, sorted. Hidden entries and files whose extension
//! is not that of an image are passed over.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::decode::{Picture, decode};
use super::resize::resize_planes;
use super::survey::Survey;
use super::{Error, Images, Splits};

const EXTENSIONS: [&str; 13] =
    ["png", "jpg", "jpeg", "jpe", "jfif", "bmp", "gif", "webp", "tif", "tiff", "pnm", "pgm", "ppm"];

/// How many unreadable files an error names.
const NAMED: usize = 10;

/// Class name to the class's image files, both sorted.
type Listing = BTreeMap<String, Vec<PathBuf>>;

/// The files of every split of `root`, and the classes; `valid` may be absent.
fn files(root: &Path) -> Result<([Option<Listing>; 3], Vec<String>), Error> {
    let listings = [list_split(root, "train")?, list_split(root, "valid")?, list_split(root, "test")?];
    let [Some(_), _, Some(_)] = &listings else {
        let absent = if listings[0].is_none() { "train" } else { "test" };
        let hint = "an image folder holds train/<class>/ and test/<class>/, and may hold valid/<class>/";
        return Err(Error::Missing {
            what: format!("{absent} folder"),
            path: root.into(),
            hint: hint.into(),
        });
    };
    let mut classes: Vec<String> =
        listings.iter().flatten().flat_map(|listing| listing.keys().cloned()).collect();
    classes.sort_unstable();
    classes.dedup();
    Ok((listings, classes))
}

/// What the folder holds, from the names of files and the first image alone.
pub(super) fn survey(root: &Path, size: Option<usize>, channels: usize) -> Result<Survey, Error> {
    let ([train, valid, _], classes) = files(root)?;
    let mut images = train.iter().flat_map(BTreeMap::values).flatten();
    let [height, width] = match (size, images.next()) {
        (Some(side), _) => [side, side],
        (None, Some(first)) => {
            let picture = decode(first, channels);
            let [_, height, width] = picture
                .map_err(|why| Error::Unreadable { count: 1, first: vec![(first.clone(), why)] })?
                .shape;
            [height, width]
        }
        (None, None) => [0, 0],
    };
    let train = train.iter().flat_map(BTreeMap::values).map(Vec::len).sum();
    Ok(Survey { shape: [channels, height, width], classes: classes.len(), train, has_valid: valid.is_some() })
}

/// Reads every split of `root`; `valid` may be absent.
pub(super) fn read(root: &Path, size: Option<usize>, channels: usize) -> Result<Splits, Error> {
    let (listings, classes) = files(root)?;
    let mut loader =
        Loader { side: size, channels, first: None, mixed: None, unreadable: 0, named: Vec::new() };
    let [train, valid, test] = listings.map(|listing| listing.map(|listing| loader.load(&listing, &classes)));
    let shape = loader.finish()?;
    let reshape = |images: Option<Images>| images.map(|images| Images { shape, ..images });
    let empty = || Images::empty(shape);
    Ok(Splits {
        classes,
        train: reshape(train).unwrap_or_else(empty),
        valid: reshape(valid),
        test: reshape(test).unwrap_or_else(empty),
    })
}

fn list_split(root: &Path, split: &str) -> Result<Option<Listing>, Error> {
    let path = root.join(split);
    if !path.is_dir() {
        return Ok(None);
    }
    let mut listing = Listing::new();
    for class in list(&path)?.into_iter().filter(|path| path.is_dir()) {
        let Some(name) = class.file_name().and_then(|name| name.to_str()).map(str::to_string) else {
            return Err(Error::NotUtf8 { path: class });
        };
        let images: Vec<PathBuf> = list(&class)?.into_iter().filter(|path| is_image(path)).collect();
        if images.is_empty() {
            return Err(Error::EmptyClass { path: class });
        }
        listing.insert(name, images);
    }
    Ok(Some(listing))
}

/// What a folder holds, sorted, without hidden entries.
fn list(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(Error::io("read", path))? {
        let entry = entry.map_err(Error::io("read", path))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            entries.push(entry.path());
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str())) && path.is_file()
}

/// Reads images one by one and collects what is wrong, for one error.
struct Loader {
    side: Option<usize>,
    channels: usize,
    /// The first image: its path, height and width.
    first: Option<(PathBuf, [usize; 2])>,
    mixed: Option<Error>,
    unreadable: usize,
    named: Vec<(PathBuf, String)>,
}

impl Loader {
    fn load(&mut self, listing: &Listing, classes: &[String]) -> Images {
        let mut images = Images::empty([self.channels, 0, 0]);
        for (label, class) in classes.iter().enumerate() {
            for path in listing.get(class).into_iter().flatten() {
                if let Some(pixels) = self.read(path) {
                    images.pixels.extend_from_slice(&pixels);
                    images.labels.push(label as u32);
                }
            }
        }
        images
    }

    fn read(&mut self, path: &Path) -> Option<Vec<u8>> {
        let Picture { shape, pixels } = match decode(path, self.channels) {
            Ok(picture) => picture,
            Err(reason) => {
                self.unreadable += 1;
                if self.named.len() < NAMED {
                    self.named.push((path.to_path_buf(), reason));
                }
                return None;
            }
        };
        let [_, height, width] = shape;
        let (first, size) = self.first.get_or_insert_with(|| (path.to_path_buf(), [height, width]));
        if let Some(side) = self.side {
            return Some(resize_planes(pixels, shape, [side, side]));
        }
        if *size == [height, width] {
            return Some(pixels);
        }
        self.mixed.get_or_insert_with(|| Error::MixedSizes {
            first: first.clone(),
            first_size: [size[1], size[0]],
            other: path.to_path_buf(),
            other_size: [width, height],
        });
        None
    }

    /// The shape of every image, or what was wrong.
    fn finish(self) -> Result<[usize; 3], Error> {
        if self.unreadable > 0 {
            return Err(Error::Unreadable { count: self.unreadable, first: self.named });
        }
        if let Some(mixed) = self.mixed {
            return Err(mixed);
        }
        let Some((_, [height, width])) = self.first else {
            return Err(Error::EmptySplit { split: "train", hint: "add folders of images: train/<class>/" });
        };
        Ok(match self.side {
            Some(side) => [self.channels, side, side],
            None => [self.channels, height, width],
        })
    }
}
