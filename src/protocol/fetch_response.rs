//! The Fetch response as a list of pieces: everything around the records is encoded here, the records
//! themselves stay where they are (a slice of the in-memory tail, an extent of a segment file).
//!
//! The codec crate's encoder would copy every record; tests compare the two byte for byte. Fields that a
//! version lacks are left out, whatever they hold (trap 17).

use bytes::{BufMut, Bytes, BytesMut};

use super::response::{EncodeError, put_header};
use super::{ErrorCode, Piece, varint};
use crate::model::{LeaderEpoch, NodeId, Offset, ProducerId, TopicId};

/// API key of Fetch.
pub const FETCH_KEY: i16 = 1;

/// First version with compact lengths and tagged fields.
const FLEXIBLE_VERSION_MIN: i16 = 12;
/// First version that names topics by id (KIP-516).
const TOPIC_ID_VERSION_MIN: i16 = 13;
/// First version that tells where new leaders listen (KIP-951).
const NODE_ENDPOINTS_VERSION_MIN: i16 = 16;

/// A whole Fetch response.
#[derive(Clone)]
pub struct FetchResponse {
    /// How long the client was throttled (KIP-219).
    pub throttle_time_ms: i32,
    /// Of the request as a whole (7 and later): fetch sessions.
    pub error_code: ErrorCode,
    /// Fetch session, 0 for none (7 and later, KIP-227).
    pub session_id: i32,
    /// In the order of the request.
    pub topics: Vec<FetchedTopic>,
    /// Where the leaders named in `current_leader` listen (16 and later).
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// One topic of a response.
#[derive(Clone)]
pub struct FetchedTopic {
    /// Its name, written up to version 12.
    pub name: String,
    /// Its id, written from version 13.
    pub topic_id: TopicId,
    /// In the order of the request.
    pub partitions: Vec<FetchedPartition>,
}

/// One partition of a response.
#[derive(Clone)]
pub struct FetchedPartition {
    /// Its index.
    pub partition: i32,
    /// Its error.
    pub error_code: ErrorCode,
    /// -1 with an error that hides it.
    pub high_watermark: Offset,
    /// -1 with an error that hides it.
    pub last_stable_offset: Offset,
    /// 5 and later.
    pub log_start_offset: Offset,
    /// `None` for readers of uncommitted records: null, not an empty list (trap 53).
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// Another replica to read from, or -1 (11 and later, KIP-392).
    pub preferred_read_replica: NodeId,
    /// Where the client's log leaves ours (12 and later, KIP-595).
    pub diverging_epoch: Option<EpochEndOffset>,
    /// Who leads now, with an error that says we do not (12 and later).
    pub current_leader: Option<LeaderIdAndEpoch>,
    /// Whole record batches, in offset order. Empty is an empty set of records, never null.
    pub records: Vec<Piece>,
}

impl FetchedPartition {
    /// A partition without records that carries an error; offsets unknown.
    pub fn failed(partition: i32, error_code: ErrorCode) -> FetchedPartition {
        FetchedPartition {
            partition,
            error_code,
            high_watermark: Offset::NONE,
            last_stable_offset: Offset::NONE,
            log_start_offset: Offset::NONE,
            aborted_transactions: None,
            preferred_read_replica: NodeId(-1),
            diverging_epoch: None,
            current_leader: None,
            records: Vec::new(),
        }
    }
}

/// A transaction whose records the reader must drop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: ProducerId,
    /// From where on. Lists are sorted by it.
    pub first_offset: Offset,
}

/// End of a leader epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochEndOffset {
    /// The epoch.
    pub leader_epoch: LeaderEpoch,
    /// Offset after its last record.
    pub end_offset: Offset,
}

/// A leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaderIdAndEpoch {
    /// Its node.
    pub leader_id: NodeId,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
}

/// Where a node listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeEndpoint {
    /// The node.
    pub node_id: NodeId,
    /// Advertised host.
    pub host: String,
    /// Advertised port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<String>,
}

/// Encodes header and body (without the 4-byte length in front) in version 4 to 18.
///
/// The pieces in order are the response. Fails only if something is longer than its length field can say.
pub fn encode(
    api_version: i16,
    correlation_id: i32,
    response: &FetchResponse,
) -> Result<Vec<Piece>, EncodeError> {
    let mut writer = Writer {
        flexible: api_version >= FLEXIBLE_VERSION_MIN,
        version: api_version,
        buffer: BytesMut::with_capacity(encoded_bytes_about(response)),
        pieces: Vec::new(),
    };
    put_header(&mut writer.buffer, FETCH_KEY, api_version, correlation_id)?;
    writer.response(response).map_err(|reason| EncodeError::Body {
        api_key: FETCH_KEY,
        api_version,
        reason: reason.to_owned(),
    })?;
    writer.cut();
    Ok(writer.pieces)
}

/// Enough for most responses, so that the buffer seldom grows.
fn encoded_bytes_about(response: &FetchResponse) -> usize {
    const RESPONSE: usize = 64;
    const TOPIC: usize = 32;
    const PARTITION: usize = 72;
    let topic = |topic: &FetchedTopic| TOPIC + topic.name.len() + topic.partitions.len() * PARTITION;
    RESPONSE + response.topics.iter().map(topic).sum::<usize>()
}

struct Writer {
    flexible: bool,
    version: i16,
    buffer: BytesMut,
    pieces: Vec<Piece>,
}

type Written = Result<(), &'static str>;

impl Writer {
    fn response(&mut self, response: &FetchResponse) -> Written {
        self.buffer.put_i32(response.throttle_time_ms);
        if self.version >= 7 {
            self.buffer.put_i16(response.error_code.code());
            self.buffer.put_i32(response.session_id);
        }
        self.count(Some(response.topics.len()))?;
        for topic in &response.topics {
            self.topic(topic)?;
        }
        if self.flexible {
            self.endpoints(&response.node_endpoints)?;
        }
        Ok(())
    }

    fn topic(&mut self, topic: &FetchedTopic) -> Written {
        if self.version >= TOPIC_ID_VERSION_MIN {
            self.buffer.put_slice(topic.topic_id.0.as_bytes());
        } else {
            self.string(Some(&topic.name))?;
        }
        self.count(Some(topic.partitions.len()))?;
        for partition in &topic.partitions {
            self.partition(partition)?;
        }
        self.no_tagged_fields();
        Ok(())
    }

    fn partition(&mut self, partition: &FetchedPartition) -> Written {
        self.buffer.put_i32(partition.partition);
        self.buffer.put_i16(partition.error_code.code());
        self.buffer.put_i64(partition.high_watermark.0);
        self.buffer.put_i64(partition.last_stable_offset.0);
        if self.version >= 5 {
            self.buffer.put_i64(partition.log_start_offset.0);
        }
        self.count(partition.aborted_transactions.as_ref().map(Vec::len))?;
        for transaction in partition.aborted_transactions.iter().flatten() {
            self.buffer.put_i64(transaction.producer_id.0);
            self.buffer.put_i64(transaction.first_offset.0);
            self.no_tagged_fields();
        }
        if self.version >= 11 {
            self.buffer.put_i32(partition.preferred_read_replica.0);
        }
        self.records(&partition.records)?;
        if self.flexible {
            self.partition_tagged_fields(partition);
        }
        Ok(())
    }

    fn records(&mut self, records: &[Piece]) -> Written {
        let length: u64 = records.iter().map(Piece::length).sum();
        self.count(Some(usize::try_from(length).map_err(|_| TOO_LONG)?))?;
        for piece in records.iter().filter(|piece| piece.length() > 0) {
            self.cut();
            self.pieces.push(piece.clone());
        }
        Ok(())
    }

    fn partition_tagged_fields(&mut self, partition: &FetchedPartition) {
        let FetchedPartition { diverging_epoch, current_leader, .. } = partition;
        let count = usize::from(diverging_epoch.is_some()) + usize::from(current_leader.is_some());
        self.buffer.put_u8(count as u8);
        if let Some(EpochEndOffset { leader_epoch, end_offset }) = diverging_epoch {
            // Tag 0, 13 bytes: epoch, offset, no tagged fields.
            self.buffer.put_slice(&[0, 13]);
            self.buffer.put_i32(leader_epoch.0);
            self.buffer.put_i64(end_offset.0);
            self.no_tagged_fields();
        }
        if let Some(LeaderIdAndEpoch { leader_id, leader_epoch }) = current_leader {
            // Tag 1, 9 bytes: node, epoch, no tagged fields.
            self.buffer.put_slice(&[1, 9]);
            self.buffer.put_i32(leader_id.0);
            self.buffer.put_i32(leader_epoch.0);
            self.no_tagged_fields();
        }
    }

    /// The response's own tagged fields: the endpoints, if there are any, under tag 0.
    fn endpoints(&mut self, endpoints: &[NodeEndpoint]) -> Written {
        if endpoints.is_empty() || self.version < NODE_ENDPOINTS_VERSION_MIN {
            self.no_tagged_fields();
            return Ok(());
        }
        self.buffer.put_slice(&[1, 0]);
        let before = self.buffer.split();
        self.count(Some(endpoints.len()))?;
        for NodeEndpoint { node_id, host, port, rack } in endpoints {
            self.buffer.put_i32(node_id.0);
            self.string(Some(host))?;
            self.buffer.put_i32(*port);
            self.string(rack.as_deref())?;
            self.no_tagged_fields();
        }
        let field = std::mem::replace(&mut self.buffer, before);
        varint::put_unsigned(&mut self.buffer, u32::try_from(field.len()).map_err(|_| TOO_LONG)?);
        self.buffer.put(field);
        Ok(())
    }

    fn no_tagged_fields(&mut self) {
        if self.flexible {
            self.buffer.put_u8(0);
        }
    }

    /// Count of an array or length of bytes; `None` is null.
    fn count(&mut self, count: Option<usize>) -> Written {
        let count = count.map(i32::try_from).transpose().map_err(|_| TOO_LONG)?;
        if self.flexible {
            varint::put_unsigned(&mut self.buffer, count.map_or(0, |count| count as u32 + 1));
        } else {
            self.buffer.put_i32(count.unwrap_or(-1));
        }
        Ok(())
    }

    fn string(&mut self, string: Option<&str>) -> Written {
        if self.flexible {
            self.count(string.map(str::len))?;
        } else {
            let length = string.map(|string| i16::try_from(string.len())).transpose();
            self.buffer.put_i16(length.map_err(|_| TOO_LONG)?.unwrap_or(-1));
        }
        self.buffer.put_slice(string.unwrap_or_default().as_bytes());
        Ok(())
    }

    /// Ends the piece of encoded bytes, if there are any.
    fn cut(&mut self) {
        let bytes: Bytes = self.buffer.split().freeze();
        if !bytes.is_empty() {
            self.pieces.push(Piece::Bytes(bytes));
        }
    }
}

const TOO_LONG: &str = "it is longer than its length field can say";

#[cfg(test)]
mod tests;
