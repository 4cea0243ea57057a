//! Reading and writing files so that a crash leaves the old content or the new, never half of one.
//!
//! Everything is written under a temporary name (prefix [`TEMPORARY`]) in the directory where it will stay,
//! brought to the disk, and renamed. What a crash leaves behind is recognised by that name and [`sweep`]t.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::{Builder, NamedTempFile};
use thiserror::Error;

/// How names of unfinished files and directories begin.
pub const TEMPORARY: &str = ".tmp-";

/// How the name of a directory begins that is being replaced by another of its name.
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

    /// Whether something of that name is there already.
    pub fn is_taken(&self) -> bool {
        matches!(self.source.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty)
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

/// Opens a file for reading and tells its length in bytes.
///
/// # Errors
///
/// When it is absent or unreadable, or anything but a plain file: a link could lead elsewhere, a pipe would
/// block.
pub fn open(path: &Path) -> Result<(File, u64), Error> {
    let action = || -> io::Result<(File, u64)> {
        let not_plain = || io::Error::new(ErrorKind::InvalidInput, "it is not a plain file");
        if !fs::symlink_metadata(path)?.is_file() {
            return Err(not_plain());
        }
        let mut options = File::options();
        // What was a plain file a moment ago may have been exchanged.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = options.read(true).open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_file() { Ok((file, metadata.len())) } else { Err(not_plain()) }
    };
    action().map_err(Error::at("read", path))
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
///
/// As [`open`], and when the file is longer.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let (file, length) = open(path)?;
    if length > limit {
        let text = format!("it has {length} bytes where at most {limit} are expected");
        let source = io::Error::new(ErrorKind::InvalidData, text);
        return Err(Error { action: "read", path: path.into(), source });
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(limit).read_to_end(&mut bytes).map_err(Error::at("read", path))?;
    Ok(bytes)
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
/// When its directory is absent or cannot be written, or the disk is full; a file that was there is unharmed.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let parent = parent(path);
    let action = || -> io::Result<()> {
        staged(parent, bytes)?.persist(path).map_err(|error| error.error)?;
        sync_dir(parent)
    };
    action().map_err(Error::at("write", path))
}

/// Writes `files` (names and contents) into a directory that is there, or replaces them. None gets its name
/// before all are on the disk, so that a full disk changes nothing.
///
/// # Errors
///
/// As [`write()`].
pub fn write_files(directory: &Path, files: &[(&str, &[u8])]) -> Result<(), Error> {
    let at = |name: &str| directory.join(name);
    let stage = |&(name, bytes): &(&str, &[u8])| {
        Ok((staged(directory, bytes).map_err(Error::at("write", &at(name)))?, at(name)))
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

/// Writes a directory as [`write_dir`] does, but never over one that is there.
///
/// # Errors
///
/// As [`write()`]; [`Error::is_taken`] when there is something of that name.
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

/// Removes a directory and what it holds; half of it never shows under its name.
///
/// # Errors
///
/// When the system refuses.
pub fn remove_dir(path: &Path) -> Result<(), Error> {
    let action = || -> io::Result<()> {
        let grave = Builder::new().prefix(TEMPORARY).tempdir_in(parent(path))?;
        fs::rename(path, grave.path().join("removed"))?;
        grave.close()
    };
    action().map_err(Error::at("remove", path))
}

/// Clears what crashed writes left in a directory, if it has not changed for `age`: unfinished files and
/// directories go, a directory that was being replaced comes back. Returns how many there were.
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

/// Whether a crashed write left something of this name.
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

/// A temporary file with these bytes, on the disk.
fn staged(directory: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = temporary_file(directory)?;
    file.write_all(bytes)?;
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

/// Brings a directory's entries to the disk, without which a rename may be lost with the power.
fn sync_dir(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
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
    fn a_link_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let link = home.path().join("link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(read(&link, u64::MAX).unwrap_err().to_string().contains("not a plain file"));
    }

    #[test]
    fn errors_say_what_to_do() {
        let full = io::Error::from(ErrorKind::StorageFull);
        let error = Error::at("write", Path::new("/a/b"))(full);
        assert_eq!(error.to_string(), "cannot write /a/b: the disk is full; free some space and try again");
    }
}
