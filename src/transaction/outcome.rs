//! What a shard gives back.

use std::sync::Arc;

use super::metadata::{NamedPartition, ProducerIdAndEpoch, TransactionVersion};
use super::record::TransactionRecord;
use super::reply::TransactionReply;
use crate::model::{LeaderEpoch, Timestamp, TransactionResult};

/// One request whose reply is awaited. Numbers are never reused while a shard is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a call asks for: the coordinator writes the records in one batch (all or nothing, but see
/// [`Outcome::may_be_divided`]), has [`super::TransactionShard::replay`] apply them at once, and lets replies
/// and effects go when everything that the shard has written so far is committed.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// To be written, in this order.
    pub records: Vec<TransactionRecord>,
    /// The records may go into several batches, in their order. Never together with effects.
    pub may_be_divided: bool,
    /// To be answered.
    pub replies: Vec<(Ticket, TransactionReply)>,
    /// To be done once the records are committed, and not at all if they are not written.
    pub effects: Vec<Effect>,
    /// Transactions that it aborts because of their time-out.
    pub timed_out: u64,
}

/// Something to be done in the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ends a transaction in its partitions.
    WriteMarkers(WriteMarkers),
}

/// The transaction is decided. Whoever does this goes on until each marker is committed or its partition is
/// gone, tells the shard by [`super::MarkersWritten`], and stops when the shard is unloaded: it asks again
/// once it is loaded. A marker that is written twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteMarkers {
    /// Whose.
    pub transactional_id: Arc<str>,
    /// What the markers are written under.
    pub producer: ProducerIdAndEpoch,
    /// Tells this decision from all others of the transactional id: [`super::MarkersWritten`] repeats it.
    pub decided_at: Timestamp,
    /// Of the shard that asks.
    pub coordinator_epoch: LeaderEpoch,
    /// What they say.
    pub result: TransactionResult,
    /// In order, by name: the topic may be gone, or be another one (ADR 26).
    pub partitions: Vec<NamedPartition>,
    /// What the producer goes by. With version 2 the epoch of the markers is one above that of the records.
    pub transaction_version: TransactionVersion,
}

/// About as much as one call gives that could give any amount: what is left is found by the next call.
pub(super) const PORTION_BYTES: usize = 256 << 10;
