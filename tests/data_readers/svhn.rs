//! MAT files of SVHN.

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
