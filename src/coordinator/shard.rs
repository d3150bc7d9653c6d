//! What a coordinator asks of the machine that it runs, and of the world around it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::env::Random;
#[cfg(doc)]
use crate::group::RECORD_OVERHEAD_BYTES;
use crate::metadata::ClusterImage;
use crate::model::{LeaderEpoch, ProducerEpoch, ProducerId, Timestamp, TopicPartition, TransactionResult};
use crate::partition::Verification;
use crate::protocol::batch::CompressionType;

/// A pure machine: what it is asked gives records and replies, and its records, replayed, give its state.
///
/// What must outlive a restart changes only in [`Shard::replay`]. No call waits for anything.
pub trait Shard: Default + Send + 'static {
    /// What it is asked.
    type Request: Send + 'static;
    /// What it answers.
    type Reply: Send + 'static;
    /// What it writes.
    type Record;
    /// What it is told of the world beside requests.
    type Notice: Clone + Send + 'static;
    /// What it asks to be done in the world. Lost with the shard: one that is loaded asks again.
    type Effect: Send + 'static;
    /// What it goes by.
    type Settings: Send + Sync + 'static;

    /// Takes a request. Its reply is in this output or in a later one, under its ticket.
    fn request(
        &mut self,
        moment: Moment<'_, Self::Settings>,
        ticket: u64,
        request: Self::Request,
    ) -> Output<Self>;

    /// Whether a request may write: such a one is not taken while the log has no room.
    fn may_write(request: &Self::Request) -> bool;

    /// The client of a request went away: its reply is awaited no more.
    fn forget(&mut self, ticket: u64);

    /// The next moment, by the time of [`Moment::monotonic`], at which `advance` has something to do.
    fn next_deadline(&self) -> Option<Duration>;

    /// Does what is due.
    fn advance(&mut self, moment: Moment<'_, Self::Settings>) -> Output<Self>;

    /// Does what is due now and then: called every [`WriteRules::expiry_interval`], and again at once for as
    /// long as it gives records.
    fn expire(&mut self, moment: Moment<'_, Self::Settings>) -> Output<Self>;

    /// Hears of something, and again for as long as that gives records.
    fn notice(&mut self, moment: Moment<'_, Self::Settings>, notice: &Self::Notice) -> Output<Self>;

    /// What a call gave was more than the log takes at once. It was not written, and is not replayed: the
    /// shard forgets what it believed of it. Gives no records.
    fn unwritten(&mut self, moment: Moment<'_, Self::Settings>, records: &[Self::Record]) -> Output<Self>;

    /// Applies a record that was written, now or before the restart.
    fn replay(&mut self, record: Self::Record);

    /// Applies one that was written in a producer's transaction: it counts when that commits.
    fn replay_in_transaction(&mut self, producer_id: ProducerId, record: Self::Record);

    /// A marker was written, now or before the restart: a producer's transaction has ended.
    fn end_transaction(&mut self, producer_id: ProducerId, result: TransactionResult);

    /// Everything was replayed.
    fn loaded(&mut self, moment: Moment<'_, Self::Settings>) -> Output<Self>;

    /// Key and value of a record; a value of `None` is a tombstone.
    fn encode(record: &Self::Record) -> (Vec<u8>, Option<Vec<u8>>);

    /// Reads a record. `None`: one of a kind that may be skipped. The error says what is wrong.
    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self::Record>, String>;
}

/// What a call of a shard asks for.
pub struct Output<S: Shard> {
    /// To be written in this order, in one batch.
    pub records: Vec<S::Record>,
    /// The records may go into several batches: each leaves a good state behind.
    pub may_be_divided: bool,
    /// Records that may go into other batches than those before and those behind them, if one batch does not
    /// hold them all: each of these leaves a good state behind. Empty where there are none.
    pub divisible: Range<usize>,
    /// To be written behind those, in a batch of its own.
    pub in_transaction: Option<InTransaction<S::Record>>,
    /// To be answered once everything that the shard has written by then is committed.
    pub replies: Vec<(u64, S::Reply)>,
    /// To be done then, and not at all if the records are not written.
    pub effects: Vec<S::Effect>,
    /// How often there came about what metrics count of shards of this kind. It counts for good, also when
    /// the shard is unloaded, but not if the records are not written.
    pub counted: u64,
}

/// Records that are part of a producer's transaction.
pub struct InTransaction<R> {
    /// Whose.
    pub pass: TransactionPass,
    /// At least one.
    pub records: Vec<R>,
}

/// Says that a producer may write in its transaction. Where that is not so any more when it comes to be
/// written, whoever asked is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionPass {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
    /// What the shard's partition gave, before the transaction's coordinator was asked.
    pub verification: Verification,
}

impl<S: Shard> Default for Output<S> {
    fn default() -> Output<S> {
        Output {
            records: Vec::new(),
            may_be_divided: false,
            divisible: 0..0,
            in_transaction: None,
            replies: Vec::new(),
            effects: Vec::new(),
            counted: 0,
        }
    }
}

/// The world as a shard is told of it.
pub struct Moment<'a, T> {
    /// Monotonic time, less the time in which the process stood still: no member is taken for dead because
    /// nobody listened to it.
    pub monotonic: Duration,
    /// Wall-clock time, for what is written down: a jump does not carry it along.
    pub wall: Timestamp,
    /// The same, for judging how old something is: behind while the clock is behind.
    pub believed: Timestamp,
    /// Settings in force.
    pub settings: &'a T,
    /// The log takes no more at once: keys and values, and [`RECORD_OVERHEAD_BYTES`] for each record.
    pub batch_bytes_max: usize,
    /// The catalogue of topics.
    pub image: &'a Arc<ClusterImage>,
    /// Leader epoch of the shard's partition.
    pub leader_epoch: LeaderEpoch,
    /// A source of identities.
    pub random: &'a dyn Random,
}

impl<T> Clone for Moment<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Moment<'_, T> {}

/// What a coordinator is told of the broker that it is part of.
pub trait World<S: Shard>: Send + Sync + 'static {
    /// Everything as it is now; `None` once the broker is gone.
    fn look(&self) -> Option<Surroundings<S::Settings>>;

    /// Does what the shard of a partition asks for. Waits for nothing.
    fn perform(&self, shard: TopicPartition, effect: S::Effect);
}

/// One look at the world.
pub struct Surroundings<T> {
    /// Settings of the shard.
    pub settings: Arc<T>,
    /// The catalogue of topics.
    pub image: Arc<ClusterImage>,
    /// How its records are written and read.
    pub rules: WriteRules,
}

/// How the records of shards are written and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteRules {
    /// Codec of the batches.
    pub compression: CompressionType,
    /// The topic's `max.message.bytes`.
    pub batch_bytes_max: usize,
    /// How long a reply may wait for room in the log, and then for the commit.
    pub timeout: Duration,
    /// Bytes that are read at a time when a shard is loaded.
    pub load_bytes: u64,
    /// Time between two calls of [`Shard::expire`].
    pub expiry_interval: Duration,
}
