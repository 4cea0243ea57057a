//! The program `cleave`: runs [`cleave::cli::main`].

use std::process::ExitCode;

fn main() -> ExitCode {
    cleave::cli::main()
}
