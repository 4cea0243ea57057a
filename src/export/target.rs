//! The file that an export goes to.

use std::fs;
use std::path::Path;

use super::error::Error;
use crate::disk;

/// Writes a file in one step; replaces one that is there only if `replace` says so.
///
/// # Errors
///
/// When the file exists already, the path is a directory or in none, or the system refuses; a file that was
/// there is unharmed.
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
}
