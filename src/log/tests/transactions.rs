//! The index of aborted transactions: never short of an entry, whatever the disk does.

use std::io;

use bytes::Bytes;

use super::fixture::{content, create, names, open, path, small};
use crate::env::Files;
use crate::env::simulated::{CrashPlan, Fault, Operation, SimulatedWorld};
use crate::log::{AbortedTransaction, LogError, PartitionLog, ScrubPlace};
use crate::model::{CoordinatorEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TransactionResult};
use crate::protocol::batch::{BatchBuilder, EndTransactionMarker, NewRecord, patch_base_offset_and_epoch};

/// Producers in turn, each of which writes twice and then aborts, so that three transactions are always open.
const PRODUCERS: i64 = 3;

fn batch(offset: i64) -> Bytes {
    let producer_id = ProducerId(offset % PRODUCERS);
    let turn = offset / PRODUCERS;
    if turn % 3 == 2 {
        let result = TransactionResult::Abort;
        let marker = EndTransactionMarker { result, coordinator_epoch: CoordinatorEpoch(1) };
        let mut bytes = marker.batch(producer_id, ProducerEpoch(0), Timestamp(1_000));
        patch_base_offset_and_epoch(&mut bytes, Offset(offset), crate::model::LeaderEpoch(1));
        return bytes.into();
    }
    let mut builder = BatchBuilder::new();
    builder.base_offset = Offset(offset);
    builder.partition_leader_epoch = crate::model::LeaderEpoch(1);
    builder.producer_id = producer_id;
    builder.producer_epoch = ProducerEpoch(0);
    builder.base_sequence = (turn - turn / 3) as i32;
    builder.is_transactional = true;
    builder.push(NewRecord {
        timestamp: Timestamp(1_000),
        value: Some(b"twenty bytes of value"),
        ..NewRecord::default()
    });
    builder.build().into()
}

fn rows(from: i64, count: i64) -> Vec<Bytes> {
    (from..from + count).map(batch).collect()
}

fn expected(end: i64) -> Vec<AbortedTransaction> {
    let marker_of = |last_offset: i64| {
        let producer_id = ProducerId(last_offset % PRODUCERS);
        let first_offset = Offset(last_offset - 2 * PRODUCERS);
        // The others are open: those behind it in the turn since then, those before it not at all.
        let next = (last_offset % PRODUCERS < PRODUCERS - 1).then_some(first_offset.plus(1));
        let last_stable_offset = next.unwrap_or(Offset(last_offset + 1));
        AbortedTransaction { producer_id, first_offset, last_offset: Offset(last_offset), last_stable_offset }
    };
    (0..end).filter(|offset| offset / PRODUCERS % 3 == 2).map(marker_of).collect()
}

fn aborted(log: &PartitionLog) -> Vec<AbortedTransaction> {
    let end = log.written_end_offset();
    let mut all = Vec::new();
    let mut from = log.log_start_offset();
    while from < end {
        let read = log.read_committed(from, end, u64::MAX, true).unwrap();
        all.extend(read.aborted);
        from = read.next_offset;
    }
    all.sort_by_key(|aborted: &AbortedTransaction| aborted.last_offset);
    all.dedup();
    all
}

fn check(log: &PartitionLog, end: i64, what: &str) {
    assert_eq!(log.written_end_offset(), Offset(end), "{what}");
    assert_eq!(content(log), rows(0, end).concat(), "{what}");
    assert_eq!(aborted(log), expected(end), "{what}");
}

#[test]
fn a_full_disk_leaves_no_marker_without_its_entry_and_no_entry_without_its_marker() {
    let mut stopped = 0;
    for room in (0..2_000).step_by(7) {
        let world = SimulatedWorld::new(room);
        let log = create(&world, small());
        log.append(&rows(0, 5)).unwrap();
        world.files.set_capacity(world.files.used_bytes() + room);
        let error = log.append(&rows(5, 30)).expect_err("there is no room for thirty");
        assert!(matches!(error, LogError::NoSpace { .. }), "{room} bytes of room: {error}");
        let end = log.written_end_offset().0;
        check(&log, end, &format!("{room} bytes of room"));
        stopped += i64::from(end / PRODUCERS % 3 == 2);
        world.files.set_capacity(u64::MAX);
        log.append(&rows(5, 30)).unwrap();
        check(&log, 35, &format!("{room} bytes of room"));
        assert_eq!(log.sync().unwrap(), Offset(35));
        drop(log);
        let (log, _) = open(&world.after_crash(CrashPlan::DropUnsynced), small(), 35, 0).unwrap();
        check(&log, 35, &format!("{room} bytes of room, after a power cut"));
    }
    assert!(stopped > 10, "{stopped} stopped at a marker");
}

/// What a write of the marker itself leaves when it fails.
#[test]
fn an_entry_whose_marker_was_not_written_is_taken_back() {
    for path in [".txnindex", ".log"] {
        let world = SimulatedWorld::new(3);
        let log = create(&world, small());
        log.append(&rows(0, 6)).unwrap();
        world.files.inject(Fault::new(Operation::Write, path, 0).with_error(io::ErrorKind::StorageFull));
        log.append(&rows(6, 1)).expect_err("the fault strikes");
        check(&log, 6, path);
        log.append(&rows(6, 3)).unwrap();
        check(&log, 9, path);
    }
}

#[test]
fn a_sync_that_fails_has_it_written_again() {
    let world = SimulatedWorld::new(4);
    let log = create(&world, small());
    log.append(&rows(0, 9)).unwrap();
    log.sync().unwrap();
    log.checkpointed(Offset(9)).unwrap();
    log.append(&rows(9, 20)).unwrap();
    world.files.inject(Fault::sync("txnindex", 0).with_error(io::ErrorKind::StorageFull));
    assert!(matches!(log.sync(), Err(LogError::RewindNeeded { .. })));
    log.rewind_to_synced().unwrap();
    check(&log, 9, "rewound");
    log.append(&rows(9, 20)).unwrap();
    check(&log, 29, "written again");
    log.sync().unwrap();
    let (log, _) = open(&world.after_crash(CrashPlan::DropUnsynced), small(), 29, 0).unwrap();
    check(&log, 29, "after a power cut");
}

#[test]
fn a_damaged_index_is_written_anew() {
    let world = SimulatedWorld::new(5);
    let log = create(&world, small());
    log.append(&rows(0, 60)).unwrap();
    log.sync().unwrap();
    drop(log);
    let named: Vec<String> = names(&world).into_iter().filter(|name| name.ends_with(".txnindex")).collect();
    assert!(named.len() > 2, "{named:?}");
    for (name, what) in named.iter().zip(["a flipped bit", "cut short", "gone"].iter().cycle()) {
        let world = world.after_kill();
        let before = world.files.read(&path(name), 1 << 20).unwrap();
        match *what {
            "a flipped bit" => world.files.flip_bit(&path(name), 11, 3).unwrap(),
            "cut short" => world.files.replace(&path(name), &before[..before.len() - 1]).unwrap(),
            _ => world.files.remove_file(&path(name)).unwrap(),
        }
        let (log, _) = open(&world, small(), 60, 0).unwrap();
        check(&log, 60, &format!("{name} {what}"));
        log.sync().unwrap();
        drop(log);
        assert_eq!(world.files.read(&path(name), 1 << 20).unwrap(), before, "{name} {what}");
    }
}

/// Rot that comes while the log is open: no reader takes an aborted record for a committed one.
#[test]
fn a_damaged_index_is_noticed_by_readers_and_by_the_scrub() {
    let world = SimulatedWorld::new(6);
    let log = create(&world, small());
    log.append(&rows(0, 60)).unwrap();
    check(&log, 60, "before");
    let named: Vec<String> = names(&world).into_iter().filter(|name| name.ends_with(".txnindex")).collect();
    assert!(named.len() > 2, "{named:?}");
    let scrubbed = |bytes_max: u64| -> Result<u64, LogError> {
        let (mut place, mut bytes) = (Some(ScrubPlace::default()), 0);
        while let Some(from) = place {
            let step = log.scrub(from, bytes_max)?;
            (place, bytes) = (step.next, bytes + step.bytes);
        }
        Ok(bytes)
    };
    let sizes = named.iter().map(|name| world.files.read(&path(name), 1 << 20).unwrap().len());
    let all = (rows(0, 60).concat().len() + sizes.sum::<usize>()) as u64;
    for bytes_max in [1, 100, u64::MAX] {
        assert_eq!(scrubbed(bytes_max).unwrap(), all, "every byte once, {bytes_max} at a time");
    }
    for name in &named {
        // The version, the producer, the first offset, the last one, the last stable offset.
        for byte in [1, 9, 17, 25, 33] {
            world.files.flip_bit(&path(name), byte, 0).unwrap();
            let read = log.read_committed(Offset(0), Offset(60), u64::MAX, true);
            let read = read.err().filter(|error| matches!(error, LogError::Corrupt { .. }));
            assert!(read.is_some(), "{name}, byte {byte}: a reader is told nothing");
            for bytes_max in [1, u64::MAX] {
                let scrub = scrubbed(bytes_max);
                assert!(matches!(scrub, Err(LogError::Corrupt { .. })), "{name}, byte {byte}: {scrub:?}");
            }
            world.files.flip_bit(&path(name), byte, 0).unwrap();
        }
    }
    check(&log, 60, "after");
}
