//! The file, or the files of a directory, that an export goes to.

use std::fs;
use std::path::Path;

use super::error::Error;
use crate::disk;

/// Writes a file atomically; overwrites an existing one only if `replace` is set.
///
/// # Errors
///
/// When the file exists, the path is a directory, its directory does not exist, or writing fails; an existing file is
/// then unchanged.
pub fn write(path: &Path, bytes: &[u8], replace: bool) -> Result<(), Error> {
    if path.is_dir() {
        return Err(Error::Directory(path.into()));
    }
    if !replace && fs::symlink_metadata(path).is_ok() {
        return Err(Error::Exists(path.into()));
    }
    match path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.is_dir()) {
        Some(parent) => Err(Error::NoDirectory(parent.into())),
        None => Ok(disk::write(path, bytes)?),
    }
}

/// Writes files into a directory, which is created if missing; overwrites existing files only if `replace` is set.
/// Other files in it are kept.
///
/// # Errors
///
/// As [`write()`]. A new directory appears with all files or not at all; in an existing one nothing changes before all
/// files are on disk.
pub fn write_all(directory: &Path, files: &[(&str, &[u8])], replace: bool) -> Result<(), Error> {
    if fs::symlink_metadata(directory).is_err() {
        if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            disk::make_dir(parent)?;
        }
        return Ok(disk::create_dir(directory, files)?);
    }
    if !directory.is_dir() {
        return Err(Error::Exists(directory.into()));
    }
    let paths: Vec<_> = files.iter().map(|(name, _)| directory.join(name)).collect();
    if let Some(path) = paths.iter().find(|path| path.is_dir()) {
        return Err(Error::Directory(path.clone()));
    }
    let taken = paths.iter().find(|path| !replace && fs::symlink_metadata(path).is_ok());
    if let Some(path) = taken {
        return Err(Error::Exists(path.clone()));
    }
    Ok(disk::write_files(directory, files)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_on_request() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a");
        write(&path, b"1", false).unwrap();
        assert!(matches!(write(&path, b"2", false), Err(Error::Exists(_))));
        assert_eq!(fs::read(&path).unwrap(), b"1");
        write(&path, b"2", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let home = tempfile::tempdir().unwrap();
        assert!(matches!(write(home.path(), b"", true), Err(Error::Directory(_))));
        let error = write(&home.path().join("absent/a"), b"", false).unwrap_err().to_string();
        assert!(error.contains("there is no directory") && error.contains("absent"), "{error}");
    }

    #[test]
    fn files_of_a_directory_are_replaced_only_on_request_and_others_stay() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        write_all(&path, &[("x", b"1"), ("y", b"2")], false).unwrap();
        fs::write(path.join("mine"), "3").unwrap();
        assert!(matches!(write_all(&path, &[("z", b""), ("y", b"")], false), Err(Error::Exists(_))));
        assert!(!path.join("z").exists(), "nothing half-written");
        write_all(&path, &[("y", b"4")], true).unwrap();
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
        assert_eq!((read("x"), read("y"), read("mine")), ("1".into(), "4".into(), "3".into()));
        let in_a_file = write_all(&path.join("x/c"), &[("z", b"")], false).unwrap_err().to_string();
        assert!(in_a_file.contains("cannot"), "{in_a_file}");
    }
}
