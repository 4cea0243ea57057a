//! The readers as a user meets them: files in, a data set or a message out.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use cleave::data::{DataConfig, Dataset, Error, Source, load, read_image};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn config(source: Source, path: &Path) -> DataConfig {
    DataConfig { path: Some(path.to_path_buf()), ..DataConfig::new(source) }
}

fn open(config: &DataConfig) -> Result<Dataset, Error> {
    load(config, 1, Path::new("/nonexistent"))
}

fn message(config: &DataConfig) -> String {
    open(config).unwrap_err().to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The bytes with one bit flipped.
fn flipped(mut bytes: Vec<u8>, bit: usize) -> Vec<u8> {
    let at = bit / 8 % bytes.len();
    bytes[at] ^= 1 << (bit % 8);
    bytes
}

/// Real data for development, or nothing, saying so.
fn real_data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("CLEAVE_TEST_DATA").map(PathBuf::from);
    let root = root.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let path = root.join(name);
    if !path.exists() {
        eprintln!("skipped: no {}", path.display());
        return None;
    }
    Some(path)
}

mod digits {
    use super::*;

    #[test]
    fn load_without_any_file_and_always_alike() {
        let data = open(&DataConfig { size: Some(16), ..DataConfig::new(Source::Digits) }).unwrap();
        assert_eq!((data.train.len(), data.valid.len(), data.test.len()), (1293, 144, 360));
        assert_eq!((data.train.shape, data.classes.len()), ([1, 16, 16], 10));
        assert!(
            data.mean[0] > 0.2 && data.mean[0] < 0.4 && data.std[0] > 0.2,
            "{:?} {:?}",
            data.mean,
            data.std
        );
        let again =
            load(&DataConfig { size: Some(16), ..DataConfig::new(Source::Digits) }, 1, Path::new("."))
                .unwrap();
        assert_eq!((data.train.clone(), data.valid), (again.train, again.valid));
        let other =
            load(&DataConfig { size: Some(16), ..DataConfig::new(Source::Digits) }, 2, Path::new("."))
                .unwrap();
        assert_ne!(data.train, other.train);
        assert_eq!(data.test, other.test);
    }

    #[test]
    fn a_limit_keeps_every_class() {
        let data = open(&DataConfig { limit: Some(100), ..DataConfig::new(Source::Digits) }).unwrap();
        assert_eq!(data.train.len(), 100);
        assert!(data.train.class_sizes(10).iter().all(|n| (9..=11).contains(n)));
    }
}

mod idx {
    use super::*;

    /// Images of 2x3 pixels, image `i` filled with `i`, label `i % 10`.
    fn images(n: u32) -> Vec<u8> {
        let mut file = [vec![0, 0, 8, 3], n.to_be_bytes().into(), vec![0, 0, 0, 2, 0, 0, 0, 3]].concat();
        file.extend((0..n).flat_map(|i| [i as u8; 6]));
        file
    }

    fn labels(n: u32) -> Vec<u8> {
        let mut file = [vec![0, 0, 8, 1], n.to_be_bytes().into()].concat();
        file.extend((0..n).map(|i| (i % 10) as u8));
        file
    }

    fn write(folder: &Path, images: &[u8], labels: &[u8]) -> DataConfig {
        fs::write(folder.join("train-images-idx3-ubyte"), images).unwrap();
        fs::write(folder.join("train-labels-idx1-ubyte"), labels).unwrap();
        fs::write(folder.join("t10k-images.idx3-ubyte"), super::idx::images(10)).unwrap();
        fs::write(folder.join("t10k-labels.idx1-ubyte.gz"), gzip(&super::idx::labels(10))).unwrap();
        config(Source::Mnist, folder)
    }

    #[test]
    fn plain_and_gzip_and_both_names_are_read() {
        let folder = folder();
        let data = open(&write(folder.path(), &gzip(&images(30)), &labels(30))).unwrap();
        assert_eq!((data.train.len(), data.valid.len(), data.test.len()), (20, 10, 10));
        assert_eq!(data.test.image(3), [3; 6]);
        assert_eq!(data.test.shape, [1, 2, 3]);
        assert_eq!((data.mean, data.std), (vec![0.1307], vec![0.3081]));
    }

    #[test]
    fn a_header_that_promises_billions_is_refused() {
        let folder = folder();
        let mut lying = images(30);
        lying[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        let text = message(&write(folder.path(), &lying, &labels(30)));
        assert!(
            text.contains("train-images-idx3-ubyte: byte 16") && text.contains("file ends before"),
            "{text}"
        );
        let text = message(&write(folder.path(), &gzip(&lying), &labels(30)));
        assert!(text.contains("decompressed byte 16"), "{text}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let folder = folder();
        let wrong = |images: &[u8], labels: &[u8]| message(&write(folder.path(), images, labels));
        let (good_images, good_labels) = (images(30), labels(30));
        assert!(wrong(&images(29), &good_labels).contains("29 images, but 30 labels"));
        assert!(
            wrong(&good_images[..100], &good_labels)
                .contains("would take 180 bytes, but the file ends before")
        );
        assert!(wrong(&gzip(&good_images[..100]), &good_labels).contains("ends after 84 of them"));
        assert!(wrong(&[&good_images[..], &[0]].concat(), &good_labels).contains("goes on after"));
        assert!(wrong(&good_labels, &good_labels).contains("magic number"));
        assert!(wrong(&[], &good_labels).contains("the magic number would take 4 bytes"));
        let mut bad_label = good_labels.clone();
        bad_label[10] = 10;
        assert!(wrong(&good_images, &bad_label).contains("record 3: label 10 is not one of 0 to 9"));
        let no_nines: Vec<u8> =
            good_labels.iter().enumerate().map(|(i, &v)| if i > 7 && v == 9 { 8 } else { v }).collect();
        assert!(wrong(&good_images, &no_nines).contains("class \"9\" has no training image"));
    }

    #[test]
    fn missing_files_are_named_with_the_way_to_get_them() {
        let folder = folder();
        let text = message(&config(Source::FashionMnist, folder.path()));
        assert!(text.contains("train-labels-idx1-ubyte (or .gz) of Fashion-MNIST"), "{text}");
        assert!(text.contains("cleave data fetch fashion-mnist"), "{text}");
    }

    #[test]
    fn real_mnist_loads_plain_and_gzip() {
        let Some(path) = real_data("mnist") else { return };
        let data = open(&config(Source::Mnist, &path)).unwrap();
        assert_eq!((data.train.len(), data.valid.len(), data.test.len()), (54_000, 6_000, 10_000));
        assert_eq!(data.test.labels[..5], [7, 2, 1, 0, 4]);
        let plain = folder();
        for name in ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"] {
            let file = fs::File::open(path.join(format!("{name}-ubyte.gz"))).unwrap();
            let mut out = fs::File::create(plain.path().join(format!("{name}-ubyte"))).unwrap();
            std::io::copy(&mut flate2::read::GzDecoder::new(file), &mut out).unwrap();
        }
        let same = open(&config(Source::Mnist, plain.path())).unwrap();
        assert!(same.train == data.train && same.test == data.test);
    }

    #[test]
    fn damaged_files_never_panic() {
        let folder = folder();
        let config = write(folder.path(), &images(30), &labels(30));
        let bytes = prop::collection::vec(any::<u8>(), 0..64);
        let target = prop::sample::select(vec!["train-images-idx3-ubyte", "train-labels-idx1-ubyte"]);
        let cases = ProptestConfig::with_cases(200);
        proptest!(cases, |(bytes in bytes, flip: usize, kind in 0..4, target in target)| {
            let is_images = target == "train-images-idx3-ubyte";
            let good = if is_images { images(30) } else { labels(30) };
            let bad = match kind {
                0 => bytes,
                1 => good[..flip % good.len()].to_vec(),
                2 => flipped(good.clone(), flip),
                _ => flipped(gzip(&good), flip),
            };
            fs::write(folder.path().join(target), bad).unwrap();
            let _ = open(&config);
            fs::write(folder.path().join(target), good).unwrap();
        });
    }
}

mod svhn {
    use super::*;

    fn u32_of(value: u32, little: bool) -> [u8; 4] {
        if little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn element(kind: u32, data: &[u8], little: bool) -> Vec<u8> {
        let mut out = [u32_of(kind, little), u32_of(data.len() as u32, little)].concat();
        out.extend_from_slice(data);
        out.resize(out.len().next_multiple_of(8), 0);
        out
    }

    /// A short element: tag and data in 8 bytes.
    fn packed(kind: u32, data: &[u8], little: bool) -> Vec<u8> {
        let mut out = u32_of((data.len() as u32) << 16 | kind, little).to_vec();
        out.extend_from_slice(data);
        out.resize(8, 0);
        out
    }

    fn matrix(name: &str, class: u32, dimensions: &[u32], values: Vec<u8>, little: bool) -> Vec<u8> {
        let flags = [u32_of(class, little), u32_of(0, little)].concat();
        let dimensions: Vec<u8> = dimensions.iter().flat_map(|&n| u32_of(n, little)).collect();
        let content = [
            element(6, &flags, little),
            element(5, &dimensions, little),
            packed(1, name.as_bytes(), little),
            values,
        ];
        element(14, &content.concat(), little)
    }

    fn compress(element: &[u8], little: bool) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(element).unwrap();
        let data = encoder.finish().unwrap();
        [u32_of(15, little).to_vec(), u32_of(data.len() as u32, little).to_vec(), data].concat()
    }

    fn header(little: bool) -> Vec<u8> {
        let mut header = vec![b' '; 124];
        header[..21].copy_from_slice(b"MATLAB 5.0 MAT-file, ");
        header.extend_from_slice(if little { &[0, 1, b'I', b'M'] } else { &[1, 0, b'M', b'I'] });
        header
    }

    /// Pixel value at (image, channel, row, column).
    fn value(image: usize, channel: usize, row: usize, column: usize) -> u8 {
        (image * 7 + channel * 50 + row * 3 + column) as u8
    }

    fn pixels(n: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for image in 0..n {
            for channel in 0..3 {
                for column in 0..32 {
                    out.extend((0..32).map(|row| value(image, channel, row, column)));
                }
            }
        }
        out
    }

    /// `n` images with labels 1, 2, ..., 10, 1, ...: X of bytes; y as doubles, or stored as bytes.
    fn mat(n: usize, little: bool, compressed: bool, doubles: bool) -> Vec<u8> {
        let labels: Vec<u8> = (0..n).map(|i| (i % 10) as u8 + 1).collect();
        let double = |&label: &u8| {
            let bits = f64::from(label).to_bits();
            if little { bits.to_le_bytes() } else { bits.to_be_bytes() }
        };
        let stored = if doubles {
            element(9, &labels.iter().flat_map(double).collect::<Vec<_>>(), little)
        } else {
            element(2, &labels, little)
        };
        let parts = [
            matrix("junk", 6, &[1, 1], packed(2, &[7], little), little),
            matrix("X", 9, &[32, 32, 3, n as u32], element(2, &pixels(n), little), little),
            matrix("y", 6, &[n as u32, 1], stored, little),
        ];
        let pack = |part: Vec<u8>| if compressed { compress(&part, little) } else { part };
        header(little).into_iter().chain(parts.into_iter().flat_map(pack)).collect()
    }

    fn write(folder: &Path, train: &[u8], test: &[u8]) -> DataConfig {
        fs::write(folder.join("train_32x32.mat"), train).unwrap();
        fs::write(folder.join("test_32x32.mat"), test).unwrap();
        config(Source::Svhn, folder)
    }

    #[test]
    fn every_form_gives_the_same_images() {
        for (little, compressed, doubles) in [(true, true, false), (true, false, true), (false, true, true)] {
            let folder = folder();
            let test = mat(10, little, compressed, doubles);
            let data = open(&write(folder.path(), &mat(20, true, true, true), &test)).unwrap();
            assert_eq!((data.train.len(), data.valid.len()), (10, 10));
            assert_eq!(data.test.labels, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
            let expected: Vec<u8> = (0..3 * 1024).map(|i| value(4, i / 1024, i / 32 % 32, i % 32)).collect();
            assert_eq!(data.test.image(4), expected);
        }
    }

    #[test]
    fn extra_images_join_the_training_split() {
        let folder = folder();
        let mut config = write(folder.path(), &mat(20, true, true, true), &mat(10, true, true, true));
        config.extra = true;
        assert!(message(&config).contains("cleave data fetch svhn-extra"));
        fs::write(folder.path().join("extra_32x32.mat"), mat(40, true, true, true)).unwrap();
        let data = open(&config).unwrap();
        assert_eq!(data.train.len() + data.valid.len(), 60);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let folder = folder();
        let good = mat(10, true, false, true);
        let wrong = |train: &[u8]| message(&write(folder.path(), train, &good));
        assert!(wrong(&good[..1000]).contains("the file ends before"));
        assert!(wrong(&good[..300]).contains("ends before"));
        assert!(wrong(b"MATLAB").contains("the header would take 128 bytes"));
        let hdf5 = [&b"MATLAB 7.3 MAT-file"[..], &[b' '; 200]].concat();
        assert!(wrong(&hdf5).contains("HDF5") && wrong(&hdf5).contains("-v7"));
        assert!(wrong(&header(true)).contains("there is no variable \"X\""));
        let x = matrix("X", 9, &[32, 32, 3, u32::MAX], element(2, &pixels(1), true), true);
        let lying = [header(true), x].concat();
        assert!(wrong(&lying).contains("3072 values for an array of dimensions [32, 32, 3, 4294967295]"));
        let mut eleven = mat(10, true, false, true);
        let last = eleven.len() - 8;
        eleven[last..].copy_from_slice(&11f64.to_le_bytes());
        assert!(wrong(&eleven).contains("variable y, record 10: label 11 is not one of 1 to 10"));
    }

    #[test]
    fn a_flipped_bit_in_compressed_data_is_noticed() {
        let folder = folder();
        let good = mat(20, true, true, true);
        // In the data, and in the checksums that end the last two variables.
        let word = |at: usize| u32::from_le_bytes(good[at..at + 4].try_into().unwrap()) as usize;
        let junk_end = 136 + word(132);
        let x_end = junk_end + 8 + word(junk_end + 4);
        for at in [200, 2000, x_end - 2, good.len() - 3] {
            let mut bad = good.clone();
            bad[at] ^= 16;
            assert!(open(&write(folder.path(), &bad, &good)).is_err(), "byte {at}");
        }
    }

    #[test]
    fn damaged_files_never_panic() {
        let folder = folder();
        let config = write(folder.path(), &[], &mat(10, true, true, true));
        let forms = [mat(10, true, false, false), mat(10, true, true, false)];
        let bytes = prop::collection::vec(any::<u8>(), 0..400);
        let cases = ProptestConfig::with_cases(300);
        proptest!(cases, |(bytes in bytes, flip: usize, kind in 0..5, form in 0usize..2)| {
            let good = &forms[form];
            let bad = match kind {
                0 => bytes,
                1 => [header(true), bytes].concat(),
                2 => good[..flip % good.len()].to_vec(),
                // The structure is at the front: tags, flags, dimensions, names.
                3 => flipped(good.clone(), flip % (600 * 8)),
                _ => flipped(good.clone(), flip),
            };
            fs::write(folder.path().join("train_32x32.mat"), bad).unwrap();
            let _ = open(&config);
        });
    }
}

mod cifar {
    use super::*;

    const NAMES: &str = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";

    /// A file of 10,000 records whose labels run through the classes.
    fn records(seed: usize) -> Vec<u8> {
        (0..10_000).flat_map(|i| [&[(i % 10) as u8][..], &[(i + seed) as u8; 3072]].concat()).collect()
    }

    #[test]
    fn the_official_files_are_read_and_their_faults_named() {
        let folder = folder();
        let inner = folder.path().join("cifar-10-batches-bin");
        let config = config(Source::Cifar10, folder.path());
        assert!(message(&config).contains("cleave data fetch cifar10"));
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("batches.meta.txt"), NAMES).unwrap();
        fs::write(inner.join("data_batch_1.bin"), records(1)).unwrap();
        for i in 2..=5 {
            fs::hard_link(inner.join("data_batch_1.bin"), inner.join(format!("data_batch_{i}.bin"))).unwrap();
        }
        assert!(message(&config).contains("no test_batch.bin"));
        fs::write(inner.join("test_batch.bin"), records(0)).unwrap();
        let data = open(&config).unwrap();
        assert_eq!((data.train.len(), data.valid.len(), data.test.len()), (45_000, 5_000, 10_000));
        assert_eq!(data.classes[9], "truck");
        assert_eq!(data.test.image(300), [300u32 as u8; 3072]);
        assert_eq!(data.mean, [0.4914, 0.4822, 0.4465]);

        let mut bad = records(3);
        fs::remove_file(inner.join("data_batch_3.bin")).unwrap();
        bad[3073 * 77] = 10;
        fs::write(inner.join("data_batch_3.bin"), &bad).unwrap();
        assert!(message(&config).contains("data_batch_3.bin: record 78: label 10"));
        fs::write(inner.join("data_batch_3.bin"), &bad[..3073 * 9_999]).unwrap();
        assert!(message(&config).contains("instead of 10000 records of 3073"));
        fs::write(inner.join("batches.meta.txt"), NAMES.replace("dog", "cat")).unwrap();
        assert!(message(&config).contains("line 6: class name \"cat\" comes twice"));
    }
}

mod image_folder {
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
        assert!(text.contains("valid split is empty") && text.contains("data.valid_fraction = 0"), "{text}");
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
        let data =
            open(&DataConfig { valid_fraction: 0.0, ..config(Source::Folder, folder.path()) }).unwrap();
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
}
