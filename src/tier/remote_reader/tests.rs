use std::time::Duration;

use super::super::remote_log::RemoteLog;
use super::super::remote_read::ReadBounds;
use super::super::root::{LEAVES_MAX, RETIRED_MAX, Retired, RetiredObject};
use super::super::tests::bucket::FilledBucket;
use super::super::tests::fixture::{MadeSegment, PARTITION};
use super::*;
use crate::env::time;
use crate::model::{Offset, ProducerEpoch, ProducerId, Timestamp};
use crate::protocol::batch::{BatchBuilder, BatchHeader, NewRecord};
use crate::store::Operation;
use crate::store::StoreError;
use crate::store::simulated::{Fault, Strike};

const MIB: usize = 1 << 20;

/// A segment of that many batches, one a block.
fn segment(base: i64, batches: i64) -> MadeSegment {
    let mut made = MadeSegment::new(base);
    (0..batches).for_each(|at| made.push_records(&[base + at], MIB - 200));
    made
}

async fn filled(segments: &[i64]) -> FilledBucket {
    let mut base = 0;
    let mut made = Vec::new();
    for &batches in segments {
        made.push(segment(base, batches));
        base += batches;
    }
    FilledBucket::new(made).await
}

fn bounds(from: i64, bytes_max: u64) -> ReadBounds {
    ReadBounds { from: Offset(from), end: Offset(i64::MAX), bytes_max, at_least_one: true }
}

/// Reads to the end as a consumer does, a MiB at a time; how many bytes came.
async fn read_all(log: &RemoteLog) -> u64 {
    let (mut bytes, mut from) = (0, Offset(0));
    while from < log.root().end_offset {
        let read = log.read(bounds(from.0, MIB as u64)).await.unwrap();
        assert!(read.next_offset > from);
        bytes += read.bytes;
        from = read.next_offset;
    }
    bytes
}

/// The bound is 80 GETs for a GiB, sixteen segments of 64 MiB.
#[tokio::test]
async fn one_sequential_reader_needs_few_requests() {
    let filled = filled(&[64, 64]).await;
    let start = filled.gets();
    let log = filled.log(64 * MIB).await.unwrap();
    let bytes = read_all(&log).await;
    assert_eq!(bytes, filled.segments.iter().map(|made| made.bytes.len() as u64).sum::<u64>());
    let all = filled.gets() - start;
    // Alone, as if the reader had come to it: what each further segment takes.
    let later = {
        let start = filled.gets();
        let log = filled.log(64 * MIB).await.unwrap();
        read_first(&log).await;
        let first = filled.gets() - start;
        all - first
    };
    assert!(later <= 3, "{later} GETs for a segment of 64 MiB");
    let gib = (all - later) + 15 * later;
    assert!(gib <= 80, "{gib} GETs for a GiB");
    let counters = filled.reader(64 * MIB).await.counters();
    assert_eq!(counters, RemoteReads::default());
}

/// The first segment alone.
async fn read_first(log: &RemoteLog) {
    let mut from = 0;
    while from < 64 {
        from = log.read(bounds(from, MIB as u64)).await.unwrap().next_offset.0;
    }
}

#[tokio::test]
async fn readers_of_equal_blocks_share_one_request() {
    let filled = filled(&[8]).await;
    let log = filled.log(64 * MIB).await.unwrap();
    let start = filled.gets();
    let reads: Vec<_> = (0..4).map(|_| log.read(bounds(5, 1000))).collect();
    for read in futures_util::future::join_all(reads).await {
        assert_eq!(read.unwrap().bytes as usize, filled.segments[0].batches[5].0.size_bytes());
    }
    // A leaf, a head, a block; the batch reaches into its neighbour.
    assert!(filled.gets() - start <= 4, "{}", filled.gets() - start);
    let again = filled.gets();
    log.read(bounds(5, 1000)).await.unwrap();
    assert_eq!(filled.gets(), again, "from memory");
}

#[tokio::test]
async fn a_damaged_object_is_never_served() {
    let filled = filled(&[4]).await;
    let key = filled.segment_keys().remove(0);
    let whole = filled.bucket.object(&key).unwrap();
    let log_at = whole.len() - filled.segments[0].bytes.len();
    // A byte of each part: of the header, of a section, of the block that is read, of another block.
    for (at, is_met) in [
        (3, true),
        (140, true),
        (log_at + 5, true),
        (log_at + MIB + 9, true),
        (log_at + 4 * MIB - 900, false),
    ] {
        let mut damaged = whole.to_vec();
        damaged[at] ^= 4;
        filled.bucket.set_object(&key, damaged);
        let log = filled.log(16 * MIB).await.unwrap();
        let start = filled.gets();
        let read = log.read(bounds(0, 3 * MIB as u64 - 500)).await;
        match read {
            Err(TierError::Damaged { key: found, .. }) if is_met => assert_eq!(found, key),
            Ok(read) if !is_met => assert!(read.bytes > 0),
            other => panic!("byte {at}: {other:?}"),
        }
        assert!(filled.gets() - start <= 8, "tried again once: {}", filled.gets() - start);
    }
    // Cut short.
    filled.bucket.set_object(&key, whole.slice(..whole.len() - MIB));
    let log = filled.log(16 * MIB).await.unwrap();
    let read = log.read(bounds(3, 100)).await;
    assert!(matches!(read, Err(TierError::Store(StoreError::Corrupt { .. }))), "{read:?}");
    // Another object's content under this key.
    let other = segment(0, 5);
    let others = FilledBucket::new(vec![other]).await;
    filled.bucket.set_object(&key, others.bucket.object(&others.segment_keys()[0]).unwrap());
    let log = filled.log(16 * MIB).await.unwrap();
    assert!(log.read(bounds(0, 100)).await.unwrap_err().is_damage());
    filled.bucket.remove_object(&key);
    let log = filled.log(16 * MIB).await.unwrap();
    let read = log.read(bounds(0, 100)).await;
    assert!(matches!(read, Err(TierError::Store(StoreError::NotFound(_)))), "{read:?}");
}

/// A consumer asks again many times a second.
#[tokio::test]
async fn what_is_damaged_is_not_fetched_again_for_a_while() {
    let filled = filled(&[4]).await;
    let keys = [".leaf", ".segment"].map(|end| {
        filled.bucket.keys().into_iter().find(|key| key.ends_with(end)).unwrap_or_else(|| panic!("{end}"))
    });
    let log_at = filled.bucket.object(&keys[1]).unwrap().len() - filled.segments[0].bytes.len();
    for (key, at) in [(&keys[0], 9), (&keys[1], 140), (&keys[1], log_at + 5)] {
        let whole = filled.bucket.object(key).unwrap();
        let log = filled.log(16 * MIB).await.unwrap();
        let mut damaged = whole.to_vec();
        damaged[at] ^= 4;
        filled.bucket.set_object(key, damaged);
        let mut fetches = Vec::new();
        for _ in 0..3 {
            for _ in 0..10 {
                let before = filled.gets();
                assert!(log.read(bounds(0, 100)).await.unwrap_err().is_damage());
                fetches.push(filled.gets() - before);
            }
            filled.clock.advance(Duration::from_millis(1000));
        }
        // Twice at once, then after one second, and not after another.
        let asked: Vec<_> =
            fetches.iter().enumerate().filter(|(_, gets)| **gets > 0).map(|it| it.0).collect();
        assert_eq!(asked, [0, 10], "{key} {at}: {fetches:?}");
        filled.bucket.set_object(key, whole);
        filled.clock.advance(Duration::from_millis(1000));
        assert!(log.read(bounds(0, 100)).await.is_ok(), "it was mended");
    }
}

#[tokio::test]
async fn what_the_way_damaged_is_fetched_once_more() {
    let filled = filled(&[6]).await;
    // Root, leaf, head, then each of the first bodies of blocks.
    for skip in 0..6 {
        filled.bucket.strike(Strike::next(Operation::Get, Fault::Corrupted).after(skip));
        let reader = filled.reader(16 * MIB).await;
        let root = reader.root(PARTITION, filled.root.number).await.unwrap();
        let log = RemoteLog::new(Arc::clone(&reader), root);
        assert_eq!(read_all(&log).await as usize, filled.segments[0].bytes.len());
        assert_eq!(reader.counters().damaged, 1, "{skip}");
        filled.bucket.clear_faults();
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_an_error_and_no_more() {
    let filled = filled(&[4]).await;
    let log = filled.log(16 * MIB).await.unwrap();
    log.read(bounds(0, 100)).await.unwrap();
    filled.bucket.set_away(true);
    let away = log.read(bounds(3, 100)).await;
    assert!(matches!(away, Err(TierError::Store(StoreError::Unavailable(_)))), "{away:?}");
    // What is in memory is served.
    log.read(bounds(0, 100)).await.unwrap();
    filled.bucket.set_away(false);
    log.read(bounds(3, 100)).await.unwrap();
}

#[tokio::test]
async fn memory_for_answers_is_bounded() {
    let filled = filled(&[16]).await;
    let reader = filled.reader(16 * MIB).await;
    let log = Arc::new(RemoteLog::new(Arc::clone(&reader), Arc::clone(&filled.root)));
    let mut held = Vec::new();
    // Answers that nobody sends.
    let waiting = loop {
        let log = Arc::clone(&log);
        let read = tokio::spawn(async move { log.read(bounds(0, MIB as u64)).await.unwrap() });
        let mut read = read;
        match time::timeout(Duration::from_millis(200), &mut read).await {
            Ok(done) => held.push(done.unwrap()),
            Err(time::Elapsed) => break read,
        }
        assert!(held.len() < 16, "nothing bounds it");
    };
    assert!(!held.is_empty());
    held.clear();
    assert!(waiting.await.unwrap().bytes > 0);
    // One batch larger than all of it is read all the same, alone.
    let mut large = MadeSegment::new(0);
    large.push_records(&[1], 6 * MIB);
    let filled = FilledBucket::new(vec![large]).await;
    let log = filled.log(16 * MIB).await.unwrap();
    let read = log.read(bounds(0, 1000)).await.unwrap();
    assert!(read.bytes as usize > 6 * MIB && read.slices.len() == 7);
}

#[tokio::test]
async fn many_readers_stay_within_the_memory() {
    let filled = Arc::new(filled(&[24, 24]).await);
    let reader = filled.reader(16 * MIB).await;
    let ahead = reader.blocks.room_ahead.available_permits();
    let log = Arc::new(RemoteLog::new(Arc::clone(&reader), Arc::clone(&filled.root)));
    let mut held_max = 0;
    // Six readers that each read on for a while, in turn: their windows want far more than there is room for.
    for step in 0..7 {
        for at in 0..6 {
            log.read(bounds(at * 7 + step, MIB as u64)).await.unwrap();
            // Streams go on as far as they may.
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            held_max = held_max.max(reader.blocks.ready_blocks());
            assert!(reader.cached_bytes() <= 6 * MIB, "{}", reader.cached_bytes());
        }
    }
    assert!(held_max <= ahead, "{held_max} blocks were held, and there is room for {ahead}");
    assert!(held_max >= 2, "nothing was read ahead");
    assert_eq!(reader.served.available_permits(), reader.served_permits as usize);
}

/// What a reader gave up waiting for comes, and lies in the cache alone: nobody's memory would pay for more.
#[tokio::test]
async fn what_was_given_up_is_kept_by_nobody() {
    let filled = filled(&[4]).await;
    let reader = filled.reader(16 * MIB).await;
    let log = RemoteLog::new(Arc::clone(&reader), Arc::clone(&filled.root));
    let entry = log.segment_of(Offset(0)).await.unwrap().unwrap();
    reader.head(PARTITION, &entry).await.unwrap();
    let room = reader.blocks.room_ahead.available_permits() as u32;
    let _no_room = reader.blocks.room_ahead.acquire_many(room).await.unwrap();
    filled.bucket.strike(Strike::next(Operation::Get, Fault::Slow(Duration::from_millis(100))));
    let gets = filled.gets();
    let given_up = time::timeout(Duration::from_millis(10), log.read(bounds(0, 1000))).await;
    assert!(given_up.is_err());
    let comes = async {
        while reader.cached_bytes() == 0 {
            tokio::task::yield_now().await;
        }
    };
    time::timeout(Duration::from_secs(20), comes).await.expect("it comes all the same");
    assert_eq!(reader.blocks.ready_blocks(), 0);
    assert_eq!(reader.served.available_permits(), reader.served_permits as usize);
    log.read(bounds(0, 1000)).await.unwrap();
    assert_eq!(filled.gets() - gets, 1, "it was there");
}

#[tokio::test]
async fn heads_leaves_and_states_are_read_once() {
    let filled = filled(&[2, 2]).await;
    let reader = filled.reader(16 * MIB).await;
    let reference = filled.root.leaves[0];
    let start = filled.gets();
    let leaves: Vec<_> = (0..3).map(|_| reader.leaf(&filled.root, &reference)).collect();
    let leaves = futures_util::future::join_all(leaves).await;
    let entry = leaves[0].as_ref().unwrap().entries[1];
    for _ in 0..2 {
        reader.head(PARTITION, &entry).await.unwrap();
    }
    assert_eq!(filled.gets() - start, 2);
    let state = reader.state(PARTITION, &entry).await.unwrap();
    assert_eq!(state.offset, entry.end_offset);
    let other = TopicPartition { partition: 9, ..PARTITION };
    assert!(reader.state(other, &entry).await.is_err());
}

/// A store that hangs holds up who asks for what it does not give, and nobody else.
#[tokio::test]
async fn look_ups_that_hang_leave_memory_to_reads() {
    let filled = filled(&[8, 2]).await;
    let reader = filled.reader(16 * MIB).await;
    let log = RemoteLog::new(Arc::clone(&reader), Arc::clone(&filled.root));
    let entry = log.segment_of(Offset(0)).await.unwrap().unwrap();
    reader.head(PARTITION, &entry).await.unwrap();
    log.read(bounds(8, 1000)).await.unwrap();
    filled.bucket.strike(Strike::next(Operation::Get, Fault::Slow(Duration::from_secs(3600))).times(100));
    let look_up = || reader.find_in_segment(PARTITION, &entry, entry.max_timestamp, Offset(0)..Offset(8));
    let look_ups = futures_util::future::join_all((0..8).map(|_| look_up()));
    let read = time::timeout(Duration::from_secs(20), log.read(bounds(8, 1000)));
    tokio::select! {
        biased;
        found = look_ups => panic!("their blocks never come: {found:?}"),
        read = read => assert!(read.expect("it is in memory").unwrap().bytes > 0),
    }
}

/// A root as large as one may be.
fn large_root(number: u64) -> Root {
    let reference = LeafReference {
        nonce: Nonce([1; 16]),
        base_offset: Offset(0),
        end_offset: Offset(1),
        skipped: 0,
        count: 1,
        log_bytes: 1,
        max_timestamp: Timestamp(0),
        bytes: 1,
        crc: 0,
    };
    let retired = Retired { what: RetiredObject::Root(1), since: Timestamp(0) };
    Root {
        number,
        leaves: vec![reference; LEAVES_MAX],
        retired: vec![retired; RETIRED_MAX],
        ..Root::empty(PARTITION, Offset(0))
    }
}

/// A root of 64 KiB for each of ten thousand partitions would be 640 MiB.
#[tokio::test]
async fn roots_of_many_partitions_take_no_more_than_their_share() {
    let filled = filled(&[2]).await;
    let reader = filled.reader(16 * MIB).await;
    let share = 16 * MIB / 32;
    let made = large_root(1).memory_bytes();
    assert!(made > 64 << 10 && made < share / 4, "{made}");
    for number in 2..50 {
        reader.replaced_root(0, &Arc::new(large_root(number)));
        assert!(reader.roots.bytes() <= share, "{}", reader.roots.bytes());
    }
    assert!(reader.roots.bytes() > share / 2, "{}", reader.roots.bytes());
    // The newest is here; one that was replaced is not, nor one that others drove out.
    let gets = filled.gets();
    assert_eq!(reader.root(PARTITION, 49).await.unwrap().number, 49);
    reader.replaced_root(49, &Arc::new(large_root(50)));
    for former in [49, 2] {
        assert!(matches!(
            reader.root(PARTITION, former).await,
            Err(TierError::Store(StoreError::NotFound(_)))
        ));
    }
    assert_eq!(filled.gets() - gets, 2);
    // And is read where it lies.
    let root = reader.root(PARTITION, filled.root.number).await.unwrap();
    assert_eq!(root, filled.root);
}

/// One partition's producers do not drive out those of all others.
#[tokio::test]
async fn states_of_many_producers_are_not_kept() {
    let filled = filled(&[2]).await;
    let reader = filled.reader(16 * MIB).await;
    let state = |offset: i64, producers: i64| {
        let mut state = CarriedState { offset: Offset(offset), ..CarriedState::default() };
        for producer in 0..producers {
            let mut builder = BatchBuilder::new();
            (builder.producer_id, builder.producer_epoch) = (ProducerId(producer), ProducerEpoch(0));
            builder.base_sequence = 0;
            builder.push(NewRecord { timestamp: Timestamp(1), ..NewRecord::default() });
            let batch = builder.build();
            state.apply_batch(&BatchHeader::parse(&batch).unwrap(), &batch, Timestamp(1)).unwrap();
        }
        Arc::new(CarriedState { offset: Offset(offset), ..state })
    };
    reader.keep_state(PARTITION, Offset(0), &state(7, 50));
    reader.keep_state(PARTITION, Offset(1), &state(8, 2_000));
    assert_eq!(reader.known_state(PARTITION, Offset(7)).unwrap().producers.len(), 50);
    assert_eq!(reader.known_state(PARTITION, Offset(8)), None);
    reader.keep_state(PARTITION, Offset(7), &state(9, 1));
    assert_eq!(reader.known_state(PARTITION, Offset(7)), None, "it was replaced");
    assert_eq!(reader.known_state(PARTITION, Offset(9)).unwrap().producers.len(), 1);
}
