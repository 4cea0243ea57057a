//! What a command fails with, and the exit code that it means.

use std::process::ExitCode;

use miette::Diagnostic;
use thiserror::Error;

use crate::{backend, data, export, modular, network, paths, preset, run, train};

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
    Train(#[from] train::Error),
    #[error(transparent)]
    Modular(#[from] modular::Error),
    #[error(transparent)]
    State(#[from] network::StateError),
    #[error(transparent)]
    Spec(#[from] network::SpecError),
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
    /// Something that the user asked for and that cannot be.
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    /// Training failed; the flag says whether it diverged.
    #[error("{message}")]
    Training { message: String, diverged: bool },
}

impl Failure {
    /// Prints the failure and gives the exit code.
    pub(super) fn report(self) -> ExitCode {
        let code = self.code();
        let closed_pipe = matches!(&self, Failure::Output(e) if e.kind() == std::io::ErrorKind::BrokenPipe);
        // A reader that has seen enough, such as `head`, is no failure.
        if closed_pipe {
            return ExitCode::SUCCESS;
        }
        eprintln!("{}", super::output::harmless(&format!("{:?}", miette::Report::new(self))));
        ExitCode::from(code)
    }

    fn code(&self) -> u8 {
        match self {
            Failure::Preset(_) | Failure::Usage(_) | Failure::Train(train::Error::Refused(_)) => 2,
            Failure::Modular(error) | Failure::Train(train::Error::Modular(error)) if is_usage(error) => 2,
            Failure::Training { diverged: true, .. } => 3,
            Failure::Train(train::Error::Diverged { .. }) => 3,
            Failure::Run(run::Error::Locked { .. }) => 4,
            Failure::Train(train::Error::Run(run::Error::Locked { .. })) => 4,
            _ => 1,
        }
    }
}

/// Whether the user chose what cannot be.
fn is_usage(error: &modular::Error) -> bool {
    use modular::Error::{NoClasses, OneLogit, RepeatedClass, Threshold, UnknownClass};
    matches!(error, NoClasses | OneLogit | RepeatedClass(_) | Threshold(_) | UnknownClass { .. })
}
