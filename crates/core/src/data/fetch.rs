//! Downloading published data sets to the cache, and checking the files there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::GzDecoder;
use serde::Serialize;

use super::Error;
use super::catalog::{Archive, Member, Set};
use super::download::Download;
use super::file::REPLACE;
use crate::disk;

/// The checksums of unpacked files, in the format of `sha256sum`.
const SUMS: &str = "SHA256SUMS";

/// Bytes of an archive member of unpublished length at most.
const LONGEST_UNKNOWN: u64 = 1 << 20;

/// Age from which on an unfinished file is not another process's work any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Progress of a download.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress<'a> {
    /// The archive's file name.
    pub file: &'a str,
    /// The present stage.
    pub stage: Stage,
    /// Bytes of the archive that are on disk.
    pub done: u64,
    /// Bytes of the whole archive.
    pub total: u64,
}

/// Stages of fetching an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its files exist already and are right.
    Present,
    /// It is downloaded.
    Downloading,
    /// Its checksum is computed.
    Verifying,
    /// Its members are written.
    Unpacking,
    /// It is in place.
    Done,
}

/// A file of a set and its state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileCheck {
    /// The file.
    pub path: PathBuf,
    /// What was found.
    #[serde(flatten)]
    pub state: FileState,
}

/// The state of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum FileState {
    /// The file, with the right length and checksum.
    Good,
    /// The length is right, but no checksum is known: the file was not fetched by Cleave.
    Unverified,
    /// Nothing.
    Missing,
    /// A file of another length.
    WrongLength {
        /// The right length in bytes.
        expected: u64,
        /// The length found.
        actual: u64,
    },
    /// A file with other content.
    WrongChecksum {
        /// The right SHA-256.
        expected: String,
        /// The SHA-256 found.
        actual: String,
    },
}

/// Downloads a set to `cache` and returns its folder: fetches what is missing or damaged (resuming an earlier
/// attempt), verifies it and unpacks it. Every file appears under its name only once it is complete, verified and
/// synced to the disk. With `base`, the archives are taken from `<base>/<file name>`.
///
/// # Errors
///
/// When the network or the disk fails, or when what the server sends is not the published file.
pub fn fetch(
    set: &Set<'_>,
    base: Option<&str>,
    cache: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf, Error> {
    let directory = cache.join(set.directory);
    for archive in set.archives {
        disk::make_dir(&directory)?;
        let mut report =
            |stage, done| progress(Progress { file: archive.file, stage, done, total: archive.bytes });
        if check_archive(archive, &directory)?.iter().all(|check| check.state == FileState::Good) {
            report(Stage::Present, archive.bytes);
            continue;
        }
        let url = match base {
            Some(base) => format!("{}/{}", base.trim_end_matches('/'), archive.file),
            None => archive.url.to_string(),
        };
        let part = directory.join(format!("{}.part", archive.file));
        let download = Download { url: &url, bytes: archive.bytes, sha256: archive.sha256, part: &part };
        download.run(&mut |done| report(Stage::Downloading, done))?;
        report(Stage::Verifying, archive.bytes);
        download.verify()?;
        if archive.members.is_empty() {
            disk::publish(&part, &directory.join(archive.file))?;
        } else {
            report(Stage::Unpacking, archive.bytes);
            unpack(&part, archive.members, &directory)?;
            fs::remove_file(&part).map_err(Error::io("remove", &part))?;
        }
        report(Stage::Done, archive.bytes);
    }
    Ok(directory)
}

/// Compares every file of a set in `cache` with its published length and checksum; for unpacked files, with
/// the checksum recorded when they were unpacked. Empty for the embedded set.
///
/// # Errors
///
/// When a file is there but cannot be read.
pub fn check(set: &Set<'_>, cache: &Path) -> Result<Vec<FileCheck>, Error> {
    let directory = cache.join(set.directory);
    let mut checks = Vec::new();
    for archive in set.archives {
        checks.extend(check_archive(archive, &directory)?);
    }
    Ok(checks)
}

fn check_archive(archive: &Archive<'_>, directory: &Path) -> Result<Vec<FileCheck>, Error> {
    let sums = read_sums(directory)?;
    let check = |(name, bytes, sha256): (&str, Option<u64>, Option<&str>)| {
        let path = directory.join(name);
        let expected = sha256.or_else(|| sums.get(name).map(String::as_str));
        Ok(FileCheck { state: check_file(&path, bytes, expected)?, path })
    };
    archive.files().into_iter().map(check).collect()
}

fn check_file(path: &Path, bytes: Option<u64>, sha256: Option<&str>) -> Result<FileState, Error> {
    let actual = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FileState::Missing),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    if let Some(expected) = bytes.filter(|&bytes| bytes != actual) {
        return Ok(FileState::WrongLength { expected, actual });
    }
    let Some(expected) = sha256.map(str::to_string) else {
        return Ok(FileState::Unverified);
    };
    let actual = disk::sha256_of_file(path)?;
    Ok(if actual == expected { FileState::Good } else { FileState::WrongChecksum { expected, actual } })
}

/// Writes the wanted members of a verified `.tar.gz` below `directory` and records their checksums. Nothing else of
/// the archive is written, so no path in it can lead elsewhere.
fn unpack(archive: &Path, members: &[Member<'_>], directory: &Path) -> Result<(), Error> {
    let (file, _) = disk::open_linked(archive)?;
    let wanted: u64 = members.iter().map(|member| member.bytes.unwrap_or(LONGEST_UNKNOWN)).sum();
    // Allows for headers and for the small files beside the wanted ones.
    let content = GzDecoder::new(BufReader::new(file)).take(wanted + (16 << 20));
    let mut sums = read_sums(directory)?;
    let mut left: Vec<&Member<'_>> = members.iter().collect();
    let mut tar = tar::Archive::new(content);
    for entry in tar.entries().map_err(Error::io("unpack", archive))? {
        let mut entry = entry.map_err(Error::io("unpack", archive))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_string();
        let Some(place) = left.iter().position(|member| member.path == name) else { continue };
        let member = left.swap_remove(place);
        let fits = member.bytes.map_or(entry.size() <= LONGEST_UNKNOWN, |bytes| bytes == entry.size());
        if !entry.header().entry_type().is_file() || !fits {
            let what = format!("not a file of {} bytes", member.bytes.unwrap_or(LONGEST_UNKNOWN));
            return Err(Error::malformed(archive, format!("member {name}"), what, REPLACE));
        }
        let target = directory.join(member.path);
        write_member(&mut entry, &target)?;
        sums.insert(member.path.to_string(), disk::sha256_of_file(&target)?);
    }
    if let Some(member) = left.first() {
        return Err(Error::malformed(
            archive,
            format!("member {}", member.path),
            "not in the archive",
            REPLACE,
        ));
    }
    write_sums(directory, &sums)
}

fn write_member(reader: &mut impl Read, target: &Path) -> Result<(), Error> {
    if let Some(parent) = target.parent() {
        disk::make_dir(parent)?;
        disk::sweep(parent, ABANDONED)?;
    }
    Ok(disk::write_from(target, reader)?)
}

fn read_sums(directory: &Path) -> Result<BTreeMap<String, String>, Error> {
    let path = directory.join(SUMS);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let lines = super::file::read_lines(&path)?;
    let pairs = lines.iter().filter_map(|line| line.split_once("  "));
    Ok(pairs.map(|(sum, name)| (name.to_string(), sum.to_string())).collect())
}

fn write_sums(directory: &Path, sums: &BTreeMap<String, String>) -> Result<(), Error> {
    let text: String = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
    Ok(disk::write(&directory.join(SUMS), text.as_bytes())?)
}
