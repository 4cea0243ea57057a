//! Image files of any size and colour type, as planar bytes.

use std::io::Cursor;
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use super::Error;
use super::resize::resize_planes;
use crate::disk;

/// Bytes of an image file at most: what is decoded of it may take no more.
const LONGEST: u64 = 1 << 30;

/// A decoded image, `[channels, height, width]` = `shape`.
pub(super) struct Picture {
    pub shape: [usize; 3],
    pub pixels: Vec<u8>,
}

/// Reads an image file as `shape` = `[channels, height, width]`, one or three channels: decoded, turned
/// upright, resized (bilinear) and converted to grey or RGB. Transparency is dropped; of an animation the
/// first frame counts.
///
/// # Errors
///
/// When the file is missing, is not an image, is damaged or claims to be far larger than its length allows.
pub fn read_image(path: &Path, shape: [usize; 3]) -> Result<Vec<u8>, Error> {
    let picture = decode(path, shape[0])
        .map_err(|reason| Error::Unreadable { count: 1, first: vec![(path.to_path_buf(), reason)] })?;
    Ok(resize_planes(picture.pixels, picture.shape, [shape[1], shape[2]]))
}

/// Decodes an image file into one (grey) or three (RGB) channels, or says why not.
pub(super) fn decode(path: &Path, channels: usize) -> Result<Picture, String> {
    let bytes = disk::read_linked(path, LONGEST).map_err(|error| error.reason())?;
    let image = decode_any(bytes).map_err(|error| error.to_string())?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    if width == 0 || height == 0 {
        return Err("the image has no pixels".to_string());
    }
    let pixels = match channels {
        1 => image.into_luma8().into_raw(),
        3 => to_planes(&image.into_rgb8().into_raw()),
        _ => return Err(format!("images are read with 1 or 3 channels, not {channels}")),
    };
    Ok(Picture { shape: [channels, height, width], pixels })
}

fn decode_any(bytes: Vec<u8>) -> image::ImageResult<DynamicImage> {
    let mut limits = limits(bytes.len() as u64);
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    limits.reserve(decoder.total_bytes())?;
    decoder.set_limits(limits)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// What a decoder may allocate: 1,032 bytes (the highest ratio of deflate) for each byte of the file, from 16 MiB
/// (for small files of a large flat image) up to 1 GiB.
fn limits(length: u64) -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(1 << 16);
    limits.max_image_height = Some(1 << 16);
    limits.max_alloc = Some(length.saturating_mul(super::file::DEFLATE_RATIO).clamp(16 << 20, 1 << 30));
    limits
}

/// Red, green, blue, red, ... as all red, all green, all blue.
fn to_planes(pixels: &[u8]) -> Vec<u8> {
    (0..3).flat_map(|channel| pixels.iter().skip(channel).step_by(3).copied()).collect()
}
