//! Offsets by time.

use super::fixture::{BATCH, Batch, create, small};
use crate::env::simulated::SimulatedWorld;
use crate::log::{LogConfig, PartitionLog, TimestampAndOffset};
use crate::model::{LeaderEpoch, Offset, Timestamp};

/// Batches of three records whose timestamps are `first`, `first + 1`, `first + 2`.
fn log_of(world: &SimulatedWorld, config: LogConfig, firsts: &[i64]) -> PartitionLog {
    let log = create(world, config);
    for (at, &timestamp) in firsts.iter().enumerate() {
        let leader_epoch = 1 + at as i32 / 4;
        let batch = Batch { base: at as i64 * 3, records: 3, timestamp, leader_epoch, ..BATCH };
        log.append(&[batch.build()]).unwrap();
    }
    log
}

/// Offset and timestamp of every record, by the definition.
fn records(firsts: &[i64]) -> Vec<(i64, i64)> {
    let of = |(at, first): (usize, i64)| (0..3).map(move |n| (at as i64 * 3 + n, first + n));
    firsts.iter().copied().enumerate().flat_map(of).collect()
}

fn expected(found: Option<&(i64, i64)>) -> Option<TimestampAndOffset> {
    found.map(|&(offset, timestamp)| TimestampAndOffset {
        timestamp: Timestamp(timestamp),
        offset: Offset(offset),
        leader_epoch: LeaderEpoch(1 + (offset / 3) as i32 / 4),
    })
}

#[test]
fn the_first_record_that_is_late_enough() {
    let rising: Vec<i64> = (0..20).map(|at| 100 + at * 10).collect();
    // Clients' clocks differ: times go up and down, repeat, and one is far ahead.
    let wild = vec![100, 90, 140, 140, 20, 200, 150, 900, 210, 220, 5, 230, 240, 240, 100, 950, 90, 80];
    for firsts in [rising, wild] {
        let world = SimulatedWorld::new(1);
        let log =
            log_of(&world, LogConfig { segment_bytes: 500, index_interval_bytes: 1, ..small() }, &firsts);
        assert!(log.segments_count() > 3);
        let all = records(&firsts);
        let end = all.len() as i64;
        for start in [0, 4, 20] {
            log.set_log_start_offset(Offset(start));
            for timestamp in (0..1000).step_by(1) {
                for end in [end, 30, start] {
                    let found = log.find_by_timestamp(Timestamp(timestamp), Offset(end)).unwrap();
                    let by_definition =
                        all.iter().find(|(offset, at)| *at >= timestamp && *offset >= start && *offset < end);
                    assert_eq!(found, expected(by_definition), "{timestamp}, {start}..{end}");
                }
            }
        }
    }
}

#[test]
fn the_record_with_the_largest_timestamp() {
    let firsts = [100, 90, 140, 140, 20, 200, 150, 900, 210, 900, 5, 230];
    let world = SimulatedWorld::new(1);
    let log = log_of(&world, LogConfig { segment_bytes: 500, ..small() }, &firsts);
    let all = records(&firsts);
    for end in (0..=12).map(|batches| batches * 3) {
        let below = all.iter().filter(|(offset, _)| *offset < end);
        // The first of those with the largest.
        let by_definition = below.rev().max_by_key(|(_, timestamp)| *timestamp);
        assert_eq!(log.max_timestamp(Offset(end)).unwrap(), expected(by_definition), "below {end}");
    }
    let empty = create(&SimulatedWorld::new(1), small());
    assert_eq!(empty.max_timestamp(Offset(0)).unwrap(), None);
    assert_eq!(empty.find_by_timestamp(Timestamp(0), Offset(0)).unwrap(), None);
}

#[test]
fn a_batch_that_nobody_can_read_is_found_by_its_start() {
    let mut bytes = Batch { records: 3, timestamp: 100, ..BATCH }.build().to_vec();
    // LZ4, which it is not.
    bytes[22] |= 3;
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    let find = |bytes: &[u8], start| {
        let world = SimulatedWorld::new(1);
        let log = create(&world, small());
        log.append(&[bytes.to_vec().into()]).unwrap();
        log.set_log_start_offset(Offset(start));
        log.find_by_timestamp(Timestamp(101), Offset(3))
    };
    for start in [0, 1] {
        let found = find(&bytes, start).unwrap().unwrap();
        assert_eq!((found.offset, found.timestamp), (Offset(start), Timestamp(102)));
    }
    bytes[17] ^= 1;
    assert!(find(&bytes, 0).unwrap_err().is_damage());
}
