//! Reads catalogues back from the bucket.

use bytes::Bytes;

use super::catalogue::{
    CATALOGUE_ROOT_BYTES_MAX, CATALOGUES, CHUNK_BYTES_MAX, CatalogueEntry, CatalogueKey, CatalogueNumber,
    CatalogueRoot, ChunkReference, decode_chunk,
};
use super::error::TierError;
use crate::store::ObjectStore;

/// All catalogues that are in a bucket, the newest first.
pub async fn list_catalogues(store: &dyn ObjectStore) -> Result<Vec<CatalogueNumber>, TierError> {
    let mut listing = store.list(CATALOGUES);
    let mut numbers = Vec::new();
    while let Some(page) = listing.next_page().await? {
        numbers.extend(page.iter().filter_map(|listed| match CatalogueKey::parse(&listed.key)? {
            CatalogueKey::Root(number) => Some(number),
            CatalogueKey::Chunk(_) => None,
        }));
    }
    numbers.sort_unstable_by(|left, right| right.cmp(left));
    Ok(numbers)
}

/// The root of that number.
pub async fn read_catalogue(
    store: &dyn ObjectStore,
    number: CatalogueNumber,
) -> Result<CatalogueRoot, TierError> {
    let key = CatalogueKey::Root(number).key();
    let decode = |bytes: Bytes| CatalogueRoot::decode(&bytes, number);
    load(store, &key, CATALOGUE_ROOT_BYTES_MAX, decode).await
}

/// Keys and values of a chunk, all in memory.
pub async fn read_chunk(
    store: &dyn ObjectStore,
    reference: &ChunkReference,
) -> Result<Vec<CatalogueEntry>, TierError> {
    let decode = |bytes: Bytes| decode_chunk(&bytes, reference);
    load(store, &reference.key(), CHUNK_BYTES_MAX, decode).await
}

/// One that is damaged is fetched once more: it may have been so on its way only.
async fn load<T>(
    store: &dyn ObjectStore,
    key: &str,
    bytes_max: usize,
    decode: impl Fn(Bytes) -> Result<T, &'static str>,
) -> Result<T, TierError> {
    let once = async || -> Result<T, TierError> {
        let bytes = store.get(key, None).await?.whole(bytes_max).await?;
        decode(bytes).map_err(|what| TierError::damaged(key, what))
    };
    match once().await {
        Err(error) if error.is_damage() => once().await,
        result => result,
    }
}
