//! Buckets of clouds, over the crate `object_store` with its own retries and time limits switched off.

pub(super) mod build;
mod failure;
mod profile;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::multipart::{MultipartStore, PartId as CloudPartId};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, PutMode, PutOptions, PutPayload};

use self::failure::{Absent, failed};
use super::backend::{Answered, Backend, Page, PageToken, PartId, PutIfAbsent, Upload};
use super::{Listed, Listing, StoreError};
use crate::model::Timestamp;

/// What the crate's clients of all clouds can do.
trait Requests: object_store::ObjectStore + MultipartStore + PaginatedListStore {}

impl<T: object_store::ObjectStore + MultipartStore + PaginatedListStore> Requests for T {}

/// The part of a bucket below a prefix.
pub(super) struct Cloud {
    requests: Arc<dyn Requests>,
    /// Without a `/` at either end; may be empty.
    prefix: String,
}

impl Cloud {
    fn path(&self, key: &str) -> Path {
        Path::from(self.full(key))
    }

    fn full(&self, key: &str) -> String {
        match (self.prefix.as_str(), key) {
            ("", key) => key.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, key) => format!("{prefix}/{key}"),
        }
    }

    fn listed(&self, object: &ObjectMeta) -> Listed {
        let key = object.location.as_ref();
        let key = key.strip_prefix(&self.prefix).unwrap_or(key).trim_start_matches('/').to_owned();
        let modified = Timestamp(object.last_modified.timestamp_millis());
        Listed { key, bytes: object.size, modified }
    }
}

fn payload(body: &[Bytes]) -> PutPayload {
    body.iter().filter(|piece| !piece.is_empty()).cloned().collect()
}

impl Backend for Cloud {
    async fn put(&self, key: &str, body: &[Bytes]) -> Result<(), StoreError> {
        let path = self.path(key);
        let put = self.requests.put_opts(&path, payload(body), PutOptions::default());
        put.await.map(|_| ()).map_err(|error| failed(key, Absent::Bucket, &error))
    }

    async fn put_if_absent(&self, key: &str, body: &Bytes) -> Result<PutIfAbsent, StoreError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let body = payload(std::slice::from_ref(body));
        match self.requests.put_opts(&self.path(key), body, options).await {
            Ok(_) => Ok(PutIfAbsent::Written),
            // A 412, or a 409: somebody is at it, which may come to nothing.
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(PutIfAbsent::Refused),
            Err(error) => Err(failed(key, Absent::Bucket, &error)),
        }
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Answered, StoreError> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let got = self.requests.get_opts(&self.path(key), options).await;
        let got = got.map_err(|error| failed(key, Absent::Object, &error))?;
        let length = got.range.end - got.range.start;
        let key = key.to_owned();
        let chunks = got.into_stream().map(move |chunk| {
            // What goes wrong in the middle of a body is the connection.
            chunk.map_err(|error| StoreError::Unavailable(format!("the body of {key}: {error}")))
        });
        Ok(Answered { length, chunks: chunks.boxed() })
    }

    async fn head(&self, key: &str) -> Result<u64, StoreError> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        let got = self.requests.get_opts(&self.path(key), options).await;
        got.map(|got| got.meta.size).map_err(|error| failed(key, Absent::Object, &error))
    }

    async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        let paths: Vec<Result<Path, Error>> = keys.iter().map(|key| Ok(self.path(key))).collect();
        let mut results = self.requests.delete_stream(stream::iter(paths).boxed());
        while let Some(result) = results.next().await {
            match result.map_err(|error| failed("", Absent::Object, &error)) {
                Ok(_) | Err(StoreError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn list(&self, prefix: &str, from: Option<PageToken>) -> Result<Page, StoreError> {
        let folder = Some(self.full(prefix)).filter(|folder| !folder.is_empty());
        let folder = folder.map(|folder| format!("{folder}/"));
        let options = PaginatedListOptions {
            max_keys: Some(Listing::PAGE_KEYS_MAX),
            page_token: from.map(|token| token.0),
            ..PaginatedListOptions::default()
        };
        let page = self.requests.list_paginated(folder.as_deref(), options).await;
        let page = page.map_err(|error| failed(prefix, Absent::Bucket, &error))?;
        let objects = page.result.objects.iter().map(|object| self.listed(object)).collect();
        Ok(Page { objects, next: page.page_token.map(PageToken) })
    }

    async fn begin_parts(&self, key: &str) -> Result<Upload, StoreError> {
        let id = self.requests.create_multipart(&self.path(key)).await;
        let id = id.map_err(|error| failed(key, Absent::Bucket, &error))?;
        Ok(Upload { key: key.to_owned(), id })
    }

    async fn put_part(&self, upload: &Upload, index: usize, body: &[Bytes]) -> Result<PartId, StoreError> {
        let path = self.path(&upload.key);
        let put = self.requests.put_part(&path, &upload.id, index, payload(body));
        let part = put.await.map_err(|error| failed(&upload.key, Absent::Object, &error))?;
        Ok(PartId(part.content_id))
    }

    async fn complete_parts(&self, upload: &Upload, parts: &[PartId]) -> Result<(), StoreError> {
        let parts = parts.iter().map(|part| CloudPartId { content_id: part.0.clone() }).collect();
        let completed = self.requests.complete_multipart(&self.path(&upload.key), &upload.id, parts).await;
        completed.map(|_| ()).map_err(|error| failed(&upload.key, Absent::Object, &error))
    }

    async fn abort_parts(&self, upload: &Upload) -> Result<(), StoreError> {
        let aborted = self.requests.abort_multipart(&self.path(&upload.key), &upload.id).await;
        aborted.map_err(|error| failed(&upload.key, Absent::Object, &error))
    }
}
