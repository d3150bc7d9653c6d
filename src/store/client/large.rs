//! Objects in parts: no more than one part is held, and what fails leaves nothing.

use bytes::{Bytes, BytesMut};

use super::super::backend::{Backend, PartId, Upload};
use super::{Client, ObjectStore, Operation, Parts, StoreError, bytes_of};

/// Parts of an object: as many as S3 takes.
const PARTS_MAX: u64 = 10_000;

pub(super) async fn put<B: Backend>(
    client: &Client<B>,
    key: &str,
    length: u64,
    parts: &mut dyn Parts,
) -> Result<(), StoreError> {
    let mut source = Source { parts, left: length, rest: Bytes::new() };
    let part_bytes = (client.0.options.part_bytes as u64).max(length.div_ceil(PARTS_MAX)).max(1);
    if length <= part_bytes {
        // Stores want at least one part; and this way it is one request.
        let body = source.part(length).await?;
        source.end().await?;
        return client.put(key, body).await;
    }
    let begin = || client.0.backend.begin_parts(key);
    let upload = client.repeated(Operation::BeginParts, 0, begin).await?;
    let stored = put_parts(client, &upload, part_bytes, &mut source).await;
    let result = match stored {
        Ok(parts) => complete(client, &upload, length, &parts).await,
        Err(error) => Err(error),
    };
    if result.is_err() {
        abort(client, &upload).await;
    }
    result
}

async fn put_parts<B: Backend>(
    client: &Client<B>,
    upload: &Upload,
    part_bytes: u64,
    source: &mut Source<'_>,
) -> Result<Vec<PartId>, StoreError> {
    let mut parts = Vec::new();
    while source.left > 0 {
        let body = source.part(part_bytes.min(source.left)).await?;
        let put = || client.0.backend.put_part(upload, parts.len(), &body);
        let part = client.repeated(Operation::Part, bytes_of(&body), put).await?;
        parts.push(part);
    }
    source.end().await?;
    Ok(parts)
}

/// A completion whose answer was lost is refused when it is repeated, since its parts are gone: whether the
/// object is there tells.
async fn complete<B: Backend>(
    client: &Client<B>,
    upload: &Upload,
    length: u64,
    parts: &[PartId],
) -> Result<(), StoreError> {
    let complete = || client.0.backend.complete_parts(upload, parts);
    let result = client.repeated(Operation::CompleteParts, 0, complete).await;
    match result {
        Err(error) if client.size(&upload.key).await != Ok(Some(length)) => Err(error),
        _ => Ok(()),
    }
}

/// One try, and no more: what it leaves behind is for the bucket's own rule about incomplete uploads.
async fn abort<B: Backend>(client: &Client<B>, upload: &Upload) {
    let aborted = client.once(Operation::AbortParts, 0, client.0.backend.abort_parts(upload)).await;
    if let Err(error) = aborted {
        tracing::warn!(key = upload.key, %error, "parts of an object that was given up stay in the bucket");
    }
}

/// The content, cut into parts.
struct Source<'a> {
    parts: &'a mut dyn Parts,
    /// What is still to be given out.
    left: u64,
    /// What came with the last part and belongs to the next.
    rest: Bytes,
}

impl Source<'_> {
    /// The next `bytes` of it.
    async fn part(&mut self, bytes: u64) -> Result<Vec<Bytes>, StoreError> {
        let mut body = Vec::new();
        let mut wanted = bytes;
        while wanted > 0 {
            if self.rest.is_empty() {
                let Some(more) = self.parts.next().await? else {
                    let missing = self.left - (bytes - wanted);
                    return Err(StoreError::Source(format!("it ended {missing} bytes too soon")));
                };
                self.rest = more;
            }
            let take = usize::try_from(wanted).unwrap_or(usize::MAX).min(self.rest.len());
            push(&mut body, self.rest.split_to(take));
            wanted -= take as u64;
        }
        self.left -= bytes;
        Ok(body)
    }

    /// Nothing may be left.
    async fn end(&mut self) -> Result<(), StoreError> {
        while self.rest.is_empty() {
            match self.parts.next().await? {
                Some(more) => self.rest = more,
                None => return Ok(()),
            }
        }
        Err(StoreError::Source("it is longer than was said".to_owned()))
    }
}

/// Pieces of a body that are smaller than this are copied together, lest a part be a million slices.
const PIECE_BYTES_MIN: usize = 64 << 10;

fn push(body: &mut Vec<Bytes>, piece: Bytes) {
    match body.pop() {
        Some(last) if last.len() < PIECE_BYTES_MIN && piece.len() < PIECE_BYTES_MIN => {
            let mut joined = last.try_into_mut().unwrap_or_else(|last| BytesMut::from(&last[..]));
            joined.extend_from_slice(&piece);
            body.push(joined.freeze());
        }
        Some(last) => body.extend([last, piece]),
        None => body.push(piece),
    }
}
