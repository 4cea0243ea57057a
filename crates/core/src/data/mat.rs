//! The part of MATLAB's MAT-file format (level 5, "v5" to "v7") that numeric arrays need.
//!
//! After a header of 128 bytes a file is a row of elements: a tag (type and length, 32 bits each) and data. A
//! variable is a matrix element, plain or deflated, whose own elements are the array flags, the dimensions,
//! the name and the values, first dimension fastest. An element of up to 4 bytes may be packed with its tag
//! into 8 bytes. Why this is written here and not taken from a crate: `docs/decisions/mat-reader.md`.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::ZlibDecoder;

use super::Error;
use super::file::{REPLACE, Stream};
use crate::disk;

const HEADER: u64 = 128;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// A numeric array as it is stored: first dimension fastest.
#[derive(Debug)]
pub(super) struct Array {
    pub dimensions: Vec<usize>,
    pub values: Values,
}

/// The values of an array. MATLAB stores numbers in the smallest type that holds them all, so the type is not the
/// class of the array.
#[derive(Debug)]
pub(super) enum Values {
    Bytes(Vec<u8>),
    Numbers(Vec<f64>),
}

/// The arrays called `names`, in that order.
pub(super) fn read<const N: usize>(path: &Path, names: [&str; N]) -> Result<[Array; N], Error> {
    let (mut file, length) = disk::open_linked(path)?;
    let little = read_header(path, &mut file, length)?;
    let mut found = names.map(|_| None);
    let mut offset = HEADER;
    while offset < length && found.iter().any(Option::is_none) {
        let element = read_element(path, &mut file, offset, length, little, &names)?;
        if let Some((index, array)) = element.variable {
            found[index] = Some(array);
        }
        offset = element.end;
    }
    if let Some(absent) = found.iter().position(Option::is_none) {
        let what = format!("there is no variable {:?}", names[absent]);
        return Err(Error::malformed(path, format!("byte {length}"), what, REPLACE));
    }
    let mut arrays = found.into_iter().flatten();
    let missing = || Array { dimensions: Vec::new(), values: Values::Bytes(Vec::new()) };
    Ok(names.map(|_| arrays.next().unwrap_or_else(missing)))
}

/// Whether the numbers of the file are little-endian.
fn read_header(path: &Path, file: &mut File, length: u64) -> Result<bool, Error> {
    let mut stream = Stream::plain(path, file, 0, length);
    let header: [u8; HEADER as usize] = stream.array("the header")?;
    let wrong =
        |at: u32, what: &str, hint: &str| Err(Error::malformed(path, format!("byte {at}"), what, hint));
    if header.starts_with(b"\x89HDF") || header.starts_with(b"MATLAB 7.3") {
        return wrong(0, "a MAT-file of version 7.3 (HDF5)", "save it again in MATLAB with the option '-v7'");
    }
    match &header[124..] {
        [0, 1, b'I', b'M'] => Ok(true),
        [1, 0, b'M', b'I'] => Ok(false),
        _ => wrong(124, "not the version and byte order of a MAT-file of level 5", REPLACE),
    }
}

/// The element at an offset of the file, and where the next one begins.
struct Element {
    variable: Option<(usize, Array)>,
    end: u64,
}

fn read_element(
    path: &Path,
    file: &mut File,
    offset: u64,
    length: u64,
    little: bool,
    names: &[&str],
) -> Result<Element, Error> {
    file.seek(SeekFrom::Start(offset)).map_err(Error::io("read", path))?;
    let mut reader = BufReader::new(file);
    let mut tag = Stream::plain(path, &mut reader, offset, length);
    let kind = number(tag.array("an element's type")?, little);
    let size = u64::from(number(tag.array("an element's length")?, little));
    if size > tag.remaining() {
        return Err(tag.wrong(format!("an element of {size} bytes, but the file ends before")));
    }
    let start = offset + 8;
    let content = reader.take(size);
    let variable = match kind {
        MATRIX => read_matrix(&mut Stream::plain(path, content, start, start + size), little, names)?,
        COMPRESSED => {
            let mut stream = Stream::decompressed(path, ZlibDecoder::new(content), size);
            let kind = number(stream.array("an element's type")?, little);
            let _size: [u8; 4] = stream.array("an element's length")?;
            if kind != MATRIX {
                return Err(stream.wrong(format!("compressed element of type {kind}, not a matrix")));
            }
            let variable = read_matrix(&mut stream, little, names)?;
            if variable.is_some() {
                stream.end()?;
            }
            variable
        }
        _ => None,
    };
    Ok(Element { variable, end: start + size })
}

/// The array and its place in `names`, or nothing if it has another name.
fn read_matrix<R: Read>(
    stream: &mut Stream<R>,
    little: bool,
    names: &[&str],
) -> Result<Option<(usize, Array)>, Error> {
    let (_, flags) = read_part(stream, little, "the array flags", 8)?;
    let (_, dimensions) = read_part(stream, little, "the dimensions", 4 * 32)?;
    let (_, name) = read_part(stream, little, "the name", 256)?;
    let Some(index) = names.iter().position(|wanted| wanted.as_bytes() == name) else {
        return Ok(None);
    };
    let flags: [u8; 4] =
        *flags.first_chunk().ok_or_else(|| stream.wrong("array flags of less than 4 bytes"))?;
    if number(flags, little) & 0x800 != 0 {
        return Err(stream.wrong("the array is complex"));
    }
    let dimensions: Vec<usize> =
        dimensions.as_chunks().0.iter().map(|&bytes| number(bytes, little) as usize).collect();
    let (kind, bytes) = read_part(stream, little, "the values", u64::MAX)?;
    let values = decode(kind, bytes, little).ok_or_else(|| stream.wrong("the values are not numbers"))?;
    let count = dimensions.iter().fold(1usize, |product, &n| product.saturating_mul(n));
    if count != values.len() {
        let what = format!("{} values for an array of dimensions {dimensions:?}", values.len());
        return Err(stream.wrong(what));
    }
    Ok(Some((index, Array { dimensions, values })))
}

/// Type and data of an element inside a matrix, which is padded to a multiple of 8 bytes.
fn read_part<R: Read>(
    stream: &mut Stream<R>,
    little: bool,
    what: &str,
    longest: u64,
) -> Result<(u32, Vec<u8>), Error> {
    let first = number(stream.array(what)?, little);
    let second: [u8; 4] = stream.array(what)?;
    if first >> 16 != 0 {
        let (kind, size) = (first & 0xffff, (first >> 16) as usize);
        let packed = second
            .get(..size)
            .ok_or_else(|| stream.wrong(format!("{what}: a short element of {size} bytes")))?;
        return Ok((kind, packed.to_vec()));
    }
    let size = u64::from(number(second, little));
    if size > longest {
        return Err(stream.wrong(format!("{what} would take {size} bytes, more than the format allows")));
    }
    let bytes = stream.read(size, what)?;
    // The last element of a matrix may lack its padding.
    stream.read((size.next_multiple_of(8) - size).min(stream.remaining()), "padding")?;
    Ok((first, bytes))
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Values::Bytes(bytes) => bytes.len(),
            Values::Numbers(numbers) => numbers.len(),
        }
    }
}

/// The numbers that `bytes` are in the MAT type `kind`, or nothing if it is not a type of numbers.
fn decode(kind: u32, bytes: Vec<u8>, little: bool) -> Option<Values> {
    macro_rules! numbers {
        ($type:ty) => {{
            let (chunks, rest) = bytes.as_chunks();
            let from = if little { <$type>::from_le_bytes } else { <$type>::from_be_bytes };
            rest.is_empty().then(|| Values::Numbers(chunks.iter().map(|&chunk| from(chunk) as f64).collect()))
        }};
    }
    match kind {
        1 => numbers!(i8),
        2 => Some(Values::Bytes(bytes)),
        3 => numbers!(i16),
        4 => numbers!(u16),
        5 => numbers!(i32),
        6 => numbers!(u32),
        7 => numbers!(f32),
        9 => numbers!(f64),
        12 => numbers!(i64),
        13 => numbers!(u64),
        _ => None,
    }
}

fn number(bytes: [u8; 4], little: bool) -> u32 {
    if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
}
