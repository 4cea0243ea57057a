//! The program `cleave`: parse, dispatch, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    cleave::cli::main()
}
