//! No reader allocates more than its file justifies, whatever the file claims.
//!
//! One test alone, because it measures the whole process.

#![allow(clippy::unwrap_used)]

#[path = "common/allocation.rs"]
mod allocation;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;

use allocation::{NOW, PEAK};
use cleave::data::{DataConfig, Source, load, read_image};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

/// The most that was allocated at any time during `act`, beyond what was there before.
fn peak(act: impl FnOnce()) -> usize {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    act();
    PEAK.load(Ordering::Relaxed) - before
}

fn refused(source: Source, path: &Path) -> usize {
    let config = DataConfig { path: Some(path.to_path_buf()), ..DataConfig::new(source) };
    peak(|| assert!(load(&config, 1, path).is_err()))
}

const MIB: usize = 1 << 20;

#[test]
fn lying_headers_cost_next_to_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    idx(path);
    mat(path);
    images(path);
}

fn idx(path: &Path) {
    let huge =
        |dimensions: u8| [vec![0, 0, 8, dimensions], vec![0x7f, 0xff, 0xff, 0xff], vec![0xff; 84]].concat();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&huge(1)).unwrap();
    fs::write(path.join("train-images-idx3-ubyte"), huge(3)).unwrap();
    for labels in [huge(1), gzip.finish().unwrap()] {
        fs::write(path.join("train-labels-idx1-ubyte"), labels).unwrap();
        let peak = refused(Source::Mnist, path);
        assert!(peak < MIB, "IDX: {peak} bytes");
    }
}

fn mat(path: &Path) {
    let word = |value: u32| value.to_le_bytes();
    let mut header = [b' '; 128];
    header[124..].copy_from_slice(&[0, 1, b'I', b'M']);
    let start: Vec<u8> = [
        [word(6), word(8), word(9), word(0)].concat(),
        [word(5), word(16), word(32), word(32), word(3), word(700_000)].concat(),
        [word(1 << 16 | 1), *b"X\0\0\0"].concat(),
        [word(2), word(32 * 32 * 3 * 700_000)].concat(),
    ]
    .concat();
    let plain = [&header[..], &word(14), &word(start.len() as u32), &start].concat();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(&[&word(14)[..], &word(u32::MAX), &start].concat()).unwrap();
    let packed = zlib.finish().unwrap();
    let packed = [&header[..], &word(15), &word(packed.len() as u32), &packed].concat();
    for file in [plain, packed] {
        fs::write(path.join("train_32x32.mat"), file).unwrap();
        let peak = refused(Source::Svhn, path);
        assert!(peak < MIB, "MAT: {peak} bytes");
    }
}

/// Headers of 60,000 x 60,000 pixels, in files of a few dozen bytes.
fn images(path: &Path) {
    let side = 60_000u32;
    let ppm = format!("P6\n{side} {side}\n255\nabc").into_bytes();
    let mut bmp = b"BM".to_vec();
    bmp.extend(
        [[70, 0, 54, 40].map(u32::to_le_bytes).concat(), [side; 2].map(u32::to_le_bytes).concat()].concat(),
    );
    bmp.extend([1, 0, 24, 0]);
    bmp.extend([0; 40]);
    let half = (side as u16).to_le_bytes();
    let gif = [
        b"GIF89a",
        &half[..],
        &half,
        &[0x80, 0, 0, 0, 0, 0, 9, 9, 9, 0x2c, 0, 0, 0, 0],
        &half,
        &half,
        &[0, 2, 0, 0x3b],
    ]
    .concat();
    let mut png = image_bytes(image::ImageFormat::Png);
    png[16..24].copy_from_slice(&[side.to_be_bytes(), side.to_be_bytes()].concat());
    let crc = crc(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    let mut jpeg = image_bytes(image::ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    for (name, bytes) in [("a.ppm", ppm), ("a.bmp", bmp), ("a.gif", gif), ("a.png", png), ("a.jpg", jpeg)] {
        let path = path.join(name);
        fs::write(&path, bytes).unwrap();
        let peak = peak(|| assert!(read_image(&path, [3, 4, 4]).is_err(), "{name}"));
        assert!(peak < 32 * MIB, "{name}: {peak} bytes");
    }
}

fn image_bytes(format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(8, 8).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
