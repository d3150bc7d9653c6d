use std::ops::{Bound, Range};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;

use super::super::backend::{Answered, Backend, Page, PageToken, PartId, PutIfAbsent, Upload};
use super::super::{Listed, Operation, StoreError};
use super::{Fault, Late, Object, SimulatedBucket, State};
use crate::env::time;

/// Small, so that every test of a listing turns pages.
const PAGE_KEYS: usize = 3;
/// Pieces in which bodies come, so that every test of a body puts them together.
const CHUNKS: usize = 4;
/// A late write lands after at most so many more requests.
const LATE_REQUESTS_MAX: u64 = 3;

/// One process's way to a bucket.
pub(super) struct Connection(pub(super) SimulatedBucket);

impl Connection {
    /// Receives a request: what happens to it, and whether it is done.
    async fn receive(&self, operation: Operation, key: &str) -> Result<Received, StoreError> {
        let (fault, denied) = {
            let mut state = self.0.state.lock();
            *state.requests.entry(operation).or_default() += 1;
            self.land(&mut state);
            (state.fault(operation, key), state.denied.clone())
        };
        // As a network would: others have their turn between any two requests.
        tokio::task::yield_now().await;
        match fault {
            Some(Fault::Denied) => {
                Err(StoreError::Denied(denied.unwrap_or_else(|| "403 AccessDenied".to_owned())))
            }
            Some(Fault::Unavailable) => Err(unavailable()),
            Some(Fault::Slow(duration)) => {
                slow(duration).await;
                Ok(Received { fault: None })
            }
            fault => Ok(Received { fault }),
        }
    }

    /// Lets late writes land whose time has come.
    fn land(&self, state: &mut State) {
        let mut late = std::mem::take(&mut state.late);
        late.retain_mut(|write| {
            write.requests = write.requests.saturating_sub(1);
            if write.requests == 0 {
                self.store(state, &write.key, write.bytes.clone(), write.if_absent);
            }
            write.requests > 0
        });
        state.late.extend(late);
    }

    fn store(&self, state: &mut State, key: &str, bytes: Bytes, if_absent: bool) -> PutIfAbsent {
        if if_absent && !state.overwrites && state.objects.contains_key(key) {
            return PutIfAbsent::Refused;
        }
        let modified = self.0.clock.now();
        state.objects.insert(key.to_owned(), Object { bytes, modified });
        PutIfAbsent::Written
    }

    async fn write(&self, operation: Operation, key: &str, bytes: Bytes) -> Result<PutIfAbsent, StoreError> {
        let received = self.receive(operation, key).await?;
        let if_absent = operation == Operation::Create;
        let mut state = self.0.state.lock();
        match received.fault {
            Some(Fault::LandsLate) => {
                let requests = 1 + state.below(LATE_REQUESTS_MAX);
                state.late.push(Late { requests, key: key.to_owned(), bytes, if_absent });
                return Err(unavailable());
            }
            Some(Fault::Conflict) if if_absent => return Ok(PutIfAbsent::Refused),
            _ => {}
        }
        received.before()?;
        let written = self.store(&mut state, key, bytes, if_absent);
        received.after(written)
    }
}

/// A request that reached the bucket, and what is still to strike it.
struct Received {
    fault: Option<Fault>,
}

impl Received {
    /// Fails where it is not done.
    fn before(&self) -> Result<(), StoreError> {
        match self.fault {
            Some(Fault::Conflict | Fault::LandsLate) => Err(unavailable()),
            _ => Ok(()),
        }
    }

    /// Fails where it is done and not answered.
    fn after<T>(&self, answer: T) -> Result<T, StoreError> {
        match self.fault {
            Some(Fault::AnswerLost | Fault::BreaksOff) => Err(unavailable()),
            _ => Ok(answer),
        }
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("503 SlowDown".to_owned())
}

async fn slow(duration: Duration) {
    time::sleep(duration).await;
}

impl Backend for Connection {
    async fn put(&self, key: &str, body: &[Bytes]) -> Result<(), StoreError> {
        self.write(Operation::Put, key, body.concat().into()).await.map(|_| ())
    }

    async fn put_if_absent(&self, key: &str, body: &Bytes) -> Result<PutIfAbsent, StoreError> {
        self.write(Operation::Create, key, body.clone()).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Answered, StoreError> {
        let received = self.receive(Operation::Get, key).await?;
        received.before()?;
        if received.fault == Some(Fault::AnswerLost) {
            return Err(unavailable());
        }
        let state = self.0.state.lock();
        let object = state.objects.get(key).ok_or_else(|| StoreError::NotFound(key.to_owned()))?;
        let size = object.bytes.len() as u64;
        let range = range.unwrap_or(0..size);
        if range.end > size {
            let what = format!("bytes {range:?} are asked for, and it has {size}");
            return Err(StoreError::corrupt(key, what));
        }
        // Both ends are those of a slice.
        let mut bytes = object.bytes.slice(range.start as usize..range.end as usize);
        let length = bytes.len() as u64;
        let mut broken = None;
        match received.fault {
            Some(Fault::BreaksOff) => {
                bytes.truncate(state.below(length) as usize);
                // Half of them end as if they were whole, as proxies let them.
                broken = (state.below(2) == 0).then(unavailable);
            }
            Some(Fault::Corrupted) if length > 0 => {
                let mut changed = bytes.to_vec();
                changed[state.below(length) as usize] ^= 1 << state.below(8);
                bytes = changed.into();
            }
            _ => {}
        }
        let chunk_bytes = bytes.len().div_ceil(CHUNKS).max(1);
        let mut chunks = Vec::new();
        while !bytes.is_empty() {
            chunks.push(Ok(bytes.split_to(chunk_bytes.min(bytes.len()))));
        }
        chunks.extend(broken.map(Err));
        Ok(Answered { length, chunks: stream::iter(chunks).boxed() })
    }

    async fn head(&self, key: &str) -> Result<u64, StoreError> {
        let received = self.receive(Operation::Head, key).await?;
        received.before()?;
        let state = self.0.state.lock();
        let object = state.objects.get(key).ok_or_else(|| StoreError::NotFound(key.to_owned()))?;
        received.after(object.bytes.len() as u64)
    }

    async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        let received = self.receive(Operation::Delete, &keys.join(",")).await?;
        received.before()?;
        let mut state = self.0.state.lock();
        for key in keys {
            state.objects.remove(key);
        }
        received.after(())
    }

    async fn list(&self, prefix: &str, from: Option<PageToken>) -> Result<Page, StoreError> {
        let received = self.receive(Operation::List, prefix).await?;
        received.before()?;
        let folder = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let state = self.0.state.lock();
        let start = match &from {
            Some(PageToken(last)) => Bound::Excluded(last.clone()),
            None => Bound::Included(folder.clone()),
        };
        let below = state.objects.range((start, Bound::Unbounded));
        let mut below = below.take_while(|(key, _)| key.starts_with(&folder)).peekable();
        let mut objects = Vec::new();
        while objects.len() < PAGE_KEYS
            && let Some((key, object)) = below.next()
        {
            let (bytes, modified) = (object.bytes.len() as u64, object.modified);
            objects.push(Listed { key: key.clone(), bytes, modified });
        }
        let more = below.peek().is_some();
        let next = objects.last().filter(|_| more).map(|last| PageToken(last.key.clone()));
        received.after(Page { objects, next })
    }

    async fn begin_parts(&self, key: &str) -> Result<Upload, StoreError> {
        let received = self.receive(Operation::BeginParts, key).await?;
        received.before()?;
        let mut state = self.0.state.lock();
        state.uploads_begun += 1;
        let id = state.uploads_begun.to_string();
        state.uploads.insert(id.clone(), Default::default());
        received.after(Upload { key: key.to_owned(), id })
    }

    async fn put_part(&self, upload: &Upload, index: usize, body: &[Bytes]) -> Result<PartId, StoreError> {
        let received = self.receive(Operation::Part, &upload.key).await?;
        received.before()?;
        let mut state = self.0.state.lock();
        let parts = state.uploads.get_mut(&upload.id).ok_or_else(|| no_upload(upload))?;
        parts.insert(index, body.concat().into());
        received.after(PartId(index.to_string()))
    }

    async fn complete_parts(&self, upload: &Upload, parts: &[PartId]) -> Result<(), StoreError> {
        let received = self.receive(Operation::CompleteParts, &upload.key).await?;
        received.before()?;
        let mut state = self.0.state.lock();
        let stored = state.uploads.remove(&upload.id).ok_or_else(|| no_upload(upload))?;
        let piece = |part: &PartId| part.0.parse().ok().and_then(|index: usize| stored.get(&index));
        let pieces: Option<Vec<&Bytes>> = parts.iter().map(piece).collect();
        let pieces = pieces.ok_or_else(|| StoreError::Denied("400 InvalidPart".to_owned()))?;
        let pieces: Vec<&[u8]> = pieces.into_iter().map(|piece| &piece[..]).collect();
        self.store(&mut state, &upload.key, pieces.concat().into(), false);
        received.after(())
    }

    async fn abort_parts(&self, upload: &Upload) -> Result<(), StoreError> {
        let received = self.receive(Operation::AbortParts, &upload.key).await?;
        received.before()?;
        self.0.state.lock().uploads.remove(&upload.id);
        received.after(())
    }
}

/// As S3 says it of an upload that was completed or given up.
fn no_upload(upload: &Upload) -> StoreError {
    StoreError::NotFound(upload.key.clone())
}
