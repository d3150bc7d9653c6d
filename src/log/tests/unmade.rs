//! Logs that nothing was written to: they have no directory, and nobody misses it.

use super::fixture::*;
use crate::env::Files;
use crate::env::simulated::{CrashPlan, Fault, Operation, SimulatedWorld};
use crate::log::ScrubPlace;
use crate::model::Offset;

#[test]
fn a_log_without_records_touches_no_disk_and_serves() {
    let world = SimulatedWorld::new(1);
    drop(directory(&world));
    let before = world.files.operations();
    let log = create(&world, small());
    assert!(content(&log).is_empty());
    assert_eq!(log.sync().unwrap(), Offset(0));
    assert_eq!(log.delete_old_segments().unwrap(), 0);
    assert!(!log.roll_if_due().unwrap());
    assert_eq!(log.scrub(ScrubPlace::default(), 1 << 20).unwrap().bytes, 0);
    log.checkpointed(Offset(0)).unwrap();
    assert_eq!(log.rename_for_deletion().unwrap(), None);
    assert_eq!(world.files.operations(), before);
    assert!(!world.files.exists(&path("")).unwrap());
}

#[test]
fn its_directory_comes_with_the_first_batch_and_is_durable_with_the_first_sync() {
    let world = SimulatedWorld::new(1);
    let log = create(&world, small());
    log.append(&row(0, 3)).unwrap();
    assert_eq!(log.sync().unwrap(), Offset(3));
    let world = world.after_crash(CrashPlan::DropUnsynced);
    let (log, _) = open(&world, small(), 3, 0).unwrap();
    assert_eq!(content(&log), row(0, 3).concat());
}

#[test]
fn a_first_batch_that_is_interrupted_may_be_written_again() {
    for operation in [Operation::CreateDirectory, Operation::Create, Operation::Write] {
        for skip in 0..2 {
            let world = SimulatedWorld::new(1);
            let log = create(&world, small());
            world
                .files
                .inject(Fault::new(operation, "orders", skip).with_error(std::io::ErrorKind::StorageFull));
            let _ = log.append(&row(0, 3));
            log.append(&row(0, 3)).unwrap_or_else(|error| panic!("{operation:?} {skip}: {error}"));
            log.sync().unwrap();
            let world = world.after_crash(CrashPlan::DropUnsynced);
            let (log, _) = open(&world, small(), 3, 0).unwrap();
            assert_eq!(content(&log), row(0, 3).concat(), "{operation:?} {skip}");
        }
    }
}
