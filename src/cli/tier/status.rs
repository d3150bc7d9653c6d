//! `highwater tier status`: what lies where of each partition, and what does not go as it should.

use super::super::admin_client::AdminClient;
use super::super::arguments::TierStatusArguments;
use super::super::exit::Exit;
use super::super::words::{cell, duration, one_line, size, table};
use super::Failure;
use crate::broker::{TierPartition, TierStatus};
use crate::model::Timestamp;

const HEADS: [&str; 11] = [
    "TOPIC",
    "PARTITION",
    "LOG START",
    "LOCAL START",
    "REMOTE END",
    "LOG END",
    "REMOTE",
    "SEGMENTS",
    "LAG",
    "LAG SEGMENTS",
    "LAG TIME",
];
const NUMBERS: [bool; 11] = [false, true, true, true, true, true, true, true, true, true, true];

/// Does what was asked for.
pub(super) async fn status(arguments: &TierStatusArguments) -> Result<Exit, Failure> {
    let asked = super::asked(&AdminClient::new(&arguments.admin.admin)?).await?;
    super::print(&match arguments.admin.json {
        true => serde_json::to_string(&asked)? + "\n",
        false => words(&asked),
    })
}

/// A table, and what a person should know of.
pub(super) fn words(status: &TierStatus) -> String {
    let mut text = format!("{}\n", cell(&status.store));
    match status.partitions.is_empty() {
        true => text += "No partition is tiered.\n",
        false => {
            let rows: Vec<_> = status.partitions.iter().map(row).collect();
            text += &table(&HEADS, &NUMBERS, &rows);
        }
    }
    let mut notes = String::new();
    for partition in &status.partitions {
        notes += &of_partition(partition, status.now_ms);
    }
    if status.partitions.iter().any(|partition| partition.remote_bytes.is_none()) {
        notes += "-: the broker has not asked the store since its start\n";
    }
    if status.deleted_topics_count > 0 {
        let count = status.deleted_topics_count;
        notes += &format!(
            "{count} topics that were deleted, or left the tier, have objects there: {}\n",
            status.deleted_topics.join(", ")
        );
    }
    if let Some(failure) = &status.last_failure {
        let age = duration(status.now_ms.saturating_sub(failure.at_ms));
        notes += &format!("the last failure, {age} ago: {}\n", one_line(&failure.what));
    }
    if !notes.is_empty() {
        text += "\n";
        text += &notes;
    }
    text
}

fn row(partition: &TierPartition) -> [String; 11] {
    let none = || "-".to_owned();
    [
        cell(&partition.topic),
        partition.partition.to_string(),
        partition.log_start_offset.to_string(),
        partition.local_log_start_offset.to_string(),
        partition.remote_end_offset.to_string(),
        partition.log_end_offset.to_string(),
        partition.remote_bytes.map_or_else(none, size),
        partition.remote_segments.map_or_else(none, |count| count.to_string()),
        size(partition.lag_bytes),
        partition.lag_segments.to_string(),
        match partition.lag_segments {
            0 => none(),
            _ => duration(i64::try_from(partition.lag_ms).unwrap_or(i64::MAX)),
        },
    ]
}

/// What is not as usual.
fn of_partition(partition: &TierPartition, now_ms: i64) -> String {
    let name = format!("{}-{}", cell(&partition.topic), partition.partition);
    let mut notes = String::new();
    if let Some(reason) = &partition.stopped {
        let what = "what it has in the store stays, and the rest of it is not known";
        return format!("{name}: STOPPED: {}; {what}\n", one_line(reason));
    }
    let told = |since: i64| {
        let age = duration(now_ms.saturating_sub(since));
        format!("FAILING since {} ({age})", Timestamp(since).utc_seconds())
    };
    if let (Some(since), Some(failure)) = (partition.failing_since_ms, &partition.failure) {
        notes += &format!("{name}: {}: {}\n", told(since), one_line(&failure.what));
    }
    if let (Some(since), Some(failure)) =
        (partition.compaction_failing_since_ms, &partition.compaction_failure)
    {
        let what = one_line(&failure.what);
        notes += &format!("{name}: compaction in the tier {}: {what}\n", told(since));
    }
    if !partition.copies {
        notes += &format!("{name}: nothing more is copied (remote.log.copy.disable, or no longer tiered)\n");
    }
    if partition.lag_segments > 0 && partition.last_stable_offset < partition.log_end_offset {
        let stable = partition.last_stable_offset;
        notes += &format!(
            "{name}: no copy goes beyond offset {stable}, where a transaction is open or records \
                           are being written (highwater txn list)\n"
        );
    }
    if partition.delete_lag_segments > 0 {
        let (segments, bytes) = (partition.delete_lag_segments, size(partition.delete_lag_bytes));
        notes +=
            &format!("{name}: {segments} segments below the log start are still to be removed ({bytes})\n");
    }
    notes
}

#[cfg(test)]
pub(super) mod tests;
