use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn sample() -> FrameHeader {
    FrameHeader {
        kind: FrameKind::Group,
        entries: 3,
        wal_id: Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
        incarnation: 4,
        lsn: Lsn(0x1000),
        durable_lsn: Lsn(0x800),
        payload_bytes: 5000,
        previous_crc: 0xaabb_ccdd,
        payload_crc: 0x1122_3344,
    }
}

/// The format is drawn in docs/formats/wal.md; these bytes never change for version 1.
#[test]
fn the_bytes_of_a_header() {
    let bytes = sample().encode();
    let expected: [(&str, &[u8]); 7] = [
        ("magic", b"HWWALFRM"),
        ("version, kind, entries", &[0, 1, 1, 0, 0, 0, 0, 3]),
        ("wal id", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        ("incarnation", &[0, 0, 0, 0, 0, 0, 0, 4]),
        ("lsn", &[0, 0, 0, 0, 0, 0, 0x10, 0]),
        ("durable lsn", &[0, 0, 0, 0, 0, 0, 8, 0]),
        ("length, crcs", &[0, 0, 0x13, 0x88, 0xaa, 0xbb, 0xcc, 0xdd, 0x11, 0x22, 0x33, 0x44]),
    ];
    let mut at = 0;
    for (name, part) in expected {
        assert_eq!(&bytes[at..at + part.len()], part, "{name}");
        at += part.len();
    }
    assert_eq!(bytes[at..], crc32c::crc32c(&bytes[..at]).to_be_bytes());
    let (parsed, crc) = FrameHeader::parse(&bytes).unwrap();
    assert_eq!((parsed, crc), (sample(), FrameHeader::crc_of(&bytes)));
    assert_eq!((sample().padded_bytes(), sample().end_lsn()), (8192, Lsn(0x3000)));
}

#[test]
fn any_flipped_bit_of_a_header_is_seen() {
    let whole = sample().encode();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(FrameHeader::parse(&bytes), None, "bit {bit}");
    }
    assert_eq!(FrameHeader::parse(&whole[..FRAME_HEADER_BYTES - 1]), None);
}

fn entry_header(partition: Option<i32>) -> EntryHeader {
    let topic_id = TopicId(Uuid::from_u128(7));
    let topic_partition = partition.map(|partition| TopicPartition { topic_id, partition });
    let kind = if partition.is_some() { EntryKind::Records } else { EntryKind::Metadata };
    EntryHeader { kind, topic_partition }
}

fn frame_of(entries: &[(Option<i32>, Vec<u8>)]) -> (BytesMut, Vec<usize>) {
    let mut frame = BytesMut::zeroed(FRAME_HEADER_BYTES);
    let push = |(partition, payload): &(Option<i32>, Vec<u8>)| {
        let offset = frame.len();
        push_entry(&mut frame, &entry_header(*partition), payload);
        offset
    };
    let offsets = entries.iter().map(push).collect();
    (frame, offsets)
}

proptest! {
    #[test]
    fn entries_come_back_as_they_were_pushed(
        entries in vec((any::<Option<i32>>(), vec(any::<u8>(), 0..50)), 0..10)
    ) {
        let (mut frame, offsets) = frame_of(&entries);
        let payload = frame.split_off(FRAME_HEADER_BYTES).freeze();
        let parsed = parse_entries(&payload, entries.len() as u32).unwrap();
        prop_assert_eq!(parsed.iter().map(|entry| entry.offset).collect::<Vec<_>>(), offsets);
        for (parsed, (partition, bytes)) in parsed.iter().zip(&entries) {
            prop_assert_eq!(parsed.header, entry_header(*partition));
            prop_assert_eq!(&parsed.payload[..], &bytes[..]);
        }
    }

    /// Nonsense under a right CRC is refused: no panic, no memory by its word.
    #[test]
    fn arbitrary_payloads_do_not_panic(bytes in vec(any::<u8>(), 0..200), count in any::<u32>()) {
        let payload = Bytes::from(bytes);
        if let Ok(entries) = parse_entries(&payload, count) {
            let total: usize = entries.iter().map(|entry| ENTRY_HEADER_BYTES + entry.payload.len()).sum();
            prop_assert_eq!(total, payload.len());
        }
    }
}

#[test]
fn payloads_of_another_shape_are_named() {
    let (mut frame, _) = frame_of(&[(Some(1), vec![5; 10]), (None, vec![])]);
    let payload = frame.split_off(FRAME_HEADER_BYTES).freeze();
    let with = |at: usize, byte: u8| {
        let mut bytes = payload.to_vec();
        bytes[at] = byte;
        Bytes::from(bytes)
    };
    let cases = [
        (payload.clone(), 3, "3 entries are announced in 66 bytes"),
        (payload.clone(), 1, "28 bytes follow the last entry"),
        (payload.slice(..40), 2, "2 entries are announced in 40 bytes"),
        (payload.slice(..65), 2, "an entry begins 27 bytes before the end"),
        (with(3, 200), 2, "an entry of 200 bytes is announced where 38 remain"),
        (with(4, 9), 2, "entry kind 9 is unknown"),
    ];
    for (payload, count, expected) in cases {
        assert_eq!(parse_entries(&payload, count).err().as_deref(), Some(expected));
    }
}

#[test]
fn sizes_are_rounded_to_blocks() {
    for (bytes, expected) in [(0, 0), (1, 4096), (4096, 4096), (4097, 8192)] {
        assert_eq!(padded(bytes), expected);
    }
    assert_eq!(entry_cost(4096 - FRAME_HEADER_BYTES - ENTRY_HEADER_BYTES), 4096);
    assert_eq!(entry_cost(4096 - FRAME_HEADER_BYTES - ENTRY_HEADER_BYTES + 1), 8192);
}
