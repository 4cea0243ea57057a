//! What every command needs to know of its surroundings.

use std::path::PathBuf;

use super::error::Failure;
use crate::paths::Paths;
use crate::run::Store;

/// Directories and runs of the user.
pub(super) struct Context {
    pub paths: Paths,
    pub store: Store,
}

impl Context {
    pub(super) fn find() -> Result<Context, Failure> {
        let paths = Paths::find()?;
        Ok(Context { store: Store::new(&paths), paths })
    }

    /// Where fetched data sets are.
    pub(super) fn archives(&self) -> PathBuf {
        self.paths.archives()
    }
}
