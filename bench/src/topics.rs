//! Topics, made and deleted over one connection each.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use compat::broker::Broker;
use compat::wait::eventually;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, ListOffsetsRequest, MetadataRequest, TopicName,
};
use protocol_tests::client::{Client, resolve, text};

/// How long the creation or deletion of a topic may take.
const DEADLINE: Duration = Duration::from_secs(120);
const TIMEOUT_MS: i32 = 60_000;
/// Versions without tagged fields.
const CREATE_VERSION: i16 = 4;
const DELETE_VERSION: i16 = 3;
const METADATA_VERSION: i16 = 8;
const LIST_OFFSETS_VERSION: i16 = 2;
/// The first one that knows of [`EARLIEST_LOCAL`].
const LIST_OFFSETS_TIERED_VERSION: i16 = 8;
const LATEST: i64 = -1;
const EARLIEST_LOCAL: i64 = -4;

/// How long a creation took, from its request on.
pub struct Created {
    /// Until it was answered.
    pub call: Duration,
    /// Until every partition had a leader in the metadata.
    pub led: Duration,
    /// Until every partition served: metadata may run ahead of the log.
    pub serving: Duration,
}

/// Creates a topic and waits until all of it serves.
pub fn create(broker: &str, name: &str, partitions: u32) -> Result<Created> {
    let mut client = Client::connect(resolve(broker)?)?;
    let topic = CreatableTopic::default()
        .with_name(TopicName(text(name)))
        .with_num_partitions(i32::try_from(partitions)?)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(TIMEOUT_MS);
    let start = Instant::now();
    let response = client.ask::<CreateTopicsRequest>(CREATE_VERSION, &request)?;
    let call = start.elapsed();
    let error_code = response.topics.first().context("an answer without the topic")?.error_code;
    ensure!(error_code == 0, "CreateTopics {name}: error code {error_code}");
    eventually(DEADLINE, "every partition to have a leader", || {
        Ok((leaders(&mut client, name)? == partitions as usize).then_some(()))
    })?;
    let led = start.elapsed();
    eventually(DEADLINE, "every partition to serve", || {
        Ok(serve(&mut client, name, partitions)?.then_some(()))
    })?;
    Ok(Created { call, led, serving: start.elapsed() })
}

/// Deletes a topic and waits until it is gone from the metadata, and its files from the disk: the disk would
/// give their blocks back in the middle of the next case, whosever that is.
pub fn delete(broker: &Broker, name: &str) -> Result<()> {
    let mut client = Client::connect(resolve(broker.bootstrap())?)?;
    let request = DeleteTopicsRequest::default()
        .with_topic_names(vec![TopicName(text(name))])
        .with_timeout_ms(TIMEOUT_MS);
    let response = client.ask::<DeleteTopicsRequest>(DELETE_VERSION, &request)?;
    let error_code = response.responses.first().context("an answer without the topic")?.error_code;
    ensure!(error_code == 0, "DeleteTopics {name}: error code {error_code}");
    eventually(DEADLINE, "the topic to be gone", || Ok((leaders(&mut client, name)? == 0).then_some(())))?;
    // Twice: one that is just being renamed may be missed.
    let gone = || {
        let is_there = has_folders(broker.log_dir(), name)? || has_folders(broker.log_dir(), name)?;
        Ok((!is_there).then_some(()))
    };
    eventually(DEADLINE, "the topic's files to be gone", gone)
}

/// Whether a partition of that topic has a folder, under its own name or that of a deleted one.
fn has_folders(log_dir: &Path, topic: &str) -> Result<bool> {
    let prefix = format!("{topic}-");
    for entry in fs::read_dir(log_dir)? {
        if entry?.file_name().to_string_lossy().starts_with(&prefix) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Partitions that have a leader.
fn leaders(client: &mut Client, name: &str) -> Result<usize> {
    let topic = MetadataRequestTopic::default().with_name(Some(TopicName(text(name))));
    let request =
        MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false);
    let response = client.ask::<MetadataRequest>(METADATA_VERSION, &request)?;
    let topic = response.topics.first().context("an answer without the topic")?;
    let led =
        topic.partitions.iter().filter(|partition| partition.error_code == 0 && partition.leader_id.0 >= 0);
    Ok(led.count())
}

/// Whether every partition tells its end.
fn serve(client: &mut Client, name: &str, partitions: u32) -> Result<bool> {
    let answers = list_offsets(client, LIST_OFFSETS_VERSION, name, partitions, LATEST)?;
    Ok(answers.iter().all(|partition| partition.error_code == 0))
}

/// First offset on the disk of each partition; what lies below is in the tier (KIP-405).
pub fn local_starts(broker: &str, name: &str, partitions: u32) -> Result<Vec<i64>> {
    let mut client = Client::connect(resolve(broker)?)?;
    let answers = list_offsets(&mut client, LIST_OFFSETS_TIERED_VERSION, name, partitions, EARLIEST_LOCAL)?;
    answers
        .into_iter()
        .map(|answer| {
            ensure!(answer.error_code == 0, "ListOffsets {name}: error code {}", answer.error_code);
            Ok(answer.offset)
        })
        .collect()
}

fn list_offsets(
    client: &mut Client,
    version: i16,
    name: &str,
    partitions: u32,
    timestamp: i64,
) -> Result<Vec<ListOffsetsPartitionResponse>> {
    let ask = |index| ListOffsetsPartition::default().with_partition_index(index).with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default()
        .with_name(TopicName(text(name)))
        .with_partitions((0..i32::try_from(partitions)?).map(ask).collect());
    let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
    let response = client.ask::<ListOffsetsRequest>(version, &request)?;
    Ok(response.topics.into_iter().flat_map(|topic| topic.partitions).collect())
}
