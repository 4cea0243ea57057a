//! Reading files without trusting their headers: allocations are bounded by the length of the file.

use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::Error;
use crate::disk;

/// Deflate cannot make more than 1,032 bytes out of one.
pub(super) const DEFLATE_RATIO: u64 = 1032;

/// Advice for a file that is not as published.
pub(super) const REPLACE: &str = "the file is damaged or of another kind: fetch or copy it again";

/// The lines of a small text file.
pub(super) fn read_lines(path: &Path) -> Result<Vec<String>, Error> {
    const LONGEST: u64 = 1 << 20;
    match String::from_utf8(disk::read_linked(path, LONGEST)?) {
        Ok(text) => Ok(text.lines().map(str::to_string).collect()),
        Err(error) => {
            let at = format!("byte {}", error.utf8_error().valid_up_to());
            Err(Error::malformed(path, at, "not UTF-8 text", REPLACE))
        }
    }
}

/// A file that is read front to back, with the present position and an upper bound of its length.
pub(super) struct Stream<'a, R> {
    path: &'a Path,
    reader: R,
    offset: u64,
    limit: u64,
    /// What `offset` counts: bytes of the file, or of its decompressed content.
    unit: &'static str,
}

impl<'a> Stream<'a, Box<dyn Read>> {
    /// A file that may be gzip-compressed, whatever its name says.
    pub(super) fn open(path: &'a Path) -> Result<Self, Error> {
        let (file, length) = disk::open_linked(path)?;
        let mut magic = [0; 2];
        let is_gzip =
            (&file).take(2).read(&mut magic).map_err(Error::io("read", path))? == 2 && magic == [0x1f, 0x8b];
        let mut file = BufReader::new(file);
        io::Seek::rewind(&mut file).map_err(Error::io("read", path))?;
        Ok(if is_gzip {
            let reader = Box::new(MultiGzDecoder::new(file));
            Stream::decompressed(path, reader, length)
        } else {
            Stream { path, reader: Box::new(file), offset: 0, limit: length, unit: "byte" }
        })
    }
}

impl<'a, R: Read> Stream<'a, R> {
    /// The part of a file from byte `offset` to byte `limit`; `reader` is at `offset`.
    pub(super) fn plain(path: &'a Path, reader: R, offset: u64, limit: u64) -> Self {
        Stream { path, reader, offset, limit, unit: "byte" }
    }

    /// What `reader` inflates from `compressed` bytes.
    pub(super) fn decompressed(path: &'a Path, reader: R, compressed: u64) -> Self {
        let limit = compressed.saturating_mul(DEFLATE_RATIO);
        Stream { path, reader, offset: 0, limit, unit: "decompressed byte" }
    }

    /// The next `n` bytes. Fails before reading if the file cannot hold them.
    pub(super) fn read(&mut self, n: u64, what: &str) -> Result<Vec<u8>, Error> {
        if n > self.limit - self.offset {
            return Err(self.wrong(format!("{what} would take {n} bytes, but the file ends before")));
        }
        let mut bytes = Vec::new();
        // Not allocated in advance: a compressed file may hold less than its bound.
        self.reader.by_ref().take(n).read_to_end(&mut bytes).map_err(|error| self.failed(error))?;
        if (bytes.len() as u64) < n {
            let got = bytes.len();
            return Err(self.wrong(format!("{what} takes {n} bytes, but the file ends after {got} of them")));
        }
        self.offset += n;
        Ok(bytes)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(&self.read(N as u64, what)?);
        Ok(array)
    }

    /// Fails if the file is longer. Reading to the end also makes a decompressor compare its checksum.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        match self.reader.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.wrong("the file goes on after what its header promises")),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// An error at the present position.
    pub(super) fn wrong(&self, what: impl std::fmt::Display) -> Error {
        Error::malformed(self.path, format!("{} {}", self.unit, self.offset), what, REPLACE)
    }

    /// Upper bound of the bytes that are left.
    pub(super) fn remaining(&self) -> u64 {
        self.limit - self.offset
    }

    fn failed(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
                self.wrong(format!("the compressed data is damaged ({error})"))
            }
            _ => Error::io("read", self.path)(error),
        }
    }
}
