//! What was found, as a table or as JSON.

use serde::Serialize;

use super::super::words::{self, cell, duration};
use super::holders::{Holder, Transaction};
use crate::model::Timestamp;

/// States of a transactional id whose transaction is over: one that is open all the same is ended by nobody.
const AT_REST: &[&str] = &["Empty", "CompleteCommit", "CompleteAbort", "Dead"];
const HEADS: [&str; 11] = [
    "TOPIC",
    "PARTITION",
    "LAST STABLE",
    "BEHIND",
    "TRANSACTIONAL ID",
    "STATE",
    "SINCE",
    "OPEN",
    "TIME-OUT",
    "PRODUCER",
    "EPOCH",
];
/// Those of numbers, which are set to the right.
const NUMBERS: [bool; 11] = [false, true, true, true, false, false, false, true, true, true, true];

/// One line for each partition, in their order.
pub(super) fn table(holders: &[Holder], now: Timestamp) -> String {
    if holders.is_empty() {
        return "No open transaction holds back a last stable offset.\n".to_owned();
    }
    let rows: Vec<[String; 11]> = holders.iter().map(|holder| row(holder, now)).collect();
    let mut text = words::table(&HEADS, &NUMBERS, &rows);
    if holders.iter().any(Holder::hangs) {
        text += "\nhanging: no coordinator will end it; kafka-transactions abort can.\n";
    }
    text
}

fn row(holder: &Holder, now: Timestamp) -> [String; 11] {
    let none = || "-".to_owned();
    let transaction = holder.transaction.as_ref();
    let since = holder.since();
    let timeout = transaction.map(|transaction| i64::from(transaction.timeout_ms));
    [
        cell(&holder.topic),
        holder.partition.to_string(),
        holder.last_stable_offset.to_string(),
        holder.high_watermark.saturating_sub(holder.last_stable_offset).to_string(),
        transaction.map_or_else(none, |transaction| cell(&transaction.transactional_id)),
        cell(holder.state()),
        since.map_or_else(none, |since| Timestamp(since).utc_seconds()),
        since.map_or_else(none, |since| duration(now.0.saturating_sub(since))),
        timeout.map_or_else(none, duration),
        holder.producer_id.to_string(),
        holder.producer_epoch.to_string(),
    ]
}

/// The same as an object of JSON.
#[derive(Serialize)]
struct Shown<'a> {
    topic: &'a str,
    partition: i32,
    last_stable_offset: i64,
    high_watermark: i64,
    producer_id: i64,
    producer_epoch: i32,
    /// `null`: some broker that may know of it did not tell.
    hanging: Option<bool>,
    transactional_id: Option<&'a str>,
    state: Option<&'a str>,
    since: Option<String>,
    open_ms: Option<i64>,
    timeout_ms: Option<i32>,
    partitions: Option<usize>,
}

/// One object on a line for each partition.
pub(super) fn json(holders: &[Holder], now: Timestamp) -> anyhow::Result<String> {
    let mut text = String::new();
    for holder in holders {
        let transaction = holder.transaction.as_ref();
        let since = holder.since();
        text += &serde_json::to_string(&Shown {
            topic: &holder.topic,
            partition: holder.partition,
            last_stable_offset: holder.last_stable_offset,
            high_watermark: holder.high_watermark,
            producer_id: holder.producer_id,
            producer_epoch: holder.producer_epoch,
            hanging: (holder.transaction.is_some() || holder.is_nobodys).then(|| holder.hangs()),
            transactional_id: transaction.map(|transaction| transaction.transactional_id.as_str()),
            state: transaction.map(|transaction| transaction.state.as_str()),
            since: since.map(|since| Timestamp(since).utc_seconds()),
            open_ms: since.map(|since| now.0.saturating_sub(since)),
            timeout_ms: transaction.map(|transaction| transaction.timeout_ms),
            partitions: transaction.map(|transaction| transaction.partitions_count),
        })?;
        text.push('\n');
    }
    Ok(text)
}

impl Holder {
    /// Whether its coordinator would have ended it by now, or no broker knows of it.
    fn hangs(&self) -> bool {
        let is_at_rest = |transaction: &Transaction| AT_REST.contains(&transaction.state.as_str());
        self.transaction.as_ref().map_or(self.is_nobodys, is_at_rest)
    }

    fn state(&self) -> &str {
        match &self.transaction {
            _ if self.hangs() => "hanging",
            Some(transaction) => &transaction.state,
            None => "unknown",
        }
    }

    /// When it began; of one that hangs, when its producer last wrote, which is all that is known.
    fn since(&self) -> Option<i64> {
        let began = self.transaction.as_ref().filter(|_| !self.hangs());
        let since = began.map_or(self.last_timestamp, |transaction| transaction.start_timestamp);
        (since >= 0).then_some(since)
    }
}

#[cfg(test)]
mod tests;
