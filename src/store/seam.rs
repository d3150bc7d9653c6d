use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use super::StoreError;
use crate::model::Timestamp;

/// What a call gives once the store has answered.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A bucket, or the part of one below a prefix, which keys do not show.
///
/// Keys are words of lower-case letters, digits, `.`, `_` and `-` between single `/`. An object never
/// changes: `put` is for keys that only one writer can have thought of, `create` for those that several may
/// want. A future that is dropped may have done its work, or do it later.
pub trait ObjectStore: Send + Sync + 'static {
    /// Stores an object of those pieces, one behind the other. For unique keys: it may be written more than
    /// once, always with these bytes.
    fn put<'a>(&'a self, key: &'a str, body: Vec<Bytes>) -> Answer<'a, ()>;

    /// Stores an object of exactly `length` bytes, which come piece by piece; never more than one part of it
    /// (`RequestOptions::part_bytes`) is held. Otherwise as `put`. There is no object where it fails, save
    /// after `Unavailable`, nor is there where `parts` ends too soon (`Source`).
    fn put_large<'a>(&'a self, key: &'a str, length: u64, parts: &'a mut dyn Parts) -> Answer<'a, ()>;

    /// Stores an object if there is none of that key.
    ///
    /// What was not answered is cleared up by reading the key. After an error it is **not known** whether the
    /// object is there, or still comes: ask again with the same bytes until there is an answer, and take no
    /// other step meanwhile that depends on it. Bytes must be unlike any other writer's (a nonce in them):
    /// equal ones count as `Mine`.
    fn create<'a>(&'a self, key: &'a str, body: Bytes) -> Answer<'a, Created>;

    /// Reads an object, or a range of its bytes: all of which must be there (else `Corrupt`). A body that
    /// breaks off is taken up again where it did.
    fn get<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> Answer<'a, Body>;

    /// How many bytes an object has; `None` if there is none.
    fn size<'a>(&'a self, key: &'a str) -> Answer<'a, Option<u64>>;

    /// Removes objects; those that are not there are none of its concern. After an error some may be gone.
    fn delete<'a>(&'a self, keys: &'a [String]) -> Answer<'a, ()>;

    /// Everything in a folder, at any depth: keys that begin with `prefix` and a `/`. In no order that all
    /// stores keep. What is stored or removed meanwhile may be there or not.
    fn list(&self, prefix: &str) -> Listing;
}

/// How a create ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Created {
    /// The object holds our bytes.
    Mine,
    /// Somebody else's object is there: this.
    Taken(Bytes),
}

/// The content of a large object, from its beginning to its end.
pub trait Parts: Send {
    /// The next bytes, as many as are at hand; `None` behind the last.
    fn next(&mut self) -> Answer<'_, Option<Bytes>>;
}

/// From another task or thread, which is held up by the channel's bound. One that dies ends the channel too:
/// what comes short of the promised length is not stored.
impl Parts for tokio::sync::mpsc::Receiver<Result<Bytes, StoreError>> {
    fn next(&mut self) -> Answer<'_, Option<Bytes>> {
        Box::pin(async { self.recv().await.transpose() })
    }
}

/// The content of an object on its way.
pub struct Body {
    length: u64,
    left: u64,
    key: String,
    chunks: BoxStream<'static, Result<Bytes, StoreError>>,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("key", &self.key).field("length", &self.length).finish_non_exhaustive()
    }
}

impl Body {
    pub(super) fn new(key: &str, length: u64, chunks: BoxStream<'static, Result<Bytes, StoreError>>) -> Body {
        Body { length, left: length, key: key.to_owned(), chunks }
    }

    /// How many bytes it has in all.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The next bytes, not empty; `None` once all that were promised have come. Nothing is read ahead of who
    /// asks, beyond what connections hold. After an error there is nothing more.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        while self.left > 0 {
            match self.chunks.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) if bytes.len() as u64 <= self.left => {
                    self.left -= bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                Some(Ok(_)) => {
                    return Err(StoreError::corrupt(&self.key, "it is longer than was promised"));
                }
                Some(Err(error)) => return Err(error),
                None => {
                    return Err(StoreError::corrupt(&self.key, format!("{} bytes are missing", self.left)));
                }
            }
        }
        Ok(None)
    }

    /// All of it, if that is at most `bytes_max`; a larger one is `Corrupt`.
    pub async fn whole(mut self, bytes_max: usize) -> Result<Bytes, StoreError> {
        let length = usize::try_from(self.length).ok().filter(|length| *length <= bytes_max);
        let Some(length) = length else {
            let what = format!("it has {} bytes where at most {bytes_max} are expected", self.length);
            return Err(StoreError::corrupt(&self.key, what));
        };
        let mut whole = Vec::with_capacity(length);
        while let Some(bytes) = self.next().await? {
            if bytes.len() == length {
                return Ok(bytes);
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.into())
    }
}

/// One object of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// When it was stored, by the store's clock.
    pub modified: Timestamp,
}

/// Keys on their way, page by page.
pub struct Listing(BoxStream<'static, Result<Vec<Listed>, StoreError>>);

impl Listing {
    pub(super) fn new(pages: BoxStream<'static, Result<Vec<Listed>, StoreError>>) -> Listing {
        Listing(pages)
    }

    /// The next page, not empty, of at most [`Listing::PAGE_KEYS_MAX`]; `None` behind the last. After an
    /// error there is nothing more, and what came before is not all.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Listed>>, StoreError> {
        self.0.next().await.transpose()
    }

    /// Keys in one page.
    pub const PAGE_KEYS_MAX: usize = 1000;
}
