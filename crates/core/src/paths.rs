//! The directories of the program: the platform's, or subdirectories of `$CLEAVE_HOME`.

use std::env;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use thiserror::Error;

/// The environment variable that names a directory for all files.
pub const HOME: &str = "CLEAVE_HOME";

/// The three directories of the program. They may not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Runs and other data of the user.
    pub data: PathBuf,
    /// Downloads and caches, which can be recreated.
    pub cache: PathBuf,
    /// Settings and presets of the user.
    pub config: PathBuf,
}

/// Why the directories are unknown.
#[derive(Debug, Error)]
pub enum Error {
    /// The user has no home directory.
    #[error("no home directory found; set the environment variable {HOME} to a directory for all files")]
    NoHome,
    /// [`HOME`] cannot be made absolute.
    #[error("cannot resolve {HOME}={path:?} ({source}); use an absolute path")]
    Relative {
        /// The path as given.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

impl Paths {
    /// The directories below `$CLEAVE_HOME` if it is set and not empty, else those of the platform.
    ///
    /// # Errors
    ///
    /// When there is no home directory and the variable is not set.
    pub fn find() -> Result<Self, Error> {
        match env::var_os(HOME).filter(|home| !home.is_empty()).map(PathBuf::from) {
            // Resolved now, because the working directory may change later.
            Some(path) => match std::path::absolute(&path) {
                Ok(home) => Ok(Paths::below(&home)),
                Err(source) => Err(Error::Relative { path, source }),
            },
            None => ProjectDirs::from("", "", "cleave").map(Paths::of_platform).ok_or(Error::NoHome),
        }
    }

    /// `home/data`, `home/cache` and `home/config`.
    pub fn below(home: &Path) -> Self {
        Paths { data: home.join("data"), cache: home.join("cache"), config: home.join("config") }
    }

    fn of_platform(platform: ProjectDirs) -> Self {
        Paths {
            data: platform.data_local_dir().into(),
            cache: platform.cache_dir().into(),
            config: platform.config_dir().into(),
        }
    }

    /// Run directories.
    pub fn runs(&self) -> PathBuf {
        self.data.join("runs")
    }

    /// The user's presets.
    pub fn presets(&self) -> PathBuf {
        self.config.join("presets")
    }

    /// Downloaded archives of data sets.
    pub fn archives(&self) -> PathBuf {
        self.cache.join("archives")
    }

    /// Autotuning results: the fastest kernels on this machine's devices.
    pub fn tuning(&self) -> PathBuf {
        self.cache.join("tuning")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_home_holds_everything() {
        let paths = Paths::below(Path::new("/h"));
        assert_eq!(paths.runs(), Path::new("/h/data/runs"));
        assert_eq!(paths.presets(), Path::new("/h/config/presets"));
        assert_eq!(paths.archives(), Path::new("/h/cache/archives"));
        assert_eq!(paths.tuning(), Path::new("/h/cache/tuning"));
    }
}
