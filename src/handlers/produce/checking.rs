//! Where batches are checked: on the network thread, unless that would keep other connections waiting.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{ProduceRequest, RequestContext, Topic, TopicId, TopicKey, VERSION_WITH_TOPIC_IDS, check, rules};
use crate::protocol::batch::BytesLeft;

/// Bytes that the batches of one request may become where their records must be looked at, and by which they
/// may grow where they are compressed anew.
pub(super) const BYTES_MAX: BytesLeft = BytesLeft { decompressed: 256 << 20, added: 64 << 20 };
/// Requests of all connections whose batches are decompressed or compressed at once: each takes up to 64 MiB
/// meanwhile, and until it is appended what its batches have grown by.
const DECOMPRESSING_MAX: usize = 4;

static TURNS: Semaphore = Semaphore::const_new(DECOMPRESSING_MAX);

/// One of [`DECOMPRESSING_MAX`]; to be kept until the batches are appended.
pub(super) type Turn = SemaphorePermit<'static>;

/// Looks up every partition and checks every batch. Records stay in the order of their connection, whose next
/// request is read after this.
pub(super) async fn check_where_due(
    context: &RequestContext,
    request: ProduceRequest,
) -> (Vec<Topic>, Option<Turn>) {
    if !takes_long(context, &request) {
        return (check(context, request), None);
    }
    let turn = TURNS.acquire().await.expect("the semaphore is never closed");
    let context = context.clone();
    let checked = tokio::task::spawn_blocking(move || check(&context, request));
    let topics = checked.await.expect("checking is never aborted; if it panics, so does this connection");
    (topics, Some(turn))
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
