use super::fixture::{BATCH, Batch, bases, bytes_of, create, filled, row, small};
use crate::env::simulated::SimulatedWorld;
use crate::log::{LogConfig, LogError, PartitionLog};
use crate::model::Offset;

fn check(log: &PartitionLog, from: i64, end: i64, max_bytes: u64, expected: &[i64], next: i64) {
    let read = log.read(Offset(from), Offset(end), max_bytes, true).unwrap();
    let bytes = bytes_of(&read.extents);
    let what = format!("read from {from} to {end}, at most {max_bytes} bytes");
    assert_eq!(bases(&bytes), expected, "{what}");
    assert_eq!(read.next_offset, Offset(next), "{what}");
    assert_eq!(read.bytes, bytes.len() as u64, "{what}");
}

#[test]
fn whole_batches_within_the_bounds() {
    let world = SimulatedWorld::new(1);
    // One record each: 90 bytes, 11 to a segment.
    let size = row(0, 1)[0].len() as u64;
    let log = filled(&world, small(), 40);
    assert!(log.segments_count() > 2, "the row spans several segments");
    for (from, end, max_bytes, expected, next) in [
        (0, 40, size * 3, vec![0, 1, 2], 3),
        (0, 40, size * 3 + 1, vec![0, 1, 2], 3),
        (0, 40, size * 4 - 1, vec![0, 1, 2], 3),
        (5, 40, size, vec![5], 6),
        // The first batch comes even if it is too large (KIP-74).
        (5, 40, 1, vec![5], 6),
        (5, 40, 0, vec![5], 6),
        // Not beyond the end the caller gives, nor beyond what is written.
        (0, 2, u64::MAX, vec![0, 1], 2),
        (3, 3, u64::MAX, vec![], 3),
        (0, 40, u64::MAX, (0..40).collect(), 40),
        (0, 99, u64::MAX, (0..40).collect(), 40),
        // Across a segment boundary.
        (9, 14, u64::MAX, (9..14).collect(), 14),
        (40, 99, u64::MAX, vec![], 40),
    ] {
        check(&log, from, end, max_bytes, &expected, next);
    }
    for from in 0..40 {
        for end in from..=40 {
            check(&log, from, end, u64::MAX, &(from..end).collect::<Vec<_>>(), end);
        }
    }
}

#[test]
fn only_the_first_batch_may_pass_the_bound() {
    let world = SimulatedWorld::new(1);
    let log = filled(&world, small(), 5);
    assert!(log.read(Offset(0), Offset(5), 1, false).unwrap().extents.is_empty());
}

#[test]
fn offsets_outside_the_log() {
    let world = SimulatedWorld::new(1);
    let log = filled(&world, small(), 40);
    log.set_log_start_offset(Offset(7));
    for from in [0, 6, 41, i64::MAX, -1] {
        match log.read(Offset(from), Offset(40), 100, true) {
            Err(LogError::OutOfRange { log_start_offset, log_end_offset, .. }) => {
                assert_eq!((log_start_offset, log_end_offset), (Offset(7), Offset(40)));
            }
            other => panic!("read from {from}: {:?}", other.map(|read| read.next_offset)),
        }
    }
    check(&log, 7, 9, u64::MAX, &[7, 8], 9);
}

#[test]
fn the_batch_that_contains_the_offset_and_gaps() {
    let world = SimulatedWorld::new(1);
    let log = create(&world, LogConfig { segment_bytes: 300, ..small() });
    // Offsets 3..10 and 20..30 are missing, as after compaction; segments change in the middle of it.
    let layout = [(0, 3), (10, 5), (15, 5), (30, 2), (32, 2), (34, 2)];
    let batch = |(base, records)| Batch { base, records, ..BATCH }.build();
    log.append(&layout.map(batch)).unwrap();
    assert!(log.segments_count() > 1, "there is a segment boundary in it");
    let all = layout.map(|(base, _)| base);
    for from in 0..36 {
        let first = layout.iter().position(|&(base, records)| base + i64::from(records) > from).unwrap();
        check(&log, from, 36, u64::MAX, &all[first..], 36);
        let next = all.get(first + 1).copied().unwrap_or(36);
        let read = log.read(Offset(from), Offset(36), 1, true).unwrap();
        assert_eq!(bases(&bytes_of(&read.extents)), [all[first]], "one batch from {from}");
        assert!(read.next_offset.0 > from && read.next_offset.0 <= next, "from {from}: {}", read.next_offset);
    }
}

#[test]
fn an_end_inside_a_batch_excludes_it() {
    let world = SimulatedWorld::new(1);
    let log = create(&world, small());
    log.append(&[Batch { records: 5, ..BATCH }.build(), Batch { base: 5, records: 5, ..BATCH }.build()])
        .unwrap();
    check(&log, 0, 7, u64::MAX, &[0], 5);
    check(&log, 5, 7, u64::MAX, &[], 5);
}
