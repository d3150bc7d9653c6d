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
    /// Prints files of a data directory in words: segments, indexes, states, the write-ahead log, all others.
    ///
    /// Nothing is changed; a broker may run meanwhile. Exit codes: 0, 1 if something is damaged, 74 if a file
    /// cannot be read or is not highwater's.
    Dump(DumpArguments),
    /// Checks a data directory that no broker has open, and says what is wrong where.
    ///
    /// Nothing is changed. Exit codes: 0 clean, 1 something is damaged, 74 unreadable or in use, 78 not a
    /// data directory or one of a newer version.
    Verify(VerifyArguments),
    /// Looks at the object store of tiered topics.
    Tier(TierArguments),
    /// Looks at transactions of a running cluster.
    Txn(TxnArguments),
}

/// What to look at.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct TierArguments {
    #[command(subcommand)]
    pub command: TierCommand,
}

/// Of the object store.
#[derive(Subcommand, Clone, PartialEq, Eq, Debug)]
pub enum TierCommand {
    /// Tries the store that is configured (highwater.tier.*): whether it lets us in, and keeps what is
    /// needed.
    ///
    /// Stores some objects in folders of their own, reads and lists them, lets creates of one object race,
    /// and removes everything again; no broker has to run. Exit codes: 0, 1 if the store does not do what
    /// it must, 74 if it does not answer, 78 if it refuses or what is configured cannot be.
    Probe(TierProbeArguments),
}

/// What is configured.
#[derive(Args, Clone, PartialEq, Eq, Default, Debug)]
pub struct TierProbeArguments {
    /// A properties file, as for serve.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Sets one key, above file and environment. May be given often.
    #[arg(long = "override", value_name = "KEY=VALUE", value_parser = pair)]
    pub overrides: Vec<(String, String)>,
}

/// What to look at.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct TxnArguments {
    #[command(subcommand)]
    pub command: TxnCommand,
}

/// Of transactions.
#[derive(Subcommand, Clone, PartialEq, Eq, Debug)]
pub enum TxnCommand {
    /// Lists the open transactions that hold back last stable offsets: since when, and whose they are.
    ///
    /// One line for each partition whose consumers of committed records wait. It asks by the Kafka protocol,
    /// of any broker that has DescribeProducers and ListTransactions. Exit codes: 0, 1 if not everything
    /// could be asked.
    List(TxnListArguments),
}

/// Whom to ask, and how to show it.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct TxnListArguments {
    /// A broker of the cluster.
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:9092")]
    pub bootstrap_server: String,
    /// One JSON object on a line for each partition.
    #[arg(long)]
    pub json: bool,
}

/// What to print.
#[derive(Args, Clone, PartialEq, Eq, Default, Debug)]
pub struct DumpArguments {
    /// Files, or directories with everything in them.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Records with their keys, values and headers, not batches alone.
    #[arg(long)]
    pub records: bool,
    /// One JSON object on a line for each thing.
    #[arg(long)]
    pub json: bool,
}

/// What to check.
#[derive(Args, Clone, PartialEq, Eq, Default, Debug)]
pub struct VerifyArguments {
    /// The data directory; without it, log.dirs of the configuration.
    #[arg(value_name = "DIR", conflicts_with = "config")]
    pub directory: Option<PathBuf>,
    /// The properties file that names the data directory.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
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
