//! Flipped bits, missing files, other people's files.

use super::fixture::{content, directory, filled, names, open, path, row, small};
use crate::env::simulated::SimulatedWorld;
use crate::env::{Files, OpenMode};
use crate::log::{LogError, PartitionLog, RecoveryPoint, ScrubPlace};
use crate::model::{Offset, TopicId, TopicPartition};

/// A closed log of two syncs, at 30 and 60, with the log start at `log_start`.
fn synced(log_start: i64) -> SimulatedWorld {
    let world = SimulatedWorld::new(1);
    let log = filled(&world, small(), 30);
    log.sync().unwrap();
    log.append(&row(30, 30)).unwrap();
    log.set_log_start_offset(Offset(log_start));
    log.sync().unwrap();
    log.checkpointed(Offset(60)).unwrap();
    log.delete_old_segments().unwrap();
    world
}

fn named(world: &SimulatedWorld, extension: &str) -> Vec<String> {
    names(world).into_iter().filter(|name| name.ends_with(extension)).collect()
}

fn corrupt(result: Result<impl Sized, LogError>, words: &[&str]) {
    match result {
        Err(error @ LogError::Corrupt { .. }) => {
            let message = error.to_string();
            for word in words {
                assert!(message.contains(word), "{message:?} does not say {word:?}");
            }
        }
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("nothing was found"),
    }
}

/// Scrubs segment by segment up to the one at `at`; whether it is there.
fn scrub_segment(log: &PartitionLog, at: usize) -> Result<bool, LogError> {
    let mut place = Some(ScrubPlace::default());
    for _ in 0..=at {
        let Some(from) = place else { return Ok(false) };
        place = log.scrub(from, u64::MAX)?.next;
    }
    Ok(true)
}

fn reopened(world: &SimulatedWorld, log_start: i64) -> PartitionLog {
    let (log, state) = open(world, small(), 60, log_start).unwrap();
    assert_eq!(content(&log), row(log_start, 60 - log_start).concat());
    let producers: Vec<_> = state.producers.iter().map(|(_, entry)| entry.batches.clone()).collect();
    let last: Vec<i64> = producers[0].iter().map(|batch| batch.base_offset.0).collect();
    assert_eq!(last, [55, 56, 57, 58, 59]);
    log
}

#[test]
fn indexes_are_caches() {
    let world = synced(0);
    let before: Vec<(String, Vec<u8>)> = [".index", ".timeindex"]
        .iter()
        .flat_map(|extension| named(&world, extension))
        .map(|name| (name.clone(), world.files.read(&path(&name), 1 << 20).unwrap()))
        .collect();
    assert!(before.len() >= 8, "several segments have both indexes");
    let same = |world: &SimulatedWorld, what: &str| {
        drop(reopened(world, 0));
        for (name, bytes) in &before {
            assert_eq!(&world.files.read(&path(name), 1 << 20).unwrap(), bytes, "{name} {what}");
        }
    };
    for (name, bytes) in &before {
        for at in 0..bytes.len() as u64 {
            world.files.flip_bit(&path(name), at, (at % 8) as u8).unwrap();
            same(&world, "after a flipped bit");
        }
        world.files.remove_file(&path(name)).unwrap();
        same(&world, "after it was removed");
        let file = world.files.open(&path(name), OpenMode::Write).unwrap();
        file.set_len(bytes.len() as u64 - 1).unwrap();
        same(&world, "after it was cut");
        file.set_len(bytes.len() as u64 + 40).unwrap();
        same(&world, "after it grew");
    }
}

#[test]
fn an_index_that_goes_bad_while_open_only_slows_down() {
    let world = synced(0);
    let log = reopened(&world, 0);
    for name in named(&world, ".index") {
        for entry in 0..world.files.read(&path(&name), 1 << 20).unwrap().len() as u64 / 8 {
            world.files.flip_bit(&path(&name), entry * 8 + 7, 1).unwrap();
        }
    }
    for offset in 0..60 {
        let read = log.read(Offset(offset), Offset(60), 1, true).unwrap();
        assert_eq!(read.next_offset, Offset(offset + 1));
    }
    // The next sync writes them anew.
    log.sync().unwrap();
    drop(log);
    let before = world.files.operations();
    drop(reopened(&world, 0));
    assert_eq!(world.files.operations(), before, "opening finds nothing to rebuild");
}

#[test]
fn a_bad_state_file_gives_way_to_the_one_before_it() {
    for log_start in [0, 25] {
        let world = synced(log_start);
        let states = named(&world, ".state");
        assert_eq!(states.len(), 2, "{states:?}");
        world.files.flip_bit(&path(&states[1]), 50, 2).unwrap();
        let log = reopened(&world, log_start);
        log.sync().unwrap();
        drop(log);
        assert_eq!(named(&world, ".state"), states, "a good one took its place");
        // It is good: the other one may go bad now.
        world.files.flip_bit(&path(&states[0]), 50, 2).unwrap();
        drop(reopened(&world, log_start));
    }
}

#[test]
fn without_state_the_whole_log_tells_or_the_partition_stops() {
    let world = synced(0);
    for name in named(&world, ".state") {
        world.files.flip_bit(&path(&name), 50, 2).unwrap();
    }
    drop(reopened(&world, 0));
    let world = synced(25);
    for name in named(&world, ".state") {
        world.files.flip_bit(&path(&name), 50, 2).unwrap();
    }
    corrupt(open(&world, small(), 60, 25), &["no good producer state", "checksum"]);
    let before = world.files.operations();
    corrupt(open(&world, small(), 60, 25), &["/data/orders-3"]);
    assert_eq!(world.files.operations(), before, "nothing was changed");
}

#[test]
fn a_segment_that_is_short_or_missing_stops_the_partition() {
    for (at, what) in ["short", "missing"].iter().enumerate() {
        for segment in 0..named(&synced(0), ".log").len() {
            let world = synced(0);
            let name = &named(&world, ".log")[segment];
            if at == 0 {
                let file = world.files.open(&path(name), OpenMode::Write).unwrap();
                file.set_len(file.length().unwrap() - 88).unwrap();
            } else {
                world.files.remove_file(&path(name)).unwrap();
            }
            corrupt(open(&world, small(), 60, 0), &[name, if at == 0 { "bytes" } else { what }]);
        }
    }
}

#[test]
fn a_bad_header_is_found_where_it_is_read_and_by_the_scrub() {
    let world = synced(0);
    let name = &named(&world, ".log")[1];
    // The magic byte of the segment's first batch.
    world.files.flip_bit(&path(name), 16, 0).unwrap();
    let (log, _) = open(&world, small(), 60, 0).unwrap();
    let base = name[..20].parse::<i64>().unwrap();
    corrupt(log.read(Offset(base), Offset(60), 100, true), &[name, "at byte 0", "magic"]);
    log.read(Offset(0), Offset(base), 100, true).map(|_| ()).unwrap();
    assert!(scrub_segment(&log, 0).unwrap());
    corrupt(scrub_segment(&log, 1), &[name, "magic"]);
}

#[test]
fn a_bad_header_stops_a_recovery_that_needs_it() {
    let world = synced(0);
    for name in named(&world, ".state") {
        world.files.remove_file(&path(&name)).unwrap();
    }
    let name = &named(&world, ".log")[1];
    world.files.flip_bit(&path(name), 10, 5).unwrap();
    let before = world.files.read(&path(name), 1 << 20).unwrap();
    corrupt(open(&world, small(), 60, 0), &[name, "at byte 0"]);
    assert_eq!(world.files.read(&path(name), 1 << 20).unwrap(), before, "nothing was cut");
}

#[test]
fn every_flipped_bit_of_a_batch_is_found_by_the_scrub() {
    let world = synced(0);
    let name = &named(&world, ".log")[0];
    let log = reopened(&world, 0);
    for at in 0..88 {
        // Base offset and leader epoch lie outside the checksum: only the offset's order is checked.
        if (12..16).contains(&at) || (1..8).contains(&at) {
            continue;
        }
        world.files.flip_bit(&path(name), 88 + at, 7).unwrap();
        corrupt(scrub_segment(&log, 0), &[name, "at byte"]);
        world.files.flip_bit(&path(name), 88 + at, 7).unwrap();
    }
    assert!(scrub_segment(&log, 0).unwrap());
}

#[test]
fn a_scrub_goes_in_small_steps_over_every_byte_and_over_what_is_removed_meanwhile() {
    let world = synced(0);
    let log = reopened(&world, 0);
    // Two batches of 88 bytes pass the bound of 100.
    let (mut place, mut bytes, mut steps) = (Some(ScrubPlace::default()), 0, 0);
    while let Some(from) = place {
        let step = log.scrub(from, 100).unwrap();
        assert!(0 < step.bytes && step.bytes <= 176, "{step:?}");
        (place, bytes, steps) = (step.next, bytes + step.bytes, steps + 1);
    }
    assert_eq!(bytes, log.size_bytes());
    assert!(steps > log.segments_count());
    // Its segment goes while it rests: the next step begins with the oldest that is left.
    let inside = log.scrub(ScrubPlace::default(), 100).unwrap().next.unwrap();
    assert_eq!(inside.base_offset, Offset(0));
    log.set_log_start_offset(Offset(30));
    assert!(log.delete_old_segments().unwrap() > 0);
    let step = log.scrub(inside, 100).unwrap();
    assert!(step.next.unwrap().base_offset > Offset(0) && step.bytes > 0, "{step:?}");
    assert_eq!(
        log.scrub(ScrubPlace { base_offset: Offset(99), ..ScrubPlace::default() }, 100).unwrap().next,
        None
    );
}

#[test]
fn another_topics_directory_is_refused() {
    let world = synced(0);
    let other = TopicPartition { topic_id: TopicId(uuid::Uuid::from_u128(5)), partition: 3 };
    let point = RecoveryPoint { offset: Offset(60), ..RecoveryPoint::default() };
    match PartitionLog::open(&directory(&world), "orders", other, small(), point) {
        Err(LogError::WrongTopic { expected, .. }) => assert_eq!(expected, other.topic_id),
        other => panic!("{:?}", other.map(|_| ())),
    }
    world.files.remove_file(&path("partition.metadata")).unwrap();
    corrupt(open(&world, small(), 60, 0), &["partition.metadata", "topic id"]);
}

#[test]
fn a_recovery_offset_inside_a_batch_is_damage() {
    let world = SimulatedWorld::new(1);
    let log = super::fixture::create(&world, small());
    log.append(&[super::fixture::Batch { records: 9, ..super::fixture::BATCH }.build()]).unwrap();
    drop(log);
    corrupt(open(&world, small(), 5, 0), &["one record batch", "durable end is 5"]);
}
