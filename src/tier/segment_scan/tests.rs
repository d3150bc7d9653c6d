use proptest::collection::vec;
use proptest::prelude::*;

use super::super::tests::fixture::{MadeSegment, NOW, PARTITION, records};
use super::*;
use crate::log::ProducerStates;
use crate::model::{ProducerId, TransactionResult};

/// Walks over a segment in pieces of that size.
fn scan(made: &MadeSegment, state: CarriedState, piece_bytes: usize) -> Result<ScannedSegment, TierError> {
    let mut scan = SegmentScan::new(made.source(), state)?;
    for piece in made.bytes.chunks(piece_bytes) {
        scan.push(piece)?;
    }
    scan.finish()
}

fn head_of(scanned: &ScannedSegment) -> SegmentHead {
    let head = SegmentHead::decode(&scanned.head).unwrap();
    assert!(head.is_of(&scanned.entry, PARTITION));
    assert_eq!(scanned.entry.head_bytes as usize, scanned.head.len());
    assert_eq!(scanned.entry.head_crc, crc32c::crc32c(&scanned.head));
    assert_eq!(head.producers, Section::of(&scanned.producers));
    assert_eq!(head.blocks, scanned.blocks);
    head
}

fn aborted(producer_id: i64, first: i64, last: i64, stable: i64) -> AbortedTransaction {
    AbortedTransaction {
        producer_id: ProducerId(producer_id),
        first_offset: Offset(first),
        last_offset: Offset(last),
        last_stable_offset: Offset(stable),
    }
}

/// The index by its rule, in another way than the walk makes it.
fn expected_index(made: &MadeSegment) -> Vec<IndexEntry> {
    let mut index: Vec<IndexEntry> = Vec::new();
    for (at, (header, position)) in made.batches.iter().enumerate() {
        let is_due = index.last().is_none_or(|last| position - u64::from(last.position) >= 64 << 10);
        let before = made.batches[..at].iter().map(|(header, _)| header.max_timestamp).max();
        if is_due {
            index.push(IndexEntry {
                base_offset: header.base_offset,
                position: *position as u32,
                max_timestamp_before: before.unwrap_or(Timestamp::NONE),
            });
        }
    }
    index
}

fn made_segments() -> impl Strategy<Value = MadeSegment> {
    let batch = (vec(0i64..5000, 1..4), prop_oneof![4 => 0usize..2000, 1 => 30_000usize..90_000], 0i64..3);
    (0i64..1_000_000, vec(batch, 1..40)).prop_map(|(base, batches)| {
        let mut made = MadeSegment::new(base);
        for (at, (timestamps, value_bytes, gap)) in batches.iter().enumerate() {
            made.push(records(timestamps, *value_bytes, None), 1 + at as i32 / 10, *gap);
        }
        made
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_walk_finds_what_is_there(made in made_segments(), piece_bytes in 1usize..100_000) {
        // Single bytes are tried below.
        let scanned = scan(&made, CarriedState::default(), piece_bytes.max(100)).unwrap();
        let head = head_of(&scanned);
        prop_assert_eq!(head.index, expected_index(&made));
        let blocks: Vec<u32> = made.bytes.chunks(1 << 20).map(crc32c::crc32c).collect();
        prop_assert_eq!(head.blocks, blocks);
        let max = made.batches.iter().map(|(header, _)| header.max_timestamp).max().unwrap();
        let first = made.batches.iter().find(|(header, _)| header.max_timestamp == max).unwrap();
        let entry = scanned.entry;
        prop_assert_eq!((entry.max_timestamp, entry.max_timestamp_offset), (max, first.0.last_offset()));
        prop_assert_eq!(entry.first_leader_epoch, LeaderEpoch(1));
        prop_assert_eq!(entry.last_leader_epoch, made.batches.last().unwrap().0.partition_leader_epoch);
        prop_assert_eq!(scanned.state.offset, Offset(made.end));
        prop_assert_eq!(CarriedState::decode(&scanned.producers, PARTITION), Ok(scanned.state));
    }
}

#[test]
fn pieces_of_any_size_give_the_same() {
    let mut made = MadeSegment::new(5);
    for at in 0..20 {
        made.push_records(&[at, 100 - at], 40);
    }
    made.push_transactional(4, 0);
    made.push_marker(4, TransactionResult::Commit);
    let whole = scan(&made, CarriedState::default(), usize::MAX).unwrap();
    for piece_bytes in 1..200 {
        assert_eq!(scan(&made, CarriedState::default(), piece_bytes).unwrap(), whole, "{piece_bytes}");
    }
}

#[test]
fn state_is_carried_from_segment_to_segment() {
    let mut first = MadeSegment::new(0);
    first.push_transactional(4, 0);
    first.push_transactional(5, 0);
    let mut second = MadeSegment::new(first.end);
    second.push_transactional(4, 1);
    second.push_marker(4, TransactionResult::Abort);
    second.push_marker(5, TransactionResult::Commit);
    second.aborted = vec![aborted(4, 0, 3, 1)];

    let one = scan(&first, CarriedState::default(), 100).unwrap();
    assert_eq!(one.state.producers.first_undecided(), Some(Offset(0)));
    assert_eq!((one.entry.aborted, one.entry.first_undecided), (0, Offset(0)));
    assert!(one.entry.leaves_undecided(Offset(1)) && !one.entry.leaves_undecided(Offset(0)));
    let carried = CarriedState::decode(&one.producers, PARTITION).unwrap();
    let two = scan(&second, carried, 100).unwrap();
    assert_eq!(two.state.producers.first_undecided(), None);
    assert_eq!(head_of(&two).aborted, second.aborted);
    assert_eq!((two.entry.aborted, two.entry.first_undecided), (1, Offset::NONE));
    assert!(!two.entry.leaves_undecided(Offset(i64::MAX)));

    // The same by the log's own rules.
    let mut expected = ProducerStates::default();
    for (made, at) in
        [&first, &second].into_iter().flat_map(|made| (0..made.batches.len()).map(move |at| (made, at)))
    {
        let (header, position) = &made.batches[at];
        let batch = &made.bytes[*position as usize..][..header.size_bytes()];
        expected.apply_batch(header, batch, NOW).unwrap();
    }
    assert_eq!(two.state.producers, expected);

    // An index that would have readers see what was taken back.
    for wrong in [vec![], vec![aborted(5, 0, 3, 1)], vec![aborted(4, 0, 4, 1)]] {
        second.aborted = wrong.clone();
        let carried = CarriedState::decode(&one.producers, PARTITION).unwrap();
        let error = scan(&second, carried, 100).unwrap_err();
        assert!(error.to_string().contains("the transaction index lacks"), "{wrong:?}: {error}");
    }
    // Without the state before, nothing is known of what began there, and the index is taken as it is.
    second.aborted = vec![aborted(5, 1, 4, 2)];
    scan(&second, CarriedState::default(), 100).unwrap_err();
}

#[test]
fn a_damaged_segment_is_not_taken() {
    let mut made = MadeSegment::new(100);
    for at in 0..5 {
        made.push_records(&[at], 100);
    }
    scan(&made, CarriedState::default(), 64).unwrap();
    let check = |name: &str, expected: &str, change: &dyn Fn(&mut MadeSegment)| {
        let mut made = made.clone();
        change(&mut made);
        let error = scan(&made, CarriedState::default(), 64).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    };
    let second = made.batches[1].1 as usize;
    check("a bit of a record", "checksum", &|made| made.bytes[second + 80] ^= 1);
    check("magic", "no record batch begins here", &|made| made.bytes[second + 16] = 1);
    check("length", "passes the end", &|made| made.bytes[second + 8] = 0x7f);
    check("offset", "cannot stand", &|made| made.bytes[second + 7] = 99);
    check("short of a byte", "passes the end", &|made| made.bytes.truncate(made.bytes.len() - 1));
    check("short of a header", "no whole batches", &|made| made.bytes.extend([0; 60]));
    check("end", "cannot stand", &|made| made.end = 104);
    check("end", "another", &|made| made.aborted = vec![aborted(1, 105, 105, 105)]);
    let mut control = made.clone();
    control.bytes[second + 22] |= 1 << 5;
    control.bytes[second + 9] = 2;
    control.bytes.resize(1 << 18, 0);
    let error = scan(&control, CarriedState::default(), 64).unwrap_err().to_string();
    assert!(error.contains("control batch"), "{error}");

    let ahead = CarriedState { offset: Offset(101), ..CarriedState::default() };
    assert!(scan(&made, ahead, 64).is_err());
    let mut short = SegmentScan::new(made.source(), CarriedState::default()).unwrap();
    short.push(&made.bytes[..second]).unwrap();
    assert!(short.finish().is_err());
}

/// A cleaning leaves the marker, a batch of its producer without records, and no entry in the index: readers
/// who were told of it would skip what that producer wrote later, once the marker is gone.
#[test]
fn of_a_transaction_that_a_cleaning_took_away_readers_are_not_told() {
    let mut made = MadeSegment::new(0);
    made.push_transactional(1, 0);
    made.push_marker(1, TransactionResult::Abort);
    made.aborted.clear();
    scan(&made, CarriedState::default(), 64).unwrap_err();
    let clean = SegmentSource { is_clean: true, ..made.source() };
    let mut scan = SegmentScan::new(clean, CarriedState::default()).unwrap();
    scan.push(&made.bytes).unwrap();
    assert_eq!(scan.finish().unwrap().entry.aborted, 0);
}
