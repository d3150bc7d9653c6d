//! Compaction of a log: what stays, what readers see meanwhile, what is found after a restart.

use std::time::Duration;

use bytes::Bytes;

use super::cleaning_fixture::{
    DELETE_RETENTION, History, STEP_BYTES, checkpoint, clean, config, limits, records_of,
};
use super::fixture::{PARTITION, bases, bytes_of, content, create, names, open, path};
use crate::env::Files;
use crate::env::simulated::SimulatedWorld;
use crate::log::inspect::{Finding, PartitionCheck, Severity, Watcher};
use crate::log::{Compaction, LogConfig, PartitionLog, ScrubPlace};
use crate::model::{Offset, ProducerId, Timestamp};
use crate::protocol::batch::{
    BatchBuilder, BatchHeader, CompressionType, DecompressionCaps, NewRecord, records,
};

/// A log with that history, synced and checkpointed.
fn filled(world: &SimulatedWorld, history: &History) -> PartitionLog {
    let log = create(world, config());
    log.append(&history.batches).unwrap();
    checkpoint(&log).unwrap();
    log
}

fn active_base(log: &PartitionLog) -> i64 {
    log.published().segments.last().unwrap().base_offset.0
}

#[derive(Default)]
struct Heard(Vec<String>);

impl Watcher for Heard {
    fn found(&mut self, finding: Finding) {
        if finding.severity == Severity::Error || !finding.what.contains("is missing") {
            self.0.push(finding.to_string());
        }
    }

    fn read(&mut self, _: u64) {}
}

/// `verify` finds nothing wrong with the files.
fn expect_whole(world: &SimulatedWorld, log: &PartitionLog) {
    let point = log.point(log.synced_end_offset());
    let directory = path("");
    let check = PartitionCheck { files: &world.files, path: &directory, partition: PARTITION, point };
    let mut heard = Heard::default();
    check.run(&mut heard).unwrap();
    assert_eq!(heard.0, Vec::<String>::new(), "{:?}", names(world));
}

#[test]
fn of_each_key_the_newest_record_stays() {
    for seed in 0..20 {
        let world = SimulatedWorld::new(seed);
        let history = History::draw(seed, 80);
        let log = filled(&world, &history);
        let bytes = log.size_bytes();
        let stats = clean(&log, limits(100)).unwrap().expect("there is something to clean");
        assert_eq!(stats.first_dirty_offset.0, active_base(&log));
        assert!(log.size_bytes() < bytes / 2);
        let found = records_of(&content(&log));
        history.check(&found, 0, active_base(&log), "cleaned");
        // Below the end each key is there once, and nothing is left to do.
        let below = found.iter().filter(|(offset, _)| **offset < active_base(&log));
        assert!(below.count() <= 8, "{found:?}");
        assert_eq!(clean(&log, limits(100)).unwrap(), None);
        expect_whole(&world, &log);
        // The next start finds the same.
        let before = content(&log);
        let end = log.written_end_offset().0;
        drop(log);
        let (log, state) = open(&world, config(), end, 0).unwrap();
        assert_eq!(content(&log), before);
        assert_eq!(state.producers.len(), 3);
        assert_eq!(clean(&log, limits(100)).unwrap(), None, "how far it was cleaned is remembered");
    }
}

#[test]
fn a_small_map_takes_several_cleanings() {
    for seed in 0..10 {
        let world = SimulatedWorld::new(seed);
        let history = History::draw(seed, 80);
        let log = filled(&world, &history);
        let mut passes = 0;
        while let Some(stats) = clean(&log, limits(3)).unwrap() {
            history.check(&records_of(&content(&log)), 0, active_base(&log), "a part of it");
            assert!(stats.key_map_utilization <= 1.0);
            passes += 1;
            assert!(passes < 200, "every cleaning gets further");
        }
        assert!(passes > 5, "{passes}");
        let found = records_of(&content(&log));
        assert!(found.keys().filter(|offset| **offset < active_base(&log)).count() <= 8);
        expect_whole(&world, &log);
    }
}

#[test]
fn tombstones_go_when_their_time_has_come() {
    let world = SimulatedWorld::new(1);
    let mut history = History::default();
    for at in 0..30 {
        let value = if at % 3 == 0 { None } else { Some(at as u32) };
        history.push(&[(at / 3, value)], (1, i32::from(at)), CompressionType::None);
    }
    (0..30).for_each(|at| history.push(&[(at / 3, None)], (1, 30 + i32::from(at)), CompressionType::None));
    (60..75).for_each(|at| history.push(&[(99, Some(at))], (1, at as i32), CompressionType::None));
    let log = filled(&world, &history);
    clean(&log, limits(100)).unwrap().unwrap();
    let tombstones = |log: &PartitionLog| {
        let found = records_of(&content(log));
        history.check(&found, 0, active_base(log), "tombstones");
        found.values().filter(|(_, value)| value.is_none()).count()
    };
    assert_eq!(tombstones(&log), 10);
    world.clock.advance(DELETE_RETENTION);
    let mut more = history.clone();
    let push = |more: &mut History, at: i32| {
        let begin = more.batches.len();
        (0..10).for_each(|n| more.push(&[(99, Some(7))], (1, at + n), CompressionType::None));
        more.batches[begin..].to_vec()
    };
    log.append(&push(&mut more, 75)).unwrap();
    checkpoint(&log).unwrap();
    clean(&log, limits(100)).unwrap().unwrap();
    let found = records_of(&content(&log));
    assert_eq!(found.values().filter(|(_, value)| value.is_none()).count(), 0);
    more.check(&found, 0, active_base(&log), "without tombstones");
}

#[test]
fn readers_of_old_segments_go_on() {
    let world = SimulatedWorld::new(1);
    let history = History::draw(1, 80);
    let log = filled(&world, &history);
    let end = log.written_end_offset();
    let before = content(&log);
    let read = log.read(Offset(0), end, u64::MAX, true).unwrap();
    // A reader that took its list of segments and has opened none of their files.
    log.published().segments.iter().for_each(|segment| segment.forget_handles(&log.directory));
    let published = log.published();
    let place = log.scrub(ScrubPlace::default(), 100).unwrap().next.unwrap();
    clean(&log, limits(100)).unwrap().unwrap();
    assert_eq!(bytes_of(&read.extents), before[..read.bytes as usize]);
    let mut old = Vec::new();
    for at in 0..published.segments.len() {
        let view = published.view(at);
        let mut scanner = view.segment.scan(&log.directory, 0, view.bytes).unwrap();
        while let Some(found) = scanner.next().unwrap() {
            // By the index as well.
            let floor = view.segment.floor_of_offset(&log.directory, found.header.base_offset).unwrap();
            assert!(floor <= found.position);
            assert!(!view.segment.take_index_damaged(), "its own index");
            old.extend(scanner.read_verified(&found).unwrap());
        }
    }
    assert_eq!(old, before);
    drop(published);
    // The scrubber, which was in the middle of a segment that is another one now, begins it anew.
    let mut place = Some(place);
    while let Some(from) = place {
        place = log.scrub(from, 100).unwrap().next;
    }
    let mut by_offset = records_of(&content(&log));
    for from in 0..end.0 {
        let read = log.read(Offset(from), end, 1, true).unwrap();
        let bytes = bytes_of(&read.extents);
        assert!(!bytes.is_empty(), "a read at {from} gets something");
        let header = BatchHeader::parse(&bytes).unwrap();
        assert!(header.last_offset().0 >= from);
        by_offset.retain(|offset, _| *offset >= from);
        let first = by_offset.keys().next().copied().unwrap_or(end.0);
        assert!(header.base_offset.0 <= first, "nothing is left out");
        // By time: offset n has time 1000 + n.
        let found = log.find_by_timestamp(Timestamp(1000 + from), end).unwrap();
        assert_eq!(found.map(|found| found.offset.0), by_offset.keys().next().copied(), "{from}");
    }
    let last = records_of(&content(&log)).keys().next_back().copied();
    assert_eq!(log.max_timestamp(end).unwrap().map(|found| found.offset.0), last);
}

#[test]
fn a_producers_last_batch_is_known_after_its_records_are_gone() {
    let world = SimulatedWorld::new(1);
    let mut history = History::default();
    history.push(&[(1, Some(1)), (2, Some(1))], (7, 0), CompressionType::None);
    (0..30).for_each(|at| history.push(&[(1, Some(2)), (2, Some(2))], (8, at * 2), CompressionType::None));
    let log = filled(&world, &history);
    clean(&log, limits(100)).unwrap().unwrap();
    let all = content(&log);
    assert_eq!(bases(&all)[0], 0, "an empty batch is there");
    assert_eq!(BatchHeader::parse(&all).unwrap().records_count, 0);
    // Without any state the segments alone tell the producers.
    for name in names(&world).iter().filter(|name| name.ends_with(".state")) {
        world.files.remove_file(&path(name)).unwrap();
    }
    let end = log.written_end_offset().0;
    drop(log);
    let (_, state) = open(&world, config(), end, 0).unwrap();
    let last = |id| state.producers.get(ProducerId(id)).unwrap().batches.last().unwrap().last_sequence;
    assert_eq!((last(7), last(8)), (1, 59));
}

#[test]
fn retention_and_a_change_of_policy_meanwhile() {
    let world = SimulatedWorld::new(1);
    let history = History::draw(1, 80);
    let log = filled(&world, &history);
    let cleanable = log.cleanable(Offset(i64::MAX)).unwrap().unwrap();
    let mut cleaning = log.begin_cleaning(&cleanable, limits(100), None).unwrap();
    while cleaning.stats().read_bytes == 0 {
        cleaning.step(&log, 1).unwrap();
    }
    // The first group's segments go while it is copied.
    let start = active_base(&log) / 2;
    log.set_log_start_offset(Offset(start));
    assert!(log.delete_old_segments().unwrap() > 0);
    while !cleaning.step(&log, STEP_BYTES).unwrap().is_done {}
    assert_eq!(cleaning.stats().first_dirty_offset, cleanable.first_dirty_offset, "it is not called clean");
    assert!(!names(&world).iter().any(|name| name.contains("cleaned")), "nothing is left over");
    let found = records_of(&content(&log));
    history.check(&found, start, start, "nothing was cleaned");
    clean(&log, limits(100)).unwrap().unwrap();
    history.check(&records_of(&content(&log)), start, active_base(&log), "then it was");
    expect_whole(&world, &log);

    log.append(&history_after(&history)).unwrap();
    checkpoint(&log).unwrap();
    let cleanable = log.cleanable(Offset(i64::MAX)).unwrap().unwrap();
    let mut cleaning = log.begin_cleaning(&cleanable, limits(100), None).unwrap();
    while cleaning.stats().read_bytes == 0 {
        cleaning.step(&log, 1).unwrap();
    }
    let before = content(&log);
    log.set_config(LogConfig { compaction: None, ..config() });
    assert!(cleaning.step(&log, u64::MAX).unwrap().is_done);
    assert_eq!(content(&log), before);
    assert!(!names(&world).iter().any(|name| name.contains("cleaned")));
    assert!(log.cleanable(Offset(i64::MAX)).unwrap().is_none());
}

/// Wherever a cleaning is by then: before it has opened a segment that goes, within one, and behind it.
#[test]
fn retention_may_be_quicker_at_any_step() {
    let mut is_done_before = false;
    for steps in (0..).step_by(5) {
        let world = SimulatedWorld::new(1);
        let history = History::draw(1, 80);
        let log = filled(&world, &history);
        let cleanable = log.cleanable(Offset(i64::MAX)).unwrap().unwrap();
        let mut cleaning = log.begin_cleaning(&cleanable, limits(100), None).unwrap();
        for _ in 0..steps {
            is_done_before |= cleaning.step(&log, 1).unwrap().is_done;
        }
        let start = active_base(&log) / 2;
        log.set_log_start_offset(Offset(start));
        log.delete_old_segments().unwrap();
        while !cleaning.step(&log, STEP_BYTES).unwrap_or_else(|error| panic!("{steps}: {error}")).is_done {}
        assert!(
            !names(&world).iter().any(|name| name.contains("cleaned")),
            "{steps}: something is left over"
        );
        clean(&log, limits(100)).unwrap();
        history.check(&records_of(&content(&log)), start, active_base(&log), "the next one does its work");
        expect_whole(&world, &log);
        if is_done_before {
            assert!(steps > 100, "{steps}");
            return;
        }
    }
}

/// Another row of batches behind it.
fn history_after(history: &History) -> Vec<Bytes> {
    let mut more = history.clone();
    (0..30).for_each(|at| more.push(&[(200, Some(at))], (9, at as i32), CompressionType::None));
    more.batches[history.batches.len()..].to_vec()
}

#[test]
fn nothing_young_undecided_or_not_checkpointed_is_touched() {
    let world = SimulatedWorld::new(1);
    let history = History::draw(1, 80);
    let log = create(&world, config());
    log.append(&history.batches).unwrap();
    let cleanable = |log: &PartitionLog, end| log.cleanable(Offset(end)).unwrap().unwrap().cleanable_bytes;
    assert_eq!(cleanable(&log, i64::MAX), 0, "no checkpoint covers it");
    checkpoint(&log).unwrap();
    let all = cleanable(&log, i64::MAX);
    assert!(all > 0);
    assert!(cleanable(&log, 40) < all && cleanable(&log, 0) == 0, "up to the last stable offset");
    let young = Compaction { min_compaction_lag: DELETE_RETENTION, ..Compaction::default() };
    log.set_config(LogConfig { compaction: Some(young), ..config() });
    // The records' times are long ago: they are as old as their times say.
    assert_eq!(cleanable(&log, i64::MAX), all);
    let mut recent = BatchBuilder::new();
    recent.base_offset = Offset(history.end());
    let timestamp = log.directory.believed_now();
    recent.push(NewRecord { timestamp, key: Some(b"k"), value: Some(&[0; 900]), headers: &[] });
    let mut more = history.clone();
    log.append(&[Bytes::from(recent.build())]).unwrap();
    more.records.push((0, None));
    let after = history_after(&more);
    log.append(&after).unwrap();
    checkpoint(&log).unwrap();
    let first = log.cleanable(Offset(i64::MAX)).unwrap().unwrap();
    assert!(first.first_uncleanable_offset.0 <= history.end());
    world.clock.advance(DELETE_RETENTION + Duration::from_secs(1));
    assert!(log.cleanable(Offset(i64::MAX)).unwrap().unwrap().first_uncleanable_offset.0 > history.end());
    let overdue = Compaction {
        min_cleanable_dirty_ratio: 1.0,
        max_compaction_lag: Duration::from_secs(50),
        ..Compaction::default()
    };
    log.set_config(LogConfig { compaction: Some(overdue), ..config() });
    let cleanable = log.cleanable(Offset(i64::MAX)).unwrap().unwrap();
    assert!(cleanable.overdue > Duration::ZERO && log.is_cleaning_due(&cleanable));
    // What must be compacted at some age is in a closed segment by then.
    assert!(log.roll_if_due().unwrap());
}

/// A cleaning breaks off after its first swap: what is behind is not called clean, or a tombstone would go
/// while an older value of its key is left.
#[test]
fn a_cleaning_that_broke_off_is_not_taken_for_done() {
    let world = SimulatedWorld::new(1);
    let mut history = History::default();
    let push = |history: &mut History, key: u8, value: Option<u32>| {
        let sequence = history.batches.len() as i32;
        history.push(&[(key, value)], (1, sequence), CompressionType::None);
    };
    for at in 0..60 {
        // Segments hold some eight of these each; all but two are of one key.
        match at {
            20 => push(&mut history, 50, Some(1)),
            40 => push(&mut history, 50, None),
            _ => push(&mut history, 1, Some(at)),
        }
    }
    let log = filled(&world, &history);
    let first = log.published().segments[0].bytes();
    let cleanable = log.cleanable(Offset(i64::MAX)).unwrap().unwrap();
    let mut cleaning = log.begin_cleaning(&cleanable, limits(100), None).unwrap();
    while log.published().segments[0].bytes() == first {
        assert!(!cleaning.step(&log, 1).unwrap().is_done);
    }
    cleaning.abandon(&log).unwrap();
    drop(log);
    let (log, _) = open(&world, config(), history.end(), 0).unwrap();
    for _ in 0..2 {
        let begin = history.batches.len();
        (0..20).for_each(|at| push(&mut history, 1, Some(at)));
        log.append(&history.batches[begin..]).unwrap();
        checkpoint(&log).unwrap();
        clean(&log, limits(100)).unwrap().unwrap();
        history.check(&records_of(&content(&log)), 0, active_base(&log), "after it broke off");
        world.clock.advance(DELETE_RETENTION);
    }
}

/// A batch of one record in a transaction, or its marker: `Some(true)` commits.
fn in_transaction(offset: i64, producer: i64, key: u8, marker: Option<bool>) -> Bytes {
    let mut builder = BatchBuilder::new();
    (builder.base_offset, builder.producer_id) = (Offset(offset), ProducerId(producer));
    (builder.is_transactional, builder.is_control) = (true, marker.is_some());
    builder.partition_leader_epoch = crate::model::LeaderEpoch(1);
    let control = marker.map(|commits| [0, 0, 0, u8::from(commits)]);
    let key = [key];
    let key = control.as_ref().map_or(&key[..], |control| &control[..]);
    let timestamp = Timestamp(1000 + offset);
    builder.push(NewRecord { timestamp, key: Some(key), value: Some(&[7; 4]), headers: &[] });
    Bytes::from(builder.build())
}

/// Aborted records go and take no committed one's place; a transaction without a marker is left alone, and so
/// is all behind its begin.
#[test]
fn transactions_are_decided_before_they_are_compacted() {
    let world = SimulatedWorld::new(1);
    let log = create(&world, config());
    let mut batches = vec![
        in_transaction(0, 1, 5, None),
        in_transaction(1, 1, 0, Some(true)),
        in_transaction(2, 2, 5, None),
        in_transaction(3, 2, 0, Some(false)),
        in_transaction(4, 3, 6, None),
    ];
    let mut history = History { records: vec![(9, Some(0)); 5], batches: Vec::new() };
    (0..40).for_each(|at| history.push(&[(6, Some(at))], (9, at as i32), CompressionType::None));
    batches.extend(history.batches);
    log.append(&batches).unwrap();
    checkpoint(&log).unwrap();
    let stats = clean(&log, limits(100)).unwrap().unwrap();
    assert_eq!(stats.first_dirty_offset, Offset(4), "producer 3 is not done");
    // The aborted record is gone; its batch holds its producer's place, and its marker waits.
    let mut rest = &content(&log)[..];
    for offset in 0..45 {
        let header = BatchHeader::parse(rest).unwrap();
        assert_eq!((header.base_offset.0, header.records_count), (offset, i32::from(offset != 2)));
        rest = &rest[header.size_bytes()..];
    }
}

/// Batches of key 6 behind these: the active segment, which no cleaning touches, is another one.
fn followed_by_others(mut batches: Vec<Bytes>) -> Vec<Bytes> {
    let mut history = History { records: vec![(9, Some(0)); batches.len()], batches: Vec::new() };
    (0..40).for_each(|at| history.push(&[(6, Some(at))], (9, at as i32), CompressionType::None));
    batches.append(&mut history.batches);
    batches
}

/// The map is full before a transaction is met that was aborted in the segment that is copied to its end.
#[test]
fn an_aborted_record_does_not_outlive_the_index_that_names_it() {
    let world = SimulatedWorld::new(1);
    let log = create(&world, config());
    let mut history = History::default();
    for (at, key) in [0, 0, 1, 2].into_iter().enumerate() {
        history.push(&[(key, Some(7))], (9, at as i32), CompressionType::None);
    }
    let mut batches = history.batches;
    batches.extend([in_transaction(4, 1, 5, None), in_transaction(5, 1, 0, Some(false))]);
    log.append(&followed_by_others(batches)).unwrap();
    checkpoint(&log).unwrap();
    assert!(log.published().segments[0].bytes() > 0 && log.published().segments[1].base_offset > Offset(5));
    let stats = clean(&log, limits(3)).unwrap().unwrap();
    assert_eq!(stats.first_dirty_offset, Offset(3), "it has room for two keys");
    let mut at = Offset(0);
    let mut told = 0;
    while at < Offset(6) {
        let read = log.read_committed(at, Offset(6), 1, true).unwrap();
        told += read.aborted.len();
        at = read.next_offset;
    }
    let left = records_in(&content(&log));
    assert!(!left.contains(&0) && left.contains(&1), "it was cleaned: {left:?}");
    assert!(told > 0 || !left.contains(&4), "readers are told nothing of what was aborted");
}

/// Offsets of all records in these batches.
fn records_in(mut bytes: &[u8]) -> Vec<i64> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let set = records(bytes, &DecompressionCaps::default()).unwrap();
        let base = set.header().base_offset.0;
        found.extend((&set).into_iter().map(|record| base + i64::from(record.unwrap().offset_delta)));
        bytes = &bytes[set.header().size_bytes()..];
    }
    found
}

/// Nobody can end what has no producer, so that it would never be decided.
#[test]
fn a_transactional_batch_of_no_producer_does_not_hold_up_a_cleaning() {
    let world = SimulatedWorld::new(1);
    let log = create(&world, config());
    log.append(&followed_by_others(vec![in_transaction(0, -1, 5, None)])).unwrap();
    checkpoint(&log).unwrap();
    let active = log.published().active().base_offset;
    let stats = clean(&log, limits(100)).unwrap().unwrap();
    assert_eq!(stats.first_dirty_offset, active);
}
