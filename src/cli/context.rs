//! What every command needs: directories and the store of runs.

use std::path::{Path, PathBuf};

use super::error::Failure;
use crate::backend::Device;
use crate::paths::Paths;
use crate::reuse::Place;
use crate::run::{Module, Store};

/// The user's directories and runs.
pub(super) struct Context {
    pub paths: Paths,
    pub store: Store,
}

impl Context {
    pub(super) fn find() -> Result<Context, Failure> {
        let paths = Paths::find()?;
        Ok(Context { store: Store::new(&paths), paths })
    }

    /// The directory of fetched data sets.
    pub(super) fn archives(&self) -> PathBuf {
        self.paths.archives()
    }

    /// The arguments of operations on stored runs; `archives` is [`Context::archives`].
    pub(super) fn place<'a>(&'a self, archives: &'a Path, device: Device) -> Place<'a> {
        Place { store: &self.store, archives, device }
    }

    /// The module that a query names.
    pub(super) fn module(&self, query: &str) -> Result<Module, Failure> {
        Ok(Module::load(&self.store.resolve_module(query)?)?)
    }
}
