//! Errors of commands, and the exit code of each.

use std::process::ExitCode;

use miette::Diagnostic;
use thiserror::Error;

use crate::{backend, data, export, import, learn, modular, paths, preset, reuse, run, session, spec};

/// Why a command failed.
#[derive(Debug, Error, Diagnostic)]
pub(super) enum Failure {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Preset(#[from] preset::Error),
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Run(#[from] run::Error),
    #[error(transparent)]
    Import(#[from] import::Error),
    #[error(transparent)]
    Modular(#[from] modular::Error),
    #[error(transparent)]
    State(#[from] spec::StateError),
    #[error(transparent)]
    Spec(#[from] spec::SpecError),
    #[error(transparent)]
    Device(#[from] backend::DeviceError),
    #[error(transparent)]
    Fault(#[from] backend::Fault),
    #[error(transparent)]
    Paths(#[from] paths::Error),
    #[error(transparent)]
    Disk(#[from] crate::disk::Error),
    #[error(transparent)]
    Export(#[from] export::Error),
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
    /// A request of the user that is not possible.
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    /// Training failed; the flag says whether it diverged.
    #[error("{message}")]
    Training { message: String, diverged: bool },
}

impl Failure {
    /// Prints the error and returns the exit code.
    pub(super) fn report(self) -> ExitCode {
        let code = self.code();
        let closed_pipe = matches!(&self, Failure::Output(e) if e.kind() == std::io::ErrorKind::BrokenPipe);
        // A reader that closes the pipe early, such as `head`, is not an error.
        if closed_pipe {
            return ExitCode::SUCCESS;
        }
        eprintln!("{}", super::output::harmless(&format!("{:?}", miette::Report::new(self))));
        ExitCode::from(code)
    }

    fn code(&self) -> u8 {
        match self {
            Failure::Preset(_) | Failure::Usage(_) => 2,
            Failure::Modular(error) if is_usage(error) => 2,
            Failure::Training { diverged: true, .. } => 3,
            Failure::Run(run::Error::Locked { .. }) => 4,
            _ => 1,
        }
    }
}

impl From<learn::Error> for Failure {
    fn from(error: learn::Error) -> Self {
        match error {
            learn::Error::Diverged { .. } => Failure::Training { message: error.to_string(), diverged: true },
            learn::Error::Device(fault) => fault.into(),
            learn::Error::Precision(_) => Failure::Usage(error.to_string()),
            learn::Error::State(error) => error.into(),
            learn::Error::Spec(error) => error.into(),
            learn::Error::Modular(error) => error.into(),
            other => Failure::Failed(other.to_string()),
        }
    }
}

impl From<reuse::Error> for Failure {
    fn from(error: reuse::Error) -> Self {
        match error {
            reuse::Error::Refused(why) => Failure::Usage(why),
            reuse::Error::Device(fault) => fault.into(),
            reuse::Error::Learn(error) => error.into(),
            reuse::Error::Run(error) => error.into(),
            reuse::Error::State(error) => error.into(),
            reuse::Error::Spec(error) => error.into(),
            reuse::Error::Modular(error) => error.into(),
            reuse::Error::Data(error) => error.into(),
            reuse::Error::Preset(error) => error.into(),
            reuse::Error::Import(error) => error.into(),
            other => Failure::Failed(other.to_string()),
        }
    }
}

impl From<session::Error> for Failure {
    fn from(error: session::Error) -> Self {
        match error {
            session::Error::Refused(why) => Failure::Usage(why),
            session::Error::Device(fault) => fault.into(),
            session::Error::Learn(error) => error.into(),
            session::Error::Reuse(error) => error.into(),
            session::Error::Run(error) => error.into(),
            session::Error::State(error) => error.into(),
            session::Error::Spec(error) => error.into(),
            session::Error::Modular(error) => error.into(),
            session::Error::Data(error) => error.into(),
            session::Error::Preset(error) => error.into(),
            session::Error::Import(error) => error.into(),
            other => Failure::Failed(other.to_string()),
        }
    }
}

/// Whether the error is the user's choice of arguments.
fn is_usage(error: &modular::Error) -> bool {
    use modular::Error::{NoClasses, OneLogit, RepeatedClass, Threshold, UnknownClass};
    matches!(error, NoClasses | OneLogit | RepeatedClass(_) | Threshold(_) | UnknownClass { .. })
}
