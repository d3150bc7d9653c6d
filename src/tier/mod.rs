//! Older segments in object storage: what objects are made of, the manifest that names them, and reading.
//!
//! **Owns** the keys and the bytes of segment objects, manifest roots and leaves; the walk that makes a
//! segment object; how a manifest changes; the reader with its read-ahead and its caches (ADR 31); the check
//! of a bucket against its manifests (ADR 34); who may write to the bucket (ADR 33).
//! **Does not own** which segments go to the bucket and when, the number of the current root and its fence
//! (the metadata store has both), what is committed, or how an object gets into a store.
//! **Invariants**
//! - An object never changes. A name is used once: it carries a random nonce, or a number that grows.
//! - Nothing is trusted for lying where it should: every byte is under a checksum, and the manifest's own
//!   entry says which checksum the head of a segment object has.
//! - A change of a manifest puts one leaf at most and one root, each of at most 64 KiB.
//! - What is read is compared with its checksums first, also where it comes from the disk cache. What is
//!   damaged is fetched once more, and then an error.
//! - The reader's memory has one bound, whatever the number of readers; what it handed out counts until it is
//!   dropped.
//! - No count that was read takes memory before it was compared with the bytes that are there.
//!
//! Bytes in the bucket: `docs/formats/tier.md`.

mod batch_run;
mod block_cache;
mod blocks;
mod body_reader;
mod bucket_check;
mod catalogue;
mod catalogue_reader;
mod catalogue_writer;
mod catalogued_partition;
mod counters;
mod error;
mod fields;
mod flights;
mod keys;
mod known_damage;
mod lazy;
mod leaf;
mod manifest_entry;
mod owner;
mod ownership;
mod remote_log;
mod remote_read;
mod remote_reader;
mod root;
mod segment_body;
mod segment_file;
mod segment_head;
mod segment_scan;
mod sequences;
mod stream;
mod update;

pub use block_cache::DiskCache;
pub use bucket_check::{
    BucketCheck, BucketCheckError, BucketFault, BucketSummary, BucketWatcher, CurrentManifests,
    NewestManifests, ObjectCount, newest_manifest, partitions_in_bucket,
};
pub use catalogue::{
    CATALOGUE_CHUNKS_MAX, CATALOGUE_ENTRY_BYTES_MAX, CHUNK_ENTRIES_BYTES, CatalogueEntry, CatalogueKind,
    CatalogueNumber, CatalogueRoot, ChunkReference,
};
pub use catalogue_reader::{list_catalogues, read_catalogue, read_chunk};
pub use catalogue_writer::{CatalogueDraft, CatalogueStamp, CatalogueWriter};
pub use catalogued_partition::{CATALOGUED_ABORTED_MAX, CataloguedPartition};
pub use counters::RemoteReads;
pub use error::TierError;
pub use keys::{Nonce, ObjectKey, ObjectName, TOPICS, partition_folder, topic_folder};
pub use leaf::{LEAF_ENTRIES_MAX, Leaf, LeafReference, MANIFEST_OBJECT_BYTES_MAX};
pub use manifest_entry::ManifestEntry;
pub use owner::Owner;
pub use ownership::{OWNERSHIP_AGE_MAX, OwnedStore, Ownership, create_owner, highest_owner};
pub use remote_log::{RemoteAborted, RemoteLog};
pub use remote_read::{ReadBounds, RemoteRead};
pub use remote_reader::{RemoteReader, RemoteReaderOptions};
pub use root::{LEAVES_MAX, RETIRED_MAX, Retired, RetiredObject, Root};
pub use segment_body::SegmentBody;
pub use segment_file::{SegmentBlocks, scan_file};
pub use segment_head::{BLOCK_BYTES, HEAD_BYTES_MAX, IndexEntry, PRODUCERS_BYTES_MAX, Section, SegmentHead};
pub use segment_scan::{ScannedSegment, SegmentScan, SegmentSource};
pub use update::{LEAVES_PER_REMOVAL_MAX, ManifestObject, Stamp, Update};

#[cfg(test)]
mod tests;
