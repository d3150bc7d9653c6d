use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{CrashPlan, Fault, Operation, SeededRandom, SimulatedClock, SimulatedFiles};
use crate::env::{Clock, File, Files, OpenMode, Random};
use crate::model::Timestamp;

const SECTOR: usize = 512;

fn disk_with(path: &str) -> (SimulatedFiles, Arc<dyn File>) {
    let files = SimulatedFiles::new(7);
    files.create_dir_all(Path::new("/d")).unwrap();
    files.sync_dir(Path::new("/")).unwrap();
    let file = files.open(Path::new(path), OpenMode::Create).unwrap();
    (files, file)
}

fn content(files: &SimulatedFiles, path: &str) -> Option<Vec<u8>> {
    files.read(Path::new(path), 1 << 20).ok()
}

/// A file's content after each step and each extreme crash; `None` when its name is gone.
#[test]
fn only_synced_content_under_a_synced_name_survives_a_power_cut() {
    type Step = fn(&SimulatedFiles, &dyn File);
    /// Steps, the path looked at, its content when all unsynced is lost, and when all is kept.
    type Case = (&'static [Step], &'static str, Option<&'static [u8]>, Option<&'static [u8]>);
    const WRITE: Step = |_, file| file.write_all_at(b"abc", 0).unwrap();
    const SYNC: Step = |_, file| file.sync_data().unwrap();
    const SYNC_DIR: Step = |files, _| files.sync_dir(Path::new("/d")).unwrap();
    const CUT: Step = |_, file| file.set_len(1).unwrap();
    const RENAME: Step = |files, _| files.rename(Path::new("/d/f"), Path::new("/d/g")).unwrap();
    let cases: &[Case] = &[
        (&[], "/d/f", None, Some(b"")),
        (&[WRITE, SYNC], "/d/f", None, Some(b"abc")),
        (&[SYNC_DIR], "/d/f", Some(b""), Some(b"")),
        (&[WRITE, SYNC_DIR], "/d/f", Some(b""), Some(b"abc")),
        (&[WRITE, SYNC, SYNC_DIR], "/d/f", Some(b"abc"), Some(b"abc")),
        (&[WRITE, SYNC, SYNC_DIR, CUT], "/d/f", Some(b"abc"), Some(b"a")),
        (&[WRITE, SYNC, SYNC_DIR, CUT, SYNC], "/d/f", Some(b"a"), Some(b"a")),
        (&[WRITE, SYNC, SYNC_DIR, RENAME], "/d/f", Some(b"abc"), None),
        (&[WRITE, SYNC, SYNC_DIR, RENAME], "/d/g", None, Some(b"abc")),
        (&[WRITE, SYNC, SYNC_DIR, RENAME, SYNC_DIR], "/d/g", Some(b"abc"), Some(b"abc")),
        (&[WRITE, SYNC, RENAME, SYNC_DIR], "/d/f", None, None),
    ];
    for (number, (steps, path, dropped, kept)) in cases.iter().enumerate() {
        let (files, file) = disk_with("/d/f");
        steps.iter().for_each(|step| step(&files, &*file));
        let after_drop = files.after_crash(CrashPlan::DropUnsynced);
        assert_eq!(content(&after_drop, path).as_deref(), *dropped, "case {number}, all unsynced lost");
        let after_keep = files.after_crash(CrashPlan::KeepUnsynced);
        assert_eq!(content(&after_keep, path).as_deref(), *kept, "case {number}, all unsynced kept");
        let killed = files.after_kill();
        assert_eq!(content(&killed, path), content(&files, path), "case {number}, killed");
        let later = killed.after_crash(CrashPlan::DropUnsynced);
        assert_eq!(content(&later, path).as_deref(), *dropped, "case {number}, killed, then a power cut");
    }
}

#[test]
fn a_removal_comes_back_until_its_directory_is_synced() {
    let (files, file) = disk_with("/d/f");
    file.write_all_at(b"abc", 0).unwrap();
    file.sync_data().unwrap();
    files.sync_dir(Path::new("/d")).unwrap();
    files.create_dir_all(Path::new("/other")).unwrap();
    files.sync_dir(Path::new("/")).unwrap();
    files.remove_dir_all(Path::new("/d")).unwrap();
    files.sync_dir(Path::new("/other")).expect("another directory's sync covers nothing of this one");
    assert!(!files.exists(Path::new("/d")).unwrap());
    assert!(content(&files.after_crash(CrashPlan::DropUnsynced), "/d/f").is_some());
    files.sync_dir(Path::new("/")).unwrap();
    assert!(!files.after_crash(CrashPlan::DropUnsynced).exists(Path::new("/d")).unwrap());
    let mut buffer = [0; 3];
    assert!(files.after_crash(CrashPlan::DropUnsynced).exists(Path::new("/other")).unwrap());
    file.read_exact_at(&mut buffer, 0).expect("an open file outlives its name");
}

#[test]
fn seeded_crashes_tear_at_sectors_and_reorder() {
    let (mut torn, mut reordered) = (0, 0);
    for seed in 0..200 {
        let (files, file) = disk_with("/d/f");
        file.write_all_at(&[0; 8 * SECTOR], 0).unwrap();
        file.sync_data().unwrap();
        files.sync_dir(Path::new("/d")).unwrap();
        file.write_all_at(&[1; 4 * SECTOR], 0).unwrap();
        file.write_all_at(&[2; 4 * SECTOR], 4 * SECTOR as u64).unwrap();
        let bytes = content(&files.after_crash(CrashPlan::Random(seed)), "/d/f").unwrap();
        assert_eq!(bytes, content(&files.after_crash(CrashPlan::Random(seed)), "/d/f").unwrap());
        for sector in bytes.chunks(SECTOR) {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "seed {seed}: torn inside a sector");
        }
        let present = |range: std::ops::Range<usize>| bytes[range].iter().filter(|byte| **byte != 0).count();
        let (first, second) = (present(0..4 * SECTOR), present(4 * SECTOR..8 * SECTOR));
        torn += u32::from(first % (4 * SECTOR) != 0);
        reordered += u32::from(first == 0 && second > 0);
    }
    assert!(torn > 10, "{torn} of 200 crashes tore the first write");
    assert!(reordered > 10, "{reordered} of 200 crashes kept the second write without the first");
}

#[test]
fn a_crash_stops_that_operation_and_all_later_ones() {
    let (counting, file) = disk_with("/d/f");
    file.write_all_at(b"abc", 0).unwrap();
    let number = counting.operations() - 1;

    let files = SimulatedFiles::new(7);
    files.crash_at(number);
    files.create_dir_all(Path::new("/d")).unwrap();
    files.sync_dir(Path::new("/")).unwrap();
    let file = files.open(Path::new("/d/f"), OpenMode::Create).unwrap();
    assert!(!files.crashed());
    assert!(file.write_all_at(b"abc", 0).is_err());
    assert!(files.crashed());
    assert!(file.read_at(&mut [0; 3], 0).is_err() && file.sync_data().is_err());
    assert!(files.list(Path::new("/d")).is_err());
    assert!(files.after_kill().list(Path::new("/d")).is_ok());
}

/// Linux reports a failed write-back once: the pages are clean afterwards, and may be lost.
#[test]
fn a_failed_sync_loses_pages_and_the_next_one_succeeds() {
    let mut lost = 0;
    for seed in 0..50 {
        let files = SimulatedFiles::new(seed);
        let path = Path::new("/f");
        let file = files.open(path, OpenMode::Create).unwrap();
        files.sync_dir(Path::new("/")).unwrap();
        files.inject(Fault::sync("/f", 1));
        file.write_all_at(b"abc", 0).unwrap();
        file.sync_data().unwrap();
        file.write_all_at(b"xyz", 0).unwrap();
        assert!(file.sync_data().is_err());
        file.sync_data().expect("the error is reported once");
        assert_eq!(content(&files, "/f").unwrap(), b"xyz", "the cache still shows it");
        let after = content(&files.after_crash(CrashPlan::KeepUnsynced), "/f").unwrap();
        file.drop_cache(0, 1 << 20).unwrap();
        assert_eq!(content(&files, "/f").unwrap(), after, "without the cache the disk is seen");
        lost += u32::from(after == b"abc");
    }
    assert!((5..50).contains(&lost), "{lost} of 50 failed syncs lost the page");
}

#[test]
fn a_full_disk_takes_what_fits() {
    let (files, file) = disk_with("/d/f");
    files.set_capacity(1000);
    file.write_all_at(&[1; 900], 0).unwrap();
    let error = file.write_all_at(&[2; 300], 800).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.length().unwrap(), 1000);
    file.write_all_at(&[3; 1000], 0).expect("rewriting needs no room");
    assert_eq!(file.set_len(1001).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(files.free_bytes(Path::new("/d")).unwrap(), 0);
    files.remove_file(Path::new("/d/f")).unwrap();
    assert_eq!(files.free_bytes(Path::new("/d")).unwrap(), 1000);
}

#[test]
fn faults_strike_once_where_they_are_told() {
    let (files, file) = disk_with("/d/f");
    file.write_all_at(b"abc", 0).unwrap();
    files.inject(Fault::new(Operation::Read, "/d/other", 0));
    files.inject(Fault::new(Operation::Read, "/d/f", 1));
    files.inject(Fault::new(Operation::Write, "/d", 0).with_error(io::ErrorKind::StorageFull));
    let mut buffer = [0; 3];
    assert!(file.read_at(&mut buffer, 0).is_ok());
    assert!(file.read_at(&mut buffer, 0).is_err());
    assert!(file.read_at(&mut buffer, 0).is_ok());
    assert_eq!(file.write_all_at(b"x", 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(file.write_all_at(b"x", 0).is_ok());
}

#[test]
fn a_flipped_bit_is_on_the_medium_and_in_sight() {
    let (files, file) = disk_with("/d/f");
    file.write_all_at(&[0, 0], 0).unwrap();
    file.sync_data().unwrap();
    files.sync_dir(Path::new("/d")).unwrap();
    files.flip_bit(Path::new("/d/f"), 1, 3).unwrap();
    assert_eq!(content(&files, "/d/f").unwrap(), [0, 8]);
    assert_eq!(content(&files.after_crash(CrashPlan::DropUnsynced), "/d/f").unwrap(), [0, 8]);
    assert!(files.flip_bit(Path::new("/d/f"), 2, 0).is_err());
    file.write_all_at(&[1, 1], 0).unwrap();
    files.flip_bit(Path::new("/d/f"), 0, 1).unwrap();
    file.sync_data().unwrap();
    assert_eq!(content(&files.after_crash(CrashPlan::DropUnsynced), "/d/f").unwrap(), [3, 1]);
}

#[test]
fn opening_and_locking_follow_the_seam() {
    let (files, file) = disk_with("/d/f");
    let path = Path::new("/d/f");
    let kind = |path: &str, mode| files.open(Path::new(path), mode).err().map(|error| error.kind());
    assert_eq!(kind("/d/f", OpenMode::Create), Some(io::ErrorKind::AlreadyExists));
    assert_eq!(kind("/d/g", OpenMode::Write), Some(io::ErrorKind::NotFound));
    assert_eq!(kind("/d", OpenMode::Read), Some(io::ErrorKind::IsADirectory));
    file.write_all_at(b"a", 0).unwrap();
    let read_only = files.open(path, OpenMode::Read).unwrap();
    assert_eq!(read_only.write_all_at(b"b", 0).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    let lock = Path::new("/d/lock");
    let held = files.lock(lock).unwrap();
    assert_eq!(files.lock(lock).err().unwrap().kind(), io::ErrorKind::WouldBlock);
    drop(held);
    files.lock(lock).expect("dropping the guard frees the lock");
    assert_eq!(files.list(Path::new("/d")).unwrap(), ["f", "lock"]);
}

#[test]
fn replace_leaves_the_old_or_the_new_content_at_every_crash() {
    let path = Path::new("/d/f");
    let run = |files: &SimulatedFiles| -> io::Result<()> {
        files.create_dir_all(Path::new("/d"))?;
        files.sync_dir(Path::new("/"))?;
        files.replace(path, b"old")?;
        files.replace(path, b"new")
    };
    let whole = SimulatedFiles::new(1);
    run(&whole).unwrap();
    for number in 0..whole.operations() {
        let files = SimulatedFiles::new(number);
        files.crash_at(number);
        run(&files).unwrap_err();
        for plan in CrashPlan::all(number, 8) {
            let after = content(&files.after_crash(plan), "/d/f");
            let expected: [Option<&[u8]>; 3] = [None, Some(b"old"), Some(b"new")];
            assert!(expected.contains(&after.as_deref()), "crash at {number}, {plan:?}: {after:?}");
        }
    }
}

#[test]
fn the_clock_moves_only_when_told() {
    let clock = SimulatedClock::default();
    let start = clock.now();
    clock.advance(Duration::from_millis(5));
    assert_eq!((clock.now().0 - start.0, clock.monotonic()), (5, Duration::from_millis(5)));
    clock.set(Timestamp(1));
    assert_eq!((clock.now(), clock.monotonic()), (Timestamp(1), Duration::from_millis(5)));
}

#[test]
fn equal_seeds_give_equal_randomness() {
    let draw = |seed| {
        let random = SeededRandom::new(seed);
        (random.next_u64(), random.uuid())
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}
