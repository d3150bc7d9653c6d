//! Histories: what clients were told of sends, polls and transactions, and whether a sound log can have told
//! it.
//!
//! **Owns** the format of a history, the rules ([`check`]), and made-up histories ([`made_up`]) by which the
//! rules are tried. **Does not own** how a history comes about: the scenario `history` writes one.
//! **Invariants**: the rules need nothing but the history, and a history of a sound log breaks none of them.
//!
//! A history is a file of JSON lines, one for each operation of a client, in the order in which they ended:
//!
//! ```text
//! {"process":1,"began":10,"ended":25,"outcome":"ok","did":DID}
//!
//! DID: {"alone":{"send":{"key":"t-0","value":7,"offset":3}}}
//!      {"alone":{"poll":{"t-0":[[3,7],[5,9]]}}}
//!      {"alone":{"offsets":{"group":"g","next":{"t-0":10}}}}
//!      {"transaction":[{"send":{..}},{"poll":{..}},{"offsets":{..}}]}
//!      {"assign":{"keys":["t-0"],"from_start":true}}
//!      "subscribe"
//!      "restart"
//!      {"watermarks":{"key":"t-0","last_stable":6,"high":8}}
//!      {"committed":{"group":"g","key":"t-0","next":10}}
//! ```
//!
//! `process`: a client, which does one thing after the other. `began` and `ended`: nanoseconds of one clock
//! for all. A key is a partition; a value is a number that is written to its key once; an offset may be
//! missing. A poll tells `[offset, value]` of each key, in the order in which they came. `assign`: what the
//! process reads from now on, each key from where it was, unless it is new to it, or all from the start.
//! `subscribe`: from now on it reads what its group gives it, from where that committed: between two polls it
//! may leave out what others of the group read, and go back. `restart`: a new client that goes on reading
//! where the last one was. `offsets`: what a group has read, committed at once or with the transaction; no
//! group ever commits less than it, or a transaction of its members, may have committed before. `watermarks`
//! and `committed`: what one answer of the broker said.
//!
//! `outcome`: `ok`: acknowledged, committed. `failed`: surely not done, as of a transaction that was aborted.
//! `unknown`: anything else. Readers are read_committed, so all polls count, whatever their outcome. The last
//! operations are polls that read everything.

mod anomaly;
mod check;
mod cycles;
mod facts;
pub mod made_up;
mod offsets;
mod order;
mod sequence;
#[cfg(test)]
mod tests;
mod time;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

pub use anomaly::{Anomaly, Kind};
pub use check::{Findings, check};

/// What is known of how an operation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Acknowledged; committed.
    Ok,
    /// Perhaps done, perhaps not, perhaps later.
    Unknown,
    /// Surely not done.
    Failed,
}

/// What one client did, and was told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The client.
    pub process: u32,
    /// Nanoseconds since some moment.
    pub began: u64,
    /// The same clock.
    pub ended: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// What it was.
    pub did: Did,
}

/// An operation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Did {
    /// A send or a poll outside of transactions.
    Alone(Step),
    /// A transaction: its sends and polls.
    Transaction(Vec<Step>),
    /// It reads these keys from now on.
    Assign {
        /// All of them.
        keys: Vec<String>,
        /// Not from where it was.
        from_start: bool,
    },
    /// It reads what its group gives it from now on.
    Subscribe,
    /// The process has a new client.
    Restart,
    /// What the broker says of a key.
    Watermarks {
        /// The key.
        key: String,
        /// Its last stable offset.
        last_stable: i64,
        /// Its high watermark, of the same answer.
        high: i64,
    },
    /// What the broker says that a group has committed.
    Committed {
        /// The group.
        group: String,
        /// The key.
        key: String,
        /// The next offset to read.
        next: i64,
    },
}

/// A part of a transaction, or all of an operation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// One record.
    Send(Sent),
    /// What was read.
    Poll(Polled),
    /// What a group has read.
    Offsets(SentOffsets),
}

/// What a poll tells of each key: offsets and values.
pub type Polled = BTreeMap<String, Vec<(i64, u64)>>;

/// Offsets that were sent to a group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentOffsets {
    /// Which.
    pub group: String,
    /// The next offset to read of each key.
    pub next: BTreeMap<String, i64>,
}

/// A record that was sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sent {
    /// Where to.
    pub key: String,
    /// What.
    pub value: u64,
    /// Where it lies, if that was told.
    pub offset: Option<i64>,
}

impl Operation {
    /// Its sends and polls.
    pub fn steps(&self) -> &[Step] {
        match &self.did {
            Did::Alone(step) => std::slice::from_ref(step),
            Did::Transaction(steps) => steps,
            Did::Assign { .. } | Did::Subscribe | Did::Restart => &[],
            Did::Watermarks { .. } | Did::Committed { .. } => &[],
        }
    }

    /// Its sends.
    pub fn sends(&self) -> impl Iterator<Item = &Sent> {
        self.steps().iter().filter_map(|step| match step {
            Step::Send(sent) => Some(sent),
            Step::Poll(_) | Step::Offsets(_) => None,
        })
    }

    /// The offsets that it sent: group, key, next offset.
    pub fn offsets(&self) -> impl Iterator<Item = (&str, &str, i64)> {
        self.steps().iter().flat_map(|step| {
            let sent = match step {
                Step::Offsets(sent) => Some(sent),
                Step::Send(_) | Step::Poll(_) => None,
            };
            sent.into_iter().flat_map(|sent| {
                sent.next.iter().map(|(key, next)| (sent.group.as_str(), key.as_str(), *next))
            })
        })
    }

    /// What its polls told: key, offset, value.
    pub fn reads(&self) -> impl Iterator<Item = (&str, i64, u64)> {
        self.steps().iter().flat_map(|step| {
            let of_poll = match step {
                Step::Send(_) | Step::Offsets(_) => None,
                Step::Poll(keys) => Some(keys),
            };
            of_poll.into_iter().flatten().flat_map(|(key, records)| {
                records.iter().map(|(offset, value)| (key.as_str(), *offset, *value))
            })
        })
    }
}

/// Reads a history.
pub fn parse(text: &str) -> Result<Vec<Operation>> {
    let parse = |(place, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("line {}: {line}", place + 1))
    };
    text.lines().enumerate().map(parse).collect()
}

/// Writes a history.
pub fn to_text(operations: &[Operation]) -> Result<String> {
    let mut text = String::new();
    for operation in operations {
        writeln!(text, "{}", serde_json::to_string(operation)?)?;
    }
    Ok(text)
}
