//! The ZIP files that PyTorch writes: stored without compression, with or without 64-bit sizes
//! (PKWARE's APPNOTE 6.3.10, sections 4.3.6 to 4.5.3).
//!
//! Everything is checked against the length of the file before it is used; nothing is copied.

use std::collections::BTreeMap;

use flate2::Crc;

use super::error::Error;

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";

/// Bytes of the end record without its comment.
const END_LENGTH: usize = 22;
/// Bytes of the locator of the 64-bit end record, which stands before the end record.
const LOCATOR_LENGTH: usize = 20;

/// Names and contents of the files in an archive.
pub(super) fn files(bytes: &[u8]) -> Result<BTreeMap<&str, &[u8]>, Error> {
    let Directory { mut at, entries } = Directory::find(bytes)?;
    let mut files = BTreeMap::new();
    let mut left = bytes.len();
    for _ in 0..entries {
        let entry = Entry::read(bytes, at)?;
        // Overlapping files could take far more time than their bytes justify.
        left = left
            .checked_sub(entry.size)
            .ok_or_else(|| damaged("its files together are longer than the archive"))?;
        files.insert(entry.name, entry.content(bytes)?);
        at = entry.next;
    }
    Ok(files)
}

/// Where the list of files begins, and how many there are.
struct Directory {
    at: usize,
    entries: u64,
}

impl Directory {
    fn find(bytes: &[u8]) -> Result<Directory, Error> {
        let last = bytes.len().checked_sub(END_LENGTH).ok_or_else(|| damaged("it is too short"))?;
        let lowest = last.saturating_sub(usize::from(u16::MAX));
        let end = (lowest..=last).rev().find(|&at| bytes[at..].starts_with(END));
        let end = end.ok_or_else(|| {
            damaged("it is no ZIP file; files of PyTorch before 1.6 must be saved again with a newer PyTorch")
        })?;
        let locator = end.checked_sub(LOCATOR_LENGTH).filter(|&at| bytes[at..].starts_with(LOCATOR_64));
        match locator {
            Some(locator) => {
                let at = position(number(bytes, locator + 8, 8)?)?;
                signed(bytes, at, END_64)?;
                Ok(Directory {
                    at: position(number(bytes, at + 48, 8)?)?,
                    entries: number(bytes, at + 32, 8)?,
                })
            }
            None => Ok(Directory {
                at: position(number(bytes, end + 16, 4)?)?,
                entries: number(bytes, end + 10, 2)?,
            }),
        }
    }
}

/// A line of the list of files.
struct Entry<'a> {
    name: &'a str,
    crc: u32,
    size: usize,
    local: usize,
    /// Where the next line begins.
    next: usize,
}

impl<'a> Entry<'a> {
    fn read(bytes: &'a [u8], at: usize) -> Result<Entry<'a>, Error> {
        signed(bytes, at, ENTRY)?;
        let field = |offset: usize, length: usize| number(bytes, at + offset, length);
        let length = |offset: usize| field(offset, 2).and_then(position);
        let (name_length, extra_length, comment) = (length(28)?, length(30)?, length(32)?);
        let name = std::str::from_utf8(slice(bytes, at + 46, name_length)?)
            .map_err(|_| damaged("a file's name in it is not UTF-8"))?;
        if field(8, 2)? & 1 != 0 || field(10, 2)? != 0 {
            return Err(damaged(&format!(
                "`{name}` in it is compressed or encrypted, which PyTorch never writes"
            )));
        }
        let extra = slice(bytes, at + 46 + name_length, extra_length)?;
        let mut wide = wide_fields(extra);
        let mut size_of = |offset: usize| -> Result<usize, Error> {
            match field(offset, 4)? {
                // The true value stands among the extra fields, in this order of offsets.
                0xffff_ffff => {
                    wide.next().ok_or_else(|| damaged("a 64-bit size is missing")).and_then(position)
                }
                value => position(value),
            }
        };
        let (size, stored) = (size_of(24)?, size_of(20)?);
        let local = size_of(42)?;
        if size != stored {
            return Err(damaged(&format!("`{name}` in it has two sizes, {size} and {stored}")));
        }
        let crc = field(16, 4)? as u32;
        Ok(Entry { name, crc, size, local, next: at + 46 + name_length + extra_length + comment })
    }

    fn content(&self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        signed(bytes, self.local, LOCAL)?;
        let length = |offset: usize| number(bytes, self.local + offset, 2).and_then(position);
        let start = self.local + 30 + length(26)? + length(28)?;
        let content = slice(bytes, start, self.size)?;
        let mut crc = Crc::new();
        crc.update(content);
        if crc.sum() != self.crc {
            return Err(damaged(&format!("the checksum of `{}` in it is wrong", self.name)));
        }
        Ok(content)
    }
}

/// The numbers of the extra field that holds 64-bit values.
fn wide_fields(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut values = Vec::new();
    while let [a, b, c, d, rest @ ..] = extra {
        let length = usize::from(u16::from_le_bytes([*c, *d])).min(rest.len());
        if u16::from_le_bytes([*a, *b]) == 1 {
            let (whole, _) = rest[..length].as_chunks::<8>();
            values = whole.iter().map(|&bytes| u64::from_le_bytes(bytes)).collect();
        }
        extra = &rest[length..];
    }
    values.into_iter()
}

fn damaged(what: &str) -> Error {
    Error::Archive(what.into())
}

fn slice(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], Error> {
    let end = at.checked_add(length);
    end.and_then(|end| bytes.get(at..end)).ok_or_else(|| damaged("it is cut short, or a size in it is wrong"))
}

fn number(bytes: &[u8], at: usize, length: usize) -> Result<u64, Error> {
    let digits = slice(bytes, at, length)?;
    Ok(digits.iter().rev().fold(0, |value, &digit| value << 8 | u64::from(digit)))
}

/// A number as a position in the file. Larger ones are refused, so that sums of positions cannot overflow.
fn position(value: u64) -> Result<usize, Error> {
    let small = usize::try_from(value).ok().filter(|&value| value < usize::MAX / 4);
    small.ok_or_else(|| damaged("a size or position in it is out of range"))
}

fn signed(bytes: &[u8], at: usize, signature: &[u8]) -> Result<(), Error> {
    match slice(bytes, at, signature.len())? == signature {
        true => Ok(()),
        false => Err(damaged("a part of it is not at its place")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An archive of files, each with its name, its content, and the place of its header where that is another's.
    pub(in crate::import) fn archive(files: &[(&str, &[u8], Option<u32>)]) -> Vec<u8> {
        let (mut bytes, mut list) = (Vec::new(), Vec::new());
        for (name, content, place) in files {
            let at = place.unwrap_or(bytes.len() as u32);
            let mut crc = Crc::new();
            crc.update(content);
            let length = (content.len() as u32).to_le_bytes();
            let name_length = (name.len() as u16).to_le_bytes();
            let sizes = [&crc.sum().to_le_bytes()[..], &length, &length, &name_length, &[0; 2]].concat();
            if place.is_none() {
                bytes.extend([LOCAL, &[0; 10], &sizes, name.as_bytes(), content].concat());
            }
            list.extend([ENTRY, &[0; 12], &sizes, &[0; 10], &at.to_le_bytes(), name.as_bytes()].concat());
        }
        let place = (bytes.len() as u32).to_le_bytes();
        let count = (files.len() as u16).to_le_bytes();
        let length = (list.len() as u32).to_le_bytes();
        [&bytes, &list[..], END, &[0; 4], &count, &count, &length, &place, &[0; 2]].concat()
    }
}
