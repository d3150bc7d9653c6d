//! Put-if-absent, of which only success says the truth: what a store refuses may be there by our own earlier
//! request, a 409 may mean that nothing was written, and what was not answered may still land.

use bytes::Bytes;

use super::super::backend::{Backend, PutIfAbsent};
use super::{Client, Created, ObjectStore, Operation, Outcome, StoreError, time, too_late};

/// What is read back of an object that is in the way: more than whatever is created has.
pub(in crate::store) const TAKEN_BYTES_MAX: usize = 64 << 20;

pub(super) async fn create<B: Backend>(
    client: &Client<B>,
    key: &str,
    body: Bytes,
) -> Result<Created, StoreError> {
    let mut repetition = 0;
    loop {
        let error = match attempt(client, key, &body).await {
            Ok(PutIfAbsent::Written) => return Ok(Created::Mine),
            Ok(PutIfAbsent::Refused) => StoreError::Unavailable(format!(
                "it would not create {key}, where there is no object, {} times",
                repetition + 1
            )),
            Err(error) => error,
        };
        if let Some(created) = read_back(client, key, &body).await? {
            return Ok(created);
        }
        // Nothing is there, so the same bytes may be tried once more: whichever request lands, they are ours.
        if !error.is_transient() || repetition >= client.0.options.retries {
            return Err(error);
        }
        client.pause(repetition, &error).await;
        repetition += 1;
    }
}

/// One request, whatever comes of it.
async fn attempt<B: Backend>(client: &Client<B>, key: &str, body: &Bytes) -> Result<PutIfAbsent, StoreError> {
    let mut watch = client.watch(Operation::Create);
    let limit = client.0.options.time_to_send(body.len() as u64);
    let Ok(result) = time::timeout(limit, client.0.backend.put_if_absent(key, body)).await else {
        watch.outcome = Outcome::TimedOut;
        return Err(too_late(limit));
    };
    watch.answered();
    watch.outcome = match result {
        Ok(PutIfAbsent::Refused) => Outcome::Exists,
        _ => Outcome::of(&result),
    };
    if watch.outcome == Outcome::Done {
        watch.bytes = body.len() as u64;
    }
    result
}

/// Whose object is there; `None` if there is none.
async fn read_back<B: Backend>(
    client: &Client<B>,
    key: &str,
    body: &Bytes,
) -> Result<Option<Created>, StoreError> {
    let there = match client.get(key, None).await {
        Ok(there) => there.whole(TAKEN_BYTES_MAX).await?,
        Err(StoreError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(if there == *body { Created::Mine } else { Created::Taken(there) }))
}
