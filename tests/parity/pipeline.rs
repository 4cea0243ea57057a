//! `*_data_pipeline`: normalisation, and crops and flips, of raw images.

use cleave::data::crop_and_flip;
use cleave::learn::Normaliser;

use crate::compare::Report;
use crate::fixture::Fixture;

/// Zero pixels around an image before the crop.
const PADDING: usize = 4;

pub fn check(fixture: &Fixture, report: &mut Report) {
    let (shape, pixels) = channels_first(fixture);
    let augmented = augmented(fixture, shape, &pixels);
    let names = fixture.names_below("");
    let sets: Vec<&str> = names.into_iter().filter_map(|name| name.strip_suffix("_mean")).collect();
    assert!(!sets.is_empty(), "the fixture has no data set");
    for set in sets {
        let key = |what: &str| format!("{set}_{what}");
        let normaliser = Normaliser::new(shape, fixture.values(&key("mean")), fixture.values(&key("std")));
        for (what, pixels) in [("normalised", &pixels), ("augmented", &augmented)] {
            report.close(&key(what), &normaliser.values(pixels), fixture.values(&key(what)), 1e-5);
        }
    }
}

/// The images, stored `[image, height, width, channels]`, as we keep them, with the shape of one.
fn channels_first(fixture: &Fixture) -> ([usize; 3], Vec<u8>) {
    let &[_, height, width, channels] = fixture.integer_shape("images_hwc") else {
        panic!("images_hwc is no list of images")
    };
    let mut pixels = Vec::new();
    for image in fixture.integers("images_hwc").chunks_exact(height * width * channels) {
        for channel in 0..channels {
            pixels.extend(image.iter().skip(channel).step_by(channels).map(|&value| value as u8));
        }
    }
    ([channels, height, width], pixels)
}

/// Each image cropped and flipped as the file says.
fn augmented(fixture: &Fixture, shape: [usize; 3], pixels: &[u8]) -> Vec<u8> {
    let places = fixture.indices("crop_top_left");
    let flips = fixture.integers("flip");
    let mut augmented = vec![0; pixels.len()];
    let size = shape.iter().product();
    let images = pixels.chunks_exact(size).zip(augmented.chunks_exact_mut(size));
    for ((image, out), (place, flip)) in images.zip(places.chunks_exact(2).zip(flips)) {
        crop_and_flip(image, shape, PADDING, (place[0], place[1]), *flip == 1, out);
    }
    augmented
}
