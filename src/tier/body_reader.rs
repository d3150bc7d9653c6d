//! The content of an object, from its beginning on, in pieces of the reader's choice.

use bytes::{Bytes, BytesMut};

use crate::store::{Body, StoreError};

/// Where a reader is in a body whose length the store has promised: an end too soon is an error.
pub(super) struct BodyReader {
    body: Body,
    /// What the store gave and nobody has taken.
    rest: Bytes,
}

impl BodyReader {
    pub(super) fn new(body: Body) -> BodyReader {
        BodyReader { body, rest: Bytes::new() }
    }

    /// The next bytes that are at hand: at least one, and at most so many.
    pub(super) async fn some(&mut self, bytes_max: usize) -> Result<Bytes, StoreError> {
        if self.rest.is_empty() {
            let next = self.body.next().await?;
            self.rest = next.ok_or_else(|| StoreError::Unavailable("a body ended too soon".to_owned()))?;
        }
        Ok(self.rest.split_to(bytes_max.min(self.rest.len())))
    }

    /// The next so many bytes: without a copy if they came in one piece.
    pub(super) async fn take(&mut self, count: usize) -> Result<Bytes, StoreError> {
        if self.rest.len() >= count {
            return Ok(self.rest.split_to(count));
        }
        let mut taken = BytesMut::with_capacity(count);
        while taken.len() < count {
            taken.extend_from_slice(&self.some(count - taken.len()).await?);
        }
        Ok(taken.freeze())
    }
}
