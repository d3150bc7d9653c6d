//! Where batches are checked: on the network thread, unless that would keep other connections waiting.

use tokio::sync::Semaphore;

use super::{ProduceRequest, RequestContext, Topic, TopicId, TopicKey, VERSION_WITH_TOPIC_IDS, check, rules};
use crate::protocol::batch::is_compressed;

/// Bytes that the batches of one request may become where their records must be looked at.
pub(super) const DECOMPRESSED_BYTES_MAX: usize = 256 << 20;
/// Requests of all connections whose batches are decompressed at once: each takes up to 64 MiB meanwhile.
const DECOMPRESSING_MAX: usize = 4;

static TURNS: Semaphore = Semaphore::const_new(DECOMPRESSING_MAX);

/// Looks up every partition and checks every batch. Records stay in the order of their connection, whose next
/// request is read after this.
pub(super) async fn check_where_due(context: &RequestContext, request: ProduceRequest) -> Vec<Topic> {
    if !decompresses(context, &request) {
        return check(context, request);
    }
    let _turn = TURNS.acquire().await.expect("the semaphore is never closed");
    let context = context.clone();
    let checked = tokio::task::spawn_blocking(move || check(&context, request));
    checked.await.expect("checking is never aborted; if it panics, so does this connection")
}

/// Whether a batch must be decompressed to be judged: a matter of a second for the largest of requests.
pub(super) fn decompresses(context: &RequestContext, request: &ProduceRequest) -> bool {
    let version = context.header.api_version;
    let image = context.broker.image();
    request.topic_data.iter().any(|data| {
        let mut records = data.partition_data.iter().filter_map(|partition| partition.records.as_ref());
        let key = TopicKey { name: data.name.as_str(), topic_id: TopicId(data.topic_id) };
        records.any(|records| is_compressed(records))
            && key
                .find(&image, version >= VERSION_WITH_TOPIC_IDS)
                .is_ok_and(|topic| rules(&context.broker.topic_config(&topic), version).need_records())
    })
}
