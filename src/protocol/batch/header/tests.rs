use super::super::{BatchBuilder, NewRecord};
use super::*;

fn batch() -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.producer_id = ProducerId(77);
    builder.producer_epoch = ProducerEpoch(3);
    builder.base_sequence = i32::MAX - 1;
    for timestamp in [1_000, 1_700, 900] {
        builder.push(NewRecord {
            timestamp: Timestamp(timestamp),
            value: Some(b"value"),
            ..NewRecord::default()
        });
    }
    builder.build()
}

#[test]
fn every_field_is_read_from_its_place() {
    let batch = batch();
    let header = BatchHeader::parse(&batch).expect("valid");
    let expected = BatchHeader {
        base_offset: Offset(0),
        batch_length: batch.len() as i32 - 12,
        partition_leader_epoch: LeaderEpoch(-1),
        magic: 2,
        crc: u32::from_be_bytes([batch[17], batch[18], batch[19], batch[20]]),
        attributes: Attributes(0),
        last_offset_delta: 2,
        base_timestamp: Timestamp(1_000),
        max_timestamp: Timestamp(1_700),
        producer_id: ProducerId(77),
        producer_epoch: ProducerEpoch(3),
        base_sequence: i32::MAX - 1,
        records_count: 3,
    };
    assert_eq!(header, expected);
    assert_eq!(header.size_bytes(), batch.len());
    assert_eq!((header.last_offset(), header.next_offset()), (Offset(2), Offset(3)));
    assert_eq!(header.last_sequence(), 0, "sequence numbers wrap from 2^31-1 to 0");
}

#[test]
fn the_crate_and_this_room_agree_on_a_batch() {
    use kafka_protocol::records::RecordBatchDecoder;
    let bytes = bytes::Bytes::from(batch());
    let decoded = RecordBatchDecoder::decode(&mut bytes.clone()).expect("valid").records;
    // Its sequences are not compared: it does not wrap them.
    let found: Vec<_> = decoded.iter().map(|record| (record.offset, record.timestamp)).collect();
    assert_eq!(found, [(0, 1_000), (1, 1_700), (2, 900)]);
    assert_eq!(decoded[0].producer_id, 77);
}

#[test]
fn bytes_that_are_no_header_are_told_apart() {
    let whole = batch();
    for length in 0..HEADER_BYTES {
        let expected = BatchError::Truncated { expected: HEADER_BYTES, actual: length };
        assert_eq!(BatchHeader::parse(&whole[..length]), Err(expected));
    }
    let changed = |at: usize, bytes: &[u8]| {
        let mut batch = whole.clone();
        batch[at..at + bytes.len()].copy_from_slice(bytes);
        BatchHeader::parse(&batch).expect_err("invalid")
    };
    assert_eq!(changed(16, &[1]), BatchError::Magic(1));
    assert_eq!(changed(16, &[0xff]), BatchError::Magic(-1));
    assert_eq!(changed(8, &48_i32.to_be_bytes()), BatchError::Length(48));
    assert_eq!(changed(8, &(-1_i32).to_be_bytes()), BatchError::Length(-1));
}

#[test]
fn the_checksum_covers_everything_but_offset_length_and_epoch() {
    let whole = batch();
    assert_eq!(verify_crc(&whole), Ok(()));
    assert_eq!(
        verify_crc(&[&whole[..], b"next"].concat()),
        Ok(()),
        "what follows the batch is not looked at"
    );
    let cut = whole.len() - 1;
    assert_eq!(verify_crc(&whole[..cut]), Err(BatchError::Truncated { expected: whole.len(), actual: cut }));
    for at in (0..8).chain(12..16) {
        let mut batch = whole.clone();
        batch[at] ^= 1;
        assert_eq!(verify_crc(&batch), Ok(()), "byte {at} lies outside");
    }
    for at in 17..whole.len() {
        let mut batch = whole.clone();
        batch[at] ^= 1;
        assert!(matches!(verify_crc(&batch), Err(BatchError::Crc { .. })), "byte {at} lies inside");
    }
}

#[test]
fn trap_36_offset_and_epoch_are_patched_outside_the_checksum() {
    let mut batch = batch();
    patch_base_offset_and_epoch(&mut batch, Offset(1 << 40), LeaderEpoch(9));
    assert_eq!(verify_crc(&batch), Ok(()));
    let header = BatchHeader::parse(&batch).expect("valid");
    assert_eq!((header.base_offset, header.partition_leader_epoch), (Offset(1 << 40), LeaderEpoch(9)));
    assert_eq!(header.last_offset(), Offset((1 << 40) + 2));
}

#[test]
fn trap_36_log_append_time_changes_the_bit_the_maximum_and_the_checksum() {
    let mut batch = batch();
    patch_log_append_time(&mut batch, Timestamp(5_000));
    assert_eq!(verify_crc(&batch), Ok(()));
    let header = BatchHeader::parse(&batch).expect("valid");
    assert_eq!(header.attributes.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!((header.max_timestamp, header.base_timestamp), (Timestamp(5_000), Timestamp(1_000)));
}

#[test]
fn attributes_are_told_apart() {
    let types = [0, 1, 2, 3, 4].map(|bits| Attributes(bits).compression());
    use CompressionType::*;
    assert_eq!(types, [None, Gzip, Snappy, Lz4, Zstd].map(Ok));
    assert_eq!(Attributes(0x4f).compression(), Err(BatchError::Compression(7)));
    let flags = |bits| {
        let bits = Attributes(bits);
        (bits.timestamp_type(), bits.is_transactional(), bits.is_control(), bits.has_delete_horizon())
    };
    assert_eq!(flags(0b0000_0000), (TimestampType::CreateTime, false, false, false));
    assert_eq!(flags(0b0000_1000), (TimestampType::LogAppendTime, false, false, false));
    assert_eq!(flags(0b0011_0000), (TimestampType::CreateTime, true, true, false));
    assert_eq!(flags(0b0100_0000), (TimestampType::CreateTime, false, false, true));
}
