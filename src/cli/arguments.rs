//! What may be written on the command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

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
#[derive(Subcommand, Clone, PartialEq, Debug)]
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
    /// Looks at the object store of tiered topics, and at what a broker keeps there.
    Tier(TierArguments),
    /// Has an empty node take the place of a lost one, from the object store alone.
    ///
    /// Writes a data directory on which serve starts: topics with their settings, what the store holds of
    /// their records, and committed offsets. Takes the store over first: the old node stops with exit code 78
    /// when it comes back. The store is no consistent cut across partitions: transactions that were torn are
    /// ended, and listed. Without --take-over it only tells what it would do. Cut off, it can be run again.
    /// Exit codes: 0, 1 if something in the store is damaged, 74 if the store or the disk does not answer, 78
    /// if there is nothing to restore or the directory is not empty.
    Restore(RestoreArguments),
    /// Looks at transactions of a running cluster.
    Txn(TxnArguments),
}

/// What to look at.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct TierArguments {
    #[command(subcommand)]
    pub command: TierCommand,
}

/// Of the object store, and of what a broker keeps there.
#[derive(Subcommand, Clone, PartialEq, Debug)]
pub enum TierCommand {
    /// Tries the store that is configured (highwater.tier.*): whether it lets us in, and keeps what is
    /// needed.
    ///
    /// Stores some objects in folders of their own, reads and lists them, lets creates of one object race,
    /// and removes everything again; no broker has to run. Exit codes: 0, 1 if the store does not do what
    /// it must, 74 if it does not answer, 78 if it refuses or what is configured cannot be.
    Probe(StoreArguments),
    /// Tells what lies where of each tiered partition of a running broker, how far copies lag, and since when
    /// and why any fail.
    ///
    /// Asks the broker's admin listener; the store is asked for nothing. Exit codes: 0, 1 if the broker
    /// could not be asked.
    Status(TierStatusArguments),
    /// Lists segments in the tier: offsets, sizes, times, objects.
    ///
    /// Asks a running broker, or reads the newest manifests in the bucket (--from-store), where topics go by
    /// their ids. Exit codes: 0, 1 if there is no such partition or something is damaged, 74 if the store
    /// does not answer, 78 if it refuses or what is configured cannot be.
    Ls(TierLsArguments),
    /// Checks the bucket against its manifests: every segment that one names is there, has its size, and the
    /// checksum of each of its blocks.
    ///
    /// Reads all of it, each object by one request; --sizes-only reads manifests alone. Counts what no
    /// manifest names. Nothing is changed. Which manifests hold is asked of a running broker (--admin);
    /// without one the newest in the bucket count. Exit codes: 0 whole, 1 a line for each fault was printed,
    /// 74 the store does not answer, 78 it refuses or what is configured cannot be.
    Verify(TierVerifyArguments),
    /// Counts requests and bytes since a broker's start, and what they and the storage cost at list prices.
    ///
    /// Asks the broker's admin listener. The prices are those of S3 Standard in us-east-1 as they were listed
    /// in 2025, in dollars; the options set others. Repetitions and requests that were not answered count
    /// too. Exit codes: 0, 1 if the broker could not be asked.
    Cost(TierCostArguments),
}

/// What is configured.
#[derive(Args, Clone, PartialEq, Eq, Default, Debug)]
pub struct StoreArguments {
    /// A properties file, as for serve.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Sets one key, above file and environment. May be given often.
    #[arg(long = "override", value_name = "KEY=VALUE", value_parser = pair)]
    pub overrides: Vec<(String, String)>,
}

/// Which broker to ask, and how to show it.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct AdminArguments {
    /// The admin listener of a broker (highwater.admin.listener).
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:9644")]
    pub admin: String,
    /// JSON, an object on a line.
    #[arg(long)]
    pub json: bool,
}

/// Whom to ask.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct TierStatusArguments {
    #[command(flatten)]
    pub admin: AdminArguments,
}

/// What to list.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct TierLsArguments {
    /// A topic, or one of its partitions; without it, all.
    #[arg(value_name = "TOPIC[:PARTITION]")]
    pub topic: Option<TopicPartitionName>,
    #[command(flatten)]
    pub admin: AdminArguments,
    /// Reads the bucket itself; TOPIC is a topic id then.
    #[arg(long, conflicts_with = "admin")]
    pub from_store: bool,
    #[command(flatten)]
    pub store: StoreArguments,
}

/// What to check.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct TierVerifyArguments {
    #[command(flatten)]
    pub store: StoreArguments,
    /// The admin listener of the broker whose bucket it is, if one runs.
    #[arg(long, value_name = "HOST:PORT")]
    pub admin: Option<String>,
    /// Compares sizes, and reads no segment.
    #[arg(long)]
    pub sizes_only: bool,
    /// One JSON object on a line for each fault, and one for the whole.
    #[arg(long)]
    pub json: bool,
}

/// Whom to ask, and what things cost.
#[derive(Args, Clone, PartialEq, Debug)]
pub struct TierCostArguments {
    #[command(flatten)]
    pub admin: AdminArguments,
    #[command(flatten)]
    pub prices: Prices,
}

/// List prices, in whatever currency.
#[derive(Args, Clone, Copy, PartialEq, Debug)]
pub struct Prices {
    /// Of 1,000 requests that write or list: PUT, POST, LIST.
    #[arg(long, value_name = "PRICE", default_value_t = 0.005, value_parser = price)]
    pub put_price: f64,
    /// Of 1,000 requests that read: GET, HEAD.
    #[arg(long, value_name = "PRICE", default_value_t = 0.0004, value_parser = price)]
    pub get_price: f64,
    /// Of a GiB that is read: 0 within a region.
    #[arg(long, value_name = "PRICE", default_value_t = 0.0, value_parser = price)]
    pub read_price: f64,
    /// Of a GiB that is kept for a month.
    #[arg(long, value_name = "PRICE", default_value_t = 0.023, value_parser = price)]
    pub storage_price: f64,
}

/// A topic's name or id, and perhaps a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicPartitionName {
    /// Name, or id.
    pub topic: String,
    /// One of its partitions; `None` for all.
    pub partition: Option<i32>,
}

impl FromStr for TopicPartitionName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<TopicPartitionName, &'static str> {
        let (topic, partition) = match text.split_once(':') {
            Some((topic, number)) => (topic, Some(number)),
            None => (text, None),
        };
        // What becomes part of a path says nothing but itself.
        let is_name =
            |topic: &str| topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let is_number = |number: &str| number.bytes().all(|byte| byte.is_ascii_digit());
        let index = partition.filter(|number| is_number(number)).and_then(|number| number.parse().ok());
        if topic.is_empty() || !is_name(topic) || index.is_some() != partition.is_some() {
            return Err("write it as topic or topic:partition, such as orders:0");
        }
        Ok(TopicPartitionName { topic: topic.to_owned(), partition: index })
    }
}

impl fmt::Display for TopicPartitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.partition {
            Some(partition) => write!(f, "{}:{partition}", self.topic),
            None => f.write_str(&self.topic),
        }
    }
}

/// From where, and whereto.
#[derive(Args, Clone, PartialEq, Eq, Default, Debug)]
pub struct RestoreArguments {
    /// The store, as in highwater.tier.store: s3://bucket/prefix, gs://…, az://… or file:///path.
    #[arg(long, value_name = "STORE")]
    pub from: String,
    /// Does it, and takes the store over from whoever has it.
    #[arg(long)]
    pub take_over: bool,
    /// The data directory, which must be empty; without it, log.dirs of the configuration.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Does not wait until requests of the old node have come to their end: there are none any more.
    #[arg(long)]
    pub old_node_is_dead: bool,
    /// Restores this topic empty where it had records in the store and nothing of them is left, as of one
    /// that was deleted after the last catalogue. May be given often.
    #[arg(long, value_name = "TOPIC")]
    pub allow_empty: Vec<String>,
    /// A properties file, as for serve: node.id, and how the store is reached (highwater.tier.*).
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

fn price(text: &str) -> Result<f64, &'static str> {
    let price = text.parse().ok().filter(|price: &f64| price.is_finite() && *price >= 0.0);
    price.ok_or("write it as a number that is not negative, such as 0.005")
}

#[cfg(test)]
mod tests;
