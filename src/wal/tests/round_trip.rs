use super::support::*;
use crate::env::simulated::{CrashPlan, SimulatedWorld};
use crate::wal::{EntryHeader, EntryKind, Lsn};

#[test]
fn what_was_committed_is_replayed_as_it_was_appended() {
    let world = SimulatedWorld::new(1);
    let mut log = open_first(&world);
    let mut lsns = Vec::new();
    for number in 0..40 {
        lsns.push(log.append(number, 10 + 31 * number as usize).lsn);
    }
    assert!(lsns.is_sorted_by(|a, b| a < b), "every entry has an LSN of its own: {lsns:?}");
    assert_eq!(log.commit(), (0..40).collect::<Vec<_>>());
    let after = world.after_crash(CrashPlan::DropUnsynced);
    let mut replayed = Vec::new();
    let dir = std::path::Path::new(DIR);
    let end = crate::wal::replay::<String>(&after.env(), dir, &log.replay_start, &mut |entry| {
        assert_eq!(entry.header, header(number_of(&entry.payload) as i32));
        replayed.push(entry.lsn);
        Ok(())
    });
    let end = end.unwrap();
    assert_eq!(replayed, lsns);
    assert_eq!((end.end_lsn, end.entries, end.torn), (log.appender.durable_lsn(), 40, None));
}

#[test]
fn the_copy_is_patched_and_sealed_without_another_copy() {
    let world = SimulatedWorld::new(1);
    let mut log = open_first(&world);
    let original = payload(7, 100);
    let mut credit = log.appender.try_reserve(100).unwrap();
    let metadata = EntryHeader { kind: EntryKind::Metadata, topic_partition: None };
    let appended = log.appender.append(&mut credit, metadata, &original, |copy| copy[7] = 9, 0);
    assert_eq!((appended.slice.len(), appended.slice.bytes()), (100, None));
    log.commit();
    let sealed = appended.slice.bytes().expect("the group is sealed");
    assert_eq!((sealed[7], sealed[8]), (9, 7), "the copy is patched");
    assert_eq!(original[7], 7);
    assert_eq!(sealed.as_ptr(), appended.slice.bytes().unwrap().as_ptr());
    assert_eq!(appended.slice.pinned_bytes(), Some(4096));
}

#[test]
fn every_start_writes_an_incarnation_of_its_own() {
    let world = SimulatedWorld::new(1);
    let mut log = open_first(&world);
    log.commit_one(1, 100);
    let start = log.replay_start;
    let (numbers, end) = replay(&world, &start).unwrap();
    assert_eq!(numbers, [1]);
    let next = end.next_incarnation();
    assert_eq!((next.incarnation, next.start_lsn), (2, end.end_lsn.plus(1 << 30)));
    let mut second = open(&world, next);
    second.commit_one(2, 100);
    assert_eq!(replay(&world, &start).unwrap().0, [1], "until the new checkpoint, the old one still holds");
    assert_eq!(replay(&world, &second.replay_start).unwrap().0, [2]);
    assert_eq!(replay(&world, &start).unwrap().1.next_incarnation().incarnation, 3, "2 is taken");
}

#[test]
fn an_empty_log_replays_to_nothing() {
    let world = SimulatedWorld::new(1);
    let log = open_first(&world);
    let (numbers, end) = replay(&world, &log.replay_start).unwrap();
    assert_eq!((numbers, end.end_lsn, end.torn), (vec![], Lsn(0), None));
}
