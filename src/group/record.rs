//! Records of `__consumer_offsets` in Kafka's own key and value formats.
//!
//! A key begins with its type, a value with its version, both 16 bits, big-endian. Names and types are those
//! of the JSON schemas in Kafka's `group-coordinator/src/main/resources/common/message`.

use bytes::Bytes;

/// One record, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupRecord {}

/// A record that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unreadable record of a group: {0}")]
pub struct UnreadableRecord(pub String);

impl GroupRecord {
    /// Key and value as they are written; a value of `None` is a tombstone.
    pub fn encode(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        match *self {}
    }

    /// Reads a record. `None`: a key type that a newer version wrote and that may be skipped, as Kafka does.
    pub fn decode(_key: &Bytes, _value: Option<&Bytes>) -> Result<Option<GroupRecord>, UnreadableRecord> {
        Ok(None)
    }
}
