//! What a store of some kind has to bring: single requests, each tried once.

use std::future::Future;
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use super::{Listed, StoreError};

/// Requests to one bucket. None is repeated in here, and none has a time limit of its own: `client` sees to
/// both.
pub(super) trait Backend: Send + Sync + 'static {
    /// See [`super::ObjectStore::put`].
    fn put(&self, key: &str, body: &[Bytes]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// One put-if-absent. Only `Written` can be relied on.
    fn put_if_absent(
        &self,
        key: &str,
        body: &Bytes,
    ) -> impl Future<Output = Result<PutIfAbsent, StoreError>> + Send;

    /// The beginning of an answer: headers are there, the body is not.
    fn get(
        &self,
        key: &str,
        range: Option<Range<u64>>,
    ) -> impl Future<Output = Result<Answered, StoreError>> + Send;

    /// The object's size, or `NotFound`.
    fn head(&self, key: &str) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Removes at most [`DELETE_KEYS_MAX`] objects; those that are not there count as removed.
    fn delete(&self, keys: &[String]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// One page of keys in the folder, those behind `from` as the page before said.
    fn list(
        &self,
        prefix: &str,
        from: Option<PageToken>,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// Begins an object in parts.
    fn begin_parts(&self, key: &str) -> impl Future<Output = Result<Upload, StoreError>> + Send;

    /// Stores the part of that index, from 0; gives what `complete_parts` wants to know of it.
    fn put_part(
        &self,
        upload: &Upload,
        index: usize,
        body: &[Bytes],
    ) -> impl Future<Output = Result<PartId, StoreError>> + Send;

    /// Makes the object of its parts.
    fn complete_parts(
        &self,
        upload: &Upload,
        parts: &[PartId],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets the parts.
    fn abort_parts(&self, upload: &Upload) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// How many keys one request may remove.
pub(super) const DELETE_KEYS_MAX: usize = 1000;

/// What the store said to a put-if-absent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PutIfAbsent {
    /// The object is stored.
    Written,
    /// One is there already, or somebody else is about to store it; or it is our own, by an earlier request.
    Refused,
}

/// A body and how long it is said to be.
pub(super) struct Answered {
    /// Bytes of the body.
    pub(super) length: u64,
    /// The body.
    pub(super) chunks: BoxStream<'static, Result<Bytes, StoreError>>,
}

/// Where a listing goes on.
#[derive(Clone, Debug)]
pub(super) struct PageToken(pub(super) String);

/// Some keys, and where to go on if there may be more.
pub(super) struct Page {
    pub(super) objects: Vec<Listed>,
    pub(super) next: Option<PageToken>,
}

/// An object in parts, under way.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) id: String,
}

/// What the store calls a part.
#[derive(Clone, Debug)]
pub(super) struct PartId(pub(super) String);
