//! Records of `__transaction_state` in Kafka's own key and value formats.
//!
//! A key begins with its type, a value with its version, both 16 bits, big-endian. Names and types are those
//! of `TransactionLogKey.json` and `TransactionLogValue.json` in Kafka's
//! `transaction-coordinator/src/main/resources/common/message`.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::metadata::{NamedPartition, TransactionMetadata, TransactionVersion};
use super::state::TransactionState;
use crate::model::{ProducerEpoch, ProducerId, Timestamp};
use crate::wire::{RECORD_OVERHEAD_BYTES, Reader, UnreadableRecord, Writer};

/// The only type of key.
const KEY_TYPE: i16 = 0;
/// Newest version of a value, and the one that Kafka writes where `transaction.version` is 1 or above.
const NEWEST: i16 = 1;
/// First version with tagged fields.
const FLEXIBLE: i16 = 1;

mod tag {
    pub const PREVIOUS_PRODUCER_ID: u32 = 0;
    pub const NEXT_PRODUCER_ID: u32 = 1;
    pub const CLIENT_TRANSACTION_VERSION: u32 = 2;
}

/// A transactional id, or that it is forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionRecord {
    /// Whose.
    pub transactional_id: Arc<str>,
    /// `None` is a tombstone.
    pub metadata: Option<TransactionMetadata>,
}

impl TransactionRecord {
    pub(super) fn new(transactional_id: &Arc<str>, metadata: TransactionMetadata) -> TransactionRecord {
        TransactionRecord { transactional_id: transactional_id.clone(), metadata: Some(metadata) }
    }

    /// Bytes that it takes in a batch, at most.
    pub fn batch_bytes(&self) -> usize {
        let (key, value) = self.encode();
        key.len() + value.map_or(0, |value| value.len()) + RECORD_OVERHEAD_BYTES
    }

    /// Key and value as they are written; a value of `None` is a tombstone.
    pub fn encode(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut key = Writer::new(KEY_TYPE);
        key.string(&self.transactional_id);
        (key.finish(), self.metadata.as_ref().map(encode_value))
    }

    /// Reads a record. `None`: a key type that a newer version wrote and that may be skipped, as Kafka does.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<TransactionRecord>, UnreadableRecord> {
        let mut reader = Reader::new(key, "key");
        if reader.int16()? != KEY_TYPE {
            return Ok(None);
        }
        let transactional_id = reader.string()?;
        let metadata = value.map(decode_value).transpose()?;
        Ok(Some(TransactionRecord { transactional_id, metadata }))
    }
}

fn encode_value(metadata: &TransactionMetadata) -> Vec<u8> {
    let mut writer = Writer::new(NEWEST);
    writer.int64(metadata.producer_id.0);
    writer.int16(metadata.producer_epoch.0);
    writer.int32(i32::try_from(metadata.transaction_timeout.as_millis()).unwrap_or(i32::MAX));
    writer.raw(&metadata.state.id().to_be_bytes());
    encode_partitions(metadata, &mut writer);
    writer.int64(metadata.last_update_timestamp.0);
    writer.int64(metadata.start_timestamp.0);
    encode_tagged_fields(metadata, &mut writer);
    writer.finish()
}

/// Null in the state Empty, as in Kafka.
fn encode_partitions(metadata: &TransactionMetadata, writer: &mut Writer) {
    if metadata.state == TransactionState::Empty {
        writer.unsigned_varint(0);
        return;
    }
    let partitions: Vec<&NamedPartition> = metadata.partitions.iter().collect();
    let topics = || partitions.chunk_by(|left, right| left.topic == right.topic);
    writer.unsigned_varint(topics().count() as u32 + 1);
    for topic in topics() {
        writer.compact_string(&topic[0].topic);
        writer.unsigned_varint(topic.len() as u32 + 1);
        topic.iter().for_each(|partition| writer.int32(partition.partition));
        writer.unsigned_varint(0);
    }
}

/// Those that are not at their default.
fn encode_tagged_fields(metadata: &TransactionMetadata, writer: &mut Writer) {
    let ids = [
        (tag::PREVIOUS_PRODUCER_ID, metadata.previous_producer_id),
        (tag::NEXT_PRODUCER_ID, metadata.next_producer_id),
    ];
    let given = || ids.into_iter().filter(|(_, id)| *id != ProducerId::NONE);
    let version = metadata.client_transaction_version;
    let has_version = version != TransactionVersion::default();
    writer.unsigned_varint((given().count() + usize::from(has_version)) as u32);
    for (tag, id) in given() {
        writer.unsigned_varint(tag);
        writer.unsigned_varint(8);
        writer.int64(id.0);
    }
    if has_version {
        writer.unsigned_varint(tag::CLIENT_TRANSACTION_VERSION);
        writer.unsigned_varint(2);
        writer.int16(version.level());
    }
}

fn decode_value(value: &[u8]) -> Result<TransactionMetadata, UnreadableRecord> {
    let mut reader = Reader::new(value, "TransactionLogValue");
    let is_flexible = reader.version(NEWEST)? >= FLEXIBLE;
    let producer_id = ProducerId(reader.int64()?);
    let producer_epoch = ProducerEpoch(reader.int16()?);
    let timeout_ms = u64::try_from(reader.int32()?).map_err(|_| reader.error("a negative timeout"))?;
    let state = reader.int8()?;
    let state = TransactionState::from_id(state).ok_or_else(|| reader.error(&format!("state {state}")))?;
    let partitions = decode_partitions(&mut reader, is_flexible)?;
    let mut metadata = TransactionMetadata {
        producer_id,
        previous_producer_id: ProducerId::NONE,
        next_producer_id: ProducerId::NONE,
        producer_epoch,
        transaction_timeout: Duration::from_millis(timeout_ms),
        state,
        partitions: if state == TransactionState::Empty { BTreeSet::new() } else { partitions },
        last_update_timestamp: Timestamp(reader.int64()?),
        start_timestamp: Timestamp(reader.int64()?),
        client_transaction_version: TransactionVersion::default(),
    };
    if is_flexible {
        reader.tagged_fields(|tag, field| decode_tagged_field(&mut metadata, tag, field))?;
    }
    Ok(metadata)
}

/// Null is none: Kafka writes it in the state Empty.
fn decode_partitions(
    reader: &mut Reader,
    is_flexible: bool,
) -> Result<BTreeSet<NamedPartition>, UnreadableRecord> {
    /// A name's length, a count, tagged fields.
    const TOPIC_BYTES_LEAST: usize = 3;
    let mut partitions = BTreeSet::new();
    let topics = if is_flexible {
        reader.compact_nullable_count(TOPIC_BYTES_LEAST)?
    } else {
        reader.nullable_count(TOPIC_BYTES_LEAST)?
    };
    for _ in 0..topics.unwrap_or(0) {
        let topic = if is_flexible { reader.compact_string()? } else { reader.string()? };
        let count = if is_flexible { reader.compact_count(4)? } else { reader.count(4)? };
        for _ in 0..count {
            partitions.insert(NamedPartition { topic: topic.clone(), partition: reader.int32()? });
        }
        if is_flexible {
            reader.tagged_fields(|_, _| Ok(()))?;
        }
    }
    Ok(partitions)
}

fn decode_tagged_field(
    metadata: &mut TransactionMetadata,
    tag: u32,
    field: &mut Reader,
) -> Result<(), UnreadableRecord> {
    match tag {
        tag::PREVIOUS_PRODUCER_ID => metadata.previous_producer_id = ProducerId(field.int64()?),
        tag::NEXT_PRODUCER_ID => metadata.next_producer_id = ProducerId(field.int64()?),
        tag::CLIENT_TRANSACTION_VERSION => {
            let level = field.int16()?;
            let version = TransactionVersion::from_level(level);
            let version = version.ok_or_else(|| field.error(&format!("transaction version {level}")))?;
            metadata.client_transaction_version = version;
        }
        _ => {}
    }
    Ok(())
}
