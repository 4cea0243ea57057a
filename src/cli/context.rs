//! What every command needs to know of its surroundings.

use std::path::{Path, PathBuf};

use super::error::Failure;
use crate::backend::Device;
use crate::paths::Paths;
use crate::reuse::Place;
use crate::run::{Module, Store};

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

    /// Does work on what is kept; `archives` are [`Context::archives`].
    pub(super) fn place<'a>(&'a self, archives: &'a Path, device: Device) -> Place<'a> {
        Place { store: &self.store, archives, device }
    }

    /// The module that a user means.
    pub(super) fn module(&self, query: &str) -> Result<Module, Failure> {
        Ok(Module::load(&self.store.resolve_module(query)?)?)
    }
}
