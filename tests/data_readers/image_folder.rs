//! Folders of pictures, one a class.

use super::*;
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, Rgb, RgbImage, Rgba, RgbaImage};

fn save(path: &Path, image: impl Into<DynamicImage>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.into().save(path).unwrap();
}

fn grey(side: u32, value: u8) -> GrayImage {
    GrayImage::from_pixel(side, side, Luma([value]))
}

/// Two classes, four training and one test image each, 6x6.
fn two_classes() -> TempDir {
    let folder = folder();
    for (class, value) in [("cat", 10), ("dog", 200)] {
        for i in 0..4 {
            save(&folder.path().join(format!("train/{class}/{i}.png")), grey(6, value + i));
        }
        save(&folder.path().join(format!("test/{class}/x.png")), grey(6, value));
    }
    folder
}

#[test]
fn classes_come_from_folders_and_size_from_the_images() {
    let folder = two_classes();
    fs::write(folder.path().join("train/cat/notes.txt"), "no image").unwrap();
    fs::write(folder.path().join("train/.DS_Store"), "no class").unwrap();
    let data = open(&config(Source::Folder, folder.path())).unwrap();
    assert_eq!(data.classes, ["cat", "dog"]);
    assert_eq!((data.train.len(), data.valid.len(), data.test.len()), (6, 2, 2));
    assert_eq!(data.train.shape, [3, 6, 6]);
    assert_eq!(data.test.image(1), [200; 108]);
    let grey = DataConfig { channels: Some(1), size: Some(3), ..config(Source::Folder, folder.path()) };
    assert_eq!(open(&grey).unwrap().test.image(0), [10; 9]);
}

#[test]
fn a_validation_folder_is_used_as_it_is() {
    let folder = two_classes();
    save(&folder.path().join("valid/cat/v.png"), grey(6, 99));
    let data = open(&config(Source::Folder, folder.path())).unwrap();
    assert_eq!((data.train.len(), data.valid.len()), (8, 1));
    assert_eq!(data.valid.image(0), [99; 108]);
}

#[test]
fn a_survey_says_before_reading_what_reading_finds() {
    let folder = two_classes();
    let plain = config(Source::Folder, folder.path());
    let sized = DataConfig { channels: Some(1), size: Some(3), ..plain.clone() };
    let digits = config(Source::Digits, folder.path());
    let check = |config: &DataConfig| {
        let (survey, data) = (config.survey().unwrap().unwrap(), open(config).unwrap());
        assert_eq!((survey.shape, survey.classes), (data.train.shape, data.classes.len()));
        assert!(config.images_of_an_epoch(&survey).abs_diff(data.train.len()) <= data.classes.len());
    };
    [&plain, &sized, &digits].into_iter().for_each(check);
    save(&folder.path().join("valid/cat/v.png"), grey(6, 99));
    check(&plain);
    fs::remove_dir_all(folder.path().join("test")).unwrap();
    assert!(plain.survey().unwrap_err().to_string().contains("test"));
}

#[test]
fn every_format_and_colour_type_is_converted() {
    let folder = folder();
    let rgb = RgbImage::from_pixel(8, 8, Rgb([200, 100, 50]));
    let rgba = RgbaImage::from_pixel(8, 8, Rgba([200, 100, 50, 7]));
    let deep = ImageBuffer::<Rgb<u16>, _>::from_pixel(8, 8, Rgb([200 * 257, 100 * 257, 50 * 257]));
    for name in ["a.png", "a.bmp", "a.tif", "a.ppm", "a.jpg", "a.gif", "A.JPEG"] {
        save(&folder.path().join(name), rgb.clone());
    }
    save(&folder.path().join("rgba.png"), rgba.clone());
    save(&folder.path().join("rgba.webp"), rgba);
    save(&folder.path().join("deep.png"), deep);
    for file in fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        let pixels = read_image(&path, [3, 4, 4]).unwrap();
        for (i, &pixel) in pixels.iter().enumerate() {
            let expected = [200, 100, 50][i / 16];
            assert!(i32::from(pixel).abs_diff(expected) <= 8, "{}: {pixels:?}", path.display());
        }
    }
    save(&folder.path().join("png-content.jpg.png"), grey(5, 30));
    fs::rename(folder.path().join("png-content.jpg.png"), folder.path().join("png-content.jpg")).unwrap();
    assert_eq!(read_image(&folder.path().join("png-content.jpg"), [1, 5, 5]).unwrap(), [30; 25]);
    assert!(
        read_image(&folder.path().join("absent.png"), [1, 5, 5])
            .unwrap_err()
            .to_string()
            .contains("absent.png")
    );
}

#[test]
fn unreadable_files_are_listed_together() {
    let folder = two_classes();
    let png = fs::read(folder.path().join("train/cat/0.png")).unwrap();
    for i in 0..12 {
        fs::write(folder.path().join(format!("train/dog/bad{i:02}.png")), &png[..png.len() / 2]).unwrap();
    }
    let text = message(&config(Source::Folder, folder.path()));
    assert!(text.starts_with("12 image files cannot be read"), "{text}");
    assert!(
        text.contains("bad00.png") && text.contains("bad09.png") && !text.contains("bad10.png"),
        "{text}"
    );
    assert!(text.ends_with("and 2 more"), "{text}");
}

#[test]
fn images_of_several_sizes_need_a_size() {
    let folder = two_classes();
    save(&folder.path().join("train/dog/big.png"), grey(9, 1));
    let mut config = config(Source::Folder, folder.path());
    let text = message(&config);
    assert!(text.contains("big.png is 9x9") && text.contains("set data.size"), "{text}");
    config.size = Some(8);
    assert_eq!(open(&config).unwrap().train.shape, [3, 8, 8]);
}

#[test]
fn the_layout_is_checked() {
    let folder = two_classes();
    let config = config(Source::Folder, folder.path());
    save(&folder.path().join("test/emu/1.png"), grey(6, 1));
    assert!(message(&config).contains("class \"emu\" has no training image"));
    fs::create_dir(folder.path().join("train/emu")).unwrap();
    assert!(message(&config).contains("train/emu holds no images"));
    fs::remove_dir_all(folder.path().join("test")).unwrap();
    fs::remove_dir_all(folder.path().join("train/emu")).unwrap();
    assert!(message(&config).contains("no test folder"));
    fs::create_dir(folder.path().join("test")).unwrap();
    assert!(message(&config).contains("the test split is empty"));
    fs::remove_dir_all(folder.path().join("train")).unwrap();
    assert!(message(&config).contains("no train folder"));
}

#[cfg(unix)]
#[test]
fn a_folder_name_that_is_not_text_is_shown() {
    use std::os::unix::ffi::OsStrExt;
    let folder = two_classes();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    fs::create_dir(folder.path().join("train").join(name)).unwrap();
    let text = message(&config(Source::Folder, folder.path()));
    assert!(text.contains("caf\u{fffd} is not valid UTF-8"), "{text}");
}

#[test]
fn one_image_is_too_few_to_divide() {
    let folder = folder();
    save(&folder.path().join("train/cat/1.png"), grey(6, 1));
    save(&folder.path().join("test/cat/1.png"), grey(6, 1));
    let mut config = config(Source::Folder, folder.path());
    let text = message(&config);
    assert!(
        text.contains("valid split is empty") && text.contains("put some into a valid/ folder"),
        "{text}"
    );
    config.valid_fraction = 0.0;
    let data = open(&config).unwrap();
    assert_eq!((data.train.len(), data.valid.len(), data.std), (1, 0, vec![1.0; 3]));
}

#[test]
fn a_thousand_classes_work() {
    let folder = folder();
    for class in 0..1000 {
        save(&folder.path().join(format!("train/c{class:04}/1.pgm")), grey(1, (class % 256) as u8));
    }
    save(&folder.path().join("test/c0999/1.pgm"), grey(1, 1));
    let data = open(&DataConfig { valid_fraction: 0.0, ..config(Source::Folder, folder.path()) }).unwrap();
    assert_eq!((data.classes.len(), data.train.labels[999], data.test.labels[0]), (1000, 999, 999));
}

#[test]
fn damaged_images_never_panic() {
    let folder = folder();
    let noise = RgbImage::from_fn(9, 7, |x, y| Rgb([(x * 31) as u8, (y * 57) as u8, (x * y) as u8]));
    let formats = ["png", "jpg", "bmp", "gif", "webp", "tif", "pnm"].map(|format| {
        let path = folder.path().join(format!("a.{format}"));
        save(&path, noise.clone());
        fs::read(path).unwrap()
    });
    let path = folder.path().join("damaged");
    let flips = prop::collection::vec(any::<usize>(), 0..4);
    let cases = ProptestConfig::with_cases(500);
    proptest!(cases, |(format in 0usize..7, flips in flips, cut: usize, shorten: bool)| {
        let mut bytes = flips.into_iter().fold(formats[format].clone(), flipped);
        if shorten {
            bytes.truncate(cut % bytes.len());
        }
        fs::write(&path, bytes).unwrap();
        if let Ok(pixels) = read_image(&path, [3, 4, 4]) {
            prop_assert_eq!(pixels.len(), 48);
        }
    });
}
