//! The `highwater` program: the command line does everything.

use std::process::ExitCode;

fn main() -> ExitCode {
    highwater::cli::main()
}
