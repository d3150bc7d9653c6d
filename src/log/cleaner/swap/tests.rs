use std::path::PathBuf;

use uuid::Uuid;

use super::*;
use crate::env::OpenMode;
use crate::env::simulated::SimulatedWorld;
use crate::log::LeaderEpochs;
use crate::log::index::IndexSummary;
use crate::model::{Timestamp, TopicId};

const PARTITION: TopicPartition = TopicPartition { topic_id: TopicId(Uuid::from_u128(77)), partition: 4 };

fn record(base: i64, bytes: u64) -> SegmentRecord {
    let index = IndexSummary { entries: 2, crc: bytes as u32 };
    SegmentRecord {
        bytes,
        max_timestamp: Timestamp(5),
        max_timestamp_offset: Offset(base),
        offset_index: index,
        time_index: index,
        ..SegmentRecord::of_nothing(Offset(base))
    }
}

fn state(offset: i64, segments: &[SegmentRecord]) -> Snapshot {
    Snapshot {
        offset: Offset(offset),
        producers: Default::default(),
        leader_epochs: LeaderEpochs::default(),
        segments: segments.to_vec(),
        cleaned: Cleaned::default(),
    }
}

/// 20, 40 and 60, which end at 80, become one.
fn swap() -> Swap {
    Swap {
        old: [20, 40, 60].map(Offset).to_vec(),
        end_offset: Offset(80),
        new: vec![record(20, 150)],
        cleaned: Cleaned { first_dirty_offset: Offset(7), end_offset: Offset(80) },
    }
}

#[test]
fn what_is_written_is_read() {
    for swap in [swap(), Swap { new: vec![record(20, 1), record(30, 2)], ..swap() }] {
        let bytes = swap.encode();
        assert_eq!(Swap::decode(&bytes), Some(swap));
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert_eq!(Swap::decode(&flipped), None, "bit {at}");
        }
        (0..bytes.len())
            .for_each(|length| assert_eq!(Swap::decode(&bytes[..length]), None, "{length} bytes"));
    }
}

#[test]
fn states_of_every_age_name_the_new_segments() {
    let nothing = |base| SegmentRecord::of_nothing(Offset(base));
    let (first, active) = (record(0, 100), record(80, 10));
    let old = [record(20, 100), record(40, 100), record(60, 100)];
    let two = Swap { new: vec![record(20, 150), record(50, 90)], ..swap() };
    for (what, swap, before, after) in [
        (
            "it knows them all",
            swap(),
            state(90, &[first, old[0], old[1], old[2], active]),
            state(90, &[first, record(20, 150), active]),
        ),
        (
            "it ends where they do",
            swap(),
            state(80, &[first, old[0], old[1], old[2]]),
            state(80, &[first, record(20, 150)]),
        ),
        (
            "it ends within",
            swap(),
            state(50, &[first, old[0], record(40, 50)]),
            state(50, &[first, nothing(20)]),
        ),
        ("it is older", swap(), state(20, &[first]), state(20, &[first])),
        (
            "two come",
            two.clone(),
            state(80, &[first, old[0], old[1], old[2]]),
            state(80, &[first, record(20, 150), record(50, 90)]),
        ),
        (
            "two come, it ends within",
            two.clone(),
            state(60, &[old[0], old[1]]),
            state(60, &[nothing(20), nothing(50)]),
        ),
        (
            "two come, it ends before the second",
            two,
            state(50, &[old[0], record(40, 50)]),
            state(50, &[nothing(20)]),
        ),
    ] {
        let after = Snapshot { cleaned: swap.cleaned, ..after };
        let mut found = before;
        swap.apply(&mut found);
        assert_eq!(found, after, "{what}");
        swap.apply(&mut found);
        assert_eq!(found, after, "{what}, again");
    }
}

/// Interrupted anywhere, and begun again, it ends the same.
#[test]
fn a_swap_is_brought_to_its_end_from_everywhere() {
    let directory = PathBuf::from("/p");
    let write = |world: &SimulatedWorld, name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        let file = world.files.open(&path, OpenMode::Create).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file.sync_data().unwrap();
    };
    let prepared = || {
        let world = SimulatedWorld::new(3);
        world.files.create_dir_all(&directory).unwrap();
        world.files.sync_dir("/".as_ref()).unwrap();
        for base in [0, 20, 40, 60, 80] {
            write(&world, &format!("{base:020}.log"), b"old");
            write(&world, &format!("{base:020}.index"), b"old");
        }
        write(&world, "00000000000000000020.log.cleaned", b"new");
        let before = state(90, &[record(0, 3), record(20, 3), record(40, 3), record(60, 3), record(80, 3)]);
        write(&world, "00000000000000000090.state", &state_file::encode(&before, PARTITION));
        world.files.sync_dir(&directory).unwrap();
        announce(&world.files, &directory, &swap()).unwrap();
        world
    };
    let check = |world: &SimulatedWorld, at: u64| {
        assert!(finish(&world.files, &directory, PARTITION).unwrap() || at > 0);
        assert!(!finish(&world.files, &directory, PARTITION).unwrap(), "there is nothing left to do");
        let names = world.files.list(&directory).unwrap();
        let logs: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(".log")).collect();
        let expected = [0, 20, 80].map(|base| format!("{base:020}"));
        assert_eq!(logs, expected, "crash at {at}: {names:?}");
        let path = directory.join("00000000000000000020.log");
        assert_eq!(world.files.read(&path, 10).unwrap(), b"new");
        let bytes = world.files.read(&directory.join("00000000000000000090.state"), 1 << 20).unwrap();
        let bases = state_file::decode(&bytes, PARTITION).unwrap().segments;
        assert_eq!(bases.iter().map(|segment| segment.base_offset.0).collect::<Vec<_>>(), [0, 20, 80]);
    };
    let whole = prepared();
    let before = whole.files.operations();
    check(&whole, 0);
    let operations = whole.files.operations() - before;
    assert!(operations > 10, "{operations} operations are too few to mean anything");
    for at in 0..operations {
        for plan in crate::env::simulated::CrashPlan::all(at, 8) {
            let world = prepared();
            world.files.crash_at(world.files.operations() + at);
            finish(&world.files, &directory, PARTITION).unwrap_err();
            check(&world.after_crash(plan), at.max(1));
            check(&world.after_kill(), at.max(1));
        }
    }
}
