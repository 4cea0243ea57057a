//! Reading and writing files so that a crash leaves the old content or the new, never half of one.
//!
//! Everything is written under a temporary name (prefix [`TEMPORARY`]) in the directory where it will stay,
//! synced to the disk, and renamed. What a crash leaves behind has such a name, and [`sweep`] removes it.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::{Builder, NamedTempFile};
use thiserror::Error;

/// Prefix of the names of unfinished files and directories.
pub const TEMPORARY: &str = ".tmp-";

/// Prefix of the name of a directory while a new one takes its place.
const REPLACED: &str = ".old-";

/// A file or directory that could not be read or written.
#[derive(Debug, Error)]
#[error("cannot {action} {}: {}", path.display(), why(source))]
pub struct Error {
    /// What was tried.
    pub action: &'static str,
    /// Where.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl Error {
    /// Whether the file or directory is absent.
    pub fn is_missing(&self) -> bool {
        self.source.kind() == ErrorKind::NotFound
    }

    /// Whether something of that name exists already.
    pub fn is_taken(&self) -> bool {
        matches!(self.source.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty)
    }

    /// What went wrong, without the action and the path.
    pub fn reason(&self) -> String {
        why(&self.source)
    }

    /// Names the action and the path of a system error, for `map_err`.
    pub fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error { action, path: path.into(), source }
    }
}

fn why(source: &io::Error) -> String {
    match source.kind() {
        ErrorKind::StorageFull => "the disk is full; free some space and try again".into(),
        ErrorKind::QuotaExceeded => "your disk quota is used up; free some space and try again".into(),
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only; choose another place".into(),
        ErrorKind::PermissionDenied => "permission denied; check who owns it, or choose another place".into(),
        ErrorKind::NotFound => "there is no such file or directory".into(),
        _ => source.to_string(),
    }
}

/// Opens a file that Cleave wrote, and returns it with its length in bytes.
///
/// # Errors
///
/// When it is absent or unreadable, or anything but a plain file: a link could lead elsewhere, a pipe would
/// block.
pub fn open(path: &Path) -> Result<(File, u64), Error> {
    plain(path, File::options().read(true), false).map_err(Error::at("read", path))
}

/// Opens a file that a user brought, as [`open`] does, but follows links: data sets are often kept elsewhere.
///
/// # Errors
///
/// When it is absent or unreadable, or does not lead to a plain file: a pipe would block.
pub fn open_linked(path: &Path) -> Result<(File, u64), Error> {
    plain(path, File::options().read(true), true).map_err(Error::at("read", path))
}

/// Opens a file to read it and to append to it, and creates it if it is absent.
///
/// # Errors
///
/// When the system refuses, or it is anything but a plain file: a link could lead elsewhere.
pub fn append(path: &Path) -> Result<File, Error> {
    let opened = plain(path, File::options().read(true).append(true).create(true), false);
    opened.map(|(file, _)| file).map_err(Error::at("open", path))
}

/// Opens a plain file with these options; gives its length, too.
fn plain(path: &Path, options: &mut OpenOptions, follow: bool) -> io::Result<(File, u64)> {
    let not_plain = || io::Error::new(ErrorKind::InvalidInput, "it is not a plain file");
    let metadata = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
    match metadata {
        Ok(metadata) if !metadata.is_file() => return Err(not_plain()),
        // Only options that create a file open an absent one.
        _ => {}
    }
    #[cfg(unix)]
    {
        // What was a plain file a moment ago may have been exchanged.
        let links = if follow { 0 } else { libc::O_NOFOLLOW };
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, links | libc::O_NONBLOCK);
    }
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(not_plain()) }
}

/// Reads a whole file that Cleave wrote, of at most `limit` bytes.
///
/// # Errors
///
/// As [`open`], and when the file is longer.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    whole(path, open(path)?, limit)
}

/// Reads a whole file that a user brought, of at most `limit` bytes.
///
/// # Errors
///
/// As [`open_linked`], and when the file is longer.
pub fn read_linked(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    whole(path, open_linked(path)?, limit)
}

fn whole(path: &Path, (file, length): (File, u64), limit: u64) -> Result<Vec<u8>, Error> {
    if length > limit {
        let text = format!("it has {length} bytes where at most {limit} are expected");
        let source = io::Error::new(ErrorKind::InvalidData, text);
        return Err(Error { action: "read", path: path.into(), source });
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(limit).read_to_end(&mut bytes).map_err(Error::at("read", path))?;
    Ok(bytes)
}

/// The SHA-256 of these bytes, in lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// The SHA-256 of a file that may be too large for memory; links are followed.
///
/// # Errors
///
/// As [`open_linked`].
pub fn sha256_of_file(path: &Path) -> Result<String, Error> {
    let (mut file, _) = open_linked(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(Error::at("read", path))? {
            0 => return Ok(hexadecimal(&hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Creates a directory and its parents where they are absent.
///
/// # Errors
///
/// When the system refuses.
pub fn make_dir(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::at("create the directory", path))
}

/// Writes a file, or replaces it, in one step.
///
/// # Errors
///
/// When its directory is absent or cannot be written, or the disk is full; an existing file is unharmed.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    replace(path, |file| file.write_all(bytes))
}

/// As [`write()`], with what `reader` gives.
///
/// # Errors
///
/// As [`write()`], and when reading fails.
pub fn write_from(path: &Path, reader: &mut impl Read) -> Result<(), Error> {
    replace(path, |file| io::copy(reader, file).map(drop))
}

fn replace(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), Error> {
    let parent = parent(path);
    let action = || -> io::Result<()> {
        staged(parent, fill)?.persist(path).map_err(|error| error.error)?;
        sync_dir(parent)
    };
    action().map_err(Error::at("write", path))
}

/// Gives a file that is complete its final name in the same directory, once its content is on the disk.
///
/// # Errors
///
/// As [`write()`].
pub fn publish(from: &Path, to: &Path) -> Result<(), Error> {
    let action = || -> io::Result<()> {
        File::options().write(true).open(from)?.sync_all()?;
        fs::rename(from, to)?;
        sync_dir(parent(to))
    };
    action().map_err(Error::at("write", to))
}

/// Writes `files` (names and contents) into an existing directory, or replaces them. None gets its name before all
/// are on the disk, so that a full disk changes nothing.
///
/// # Errors
///
/// As [`write()`].
pub fn write_files(directory: &Path, files: &[(&str, &[u8])]) -> Result<(), Error> {
    let at = |name: &str| directory.join(name);
    let stage = |&(name, bytes): &(&str, &[u8])| {
        let file = staged(directory, |file| file.write_all(bytes));
        Ok((file.map_err(Error::at("write", &at(name)))?, at(name)))
    };
    for (file, path) in files.iter().map(stage).collect::<Result<Vec<_>, Error>>()? {
        file.persist(&path).map_err(|error| Error::at("write", &path)(error.error))?;
    }
    sync_dir(directory).map_err(Error::at("write", directory))
}

/// Writes a directory that holds `files` (names and contents), or replaces it, in one step.
///
/// # Errors
///
/// As [`write()`].
pub fn write_dir(path: &Path, files: &[(&str, &[u8])]) -> Result<(), Error> {
    let action = || -> io::Result<()> {
        let new = temporary_dir(path, files)?;
        let old = sibling(path, REPLACED);
        if path.exists() {
            let _ = fs::remove_dir_all(&old);
            fs::rename(path, &old)?;
        }
        fs::rename(new.path(), path).inspect_err(|_| {
            let _ = fs::rename(&old, path);
        })?;
        sync_dir(parent(path))?;
        let _ = fs::remove_dir_all(&old);
        Ok(())
    };
    action().map_err(Error::at("write", path))
}

/// Writes a directory as [`write_dir`] does, but never over an existing one.
///
/// # Errors
///
/// As [`write()`]; [`Error::is_taken`] when something of that name exists.
pub fn create_dir(path: &Path, files: &[(&str, &[u8])]) -> Result<(), Error> {
    let action = || -> io::Result<()> {
        // A rename replaces an empty directory silently, and only that.
        if fs::symlink_metadata(path).is_ok() {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "it exists already"));
        }
        let new = temporary_dir(path, files)?;
        fs::rename(new.path(), path)?;
        sync_dir(parent(path))
    };
    action().map_err(Error::at("create", path))
}

/// Removes a directory and its contents; under its name it is there whole or not at all.
///
/// # Errors
///
/// When the system refuses.
pub fn remove_dir(path: &Path) -> Result<(), Error> {
    let action = || -> io::Result<()> {
        let removed = Builder::new().prefix(TEMPORARY).tempdir_in(parent(path))?;
        fs::rename(path, removed.path().join("removed"))?;
        removed.close()
    };
    action().map_err(Error::at("remove", path))
}

/// Clears what crashed writes left in a directory, if it has not changed for `age`: unfinished files and
/// directories are removed, a directory that was being replaced is restored. Returns how many there were.
///
/// # Errors
///
/// When the directory cannot be read or changed.
pub fn sweep(directory: &Path, age: Duration) -> Result<usize, Error> {
    let mut found = 0;
    let entries = fs::read_dir(directory).map_err(Error::at("read", directory))?;
    for entry in entries.flatten() {
        let settled = entry.metadata().and_then(|metadata| metadata.modified());
        let settled = settled.is_ok_and(|time| time.elapsed().unwrap_or_default() >= age);
        if settled && is_leftover(&entry.file_name()) {
            clear(&entry.path()).map_err(Error::at("clear", &entry.path()))?;
            found += 1;
        }
    }
    Ok(found)
}

/// Whether this is the name of something that a crashed write left.
pub fn is_leftover(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(TEMPORARY.as_bytes()) || name.starts_with(REPLACED.as_bytes())
}

fn clear(path: &Path) -> io::Result<()> {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    match name.strip_prefix(REPLACED).map(|name| path.with_file_name(name)) {
        Some(target) if !target.exists() => fs::rename(path, target),
        _ if fs::symlink_metadata(path)?.is_dir() => fs::remove_dir_all(path),
        _ => fs::remove_file(path),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sibling(path: &Path, prefix: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(prefix);
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

/// A temporary file with what `fill` writes, synced to the disk.
fn staged(directory: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<NamedTempFile> {
    let mut file = temporary_file(directory)?;
    fill(file.as_file_mut())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// A temporary file with the permissions of any new file; `tempfile` alone would hide it from others.
fn temporary_file(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(TEMPORARY);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(directory)
}

fn temporary_dir(path: &Path, files: &[(&str, &[u8])]) -> io::Result<tempfile::TempDir> {
    let directory = Builder::new().prefix(TEMPORARY).tempdir_in(parent(path))?;
    for (name, bytes) in files {
        let mut file = File::create_new(directory.path().join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    sync_dir(directory.path())?;
    Ok(directory)
}

/// Syncs the entries of a directory to the disk, without which a power loss may undo a rename. File systems that
/// cannot do this (some of networks, some in user space) are no failure: the rename has happened.
fn sync_dir(directory: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(directory)?.sync_all() {
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"new");
        assert!(read(&path, 2).unwrap_err().to_string().contains("at most 2"));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn several_files_are_replaced_and_others_stay() {
        let home = tempfile::tempdir().unwrap();
        write(&home.path().join("a"), b"old").unwrap();
        write(&home.path().join("mine"), b"2").unwrap();
        write_files(home.path(), &[("a", b"new"), ("b", b"1")]).unwrap();
        let content = |name: &str| fs::read_to_string(home.path().join(name)).unwrap();
        assert_eq!(["a", "b", "mine"].map(content), ["new", "1", "2"]);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_directory_is_replaced_whole_and_not_created_twice() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("7");
        write_dir(&path, &[("a", b"1"), ("b", b"2")]).unwrap();
        write_dir(&path, &[("a", b"3")]).unwrap();
        assert_eq!(read(&path.join("a"), 9).unwrap(), b"3");
        assert!(!path.join("b").exists());
        assert!(create_dir(&path, &[]).unwrap_err().is_taken());
        remove_dir(&path).unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn leftovers_of_a_crash_are_swept_and_a_replaced_directory_comes_back() {
        let home = tempfile::tempdir().unwrap();
        for name in [".tmp-abc", ".old-7", ".old-8", "8"] {
            fs::create_dir(home.path().join(name)).unwrap();
        }
        fs::write(home.path().join(".tmp-def"), "half").unwrap();
        assert_eq!(sweep(home.path(), Duration::from_secs(3600)).unwrap(), 0);
        assert_eq!(sweep(home.path(), Duration::ZERO).unwrap(), 4);
        let names = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        assert_eq!(names, ["7", "8"]);
    }

    #[cfg(unix)]
    #[test]
    fn only_files_that_a_user_brought_may_be_links() {
        let home = tempfile::tempdir().unwrap();
        let (link, target) = (home.path().join("link"), home.path().join("target"));
        fs::write(&target, "text").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        for refused in [read(&link, 9).map(drop), append(&link).map(drop)] {
            assert!(refused.unwrap_err().to_string().contains("not a plain file"));
        }
        assert_eq!(read_linked(&link, 9).unwrap(), b"text");
        assert_eq!(sha256_of_file(&link).unwrap(), sha256(b"text"));
        std::os::unix::fs::symlink(home.path(), home.path().join("directory")).unwrap();
        assert!(read_linked(&home.path().join("directory"), 9).is_err());
    }

    /// Without a writer, opening a pipe to read it waits for ever.
    #[cfg(unix)]
    #[test]
    fn a_pipe_is_refused_and_does_not_block() {
        let home = tempfile::tempdir().unwrap();
        let pipe = home.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(read_linked(&pipe, 9).unwrap_err().to_string().contains("not a plain file"));
        assert!(append(&pipe).unwrap_err().to_string().contains("not a plain file"));
    }

    /// The file system of `/proc` is one that cannot bring a directory to a disk.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_directory_that_cannot_be_synced_is_no_failure() {
        assert!(File::open("/proc").unwrap().sync_all().is_err());
        sync_dir(Path::new("/proc")).unwrap();
    }

    #[test]
    fn a_checksum_is_that_of_sha256sum() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn errors_say_what_to_do() {
        let full = io::Error::from(ErrorKind::StorageFull);
        let error = Error::at("write", Path::new("/a/b"))(full);
        assert_eq!(error.to_string(), "cannot write /a/b: the disk is full; free some space and try again");
    }
}
