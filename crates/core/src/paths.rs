//! Where the program keeps its files: the platform's directories, or one directory that the user names.

use std::env;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use thiserror::Error;

/// The environment variable that puts everything below one directory.
pub const HOME: &str = "CLEAVE_HOME";

/// The three directories of the program. None of them need exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Runs: what must not be lost.
    pub data: PathBuf,
    /// Downloads: what can be had again.
    pub cache: PathBuf,
    /// What the user wrote.
    pub config: PathBuf,
}

/// There is no place to keep files.
#[derive(Debug, Error)]
pub enum Error {
    /// The system knows no home directory of the user.
    #[error(
        "this user has no home directory; name a directory for all files in the environment variable {HOME}"
    )]
    NoHome,
    /// The directory of [`HOME`] has no absolute name.
    #[error("{HOME} is {path:?}, which has no absolute form ({source}); give it as an absolute path")]
    Relative {
        /// As given.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Paths {
    /// The directories below `$CLEAVE_HOME` if it is set and not empty, else those of the platform.
    ///
    /// # Errors
    ///
    /// When the platform knows no home directory and the variable is not set.
    pub fn find() -> Result<Self, Error> {
        match env::var_os(HOME).filter(|home| !home.is_empty()).map(PathBuf::from) {
            // The working directory may change later, the meaning of the variable may not.
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

    /// Which kernels are the fastest on the devices of this machine.
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
