//! The requests that tests make, and what is usually wanted of their answers.

use std::io;

use bytes::Bytes;
use highwater::protocol::ErrorCode;
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
    BrokerId, CreateTopicsRequest, DeleteTopicsRequest, FetchRequest, FetchResponse, InitProducerIdRequest,
    ListOffsetsRequest, MetadataRequest, ProduceRequest, ProduceResponse, ProducerId, TopicName,
};
use uuid::Uuid;

use crate::batches;
use crate::client::{Client, text};

/// Versions by name, for tests that are not about versions.
pub const PRODUCE: i16 = 9;
pub const FETCH: i16 = 12;
const METADATA: i16 = 12;
const TIMEOUT_MS: i32 = 30_000;
/// From this version on a topic is named by its id.
const IDS_FROM: i16 = 13;

pub const LATEST: i64 = -1;
pub const EARLIEST: i64 = -2;

/// A topic by its name and id, as the version wants it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topic {
    pub name: String,
    pub id: Uuid,
}

/// The name of an error code, for messages and comparisons.
pub fn error_name(code: i16) -> &'static str {
    ErrorCode::from_code(code).expect("a code of Kafka's").name()
}

pub fn name(name: &str) -> TopicName {
    TopicName(text(name))
}

fn create_topic(topic: &str, partitions: i32, configs: &[(&str, &str)]) -> CreateTopicsRequest {
    let config = |(key, value): &(&str, &str)| {
        CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
    };
    let new = CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(partitions)
        .with_replication_factor(-1)
        .with_configs(configs.iter().map(config).collect());
    CreateTopicsRequest::default().with_topics(vec![new]).with_timeout_ms(TIMEOUT_MS)
}

/// One batch for one partition.
pub fn produce(version: i16, topic: &Topic, partition: i32, acks: i16, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
    let named = TopicProduceData::default().with_partition_data(vec![data]);
    let named = match version >= IDS_FROM {
        true => named.with_topic_id(topic.id),
        false => named.with_name(name(&topic.name)),
    };
    ProduceRequest::default().with_acks(acks).with_timeout_ms(TIMEOUT_MS).with_topic_data(vec![named])
}

/// One partition from `offset` on; tests change what else they need.
pub fn fetch(version: i16, topic: &Topic, partition: i32, offset: i64) -> FetchRequest {
    fetch_of(version, topic, vec![fetch_partition(partition, offset, 1 << 20)])
}

pub fn fetch_partition(partition: i32, offset: i64, bytes_max: i32) -> FetchPartition {
    FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(bytes_max)
}

/// Several partitions, without waiting.
pub fn fetch_of(version: i16, topic: &Topic, partitions: Vec<FetchPartition>) -> FetchRequest {
    let asked = FetchTopic::default().with_partitions(partitions);
    let asked = match version >= IDS_FROM {
        true => asked.with_topic_id(topic.id),
        false => asked.with_topic(name(&topic.name)),
    };
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_session_epoch(-1)
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_topics(vec![asked])
}

pub fn produced(response: ProduceResponse) -> PartitionProduceResponse {
    let [topic] = response.responses.try_into().expect("one topic");
    let [partition] = topic.partition_responses.try_into().expect("one partition");
    partition
}

pub fn fetched(response: FetchResponse) -> PartitionData {
    assert_eq!(error_name(response.error_code), "NONE");
    let [topic] = response.responses.try_into().expect("one topic");
    let [partition] = topic.partitions.try_into().expect("one partition");
    partition
}

impl Client {
    /// Creates a topic with `key=value` settings, which must succeed.
    pub fn create_topic(&mut self, topic: &str, partitions: i32, configs: &[(&str, &str)]) -> Topic {
        let created = self.try_ask(7, &create_topic(topic, partitions, configs));
        let [created] = created.expect("the broker answers").topics.try_into().expect("one topic");
        assert_eq!(error_name(created.error_code), "NONE", "{created:?}");
        assert!(!created.topic_id.is_nil());
        Topic { name: topic.to_owned(), id: created.topic_id }
    }

    /// The same, of a broker that may be killed; `None` if the topic is there.
    pub fn try_create_topic(&mut self, topic: &str) -> io::Result<Option<Topic>> {
        let created = self.try_ask(7, &create_topic(topic, 1, &[]))?.topics.remove(0);
        match error_name(created.error_code) {
            "NONE" => Ok(Some(Topic { name: topic.to_owned(), id: created.topic_id })),
            "TOPIC_ALREADY_EXISTS" => Ok(None),
            other => panic!("{other}"),
        }
    }

    /// Deletes a topic; the name of the error.
    pub fn delete_topic(&mut self, topic: &str) -> &'static str {
        self.try_delete_topic(topic).expect("the broker answers")
    }

    /// The same, of a broker that may be killed.
    pub fn try_delete_topic(&mut self, topic: &str) -> io::Result<&'static str> {
        let state = DeleteTopicState::default().with_name(Some(name(topic)));
        let request = DeleteTopicsRequest::default().with_topics(vec![state]).with_timeout_ms(TIMEOUT_MS);
        let [deleted] = self.try_ask(6, &request)?.responses.try_into().expect("one topic");
        Ok(error_name(deleted.error_code))
    }

    /// What Metadata says of one topic, without creating it.
    pub fn topic(&mut self, topic: &str) -> MetadataResponseTopic {
        self.topic_metadata(topic, false)
    }

    pub fn topic_metadata(&mut self, topic: &str, may_create: bool) -> MetadataResponseTopic {
        self.try_topic_metadata(topic, may_create).expect("the broker answers")
    }

    /// A topic's id, of a broker that may be killed.
    pub fn try_topic_id(&mut self, topic: &str) -> io::Result<Uuid> {
        self.try_topic_metadata(topic, false).map(|found| found.topic_id)
    }

    fn try_topic_metadata(&mut self, topic: &str, may_create: bool) -> io::Result<MetadataResponseTopic> {
        let asked = MetadataRequestTopic::default().with_name(Some(name(topic)));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![asked]))
            .with_allow_auto_topic_creation(may_create);
        let [topic] = self.try_ask(METADATA, &request)?.topics.try_into().expect("one topic");
        Ok(topic)
    }

    /// Names of all topics, in order.
    pub fn topic_names(&mut self) -> Vec<String> {
        let request = MetadataRequest::default().with_topics(None);
        let topics = self.ask(METADATA, &request).topics;
        let mut names: Vec<_> =
            topics.into_iter().map(|topic| topic.name.expect("a name").to_string()).collect();
        names.sort_unstable();
        names
    }

    /// Leader epoch of a partition.
    pub fn leader_epoch(&mut self, topic: &str, partition: i32) -> i32 {
        let partitions = self.topic(topic).partitions;
        let found = partitions.iter().find(|found| found.partition_index == partition);
        found.expect("the partition is there").leader_epoch
    }

    /// Produces one batch with acks=all.
    pub fn produce(&mut self, topic: &Topic, partition: i32, batch: Bytes) -> PartitionProduceResponse {
        self.try_produce(topic, partition, batch).expect("the broker answers")
    }

    /// The same, of a broker that may be killed.
    pub fn try_produce(
        &mut self,
        topic: &Topic,
        partition: i32,
        batch: Bytes,
    ) -> io::Result<PartitionProduceResponse> {
        self.try_ask(PRODUCE, &produce(PRODUCE, topic, partition, -1, batch)).map(produced)
    }

    /// Produces one batch, which must be taken; its base offset.
    pub fn append(&mut self, topic: &Topic, partition: i32, batch: Bytes) -> i64 {
        let answer = self.produce(topic, partition, batch);
        assert_eq!(error_name(answer.error_code), "NONE", "{answer:?}");
        answer.base_offset
    }

    /// Fetches one partition, without waiting.
    pub fn fetch(&mut self, topic: &Topic, partition: i32, offset: i64) -> PartitionData {
        fetched(self.ask(FETCH, &fetch(FETCH, topic, partition, offset)))
    }

    /// All bytes of a partition from `offset` to its high watermark.
    pub fn fetch_all(&mut self, topic: &Topic, partition: i32, mut offset: i64) -> Bytes {
        let mut all = Vec::new();
        loop {
            let answer = self.fetch(topic, partition, offset);
            assert_eq!(error_name(answer.error_code), "NONE", "{answer:?}");
            if offset >= answer.high_watermark {
                return all.into();
            }
            let records = answer.records.unwrap_or_default();
            let batches = batches::split(&records);
            let (last, _) = batches.last().expect("records below the high watermark");
            offset = last.next_offset().0;
            all.extend_from_slice(&records);
        }
    }

    /// Offset and value of every record of a partition.
    pub fn read_all(&mut self, topic: &Topic, partition: i32) -> Vec<(i64, String)> {
        let start = self.list_offset(topic, partition, EARLIEST).offset;
        batches::values(&self.fetch_all(topic, partition, start))
    }

    /// The offset for a timestamp or sentinel.
    pub fn list_offset(
        &mut self,
        topic: &Topic,
        partition: i32,
        timestamp: i64,
    ) -> ListOffsetsPartitionResponse {
        let asked = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let asked = ListOffsetsTopic::default().with_name(name(&topic.name)).with_partitions(vec![asked]);
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![asked]);
        let [topic] = self.ask(10, &request).topics.try_into().expect("one topic");
        let [partition] = topic.partitions.try_into().expect("one partition");
        partition
    }

    /// A new idempotent producer's id; its epoch is 0.
    pub fn producer_id(&mut self) -> i64 {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(TIMEOUT_MS)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let answer = self.ask(4, &request);
        assert_eq!((error_name(answer.error_code), answer.producer_epoch), ("NONE", 0));
        answer.producer_id.0
    }
}
