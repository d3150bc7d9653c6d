//! What a clean stop leaves behind.

use std::io;

use crate::env::simulated::{CrashPlan, Fault, Operation, SimulatedWorld};
use crate::wal::SyncMode;

use super::machine::{Machine, Model, id};

/// Turns in which a thread that waits for nothing comes to its end.
const TURNS: usize = 100_000;

/// A topic with some committed batches of which no segment knows.
fn filled(seed: u64) -> Machine {
    let mut machine = Machine::open(SimulatedWorld::new(seed), Model::default(), SyncMode::Fsync).unwrap();
    machine.create_topic("orders", 2).unwrap();
    for byte in 0..20 {
        machine.append(0, i32::from(byte % 2), &[byte; 300], 2).unwrap();
    }
    machine.commit().unwrap();
    machine
}

fn started_again(machine: &Machine, faults: &[Fault]) -> Machine {
    let world = machine.world.after_crash(CrashPlan::DropUnsynced);
    faults.iter().for_each(|fault| world.files.inject(fault.clone()));
    Machine::open(world, machine.model.clone(), SyncMode::Fsync).expect("it starts")
}

#[test]
fn the_start_after_a_clean_stop_reads_nothing_of_the_wal() {
    let machine = filled(1);
    machine.storage.conclude().unwrap();
    let mut again = started_again(&machine, &[Fault::new(Operation::Read, ".wal", 0)]);
    again.verify();
    // The fault is still to come, and what is written now is replayed as ever.
    again.append(0, 0, &[7; 100], 1).unwrap();
    again.commit().unwrap();
    started_again(&again, &[]).verify();
}

/// Faults that strike the clean stop itself: the WAL is given up only where segments hold all of it.
#[test]
fn a_wal_that_segments_do_not_hold_is_not_given_up() {
    let no_room = |operation, path| Fault::new(operation, path, 0).with_error(io::ErrorKind::StorageFull);
    let faults = [
        no_room(Operation::Write, ".log"),
        no_room(Operation::Sync, ".log"),
        no_room(Operation::Write, ".state"),
    ];
    for fault in faults {
        let machine = filled(2);
        machine.world.files.inject(fault.clone());
        machine.storage.conclude().unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        started_again(&machine, &[]).verify();
    }
}

/// Markers of many partitions are being appended: the stop waits until they are, and commits them.
#[test]
fn a_clean_stop_waits_for_who_holds_a_group() {
    let mut machine = filled(9);
    let storage = machine.storage.clone();
    let held = storage.hold_group();
    machine.append(0, 0, &[7; 100], 1).unwrap();
    let open = storage.partition(id(&machine.model.topics[0], 0)).unwrap();
    std::thread::scope(|scope| {
        let stop = scope.spawn(|| machine.storage.conclude());
        // Without a wait it would be through soon.
        for _ in 0..TURNS {
            if stop.is_finished() {
                break;
            }
            std::thread::yield_now();
        }
        drop(held);
        stop.join().unwrap().unwrap();
    });
    let watermarks = open.watermarks();
    assert_eq!(watermarks.high_watermark, watermarks.log_end_offset);
}
