//! Saved sets of classes, usable for all runs that have these classes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk;

/// Maximum file size, far above what a user would save.
const LIMIT: u64 = 1 << 20;

/// Class names by the name of their set.
pub type Sets = BTreeMap<String, Vec<String>>;

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    set: Sets,
}

/// Path of the file in a configuration directory.
pub fn path(config: &Path) -> PathBuf {
    config.join("class-sets.toml")
}

/// Reads the sets; none if the file does not exist.
///
/// # Errors
///
/// When the file cannot be read or is invalid.
pub fn read(path: &Path) -> Result<Sets, String> {
    if !path.exists() {
        return Ok(Sets::new());
    }
    let bytes = disk::read(path, LIMIT).map_err(|error| error.to_string())?;
    let wrong = |problem: String| format!("{}: {problem}; fix or remove the file", path.display());
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8 text".into()))?;
    let document: Document = toml::from_str(&text).map_err(|error| wrong(error.message().into()))?;
    Ok(document.set)
}

/// Saves a set under a name, replacing an existing one; without classes it deletes the set. Returns all sets.
///
/// # Errors
///
/// As [`read`], and when the file cannot be written.
pub fn keep(path: &Path, name: &str, classes: &[String]) -> Result<Sets, String> {
    let mut set = read(path)?;
    match classes.is_empty() {
        true => set.remove(name),
        false => set.insert(name.to_owned(), classes.to_vec()),
    };
    let document = Document { set };
    let text = toml::to_string(&document).map_err(|error| error.to_string())?;
    if let Some(directory) = path.parent() {
        disk::make_dir(directory).map_err(|error| error.to_string())?;
    }
    disk::write(path, text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(document.set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_set_is_there_at_the_next_start_until_it_is_taken_away() {
        let home = tempfile::tempdir().unwrap();
        let path = path(&home.path().join("config"));
        assert!(read(&path).unwrap().is_empty());
        let pets = ["cat".to_owned(), "愛 \"quoted\"".to_owned()];
        keep(&path, "my pets", &pets).unwrap();
        keep(&path, "one", &pets[..1]).unwrap();
        assert_eq!(read(&path).unwrap()["my pets"], pets);
        keep(&path, "my pets", &[]).unwrap();
        assert_eq!(read(&path).unwrap().keys().collect::<Vec<_>>(), ["one"]);
    }

    #[test]
    fn a_file_that_is_something_else_is_named_and_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = path(home.path());
        std::fs::write(&path, "set = 3").unwrap();
        let error = keep(&path, "a", &["b".into()]).unwrap_err();
        assert!(error.contains("class-sets.toml"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"set = 3");
    }
}
