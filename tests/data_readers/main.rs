//! The readers as a user meets them: files in, a data set or a message out.

#![allow(clippy::unwrap_used)]

mod image_folder;
mod svhn;

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
