//! Tags: words that a person attaches to a run, in its `tags.toml`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::layout::TAGS;
use super::reader::Run;
use crate::disk;

/// Bytes of the file at most: more than anyone types.
const LIMIT: u64 = 1 << 16;

#[derive(Default, Serialize, Deserialize)]
struct Tags {
    tags: Vec<String>,
}

impl Run {
    /// The tags of the run in a directory. Nothing depends on them: an unreadable file counts as none.
    pub fn tags(directory: &Path) -> Vec<String> {
        let bytes = disk::read(&directory.join(TAGS), LIMIT).unwrap_or_default();
        toml::from_slice::<Tags>(&bytes).unwrap_or_default().tags
    }

    /// Replaces the tags of the run. Needs no lock.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn set_tags(&self, tags: &[String]) -> Result<(), Error> {
        let text = toml::to_string(&Tags { tags: tags.to_vec() }).unwrap_or_default();
        Ok(disk::write(&self.path.join(TAGS), text.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn tags_are_kept_and_damage_means_none() {
        let (_home, store) = fixture::store();
        let run = store.create(Some("a"), fixture::manifest()).unwrap().run.clone();
        assert!(Run::tags(&run.path).is_empty());
        run.set_tags(&["good".into(), "für β".into()]).unwrap();
        assert_eq!(Run::tags(&run.path), ["good", "für β"]);
        std::fs::write(run.path.join(TAGS), b"tags = [1").unwrap();
        assert!(Run::tags(&run.path).is_empty());
    }
}
