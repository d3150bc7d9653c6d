use std::sync::Arc;

use super::super::tests::bucket::FilledBucket;
use super::super::tests::fixture::{MadeSegment, nonce};
use super::*;
use crate::env::{Files, OpenMode, RealFiles};
use crate::model::Offset;
use crate::tier::{ReadBounds, RemoteLog, RemoteReader, RemoteReaderOptions};

const MIB: usize = 1 << 20;

#[test]
fn keys_and_blocks_are_coded() {
    let key = BlockKey { nonce: nonce(5), block: 7 };
    let mut bytes = Vec::new();
    key.encode(&mut bytes).unwrap();
    assert_eq!(bytes.len(), key.estimated_size());
    assert_eq!(BlockKey::decode(&mut bytes.as_slice()).unwrap(), key);
    let block = CachedBlock { bytes: Bytes::from_static(b"block"), is_verified: true.into() };
    let mut bytes = Vec::new();
    block.encode(&mut bytes).unwrap();
    assert_eq!(bytes.len(), block.estimated_size());
    assert_eq!(CachedBlock::decode(&mut bytes.as_slice()).unwrap().bytes, block.bytes);
    // A length from a damaged disk takes no memory beyond a block's.
    bytes[..4].copy_from_slice(&[0xff; 4]);
    assert!(CachedBlock::decode(&mut bytes.as_slice()).is_err());
}

#[test]
fn what_was_fetched_is_remembered_for_a_while() {
    let mut fetched = Fetched::default();
    let key = |block: u32| BlockKey { nonce: nonce(1), block };
    assert!(!fetched.again(key(0)));
    assert!(fetched.again(key(0)));
    (1..=FETCHED_MAX as u32).for_each(|block| assert!(!fetched.again(key(block))));
    assert!(!fetched.again(key(0)));
    assert!(fetched.known.len() <= FETCHED_MAX && fetched.order.len() <= FETCHED_MAX);
}

async fn read_all(log: &RemoteLog) -> Vec<u8> {
    let (mut all, mut from) = (Vec::new(), Offset(0));
    while from < log.root().end_offset {
        let bounds = ReadBounds { from, end: Offset(i64::MAX), bytes_max: 1 << 20, at_least_one: true };
        let read = log.read(bounds).await.unwrap();
        read.slices.iter().for_each(|slice| all.extend_from_slice(slice));
        from = read.next_offset;
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_again_comes_from_the_disk_and_is_checked() {
    let mut made = MadeSegment::new(0);
    (0..24).for_each(|at| made.push_records(&[at], MIB - 200));
    let filled = FilledBucket::new(vec![made]).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache");
    let disk = Some(DiskCache { path: path.clone(), bytes: 128 << 20 });
    let options = RemoteReaderOptions { memory_bytes: 16 << 20, disk };
    let reader = Arc::new(RemoteReader::open(Arc::clone(&filled.store), &filled.env(), &options).await);
    let log = RemoteLog::new(Arc::clone(&reader), Arc::clone(&filled.root));
    assert!(read_all(&log).await == filled.segments[0].bytes);
    assert_eq!(reader.counters().disk_hits, 0, "what is read once stays off the disk");
    for _ in 0..20 {
        assert!(read_all(&log).await == filled.segments[0].bytes);
        if reader.counters().disk_hits > 5 {
            break;
        }
    }
    let hits = reader.counters().disk_hits;
    assert!(hits > 5, "{:?}", reader.counters());
    // Whatever the disk does to it, what is served is what was written.
    for name in RealFiles.list(&path).unwrap() {
        let file = RealFiles.open(&path.join(name), OpenMode::Write).unwrap();
        (0..file.length().unwrap() / 4096).for_each(|page| {
            let at = page * 4096 + 1000;
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 1], at).unwrap();
        });
    }
    assert!(read_all(&log).await == filled.segments[0].bytes);
}

/// A reader had it loaded and was gone when it came: the next one finds it in memory, whatever the disk made
/// of it.
#[tokio::test]
async fn what_another_reader_had_loaded_is_checked_too() {
    let cache = BlockCache::open(&RealFiles, 4 << 20, None).await;
    let key = |block| BlockKey { nonce: nonce(1), block };
    let bytes = Bytes::from_static(b"block");
    let mut stored = Vec::new();
    CachedBlock { bytes: bytes.clone(), is_verified: true.into() }.encode(&mut stored).unwrap();
    for block in [0, 1] {
        drop(cache.hybrid.insert(key(block), CachedBlock::decode(&mut stored.as_slice()).unwrap()));
    }
    let crc = crc32c::crc32c(&bytes);
    assert_eq!(cache.get(key(0), crc).await, Some((bytes.clone(), FoundIn::Memory)));
    assert_eq!(cache.get(key(1), crc ^ 1).await, None);
    assert_eq!(cache.get(key(1), crc).await, None, "it stays");
    // Once is enough.
    assert_eq!(cache.get(key(0), crc ^ 1).await, Some((bytes, FoundIn::Memory)));
}

#[tokio::test]
async fn without_a_usable_disk_there_is_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a file");
    RealFiles.open(&path, OpenMode::Create).unwrap();
    let cache = BlockCache::open(&RealFiles, 4 << 20, Some(&DiskCache { path, bytes: 128 << 20 })).await;
    let (key, bytes) = (BlockKey { nonce: nonce(1), block: 0 }, Bytes::from_static(b"block"));
    assert_eq!(cache.get(key, 0).await, None);
    cache.insert(key, bytes.clone());
    assert_eq!(cache.get(key, 0).await, Some((bytes, FoundIn::Memory)));
    assert_eq!(cache.memory_bytes(), 5);
}
