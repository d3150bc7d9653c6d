//! Files that are larger than the first look behind a break: what proves damage may lie far away.

use std::path::Path;

use super::support::*;
use crate::env::simulated::SimulatedWorld;
use crate::env::{Files, OpenMode};
use crate::wal::{Lsn, NewIncarnation, OpenedWal, ReplayError, ReplayStart, SyncMode, WalOptions, create};

const FRAME_BYTES: u64 = 256 << 10;
/// So many frames lie behind each other that the last one is far outside of the first look.
const FRAMES: u64 = 24;

fn first_file() -> String {
    format!("{DIR}/{:020}.wal", 0)
}

fn large(sync: SyncMode) -> WalOptions {
    WalOptions {
        sync,
        file_bytes: 16 << 20,
        slot_bytes: 8 << 20,
        group_bytes_max: 1 << 20,
        capacity_bytes: 32 << 20,
        free_bytes_target: 8 << 20,
    }
}

/// Commits `FRAMES` groups of `FRAME_BYTES` each into one file. With `Os` they are synced together.
fn filled(world: &SimulatedWorld, sync: SyncMode) -> OpenedWal<u64> {
    let first = NewIncarnation::first(WAL_ID);
    let mut log: OpenedWal<u64> = create(&world.env(), Path::new(DIR), large(sync), first).unwrap();
    for number in 0..FRAMES {
        log.commit_one(number, FRAME_BYTES as usize - 1000);
        while log.provisioner.step().unwrap() {}
    }
    log.writer.sync_all().unwrap();
    assert!(log.writer.idle().unwrap(), "the only frame that says that all of them are durable");
    log
}

fn damage(world: &SimulatedWorld, frame: u64) {
    world.files.flip_bit(Path::new(&first_file()), frame * FRAME_BYTES + 500, 3).unwrap();
}

fn check_refused(world: &SimulatedWorld, start: &ReplayStart, at: u64) {
    match replay(world, start) {
        Err(ReplayError::Corrupt(corruption)) => {
            assert_eq!((corruption.offset, corruption.lsn), (at, Lsn(at)), "{corruption}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_proof_far_behind_the_break_counts() {
    for frame in [0, 1, FRAMES - 1] {
        let world = SimulatedWorld::new(1);
        let log = filled(&world, SyncMode::Os);
        damage(&world, frame);
        check_refused(&world, &log.replay_start, frame * FRAME_BYTES);
    }
}

#[test]
fn a_start_far_inside_a_file_is_found_though_the_way_there_is_lost() {
    let world = SimulatedWorld::new(1);
    let log = filled(&world, SyncMode::Fsync);
    let start = log.appender.replay_start(Lsn((FRAMES - 2) * FRAME_BYTES));
    assert!(start.lsn.0 > 4 << 20, "{start:?}");
    let file = world.files.open(Path::new(&first_file()), OpenMode::Write).unwrap();
    file.write_all_at(&[0; 4096], 0).unwrap();
    file.sync_data().unwrap();
    let first = start.lsn.0 / FRAME_BYTES;
    assert_eq!(replay(&world, &start).unwrap().0, (first..FRAMES).collect::<Vec<_>>());
    damage(&world, first);
    check_refused(&world, &start, start.lsn.0);
}
