//! The command line: what was asked for, and with what number the process ends.
//!
//! **Owns** arguments, exit codes, signals, the panic policy, the limit of open files, `listeners.json`, and
//! the composition of broker, server and admin in `serve`.
//! **Does not own** what they do. It is an ordinary client of a broker (by Kafka's protocol, of the tier by
//! the admin listener) wherever it is not `serve`, or looks at files and buckets itself.
//! **Invariants**: every way out has one of the codes of `Exit` and a log line that says what, why and what
//! to do.

mod admin_client;
mod arguments;
mod client;
mod configuration;
mod descriptors;
mod exit;
mod group_metrics;
mod inspecting;
mod listeners_file;
mod panics;
mod restore;
mod running;
mod serve;
mod signals;
mod tier;
mod transaction_metrics;
mod txn;
mod words;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

/// Runs what the command line asks for. `main` is this call.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let exit = match arguments.command() {
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::Dump(arguments) => inspecting::dump(&arguments),
        Command::Verify(arguments) => inspecting::verify(&arguments),
        Command::Tier(arguments) => tier::tier(&arguments.command),
        Command::Restore(arguments) => restore::restore(&arguments),
        Command::Txn(arguments) => txn::txn(&arguments.command),
    };
    exit.into()
}
