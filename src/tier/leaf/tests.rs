use proptest::prelude::*;

use super::super::tests::fixture::{NOW, PARTITION, damaged_forms, entry, nonce, with_right_crc};
use super::*;
use crate::model::LeaderEpoch;

fn sample() -> Leaf {
    Leaf { nonce: nonce(0x0a), entries: vec![entry(0), entry(100), entry(500)] }
}

/// Drawn in docs/formats/tier.md; these bytes never change for version 1.
#[test]
fn the_bytes_of_a_leaf() {
    let leaf = Leaf {
        nonce: nonce(0x0a),
        entries: vec![ManifestEntry {
            head_crc: 0x0102_0304,
            aborted: 9,
            first_undecided: Offset(42),
            ..entry(100)
        }],
    };
    let topic = PARTITION.topic_id.0.into_bytes();
    let (one, two) = (nonce(0x0a).0, nonce(101).0);
    let number = |value: i64| value.to_be_bytes().to_vec();
    let expected: Vec<(&str, Vec<u8>)> = vec![
        ("magic", b"HWTIERLF".to_vec()),
        ("version, reserved", vec![0, 1, 0, 0]),
        ("nonce", one.to_vec()),
        ("topic id", topic.to_vec()),
        ("partition, count", vec![0, 0, 0, 3, 0, 0, 0, 1]),
        ("base offset", number(100)),
        ("end offset", number(200)),
        ("kind", vec![1]),
        ("object's nonce", two.to_vec()),
        ("object's base offset", number(100)),
        ("position", number(0)),
        ("head bytes, head crc, producers bytes", vec![0, 0, 3, 0xe8, 1, 2, 3, 4, 0, 0, 0, 50]),
        ("log bytes", number(1 << 20)),
        ("max timestamp", number(100)),
        ("its offset", number(199)),
        ("leader epochs", vec![0, 0, 0, 1, 0, 0, 0, 2]),
        ("aborted", vec![0, 0, 0, 9]),
        ("first undecided", number(42)),
        ("uploaded at", number(NOW.0)),
    ];
    let bytes = leaf.encode(PARTITION);
    let mut at = 0;
    for (name, part) in expected {
        assert_eq!(bytes[at..at + part.len()], part, "{name}");
        at += part.len();
    }
    assert_eq!(bytes[at..], crc32c::crc32c(&bytes[..at]).to_be_bytes());
    assert_eq!(Leaf::decode_any(&bytes), Ok((PARTITION, leaf)));
}

#[test]
fn a_reference_names_one_leaf() {
    let leaf = sample();
    let bytes = leaf.encode(PARTITION);
    let reference = leaf.reference(&bytes);
    assert_eq!((reference.base_offset, reference.end_offset, reference.count), (Offset(0), Offset(600), 3));
    assert_eq!((reference.log_bytes, reference.max_timestamp), (3 << 20, Timestamp(500)));
    assert_eq!(Leaf::decode(&bytes, PARTITION, &reference), Ok(leaf.clone()));
    let cut = LeafReference { skipped: 1, count: 2, base_offset: Offset(100), ..reference };
    assert_eq!(Leaf::decode(&bytes, PARTITION, &cut).unwrap().live(&cut).len(), 2);
    for other in [
        LeafReference { nonce: nonce(1), ..reference },
        LeafReference { base_offset: Offset(100), ..reference },
        LeafReference { end_offset: Offset(601), ..reference },
        LeafReference { count: 4, ..reference },
        LeafReference { count: 1, skipped: 2, ..reference },
        LeafReference { crc: reference.crc ^ 1, ..reference },
        LeafReference { bytes: reference.bytes - 1, ..reference },
    ] {
        assert!(Leaf::decode(&bytes, PARTITION, &other).is_err(), "{other:?}");
    }
    let other = TopicPartition { partition: 4, ..PARTITION };
    assert!(Leaf::decode(&bytes, other, &reference).is_err());
}

#[test]
fn whatever_is_damaged_is_seen() {
    for (name, bytes) in damaged_forms(&sample().encode(PARTITION)) {
        assert!(Leaf::decode_any(&bytes).is_err(), "{name}");
    }
}

#[test]
fn a_leaf_that_breaks_its_own_rules_is_not_taken() {
    let check = |name: &str, change: fn(&mut Leaf)| {
        let mut leaf = sample();
        change(&mut leaf);
        assert!(Leaf::decode_any(&leaf.encode(PARTITION)).is_err(), "{name}");
    };
    check("empty", |leaf| leaf.entries.clear());
    check("order", |leaf| leaf.entries.swap(0, 1));
    check("overlap", |leaf| leaf.entries[0].end_offset = Offset(101));
    check("end", |leaf| leaf.entries[1].end_offset = Offset(100));
    check("head", |leaf| leaf.entries[1].head_bytes = 131);
    check("head", |leaf| leaf.entries[1].head_bytes = 1 << 25);
    check("producers", |leaf| leaf.entries[1].producers_bytes = 1 << 27);
    check("log bytes", |leaf| leaf.entries[1].log_bytes = 1 << 31);
    check("position", |leaf| leaf.entries[1].position = u64::MAX);
    check("too many", |leaf| leaf.entries = (0..513).map(|at| entry(at * 100)).collect());
    let full = Leaf { nonce: nonce(1), entries: (0..512).map(|at| entry(at * 100)).collect() };
    assert!(full.encode(PARTITION).len() <= MANIFEST_OBJECT_BYTES_MAX);
    assert!(Leaf::decode_any(&full.encode(PARTITION)).is_ok());
}

fn entries() -> impl Strategy<Value = ManifestEntry> {
    let numbers = (0i64..1 << 40, 1i64..1000, any::<u128>(), any::<u32>(), 0u64..1 << 30);
    (numbers, any::<i64>(), any::<i32>()).prop_map(
        |((base, count, object, crc, bytes), time, leader_epoch)| ManifestEntry {
            end_offset: Offset(base + count),
            object: super::super::keys::ObjectName {
                base_offset: Offset(base),
                nonce: Nonce(object.to_be_bytes()),
            },
            head_crc: crc,
            log_bytes: bytes,
            max_timestamp: Timestamp(time),
            last_leader_epoch: LeaderEpoch(leader_epoch),
            is_committed: crc % 2 == 0,
            ..entry(base)
        },
    )
}

proptest! {
    #[test]
    fn leaves_are_read_back(mut entries in proptest::collection::vec(entries(), 1..50)) {
        entries.sort_by_key(|entry| entry.base_offset);
        entries.dedup_by(|later, earlier| earlier.end_offset > later.base_offset);
        let leaf = Leaf { nonce: nonce(4), entries };
        let bytes = leaf.encode(PARTITION);
        prop_assert_eq!(Leaf::decode(&bytes, PARTITION, &leaf.reference(&bytes)), Ok(leaf));
    }

    #[test]
    fn no_bytes_with_a_right_checksum_do_harm(
        changes in proptest::collection::vec((0usize..391, any::<u8>()), 1..6),
        length in 4usize..395,
    ) {
        let mut bytes = sample().encode(PARTITION);
        changes.into_iter().for_each(|(at, value)| bytes[at] = value);
        bytes.truncate(length);
        let bytes = with_right_crc(bytes);
        if let Ok((owner, leaf)) = Leaf::decode_any(&bytes) {
            prop_assert_eq!(leaf.encode(owner), bytes);
        }
    }
}
