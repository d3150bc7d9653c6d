//! Reading: bodies are streamed, and one that breaks off is asked for again from where it did.

use std::ops::Range;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::super::backend::{Answered, Backend};
use super::super::observer::Watch;
use super::{Body, Client, Operation, Outcome, StoreError, time, too_late};

pub(super) async fn get<B: Backend>(
    client: &Client<B>,
    key: &str,
    range: Option<Range<u64>>,
) -> Result<Body, StoreError> {
    if range.as_ref().is_some_and(Range::is_empty) {
        // Stores have no word for a range without a byte.
        return Ok(Body::new(key, 0, stream::empty().boxed()));
    }
    let mut repetitions = 0;
    let (length, mut coming) = open(client, key, range.clone(), &mut repetitions).await?;
    if length == 0 {
        coming.watch.outcome = Outcome::Done;
    }
    let start = range.map_or(0, |range| range.start);
    let left = start..start.saturating_add(length);
    let reading =
        Reading { client: client.clone(), key: key.to_owned(), left, repetitions, progress: 0, coming };
    let chunks = stream::unfold(Some(reading), |reading| async {
        let mut reading = reading?;
        match reading.next().await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some(reading))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(Body::new(key, length, chunks.boxed()))
}

/// After so many bytes a body that breaks off may be taken up `retries` times again.
const PROGRESS_BYTES_MIN: u64 = 1 << 20;

/// A body under way.
struct Reading<B> {
    client: Client<B>,
    key: String,
    /// What has not come yet, as positions in the object.
    left: Range<u64>,
    /// Requests that were repeated since [`PROGRESS_BYTES_MIN`] last came.
    repetitions: u32,
    /// Bytes since the last that was repeated.
    progress: u64,
    coming: Coming,
}

/// One answer's body.
struct Coming {
    watch: Watch,
    chunks: BoxStream<'static, Result<Bytes, StoreError>>,
}

/// Asks until there is an answer, at most `retries` times more.
async fn open<B: Backend>(
    client: &Client<B>,
    key: &str,
    range: Option<Range<u64>>,
    repetitions: &mut u32,
) -> Result<(u64, Coming), StoreError> {
    loop {
        match open_once(client, key, range.clone()).await {
            Err(error) if error.is_transient() && *repetitions < client.0.options.retries => {
                client.pause(*repetitions, &error).await;
                *repetitions += 1;
            }
            result => return result,
        }
    }
}

async fn open_once<B: Backend>(
    client: &Client<B>,
    key: &str,
    range: Option<Range<u64>>,
) -> Result<(u64, Coming), StoreError> {
    let mut watch = client.watch(Operation::Get);
    let limit = client.0.options.timeout;
    let Ok(answered) = time::timeout(limit, client.0.backend.get(key, range.clone())).await else {
        watch.outcome = Outcome::TimedOut;
        return Err(too_late(limit));
    };
    watch.answered();
    if answered.is_err() {
        watch.outcome = Outcome::of(&answered);
    }
    let Answered { length, chunks } = answered?;
    if let Some(range) = range
        && length != range.end - range.start
    {
        watch.outcome = Outcome::Corrupt;
        let asked = range.end - range.start;
        return Err(StoreError::corrupt(key, format!("{length} bytes of a range of {asked}")));
    }
    Ok((length, Coming { watch, chunks }))
}

impl<B: Backend> Reading<B> {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        while !self.left.is_empty() {
            let error = match self.chunk().await {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(error) => error,
            };
            if !error.is_transient() || self.repetitions >= self.client.0.options.retries {
                return Err(error);
            }
            self.client.pause(self.repetitions, &error).await;
            self.repetitions += 1;
            self.progress = 0;
            let rest = Some(self.left.clone());
            (_, self.coming) = open(&self.client, &self.key, rest, &mut self.repetitions).await?;
        }
        Ok(None)
    }

    /// The next bytes of this answer, within their time. One that ends before all have come is one that broke
    /// off.
    async fn chunk(&mut self) -> Result<Bytes, StoreError> {
        let limit = self.client.0.options.timeout;
        let next = time::timeout(limit, self.coming.chunks.next()).await;
        let (outcome, error) = match next {
            Ok(Some(Ok(bytes))) if bytes.len() as u64 > self.left.end - self.left.start => {
                let error = StoreError::corrupt(&self.key, "more bytes came than were asked for");
                (Outcome::Corrupt, error)
            }
            Ok(Some(Ok(bytes))) => {
                self.left.start += bytes.len() as u64;
                self.coming.watch.bytes += bytes.len() as u64;
                self.progress += bytes.len() as u64;
                if self.progress >= PROGRESS_BYTES_MIN {
                    self.repetitions = 0;
                }
                if self.left.is_empty() {
                    self.coming.watch.outcome = Outcome::Done;
                }
                return Ok(bytes);
            }
            Ok(Some(Err(error))) => (Outcome::of(&Err::<(), _>(error.clone())), error),
            Ok(None) => {
                let missing = self.left.end - self.left.start;
                let message = format!("the body of {} ended {missing} bytes too soon", self.key);
                (Outcome::Unavailable, StoreError::Unavailable(message))
            }
            Err(time::Elapsed) => (Outcome::TimedOut, too_late(limit)),
        };
        self.coming.watch.outcome = outcome;
        Err(error)
    }
}
