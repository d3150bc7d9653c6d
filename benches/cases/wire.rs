//! Bytes alone: a request's frame, a produced batch.

use std::hint::black_box;

use anyhow::{Context as _, Result};
use bytes::{Bytes, BytesMut};
use highwater::model::Timestamp;
use highwater::protocol::batch::{BatchBuilder, NewRecord, ProduceRules, ProducedBatch, validate_produced};
use highwater::protocol::frame::{FramePrefix, RequestHeader};
use highwater::protocol::guard::Guard;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{self, ProduceRequest, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::Case;

/// The last version of Produce that names topics by name.
pub const PRODUCE_VERSION: i16 = 12;
/// Its request header's version.
const HEADER_VERSION: i16 = 2;
/// When every record was made.
const MADE_AT: Timestamp = Timestamp(1_767_225_600_000);

/// A batch of about `bytes` in records of about `record_bytes`, the same at every call.
pub fn batch(bytes: u64, record_bytes: u64) -> Bytes {
    // What a record costs beside its value.
    const AROUND_VALUE: u64 = 8;
    let mut builder = BatchBuilder::new();
    let records = (bytes / record_bytes).max(1);
    for number in 0..records {
        let value: Vec<u8> = (0..record_bytes - AROUND_VALUE).map(|at| (at * 31 + number) as u8).collect();
        builder.push(NewRecord { timestamp: MADE_AT, value: Some(&value), ..NewRecord::default() });
    }
    builder.build().into()
}

/// A batch as the log takes it.
pub fn checked(records: &Bytes) -> ProducedBatch {
    validate_produced(records, MADE_AT, &rules()).expect("a good batch")
}

/// Kafka's defaults.
fn rules() -> ProduceRules {
    ProduceRules {
        api_version: PRODUCE_VERSION,
        batch_bytes_max: 2 << 20,
        timestamp_after_max_ms: 3_600_000,
        ..ProduceRules::lenient()
    }
}

/// A request for the first partitions of a topic.
pub fn produce_request(topic: &str, partitions: i32, records: &Bytes) -> ProduceRequest {
    let data = |index| PartitionProduceData::default().with_index(index).with_records(Some(records.clone()));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partition_data((0..partitions).map(data).collect());
    ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic])
}

/// From a frame to a decoded Produce request: guard, header, decoder.
pub fn decoding(partitions: i32, batch_bytes: u64) -> Result<Box<dyn Case>> {
    let mut frame = BytesMut::new();
    messages::RequestHeader::default()
        .with_request_api_key(0)
        .with_request_api_version(PRODUCE_VERSION)
        .with_client_id(Some(StrBytes::from_static_str("producer-1")))
        .encode(&mut frame, HEADER_VERSION)?;
    let request = produce_request("events", partitions, &batch(batch_bytes, 1024));
    request.encode(&mut frame, PRODUCE_VERSION)?;
    Ok(Box::new(Decoding { guard: Guard::default(), frame: frame.freeze() }))
}

struct Decoding {
    guard: Guard,
    frame: Bytes,
}

impl Decoding {
    /// As `server` and `handlers` do together.
    fn decode(&self) -> Result<(RequestHeader, ProduceRequest)> {
        let prefix = FramePrefix::parse(&self.frame)?;
        let checked = self.guard.check(prefix.api_key, prefix.api_version, &self.frame)?;
        let (header, _) = RequestHeader::parse(&self.frame)?;
        let mut body = self.frame.slice(checked.body_offset..checked.body_end);
        let request = ProduceRequest::decode(&mut body, header.api_version)?;
        Ok((header, request))
    }
}

impl Case for Decoding {
    fn turn(&mut self) {
        black_box(self.decode().context("a good frame").expect("it was encoded by the codec"));
    }
}

/// Everything that is checked of a produced batch, its checksum too.
pub fn scanning(bytes: u64, record_bytes: u64) -> Result<Box<dyn Case>> {
    Ok(Box::new(Scanning { records: batch(bytes, record_bytes), rules: rules() }))
}

struct Scanning {
    records: Bytes,
    rules: ProduceRules,
}

impl Case for Scanning {
    fn turn(&mut self) {
        black_box(validate_produced(black_box(&self.records), MADE_AT, &self.rules).expect("a good batch"));
    }
}
