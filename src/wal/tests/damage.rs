//! Torn tails are cut, damage to acknowledged frames refuses the start, and neither is taken for the other.

use std::path::Path;

use super::support::*;
use crate::env::simulated::{CrashPlan, Fault, Operation, SimulatedWorld};
use crate::env::{Files, OpenMode};
use crate::wal::{OpenedWal, ReplayError, ReplayStart};

fn first_file() -> String {
    format!("{DIR}/{:020}.wal", 0)
}

fn flip(world: &SimulatedWorld, offset: u64) {
    world.files.flip_bit(Path::new(&first_file()), offset, 3).unwrap();
}

/// Three groups, the last one followed by an idle frame or not: frames at 0, 4096, 8192 and 12288.
fn three_groups(idle: bool) -> (SimulatedWorld, OpenedWal<u64>) {
    let world = SimulatedWorld::new(1);
    let mut log = open_first(&world);
    for number in 0..3 {
        log.commit_one(number, 1000);
    }
    assert_eq!(log.writer.idle().unwrap() as u8, 1);
    if !idle {
        // The same log without its last frame.
        let file = world.files.open(Path::new(&first_file()), OpenMode::Write).unwrap();
        file.write_all_at(&[0; 4096], 3 * 4096).unwrap();
        file.sync_data().unwrap();
    }
    (world, log)
}

/// Flips one bit; `Ok` is what is replayed, `Err` the offset of the frame that is named.
fn check_flip(idle: bool, offset: u64, expected: Result<&[u64], u64>) {
    let (world, log) = three_groups(idle);
    flip(&world, offset);
    match (replay(&world, &log.replay_start), expected) {
        (Ok((numbers, _)), Ok(expected)) => assert_eq!(numbers, expected, "a flip at {offset}, idle {idle}"),
        (Err(ReplayError::Corrupt(corruption)), Err(place)) => {
            let found = (corruption.file.clone(), corruption.offset, corruption.lsn.0);
            assert_eq!(found, (first_file(), place, place), "a flip at {offset}: {corruption}");
        }
        (result, _) => panic!("a flip at {offset}, idle {idle}: {result:?}"),
    }
}

#[test]
fn a_flipped_bit_below_the_published_end_refuses_and_names_the_frame() {
    let (header, payload, padding) = (20, 500, 3000);
    for within in [header, payload] {
        for idle in [false, true] {
            check_flip(idle, within, Err(0));
            check_flip(idle, 4096 + within, Err(4096));
        }
        // The last acknowledged group: only the idle frame proves that it was durable.
        check_flip(true, 8192 + within, Err(8192));
        check_flip(false, 8192 + within, Ok(&[0, 1]));
    }
    check_flip(true, 12288 + header, Ok(&[0, 1, 2]));
    check_flip(false, padding, Ok(&[0, 1, 2]));
}

#[test]
fn a_refused_log_is_left_as_it_is() {
    let (world, log) = three_groups(true);
    flip(&world, 4096 + 500);
    let before = world.files.read(Path::new(&first_file()), 1 << 20).unwrap();
    replay(&world, &log.replay_start).unwrap_err();
    assert_eq!(world.files.read(Path::new(&first_file()), 1 << 20).unwrap(), before);
}

#[test]
fn nothing_is_visited_before_everything_is_verified() {
    let (world, log) = three_groups(true);
    flip(&world, 8192 + 500);
    let mut visited = 0;
    let dir = Path::new(DIR);
    let result = crate::wal::replay::<String>(&world.env(), dir, &log.replay_start, &mut |_| {
        visited += 1;
        Ok(())
    });
    assert!(matches!(result, Err(ReplayError::Corrupt(_))));
    assert_eq!(visited, 0);
}

#[test]
fn a_torn_group_is_cut_and_its_place_written_anew() {
    let world = SimulatedWorld::new(3);
    let mut log = open_first(&world);
    log.commit_one(0, 100);
    // Two sectors of the header's frame reach the disk, the payload does not.
    log.append(1, 5000);
    let written = log.writer.write_next().unwrap().unwrap();
    assert_eq!(written.members, [1]);
    let whole = world.files.read(Path::new(&first_file()), 1 << 20).unwrap();
    let cut = world.after_crash(CrashPlan::DropUnsynced);
    let file = cut.files.open(Path::new(&first_file()), OpenMode::Write).unwrap();
    file.write_all_at(&whole[4096..5120], 4096).unwrap();

    let (numbers, end) = replay(&cut, &log.replay_start).unwrap();
    assert_eq!((numbers, end.end_lsn.0), (vec![0], 4096));
    // The next start writes another group 1; the torn one never comes back, under either checkpoint.
    let mut second = open(&cut, end.next_incarnation());
    second.commit_one(7, 5000);
    assert_eq!(replay(&cut, &second.replay_start).unwrap().0, [7]);
    assert_eq!(replay(&cut, &log.replay_start).unwrap().0, [0]);
}

/// Whole frames behind a break are cut too if nothing says that what is missing was durable.
#[test]
fn unacknowledged_frames_behind_a_lost_one_are_cut_and_reported() {
    let world = SimulatedWorld::new(3);
    let mut log = open_first(&world);
    log.commit_one(0, 100);
    for number in 1..4 {
        log.append(number, 100);
        drop(log.writer.write_next().unwrap().unwrap());
    }
    flip(&world, 4096 + 50);
    let (numbers, end) = replay(&world, &log.replay_start).unwrap();
    assert_eq!(numbers, [0]);
    let torn = end.torn.expect("there are frames behind the break");
    assert_eq!((torn.file, torn.offset, torn.lsn.0), (first_file(), 4096, 4096));
}

/// Goes round the files until the first one is in its second lap.
fn two_laps(world: &SimulatedWorld) -> (OpenedWal<u64>, ReplayStart, u64) {
    let mut log = open_first(world);
    let mut start = log.replay_start;
    let mut number = 0;
    loop {
        while log.provisioner.step().unwrap() {}
        log.commit_one(number, 6000);
        number += 1;
        let here = log.appender.appended_lsn();
        let head = world.files.read(Path::new(&first_file()), 1 << 20).unwrap();
        let lap = u64::from_be_bytes(head[40..48].try_into().unwrap());
        if lap > 0 {
            return (log, start, number - 1);
        }
        start = log.appender.replay_start(here);
        log.appender.trim(here);
    }
}

#[test]
fn frames_of_an_earlier_lap_are_not_mistaken_for_data() {
    let world = SimulatedWorld::new(1);
    let (mut log, start, last) = two_laps(&world);
    log.commit_one(last + 1, 100);
    let head = world.files.read(Path::new(&first_file()), 1 << 20).unwrap();
    let stale = &head[3 * 4096..];
    assert!(stale.starts_with(b"HWWAL") || stale[4096..].starts_with(b"HWWAL"), "an earlier lap is there");
    let (numbers, end) = replay(&world, &start).unwrap();
    assert_eq!((numbers, end.torn), (vec![last, last + 1], None));
}

#[test]
fn a_lost_first_frame_of_a_recycled_file_is_damage() {
    let world = SimulatedWorld::new(1);
    let (mut log, start, last) = two_laps(&world);
    log.commit_one(last + 1, 100);
    flip(&world, 50);
    match replay(&world, &start) {
        Err(ReplayError::Corrupt(corruption)) => {
            assert_eq!((corruption.file, corruption.offset), (first_file(), 0));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_read_error_refuses_and_names_the_file() {
    let (world, log) = three_groups(true);
    world.files.inject(Fault::new(Operation::Read, ".wal", 1));
    match replay(&world, &log.replay_start) {
        Err(ReplayError::Io(error)) => assert!(error.to_string().contains(DIR), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_frame_of_another_log_is_not_taken() {
    let (world, log) = three_groups(true);
    let start = ReplayStart { wal_id: uuid::Uuid::from_u128(5), ..log.replay_start };
    assert_eq!(replay(&world, &start).unwrap().0, [0; 0]);
    let start = ReplayStart { previous_crc: !log.replay_start.previous_crc, ..log.replay_start };
    assert!(matches!(replay(&world, &start), Err(ReplayError::Corrupt(_))), "the chain is broken");
}
