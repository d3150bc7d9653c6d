//! Where batches are checked: on the network thread, unless that would keep other connections waiting.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    Failure, ProduceRequest, RequestContext, Topic, TopicId, TopicKey, VERSION_WITH_TOPIC_IDS, WholeRefusal,
    check, rules,
};
use crate::env::time;
use crate::protocol::ErrorCode;
use crate::protocol::batch::BytesLeft;

/// Bytes that the batches of one request may become where their records must be looked at, and by which they
/// may grow where they are compressed anew.
pub(super) const BYTES_MAX: BytesLeft = BytesLeft { decompressed: 256 << 20, added: 64 << 20 };
/// Requests of all connections whose batches are decompressed or compressed at once: each takes up to 64 MiB
/// meanwhile, and its batches may have grown by as much afterwards.
const DECOMPRESSING_MAX: usize = 4;
/// What the batches of all connections may have grown by while they wait for room in the log, in KiB; beyond
/// that a request keeps its turn until it is appended.
const GROWN_KIB_MAX: usize = 256 << 10;

static TURNS: Semaphore = Semaphore::const_new(DECOMPRESSING_MAX);
static GROWN: Semaphore = Semaphore::const_new(GROWN_KIB_MAX);

/// Accounts for memory that batches have grown by; to be kept until they are appended.
pub(super) type Grown = SemaphorePermit<'static>;

/// Looks up every partition and checks every batch, on another thread. Records stay in the order of their
/// connection, whose next request is read after this. Waits at most `patience` for a turn.
pub(super) async fn check_aside(
    context: &RequestContext,
    request: ProduceRequest,
    refused: Option<WholeRefusal>,
    patience: Duration,
) -> (Vec<Topic>, Option<Grown>) {
    let Ok(turn) = time::timeout(patience, TURNS.acquire()).await else {
        let words = "Too many batches are decompressed or compressed at the moment; try again.";
        let failure = Failure::new(ErrorCode::RequestTimedOut, words);
        let busy = WholeRefusal { failure, comes_first: false };
        return (check(context, request, refused.or(Some(busy))).0, None);
    };
    let turn = turn.expect("the semaphore is never closed");
    let context = context.clone();
    // The turn goes along: the work goes on when the connection ends and this future is dropped.
    let checked = tokio::task::spawn_blocking(move || {
        let (topics, left) = check(&context, request, refused);
        (topics, left, turn)
    });
    let (topics, left, turn) =
        checked.await.expect("checking is never aborted; if it panics, so does this connection");
    (topics, held_while_waiting(BYTES_MAX.added - left.added, turn))
}

/// A turn is for work, not for waiting: it is given back if what the batches have grown by is accounted for
/// otherwise.
fn held_while_waiting(grown_bytes: usize, turn: SemaphorePermit<'static>) -> Option<Grown> {
    if grown_bytes == 0 {
        return None;
    }
    let kib = u32::try_from(grown_bytes.div_ceil(1024)).unwrap_or(u32::MAX);
    Some(GROWN.try_acquire_many(kib).unwrap_or(turn))
}

/// Takes all turns, so that nobody else has one.
#[cfg(test)]
pub(super) async fn all_turns() -> SemaphorePermit<'static> {
    TURNS.acquire_many(DECOMPRESSING_MAX as u32).await.unwrap()
}

/// Whether a batch must be decompressed to be judged, or compressed: a matter of a second for the largest of
/// requests.
pub(super) fn takes_long(context: &RequestContext, request: &ProduceRequest) -> bool {
    let version = context.header.api_version;
    let image = context.broker.image();
    let now = context.broker.env().clock.now();
    request.topic_data.iter().any(|data| {
        let key = TopicKey { name: data.name.as_str(), topic_id: TopicId(data.topic_id) };
        let Ok(topic) = key.find(&image, version >= VERSION_WITH_TOPIC_IDS) else { return false };
        let rules = rules::of(&context.broker.topic_config(&topic), version);
        let mut batches = data.partition_data.iter().filter_map(|partition| partition.records.as_ref());
        batches.any(|records| rules.take_long(records, now))
    })
}
