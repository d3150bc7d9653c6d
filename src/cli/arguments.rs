//! What may be written on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A broker that speaks the Kafka protocol: one binary, durable by default.
///
/// Without arguments it serves on port 9092 with its data in ./data.
#[derive(Parser, Debug)]
#[command(name = "highwater", version, about, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

/// What to do.
#[derive(Subcommand, Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Runs the broker until a signal stops it; this is also what happens without a command.
    Serve(ServeArguments),
}

/// How to serve.
#[derive(Args, Clone, PartialEq, Eq, Default, Debug)]
pub struct ServeArguments {
    /// A properties file with Kafka's own names; config/reference.properties lists every key.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Sets one key, above file and environment. May be given often.
    #[arg(long = "override", value_name = "KEY=VALUE", value_parser = pair)]
    pub overrides: Vec<(String, String)>,
}

impl Arguments {
    /// The command, which is to serve where none was written.
    pub fn command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("write it as key=value, such as log.retention.hours=24"),
    }
}

#[cfg(test)]
mod tests;
