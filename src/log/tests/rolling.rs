//! When segments end, and what the next one is called.

use std::time::Duration;

use bytes::Bytes;

use super::fixture::{BATCH, Batch, HOUR, bases, content, create, filled, names, open, row, small};
use crate::env::simulated::SimulatedWorld;
use crate::log::{LogConfig, LogError};
use crate::model::{Offset, Timestamp};

/// Base offsets of the segments.
fn segments(world: &SimulatedWorld) -> Vec<i64> {
    let logs = names(world).into_iter().filter_map(|name| name.strip_suffix(".log").map(str::to_owned));
    logs.map(|digits| digits.parse().unwrap()).collect()
}

fn check(config: LogConfig, batches: &[Bytes], expected: &[i64]) {
    let world = SimulatedWorld::new(1);
    let log = create(&world, config);
    log.append(batches).unwrap();
    assert_eq!(segments(&world), expected);
    assert_eq!(content(&log), batches.concat(), "all is there across the boundaries");
}

#[test]
fn by_size() {
    let size = row(0, 1)[0].len() as u32;
    let bytes = |segment_bytes| LogConfig { segment_bytes, ..LogConfig::default() };
    check(bytes(size * 2), &row(0, 5), &[0, 2, 4]);
    check(bytes(size * 2 + 1), &row(0, 5), &[0, 2, 4]);
    check(bytes(size * 2 - 1), &row(0, 3), &[0, 1, 2]);
    // A batch larger than a segment gets one of its own.
    check(bytes(1), &row(0, 3), &[0, 1, 2]);
}

#[test]
fn by_a_full_index() {
    let config = LogConfig { index_interval_bytes: 0, segment_index_bytes: 24, ..LogConfig::default() };
    let still = |offset| Batch { base: offset, ..BATCH }.build();
    let batches: Vec<Bytes> = (0..10).map(still).collect();
    let world = SimulatedWorld::new(1);
    let log = create(&world, config);
    batches.iter().for_each(|batch| log.append(std::slice::from_ref(batch)).unwrap());
    // Three offset entries fill 24 bytes; the first batch has none.
    assert_eq!(segments(&world), [0, 4, 8]);
    let log_of_times = SimulatedWorld::new(1);
    let log = create(&log_of_times, config);
    row(0, 10).iter().for_each(|batch| log.append(std::slice::from_ref(batch)).unwrap());
    // Two time entries fill them as well.
    assert_eq!(segments(&log_of_times), [0, 3, 6, 9]);
}

#[test]
fn before_relative_offsets_overflow() {
    const MAX: i64 = i32::MAX as i64;
    let at = |base| Batch { base, ..BATCH }.build();
    check(LogConfig::default(), &[at(0), at(MAX)], &[0]);
    check(LogConfig::default(), &[at(0), at(MAX + 1)], &[0, 1]);
    // The gap alone is too wide: the segment begins with the batch.
    check(LogConfig::default(), &[at(0), at(MAX + 2)], &[0, MAX + 2]);
    // An empty predecessor is replaced.
    let world = SimulatedWorld::new(1);
    let log = create(&world, LogConfig::default());
    log.append(&[at(3 * MAX)]).unwrap();
    assert_eq!(segments(&world), [3 * MAX]);
    assert_eq!(bases(&content(&log)), [3 * MAX]);
}

#[test]
fn by_the_records_own_time() {
    let config = LogConfig { segment_age_max: HOUR, ..LogConfig::default() };
    let hour = 3_600_000;
    let at = |(base, timestamp): (i64, i64)| Batch { base, timestamp, ..BATCH }.build();
    let times = [(0, 5000), (1, 5000 + hour - 1), (2, 5000 + hour), (3, 4000), (4, 5000 + 2 * hour)];
    check(config, &times.map(at), &[0, 2, 4]);
}

#[test]
fn by_monotonic_time_when_idle() {
    let world = SimulatedWorld::new(1);
    let config = LogConfig { segment_age_max: HOUR, ..LogConfig::default() };
    let log = create(&world, config);
    let now = crate::env::Clock::now(&*world.clock).0;
    world.clock.advance(HOUR * 2);
    assert!(!log.roll_if_due().unwrap(), "an empty segment does not roll");
    log.append(&[Batch { timestamp: now, ..BATCH }.build()]).unwrap();
    assert!(log.roll_if_due().unwrap(), "its segment is two hours old");
    assert!(!log.roll_if_due().unwrap());
    log.append(&[Batch { base: 1, timestamp: now + 7_200_000, ..BATCH }.build()]).unwrap();
    // A wall clock that jumps is not time that passes.
    world.clock.set(Timestamp(now + 10 * 365 * 24 * 3_600_000));
    assert!(!log.roll_if_due().unwrap());
    world.clock.advance(HOUR);
    assert!(log.roll_if_due().unwrap());
    assert_eq!(segments(&world), [0, 1, 2]);
    assert_eq!(log.written_end_offset(), Offset(2));
}

#[test]
fn restarts_do_not_keep_a_segment_young() {
    let world = SimulatedWorld::new(1);
    let config = LogConfig { segment_age_max: HOUR, ..LogConfig::default() };
    let log = create(&world, config);
    let now = crate::env::Clock::now(&*world.clock).0;
    log.append(&[Batch { timestamp: now, ..BATCH }.build()]).unwrap();
    log.sync().unwrap();
    drop(log);
    for minutes in [20, 20, 21] {
        world.clock.advance(Duration::from_secs(minutes * 60));
        let (log, _) = open(&world, config, 1, 0).unwrap();
        assert_eq!(log.roll_if_due().unwrap(), minutes == 21);
    }
}

#[test]
fn another_age_holds_for_the_segment_that_is_open() {
    let world = SimulatedWorld::new(1);
    let config = |segment_age_max| LogConfig { segment_age_max, ..LogConfig::default() };
    let log = create(&world, config(HOUR * 9));
    log.append(&[Batch { timestamp: -1, ..BATCH }.build()]).unwrap();
    world.clock.advance(HOUR * 2);
    assert!(!log.roll_if_due().unwrap());
    log.set_config(config(HOUR));
    assert!(log.roll_if_due().unwrap());
}

#[test]
fn jitter_spreads_the_rolls() {
    let config = LogConfig { segment_age_max: HOUR, segment_jitter: HOUR / 2, ..LogConfig::default() };
    let rolled_at = |seed| {
        let world = SimulatedWorld::new(seed);
        let log = create(&world, config);
        log.append(&[Batch { timestamp: -1, ..BATCH }.build()]).unwrap();
        (0..61).find(|_| {
            world.clock.advance(HOUR / 60);
            log.roll_if_due().unwrap()
        })
    };
    let minutes: Vec<u32> = (0..20).map(|seed| rolled_at(seed).unwrap()).collect();
    assert!(minutes.iter().all(|minute| (29..60).contains(minute)), "{minutes:?}");
    assert!(minutes.iter().any(|minute| *minute != minutes[0]), "{minutes:?}");
}

#[test]
fn what_cannot_follow_is_refused_and_what_is_there_is_skipped() {
    let world = SimulatedWorld::new(1);
    let log = filled(&world, small(), 10);
    log.append(&row(5, 10)).unwrap();
    assert_eq!(content(&log), row(0, 15).concat());
    let overlap = Batch { base: 12, records: 5, ..BATCH }.build();
    let cut = row(15, 1)[0].slice(..70);
    let two = Bytes::from(row(15, 2).concat());
    for (what, batch) in [("overlap", overlap), ("a part", cut), ("two at once", two), ("none", Bytes::new())]
    {
        let result = log.append(&[batch]);
        assert!(matches!(result, Err(LogError::NotAppendable { .. })), "{what}: {result:?}");
    }
    assert_eq!(content(&log), row(0, 15).concat());
}
