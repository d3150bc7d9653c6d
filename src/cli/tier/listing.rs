//! `highwater tier ls`: segments as a manifest names them, from a running broker or from the bucket.

use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

use super::super::admin_client::AdminClient;
use super::super::arguments::{TierLsArguments, TopicPartitionName};
use super::super::exit::Exit;
use super::super::words::{cell, size, table};
use super::Failure;
use crate::broker::{SegmentsPage, TierSegment};
use crate::env::Env;
use crate::model::{Timestamp, TopicId, TopicPartition};
use crate::store::ObjectStore;
use crate::tier::{
    CurrentManifests, NewestManifests, RemoteReader, RemoteReaderOptions, partitions_in_bucket,
};

/// Memory for roots and leaves.
const MEMORY_BYTES: usize = 16 << 20;
const HEADS: [&str; 8] = ["BASE", "END", "BYTES", "OBJECT", "NEWEST RECORD", "COPIED", "EPOCHS", "KEY"];
const NUMBERS: [bool; 8] = [true, true, true, true, false, false, true, false];

/// Does what was asked for.
pub(super) async fn list(env: &Env, arguments: &TierLsArguments) -> Result<Exit, Failure> {
    match arguments.from_store {
        true => from_store(env, arguments).await,
        false => from_broker(arguments).await,
    }
}

async fn from_broker(arguments: &TierLsArguments) -> Result<Exit, Failure> {
    let admin = AdminClient::new(&arguments.admin.admin)?;
    let asked = super::asked(&admin).await?;
    let is_wanted = |topic: &str, partition: i32| {
        arguments.topic.as_ref().is_none_or(|wanted| {
            wanted.topic == topic && wanted.partition.is_none_or(|index| index == partition)
        })
    };
    let mut found = false;
    for told in asked.partitions.iter().filter(|told| is_wanted(&told.topic, told.partition)) {
        found = true;
        print_heading(arguments, &told.topic, told.partition)?;
        let mut from = 0;
        loop {
            let path = format!("/tier/segments/{}/{}/{from}", told.topic, told.partition);
            let page: SegmentsPage = admin.get(&path).await?;
            print_segments(arguments, &told.topic, told.partition, &page.segments)?;
            match page.next {
                // One that does not go on would be asked for ever.
                Some(next) if next > from => from = next,
                _ => break,
            }
        }
    }
    ended(arguments, found)
}

/// By topic id: names stand in the metadata store.
async fn from_store(env: &Env, arguments: &TierLsArguments) -> Result<Exit, Failure> {
    let (_, store) = super::open(env, &arguments.store)?;
    let options = RemoteReaderOptions { memory_bytes: MEMORY_BYTES, disk: None };
    let reader = RemoteReader::open(Arc::clone(&store), env, &options).await;
    let mut found = false;
    for id in wanted(&*store, arguments.topic.as_ref()).await? {
        let Some(number) = NewestManifests(Arc::clone(&store)).number(id).await? else { continue };
        found = true;
        let topic = id.topic_id.to_string();
        print_heading(arguments, &topic, id.partition)?;
        let root = reader.root(id, number).await?;
        for reference in &root.leaves {
            let leaf = reader.leaf(&root, reference).await?;
            let segments: Vec<_> =
                leaf.live(reference).iter().map(|entry| TierSegment::of(id, entry)).collect();
            print_segments(arguments, &topic, id.partition, &segments)?;
        }
    }
    ended(arguments, found)
}

async fn wanted(
    store: &dyn ObjectStore,
    topic: Option<&TopicPartitionName>,
) -> Result<Vec<TopicPartition>, Failure> {
    let id = match topic {
        None => None,
        Some(TopicPartitionName { topic, partition }) => {
            let id = Uuid::from_str(topic).map_err(|_| {
                let what = format!(
                    "{topic} is no topic id, and in the bucket topics have no names; without a topic all are \
                     listed"
                );
                Failure::new(Exit::Configuration, what)
            })?;
            Some((TopicId(id), *partition))
        }
    };
    let (partitions, _) = partitions_in_bucket(store).await?;
    let is_wanted = |found: &TopicPartition| {
        id.is_none_or(|(topic_id, partition)| {
            found.topic_id == topic_id && partition.is_none_or(|index| index == found.partition)
        })
    };
    Ok(partitions.into_iter().filter(is_wanted).collect())
}

fn ended(arguments: &TierLsArguments, found: bool) -> Result<Exit, Failure> {
    match (&arguments.topic, found) {
        (Some(topic), false) => {
            let what =
                format!("{topic} is not tiered, or does not exist; highwater tier status lists what is");
            Err(Failure::new(Exit::Failed, what))
        }
        _ => Ok(Exit::Stopped),
    }
}

fn print_heading(arguments: &TierLsArguments, topic: &str, partition: i32) -> Result<(), Failure> {
    if !arguments.admin.json {
        super::print(&format!("{}-{partition}\n", cell(topic)))?;
    }
    Ok(())
}

fn print_segments(
    arguments: &TierLsArguments,
    topic: &str,
    partition: i32,
    segments: &[TierSegment],
) -> Result<(), Failure> {
    if !segments.is_empty() {
        super::print(&match arguments.admin.json {
            true => json(topic, partition, segments)?,
            false => words(segments),
        })?;
    }
    Ok(())
}

fn words(segments: &[TierSegment]) -> String {
    let row = |segment: &TierSegment| {
        [
            segment.base_offset.to_string(),
            segment.end_offset.to_string(),
            size(segment.log_bytes),
            size(segment.bytes),
            if segment.max_timestamp_ms < 0 {
                "-".to_owned()
            } else {
                Timestamp(segment.max_timestamp_ms).utc_seconds()
            },
            Timestamp(segment.uploaded_at_ms).utc_seconds(),
            match (segment.first_leader_epoch, segment.last_leader_epoch) {
                (first, last) if first == last => first.to_string(),
                (first, last) => format!("{first}-{last}"),
            },
            cell(&segment.object),
        ]
    };
    table(&HEADS, &NUMBERS, &segments.iter().map(row).collect::<Vec<_>>())
}

/// One object on a line for each.
fn json(topic: &str, partition: i32, segments: &[TierSegment]) -> Result<String, Failure> {
    #[derive(serde::Serialize)]
    struct Shown<'a> {
        topic: &'a str,
        partition: i32,
        #[serde(flatten)]
        segment: &'a TierSegment,
    }
    let mut text = String::new();
    for segment in segments {
        text += &serde_json::to_string(&Shown { topic, partition, segment })?;
        text.push('\n');
    }
    Ok(text)
}
