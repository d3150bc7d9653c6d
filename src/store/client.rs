//! What every store must keep, over whatever kind of backend: retries, time limits, the rule of creates,
//! parts, resumed bodies, and that each request is told to the observer.

mod body;
mod create;
mod large;
mod listing;

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::backend::{Backend, DELETE_KEYS_MAX};
use super::observer::Watch;
use super::{
    Answer, Body, Created, Listing, ObjectStore, Observer, Operation, Outcome, Parts, RequestOptions,
    StoreError,
};
use crate::env::Env;
use crate::env::time;

/// A store over a backend; cheap to clone.
pub(super) struct Client<B>(Arc<Shared<B>>);

struct Shared<B> {
    backend: B,
    options: RequestOptions,
    env: Env,
    observer: Arc<dyn Observer>,
}

impl<B> Clone for Client<B> {
    fn clone(&self) -> Client<B> {
        Client(Arc::clone(&self.0))
    }
}

impl<B: Backend> Client<B> {
    pub(super) fn new(
        backend: B,
        options: RequestOptions,
        env: Env,
        observer: Arc<dyn Observer>,
    ) -> Client<B> {
        Client(Arc::new(Shared { backend, options, env, observer }))
    }

    fn watch(&self, operation: Operation) -> Watch {
        Watch::start(Arc::clone(&self.0.observer), Arc::clone(&self.0.env.clock), operation)
    }

    /// One request: within its time, and told to the observer with the bytes that it sent.
    async fn once<T>(
        &self,
        operation: Operation,
        bytes_sent: u64,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mut watch = self.watch(operation);
        let limit = self.0.options.time_to_send(bytes_sent);
        let result = match time::timeout(limit, request).await {
            Ok(result) => {
                watch.answered();
                watch.outcome = Outcome::of(&result);
                result
            }
            Err(time::Elapsed) => {
                watch.outcome = Outcome::TimedOut;
                Err(too_late(limit))
            }
        };
        if result.is_ok() {
            watch.bytes = bytes_sent;
        }
        result
    }

    /// A request that may be repeated as it is: at most `retries` times, where it failed for a passing
    /// reason.
    async fn repeated<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        operation: Operation,
        bytes_sent: u64,
        mut request: impl FnMut() -> F,
    ) -> Result<T, StoreError> {
        let mut repetition = 0;
        loop {
            match self.once(operation, bytes_sent, request()).await {
                Err(error) if error.is_transient() && repetition < self.0.options.retries => {
                    self.pause(repetition, &error).await;
                    repetition += 1;
                }
                result => return result,
            }
        }
    }

    /// The pause before a repetition, counted from 0: doubles, up to its bound, and half of it is by
    /// chance, so that those who were turned away together do not come back together.
    async fn pause(&self, repetition: u32, error: &StoreError) {
        let options = &self.0.options;
        let whole = options.backoff.saturating_mul(2_u32.saturating_pow(repetition)).min(options.backoff_max);
        let half_nanos = u64::try_from(whole.as_nanos() / 2).unwrap_or(u64::MAX);
        let by_chance = self.0.env.random.next_u64() % half_nanos.saturating_add(1).max(1);
        let pause = Duration::from_nanos(half_nanos.saturating_add(by_chance));
        tracing::debug!(%error, repetition, ?pause, "a request to the object store is repeated");
        time::sleep(pause).await;
    }
}

fn too_late(limit: Duration) -> StoreError {
    StoreError::Unavailable(format!("no answer in {} ms", limit.as_millis()))
}

fn bytes_of(body: &[Bytes]) -> u64 {
    body.iter().map(|piece| piece.len() as u64).sum()
}

impl<B: Backend> ObjectStore for Client<B> {
    fn put<'a>(&'a self, key: &'a str, body: Vec<Bytes>) -> Answer<'a, ()> {
        Box::pin(async move {
            self.repeated(Operation::Put, bytes_of(&body), || self.0.backend.put(key, &body)).await
        })
    }

    fn put_large<'a>(&'a self, key: &'a str, length: u64, parts: &'a mut dyn Parts) -> Answer<'a, ()> {
        Box::pin(large::put(self, key, length, parts))
    }

    fn create<'a>(&'a self, key: &'a str, body: Bytes) -> Answer<'a, Created> {
        Box::pin(create::create(self, key, body))
    }

    fn get<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> Answer<'a, Body> {
        Box::pin(body::get(self, key, range))
    }

    fn size<'a>(&'a self, key: &'a str) -> Answer<'a, Option<u64>> {
        Box::pin(async move {
            match self.repeated(Operation::Head, 0, || self.0.backend.head(key)).await {
                Ok(bytes) => Ok(Some(bytes)),
                Err(StoreError::NotFound(_)) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn delete<'a>(&'a self, keys: &'a [String]) -> Answer<'a, ()> {
        Box::pin(async move {
            for keys in keys.chunks(DELETE_KEYS_MAX) {
                self.repeated(Operation::Delete, 0, || self.0.backend.delete(keys)).await?;
            }
            Ok(())
        })
    }

    fn list(&self, prefix: &str) -> Listing {
        listing::list(self.clone(), prefix)
    }
}
