use proptest::prelude::*;

use super::super::tests::fixture::{PARTITION, damaged_forms, entry, nonce, with_right_crc};
use super::*;

fn reference(base: i64) -> LeafReference {
    LeafReference {
        nonce: nonce(base as u64),
        base_offset: Offset(base),
        end_offset: Offset(base + 1000),
        skipped: 2,
        count: 8,
        log_bytes: 0x1_0000_0000,
        max_timestamp: Timestamp(base),
        bytes: 0x9000,
        crc: 0x0a0b_0c0d,
    }
}

fn sample() -> Root {
    let name = ObjectName { base_offset: Offset(7), nonce: nonce(8) };
    let retired = |what, since| Retired { what, since: Timestamp(since) };
    Root {
        partition: PARTITION,
        number: 0x20,
        nonce: nonce(0x0102),
        leader_epoch: LeaderEpoch(5),
        log_start_offset: Offset(250),
        end_offset: Offset(5000),
        clean_offset: Offset(1200),
        leaves: vec![reference(200), tail().reference(&[])],
        retired: vec![
            retired(RetiredObject::Segment(name), 1),
            retired(RetiredObject::Leaf(nonce(9)), 2),
            retired(RetiredObject::Root(0x1f), 3),
        ],
        tail: Some(Arc::new(tail())),
    }
}

/// What stands in the sample itself.
fn tail() -> Leaf {
    Leaf { nonce: nonce(0x77), entries: vec![entry(4000), entry(4100)] }
}

/// As earlier versions put it: the last leaf is an object, too.
fn sample_of_earlier() -> Root {
    Root { leaves: vec![reference(200), reference(4000)], tail: None, ..sample() }
}

/// Drawn in docs/formats/tier.md; these bytes never change for version 3.
#[test]
fn the_bytes_of_a_root() {
    let topic = PARTITION.topic_id.0.into_bytes();
    let number = |value: i64| value.to_be_bytes().to_vec();
    let leaf = |base: i64| {
        let mut bytes = nonce(base as u64).0.to_vec();
        [base, base + 1000].iter().for_each(|offset| bytes.extend(number(*offset)));
        bytes.extend([0, 0, 0, 2, 0, 0, 0, 8]);
        [0x1_0000_0000, base].iter().for_each(|value| bytes.extend(number(*value)));
        bytes.extend([0, 0, 0x90, 0, 0x0a, 0x0b, 0x0c, 0x0d]);
        bytes
    };
    let retired = |what: u8, of: u64, value: i64, since: i64| {
        [&[what][..], &nonce(of).0, &value.to_be_bytes(), &since.to_be_bytes()].concat()
    };
    let expected: Vec<(&str, Vec<u8>)> = vec![
        ("magic", b"HWTIERRT".to_vec()),
        ("version, reserved", vec![0, 3, 0, 0]),
        ("nonce", nonce(0x0102).0.to_vec()),
        ("topic id", topic.to_vec()),
        ("partition", vec![0, 0, 0, 3]),
        ("number", number(0x20)),
        ("leader epoch", vec![0, 0, 0, 5]),
        ("log start", number(250)),
        ("end", number(5000)),
        ("clean", number(1200)),
        ("leaves", vec![0, 0, 0, 2]),
        ("a leaf", leaf(200)),
        ("the last leaf", {
            let mut bytes = nonce(0x77).0.to_vec();
            [4000, 4200].iter().for_each(|offset| bytes.extend(number(*offset)));
            bytes.extend([0, 0, 0, 0, 0, 0, 0, 2]);
            [2 << 20, 4100].iter().for_each(|value| bytes.extend(number(*value)));
            bytes.extend([0; 8]);
            bytes
        }),
        ("retired", vec![0, 0, 0, 3]),
        ("segment", retired(1, 8, 7, 1)),
        ("leaf", retired(2, 9, 0, 2)),
        ("root", retired(3, 0, 0x1f, 3)),
        ("entries of the last leaf", vec![0, 0, 0, 2]),
        ("two of them", {
            let leaf = tail().encode(PARTITION);
            leaf[leaf.len() - CRC_BYTES - 2 * ENTRY_BYTES..leaf.len() - CRC_BYTES].to_vec()
        }),
    ];
    let bytes = sample().encode();
    let mut at = 0;
    for (name, part) in expected {
        assert_eq!(bytes[at..at + part.len()], part, "{name}");
        at += part.len();
    }
    assert_eq!(bytes[at..], crc32c::crc32c(&bytes[..at]).to_be_bytes());
    assert_eq!(Root::decode(&bytes, PARTITION, 0x20), Ok(sample()));
    assert!(Root::decode(&bytes, PARTITION, 0x21).is_err());
    assert!(Root::decode(&bytes, TopicPartition { partition: 4, ..PARTITION }, 0x20).is_err());
}

#[test]
fn whatever_is_damaged_is_seen() {
    for (name, bytes) in damaged_forms(&sample().encode()) {
        assert!(Root::decode_any(&bytes).is_err(), "{name}");
    }
}

#[test]
fn a_root_that_breaks_its_own_rules_is_not_taken() {
    let check = |name: &str, change: fn(&mut Root)| {
        let mut root = sample();
        change(&mut root);
        assert!(Root::decode_any(&root.encode()).is_err(), "{name}");
    };
    check("order", |root| root.leaves.swap(0, 1));
    check("overlap", |root| root.leaves[0].end_offset = Offset(4001));
    check("a leaf that is nowhere", |root| root.tail = None);
    check("a leaf in the middle that is nowhere", |root| root.leaves[0].bytes = 0);
    check("a last leaf in both places", |root| root.leaves[1].bytes = 300);
    check("another last leaf", |root| root.leaves[1].count = 1);
    check("a last leaf out of order", |root| {
        root.tail = Some(Arc::new(Leaf { entries: vec![entry(4100), entry(4100)], ..tail() }));
    });
    check("end", |root| root.end_offset = Offset(4199));
    check("no segments", |root| root.leaves[0].count = 0);
    check("too many segments", |root| root.leaves[0].count = 511);
    check("empty leaf", |root| root.leaves[0].end_offset = Offset(200));
    check("large leaf", |root| root.leaves[0].bytes = 0x1_0001);
    check("below 0", |root| root.leaves[0].base_offset = Offset(-1));
    check("too many leaves", |root| {
        root.leaves = (0..641).map(|at| reference(at * 1000)).collect();
        (root.tail, root.end_offset) = (None, Offset(641_000));
    });
    check("too many segments in it", |root| {
        let entries = (0..=TAIL_ENTRIES_MAX as i64).map(|at| entry(4000 + at * 100)).collect();
        let tail = Leaf { entries, ..tail() };
        root.leaves[1] = tail.reference(&[]);
        (root.tail, root.end_offset) = (Some(Arc::new(tail)), Offset(100_000));
    });
}

#[test]
fn the_largest_root_keeps_the_bound() {
    let mut root = sample();
    root.leaves = (0..LEAVES_MAX as i64).map(|at| reference(at * 1000)).collect();
    let entries = (0..TAIL_ENTRIES_MAX as i64).map(|at| entry(1_000_000 + at * 100)).collect();
    let tail = Leaf { entries, ..tail() };
    *root.leaves.last_mut().unwrap() = tail.reference(&[]);
    root.tail = Some(Arc::new(tail));
    root.retired = vec![root.retired[0]; RETIRED_MAX];
    root.end_offset = Offset(1 << 40);
    let bytes = root.encode();
    assert!(bytes.len() <= MANIFEST_OBJECT_BYTES_MAX, "{}", bytes.len());
    assert_eq!(Root::decode_any(&bytes).as_ref(), Ok(&root));
    assert_eq!((root.segments(), root.log_bytes()), (8 * 639 + 8, (639 << 32) + (8 << 20)));
}

#[test]
fn a_leaf_is_found_by_offset() {
    let root = sample();
    for (offset, expected) in [
        (0, Some(200)),
        (200, Some(200)),
        (1199, Some(200)),
        (1200, Some(4000)),
        (4199, Some(4000)),
        (4200, None),
    ] {
        assert_eq!(root.leaf_of(Offset(offset)).map(|leaf| leaf.base_offset.0), expected, "{offset}");
    }
}

/// As they were put before compacted topics were tiered.
#[test]
fn a_root_of_version_1_is_read() {
    let mut bytes = of_version_2();
    bytes[9] = 1;
    bytes.drain(HEADER_BYTES - 8..HEADER_BYTES);
    let root = Root { clean_offset: Offset(0), ..sample_of_earlier() };
    assert_eq!(Root::decode_any(&with_right_crc(bytes)), Ok(root));
}

/// As they were put before the last leaf could stand in them.
#[test]
fn a_root_of_version_2_is_read() {
    assert_eq!(Root::decode_any(&with_right_crc(of_version_2())), Ok(sample_of_earlier()));
}

fn of_version_2() -> Vec<u8> {
    let mut bytes = sample_of_earlier().encode();
    bytes[9] = 2;
    let end = bytes.len();
    bytes.drain(end - CRC_BYTES - 4..end - CRC_BYTES);
    bytes
}

proptest! {
    #[test]
    fn no_bytes_with_a_right_checksum_do_harm(
        changes in proptest::collection::vec((0usize..553, any::<u8>()), 1..6),
        length in 4usize..554,
    ) {
        let mut bytes = sample().encode();
        prop_assert_eq!(bytes.len(), 553);
        changes.into_iter().for_each(|(at, value)| bytes[at] = value);
        bytes.truncate(length);
        let bytes = with_right_crc(bytes);
        if let Ok(root) = Root::decode_any(&bytes) {
            prop_assert!(root.leaves.len() <= LEAVES_MAX && root.retired.len() <= RETIRED_MAX);
        }
    }
}
