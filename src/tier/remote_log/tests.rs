use super::super::tests::bucket::FilledBucket;
use super::super::tests::fixture::{MadeSegment, records};
use super::*;
use crate::env::Random;
use crate::env::simulated::SeededRandom;
use crate::log::ProducerStates;
use crate::model::TransactionResult;
use crate::protocol::batch::BatchHeader;

const MEMORY_BYTES: usize = 64 << 20;

/// Segments with gaps within and between, some batches larger than a block.
fn segments(seed: u64) -> Vec<MadeSegment> {
    let random = SeededRandom::new(seed);
    let below = |bound: u64| random.next_u64() % bound;
    let mut base = 10;
    let mut made = Vec::new();
    for _ in 0..4 {
        let mut segment = MadeSegment::new(base);
        for _ in 0..5 + below(20) {
            let value_bytes = match below(12) {
                0 => 1_500_000,
                1 | 2 => 400_000,
                _ => below(20_000) as usize,
            };
            let timestamps: Vec<i64> =
                (0..=below(3)).map(|_| 1000 + segment.end * 10 + below(300) as i64).collect();
            segment.push(records(&timestamps, value_bytes, None), 1, below(8) as i64 / 6 * 3);
        }
        base = segment.end + below(2) as i64 * 5;
        made.push(segment);
    }
    made
}

/// Every batch, in order.
fn batches(segments: &[MadeSegment]) -> Vec<(BatchHeader, &[u8])> {
    segments
        .iter()
        .flat_map(|made| {
            made.batches
                .iter()
                .map(|(header, position)| (*header, &made.bytes[*position as usize..][..header.size_bytes()]))
        })
        .collect()
}

/// What a read gives, by the plainest of rules, where memory is plenty.
fn expected(segments: &[MadeSegment], bounds: &ReadBounds) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (header, batch) in batches(segments) {
        if header.last_offset() < bounds.from {
            continue;
        }
        let fits = (bytes.len() + batch.len()) as u64 <= bounds.bytes_max;
        let is_first = bytes.is_empty() && bounds.at_least_one;
        if header.next_offset() > bounds.end || !(fits || is_first) {
            break;
        }
        bytes.extend_from_slice(batch);
    }
    bytes
}

#[tokio::test]
async fn reads_are_those_of_the_log() {
    for seed in 0..4 {
        let filled = FilledBucket::new(segments(seed)).await;
        let log = filled.log(MEMORY_BYTES).await.unwrap();
        let random = SeededRandom::new(seed + 100);
        let end = filled.root.end_offset.0 as u64;
        for _ in 0..150 {
            let below = |bound: u64| random.next_u64() % bound;
            let from = below(end + 3) as i64;
            let bounds = ReadBounds {
                from: Offset(from),
                end: Offset(from + [1, 5, 40, 10_000][below(4) as usize]),
                bytes_max: [0, 100, 30_000, 500_000, 3_000_000][below(5) as usize],
                at_least_one: below(2) == 0,
            };
            let read = log.read(bounds).await.unwrap();
            let found = read.slices.concat();
            assert_eq!(found.len() as u64, read.bytes);
            assert!(found == expected(&filled.segments, &bounds), "seed {seed}: {bounds:?}: {}", found.len());
            // Whoever goes on from there misses nothing.
            let skipped = batches(&filled.segments);
            let skipped = skipped.iter().filter(|(header, _)| {
                header.last_offset() >= bounds.from && header.last_offset() < read.next_offset
            });
            let bytes: usize = skipped.map(|(_, batch)| batch.len()).sum();
            assert_eq!(bytes, found.len(), "seed {seed}: {bounds:?} {}", read.next_offset);
        }
        assert_eq!(log.segment_of(filled.root.end_offset).await.unwrap(), None);
    }
}

#[tokio::test]
async fn the_whole_is_read_in_steps_and_with_faults() {
    for seed in 0..3 {
        let filled = FilledBucket::new(segments(seed)).await;
        filled.bucket.set_rates(crate::store::simulated::FaultRates {
            unavailable: 100,
            breaks_off: 150,
            corrupted: 0,
            ..Default::default()
        });
        let log = filled.log(MEMORY_BYTES).await.unwrap();
        let mut all = Vec::new();
        let mut from = Offset(0);
        while from < filled.root.end_offset {
            let bounds = ReadBounds { from, end: Offset(i64::MAX), bytes_max: 300_000, at_least_one: true };
            let read = log.read(bounds).await.unwrap();
            assert!(read.next_offset > from, "{from}");
            read.slices.iter().for_each(|slice| all.extend_from_slice(slice));
            from = read.next_offset;
        }
        let whole: Vec<u8> = filled.segments.iter().flat_map(|made| made.bytes.clone()).collect();
        assert!(all == whole, "seed {seed}");
    }
}

#[tokio::test]
async fn records_are_found_by_time() {
    for seed in 0..3 {
        let filled = FilledBucket::new(segments(seed)).await;
        let log = filled.log(MEMORY_BYTES).await.unwrap();
        let all: Vec<(Offset, Timestamp)> = batches(&filled.segments)
            .into_iter()
            .flat_map(|(header, batch)| {
                let set = crate::protocol::batch::records(batch, &Default::default()).unwrap();
                set.iter()
                    .map(|record| record.unwrap())
                    .map(|record| (header.base_offset.plus(record.offset_delta.into()), record.timestamp))
                    .collect::<Vec<_>>()
            })
            .collect();
        let random = SeededRandom::new(seed + 50);
        let below = |bound: i64| (random.next_u64() % bound as u64) as i64;
        let end = filled.root.end_offset.0;
        for _ in 0..60 {
            let (timestamp, start) = (Timestamp(900 + below(end * 10 + 600)), Offset(below(end)));
            let range = start..Offset(end + 1);
            let found = log.find_by_timestamp(timestamp, range.clone()).await.unwrap();
            let first = all.iter().find(|(offset, at)| *offset >= start && *at >= timestamp);
            let expected = first.map(|(offset, at)| (*offset, *at));
            assert_eq!(found.map(|found| (found.offset, found.timestamp)), expected, "{timestamp} {start}");
        }
    }
}

/// Transactions of several producers, over the ends of segments.
fn transactions(seed: u64) -> Vec<MadeSegment> {
    let random = SeededRandom::new(seed);
    let below = |bound: u64| random.next_u64() % bound;
    let (mut states, mut sequences) = (ProducerStates::default(), [0; 4]);
    let (mut made, mut base) = (Vec::new(), 0);
    for _ in 0..6 {
        let mut segment = MadeSegment::new(base);
        for _ in 0..20 {
            let producer = below(4) as usize;
            let id = crate::model::ProducerId(producer as i64);
            let is_open = states.get(id).is_some_and(|entry| entry.transaction.is_some());
            if is_open && below(3) == 0 {
                let result = if below(2) == 0 { TransactionResult::Abort } else { TransactionResult::Commit };
                segment.push_marker(producer as i64, result);
            } else {
                segment.push_transactional(producer as i64, sequences[producer]);
                sequences[producer] += 1;
            }
            let (header, position) = *segment.batches.last().unwrap();
            let batch = &segment.bytes[position as usize..];
            let ended = states.apply_batch(&header, batch, Timestamp(0)).unwrap();
            let undecided = states.first_undecided();
            segment.aborted.extend(ended.and_then(|ended| AbortedTransaction::of(ended, undecided)));
        }
        base = segment.end;
        made.push(segment);
    }
    made
}

#[tokio::test]
async fn aborted_transactions_are_told_wherever_their_markers_stand() {
    for seed in 0..5 {
        let filled = FilledBucket::new(transactions(seed)).await;
        let log = filled.log(MEMORY_BYTES).await.unwrap();
        let all: Vec<AbortedTransaction> =
            filled.segments.iter().flat_map(|made| made.aborted.clone()).collect();
        assert!(all.len() > 5, "{}", all.len());
        for from in 0..filled.root.end_offset.0 {
            for count in [1, 7, 30] {
                let range = Offset(from)..Offset(from + count);
                let found = log.aborted(range.clone()).await.unwrap();
                let expected: Vec<_> =
                    all.iter().filter(|it| it.overlaps(range.start, range.end)).copied().collect();
                let told: Vec<_> =
                    found.aborted.iter().filter(|it| it.overlaps(range.start, range.end)).copied().collect();
                assert_eq!(told, found.aborted);
                assert_eq!(found.aborted, expected, "seed {seed}: {range:?}");
                // What is open at the end has its marker behind it.
                let last = log.segment_of(filled.root.end_offset.plus(-1)).await.unwrap().unwrap();
                let is_open = last.leaves_undecided(range.end) || range.end > filled.root.end_offset;
                assert!(found.has_more <= is_open, "seed {seed}: {range:?}");
            }
        }
    }
    // A range whose transactions are all decided in its own segment looks no further.
    let mut plain = MadeSegment::new(0);
    plain.push_transactional(1, 0);
    plain.push_marker(1, TransactionResult::Abort);
    plain.aborted.push(AbortedTransaction {
        producer_id: crate::model::ProducerId(1),
        first_offset: Offset(0),
        last_offset: Offset(1),
        last_stable_offset: Offset(2),
    });
    let mut others = vec![plain];
    for at in 1..5 {
        let mut more = others[0].clone();
        more = MadeSegment { batches: Vec::new(), bytes: Vec::new(), ..more };
        (more.base, more.end) = (at * 2, at * 2);
        more.push_transactional(1, at as i32);
        more.push_marker(1, TransactionResult::Abort);
        more.aborted[0].first_offset = Offset(at * 2);
        more.aborted[0].last_offset = Offset(at * 2 + 1);
        more.aborted[0].last_stable_offset = Offset(at * 2 + 2);
        others.push(more);
    }
    let filled = FilledBucket::new(others).await;
    let log = filled.log(MEMORY_BYTES).await.unwrap();
    let gets = filled.gets();
    let found = log.aborted(Offset(0)..Offset(2)).await.unwrap();
    assert_eq!((found.aborted.len(), found.has_more), (1, false));
    assert_eq!(filled.gets() - gets, 2, "a leaf and a head");
}
