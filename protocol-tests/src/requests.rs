//! The requests that are made often, in any version, and what is usually wanted of their answers.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use highwater::protocol::ErrorCode;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, FetchRequest, FetchResponse,
    InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest, ProduceResponse, ProducerId,
    TopicName,
};
use uuid::Uuid;

use crate::client::{Client, text};

/// Versions for requests whose version does not matter.
pub const PRODUCE: i16 = 9;
/// As above.
pub const FETCH: i16 = 12;
/// As above.
pub const LIST_OFFSETS: i16 = 7;
/// As above.
pub const METADATA: i16 = 12;
/// As above.
pub const CREATE_TOPICS: i16 = 7;
/// As above.
pub const DELETE_TOPICS: i16 = 6;

/// ListOffsets: the end.
pub const LATEST: i64 = -1;
/// ListOffsets: the start.
pub const EARLIEST: i64 = -2;

/// How long a broker may take where a request tells it.
pub const TIMEOUT_MS: i32 = 10_000;
/// From this version on, Produce and Fetch name a topic by its id.
const IDS_FROM: i16 = 13;

/// A topic by its name and id, as the version wants it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: Uuid,
}

/// Fails unless the code is the expected one.
pub fn expect_code(seen: i16, expected: ErrorCode, what: &str) -> Result<()> {
    let name = |code| ErrorCode::from_code(code).map_or("unknown", ErrorCode::name);
    ensure!(seen == expected.code(), "{what}: {} ({seen}) instead of {}", name(seen), expected.name());
    Ok(())
}

/// A topic's name as the codec crate wants it.
pub fn name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// A topic to be created, with `key=value` settings.
pub fn new_topic(topic: &str, partitions: i32, configs: &[(&str, &str)]) -> CreatableTopic {
    let config = |(key, value): &(&str, &str)| {
        CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
    };
    CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(partitions)
        .with_replication_factor(1)
        .with_configs(configs.iter().map(config).collect())
}

/// Creates topics.
pub fn create_topics(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(TIMEOUT_MS)
}

/// Has a topic grow, and leaves to the broker where its new partitions go.
pub fn create_partitions(topic: &str, count: i32) -> CreatePartitionsRequest {
    let topic = CreatePartitionsTopic::default().with_name(name(topic)).with_count(count);
    CreatePartitionsRequest::default()
        .with_topics(vec![topic.with_assignments(None)])
        .with_timeout_ms(TIMEOUT_MS)
}

/// Deletes topics by name.
pub fn delete_topics(version: i16, topics: &[&str]) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest::default().with_timeout_ms(TIMEOUT_MS);
    if version < 6 {
        return request.with_topic_names(topics.iter().map(|topic| name(topic)).collect());
    }
    let named = |topic: &&str| DeleteTopicState::default().with_name(Some(name(topic)));
    request.with_topics(topics.iter().map(named).collect())
}

/// Asks for topics by name; `None` is all of them.
pub fn metadata(version: i16, topics: Option<&[&str]>) -> MetadataRequest {
    let asked = |topic: &&str| MetadataRequestTopic::default().with_name(Some(name(topic)));
    let topics = topics.map(|topics| topics.iter().map(asked).collect());
    // Version 0 has no null: its empty list is all.
    let topics = if version == 0 { Some(topics.unwrap_or_default()) } else { topics };
    MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(version < 4)
}

/// One topic's batches, by partition.
pub fn produce_of(
    version: i16,
    topic: &Topic,
    acks: i16,
    batches: Vec<(i32, Option<Bytes>)>,
) -> ProduceRequest {
    let data = |(index, batch)| PartitionProduceData::default().with_index(index).with_records(batch);
    let named = TopicProduceData::default().with_partition_data(batches.into_iter().map(data).collect());
    let named = match version >= IDS_FROM {
        true => named.with_topic_id(topic.id),
        false => named.with_name(name(&topic.name)),
    };
    ProduceRequest::default().with_acks(acks).with_timeout_ms(TIMEOUT_MS).with_topic_data(vec![named])
}

/// One batch for partition 0.
pub fn produce(version: i16, topic: &Topic, acks: i16, batch: Bytes) -> ProduceRequest {
    produce_of(version, topic, acks, vec![(0, Some(batch))])
}

/// A partition to fetch, of up to 1 MiB.
pub fn fetch_partition(partition: i32, offset: i64) -> FetchPartition {
    FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
}

/// A topic's partitions to fetch.
pub fn fetch_topic(version: i16, topic: &Topic, partitions: Vec<FetchPartition>) -> FetchTopic {
    let asked = FetchTopic::default().with_partitions(partitions);
    match version >= IDS_FROM {
        true => asked.with_topic_id(topic.id),
        false => asked.with_topic(name(&topic.name)),
    }
}

/// Fetches without a session and without waiting.
pub fn fetch_of(topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest::default().with_min_bytes(1).with_max_bytes(50 << 20).with_topics(topics)
}

/// Fetches partition 0 from `offset` on.
pub fn fetch(version: i16, topic: &Topic, offset: i64) -> FetchRequest {
    fetch_of(vec![fetch_topic(version, topic, vec![fetch_partition(0, offset)])])
}

/// Asks for offsets of one topic, by partition and timestamp or sentinel.
pub fn list_offsets(topic: &str, asked: &[(i32, i64)]) -> ListOffsetsRequest {
    let partition = |&(index, timestamp): &(i32, i64)| {
        ListOffsetsPartition::default()
            .with_partition_index(index)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp)
    };
    let topic = ListOffsetsTopic::default()
        .with_name(name(topic))
        .with_partitions(asked.iter().map(partition).collect());
    ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic])
}

/// Asks for a new idempotent producer.
pub fn new_producer() -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(TIMEOUT_MS)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
}

/// What became of the one partition.
pub fn produced(response: ProduceResponse) -> Result<PartitionProduceResponse> {
    let topic = response.responses.into_iter().next().context("no topic in the answer")?;
    topic.partition_responses.into_iter().next().context("no partition in the answer")
}

/// What the one partition gave.
pub fn fetched(response: FetchResponse) -> Result<PartitionData> {
    expect_code(response.error_code, ErrorCode::None, "the fetch as a whole")?;
    let topic = response.responses.into_iter().next().context("no topic in the answer")?;
    topic.partitions.into_iter().next().context("no partition in the answer")
}

impl Client {
    /// What Metadata says of one topic, without creating it.
    pub fn topic(&mut self, topic: &str) -> Result<MetadataResponseTopic> {
        let answer = self.ask(METADATA, &metadata(METADATA, Some(&[topic])))?;
        answer.topics.into_iter().next().context("no topic in the answer")
    }

    /// Produces one batch to partition 0 with acks=all.
    pub fn produce(&mut self, topic: &Topic, batch: Bytes) -> Result<PartitionProduceResponse> {
        produced(self.ask(PRODUCE, &produce(PRODUCE, topic, -1, batch))?)
    }

    /// The same, which must be taken; its base offset.
    pub fn append(&mut self, topic: &Topic, batch: Bytes) -> Result<i64> {
        let answer = self.produce(topic, batch)?;
        expect_code(answer.error_code, ErrorCode::None, "a produce")?;
        Ok(answer.base_offset)
    }

    /// Fetches partition 0, without waiting.
    pub fn fetch(&mut self, topic: &Topic, offset: i64) -> Result<PartitionData> {
        fetched(self.ask(FETCH, &fetch(FETCH, topic, offset))?)
    }

    /// The offset of partition 0 for a timestamp or sentinel.
    pub fn list_offset(&mut self, topic: &Topic, timestamp: i64) -> Result<ListOffsetsPartitionResponse> {
        let answer = self.ask(LIST_OFFSETS, &list_offsets(&topic.name, &[(0, timestamp)]))?;
        let topic = answer.topics.into_iter().next().context("no topic in the answer")?;
        topic.partitions.into_iter().next().context("no partition in the answer")
    }

    /// A new idempotent producer's id; its epoch is 0.
    pub fn producer_id(&mut self) -> Result<i64> {
        let answer = self.ask(4, &new_producer())?;
        expect_code(answer.error_code, ErrorCode::None, "a new producer")?;
        ensure!(answer.producer_epoch == 0, "a new producer's epoch is {}", answer.producer_epoch);
        Ok(answer.producer_id.0)
    }
}
