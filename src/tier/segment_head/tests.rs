use proptest::prelude::*;

use super::super::tests::fixture::{PARTITION, damaged_forms, entry, nonce};
use super::*;

fn index_entry(base_offset: i64, position: u32, before: i64) -> IndexEntry {
    IndexEntry { base_offset: Offset(base_offset), position, max_timestamp_before: Timestamp(before) }
}

fn sample() -> SegmentHead {
    SegmentHead {
        nonce: nonce(0x0102),
        partition: PARTITION,
        base_offset: Offset(0x10),
        end_offset: Offset(0x40),
        log_bytes: (1 << 20) + 5,
        max_timestamp: Timestamp(0x77),
        max_timestamp_offset: Offset(0x3f),
        first_leader_epoch: LeaderEpoch(1),
        last_leader_epoch: LeaderEpoch(2),
        index: vec![
            index_entry(0x10, 0, -1),
            index_entry(0x20, 0x1_0000, 0x50),
            index_entry(0x30, 0x8_0000, 0x60),
        ],
        blocks: vec![0xaaaa_bbbb, 0xcccc_dddd],
        aborted: vec![AbortedTransaction {
            producer_id: ProducerId(5),
            first_offset: Offset(0x11),
            last_offset: Offset(0x15),
            last_stable_offset: Offset(0x12),
        }],
        producers: Section { bytes: 9, crc: 0x1234_5678 },
    }
}

/// Drawn in docs/formats/tier.md; these bytes never change for version 1.
#[test]
fn the_bytes_of_a_head() {
    let bytes = sample().encode();
    let (index, blocks) = ([0x10, 0x20, 0x30], [0xaa, 0xaa, 0xbb, 0xbb, 0xcc, 0xcc, 0xdd, 0xdd]);
    let topic = PARTITION.topic_id.0.into_bytes();
    let header: [(&str, &[u8]); 9] = [
        ("magic", b"HWTIERSG"),
        ("version, reserved", &[0, 1, 0, 0]),
        ("nonce", &nonce(0x0102).0),
        ("topic id", &topic),
        ("partition", &[0, 0, 0, 3]),
        ("base, end", &[0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x40]),
        ("log bytes", &[0, 0, 0, 0, 0, 0x10, 0, 5]),
        ("max timestamp", &[0, 0, 0, 0, 0, 0, 0, 0x77, 0, 0, 0, 0, 0, 0, 0, 0x3f]),
        ("leader epochs", &[0, 0, 0, 1, 0, 0, 0, 2]),
    ];
    let mut at = 0;
    for (name, part) in header {
        assert_eq!(&bytes[at..at + part.len()], part, "{name}");
        at += part.len();
    }
    let lengths: Vec<u8> = [96, 104, 112, 120].iter().map(|at| bytes[at + 3]).collect();
    assert_eq!(lengths, [60, 8, 32, 9]);
    assert_eq!(bytes[124..128], [0x12, 0x34, 0x56, 0x78]);
    assert_eq!(bytes[128..132], crc32c::crc32c(&bytes[..128]).to_be_bytes());
    assert_eq!([bytes[132 + 7], bytes[152 + 7], bytes[172 + 7]], index);
    assert_eq!(bytes[192..200], blocks);
    assert_eq!([bytes[207], bytes[215], bytes[223], bytes[231]], [5, 0x11, 0x15, 0x12]);
    assert_eq!(bytes.len(), 232);
    assert_eq!(SegmentHead::decode(&bytes), Ok(sample()));
}

#[test]
fn whatever_is_damaged_is_seen() {
    for (name, bytes) in damaged_forms(&sample().encode()) {
        assert!(SegmentHead::decode(&bytes).is_err(), "{name}");
    }
}

#[test]
fn a_head_that_breaks_its_own_rules_is_not_taken() {
    let check = |name: &str, change: fn(&mut SegmentHead)| {
        let mut head = sample();
        change(&mut head);
        assert!(SegmentHead::decode(&head.encode()).is_err(), "{name}");
    };
    check("end", |head| head.end_offset = head.base_offset);
    check("base", |head| head.base_offset = Offset(-1));
    check("log bytes", |head| head.log_bytes = LOG_BYTES_MAX + 1);
    check("blocks", |head| head.blocks.push(0));
    check("no block", |head| head.blocks.clear());
    check("no index", |head| head.index.clear());
    check("index does not begin", |head| _ = head.index.remove(0));
    check("positions", |head| head.index[2].position = 0x1_0000);
    check("offsets", |head| head.index[1].base_offset = Offset(0x30));
    check("beyond the end", |head| head.index[2].base_offset = Offset(0x40));
    check("beyond the bytes", |head| head.index[2].position = (1 << 20) + 5);
    check("below the base", |head| head.index[0].base_offset = Offset(0xf));
}

#[test]
fn look_ups_begin_at_or_before_what_is_looked_for() {
    let head = sample();
    for (offset, expected) in
        [(0, 0), (0x10, 0), (0x1f, 0), (0x20, 0x1_0000), (0x3f, 0x8_0000), (0x99, 0x8_0000)]
    {
        assert_eq!(head.floor_of_offset(Offset(offset)), expected, "{offset}");
    }
    for (timestamp, expected) in [(-5, 0), (0, 0), (0x50, 0), (0x51, 0x1_0000), (0x61, 0x8_0000)] {
        assert_eq!(head.floor_of_timestamp(Timestamp(timestamp)), expected, "{timestamp}");
    }
    let count = |from: i64, end: i64| head.aborted_in(Offset(from), Offset(end)).count();
    assert_eq!([count(0, 0x11), count(0, 0x12), count(0x15, 0x40), count(0x16, 0x40)], [0, 1, 1, 0]);
}

#[test]
fn a_head_belongs_to_one_entry() {
    let head = sample();
    let mut named = entry(0x10);
    (named.end_offset, named.object.nonce) = (Offset(0x40), head.nonce);
    (named.log_bytes, named.producers_bytes) = (head.log_bytes, 9);
    assert!(head.is_of(&named, PARTITION));
    for change in [
        |entry: &mut ManifestEntry| entry.object.nonce = nonce(9),
        |entry: &mut ManifestEntry| entry.end_offset = Offset(0x41),
        |entry: &mut ManifestEntry| entry.base_offset = Offset(0x11),
        |entry: &mut ManifestEntry| entry.log_bytes += 1,
        |entry: &mut ManifestEntry| entry.producers_bytes += 1,
    ] {
        let mut other = named;
        change(&mut other);
        assert!(!head.is_of(&other, PARTITION), "{other:?}");
    }
    assert!(!head.is_of(&named, TopicPartition { partition: 4, ..PARTITION }));
}

proptest! {
    /// With all checksums right, whatever else is wrong: no panic, and nothing that breaks the rules.
    #[test]
    fn no_bytes_with_right_checksums_do_harm(
        changes in proptest::collection::vec((0usize..232, any::<u8>()), 1..6),
        length in 132usize..233,
    ) {
        let mut bytes = sample().encode();
        for (at, value) in changes {
            bytes[at] = value;
        }
        bytes.truncate(length);
        fix_checksums(&mut bytes);
        if let Ok(head) = SegmentHead::decode(&bytes) {
            prop_assert_eq!(head.check(), Ok(()));
            prop_assert_eq!(head.encode(), bytes);
        }
    }
}

/// Of sections as far as they are there, and of the header.
fn fix_checksums(bytes: &mut [u8]) {
    let mut at = HEADER_BYTES;
    for section in 0..SECTIONS - 1 {
        let length_at = HEADER_BYTES - CRC_BYTES - (SECTIONS - section) * 8;
        let length = u32::from_be_bytes(bytes[length_at..length_at + 4].try_into().unwrap()) as usize;
        let Some(content) = bytes.get(at..at.saturating_add(length)) else { break };
        let crc = crc32c::crc32c(content);
        bytes[length_at + 4..length_at + 8].copy_from_slice(&crc.to_be_bytes());
        at += length;
    }
    let crc = crc32c::crc32c(&bytes[..HEADER_BYTES - CRC_BYTES]);
    bytes[HEADER_BYTES - CRC_BYTES..HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
}
