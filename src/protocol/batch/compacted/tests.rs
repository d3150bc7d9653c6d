use super::super::{
    BatchBuilder, CompressionType, DecompressionCaps, NewRecord, TimestampType, patch_log_append_time,
    records, verify_crc,
};
use super::*;
use crate::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// Five records at offsets 100 to 104 with times 10, 20, ...; the last one is a tombstone with a header.
fn batch(compression: CompressionType) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.base_offset = Offset(100);
    builder.partition_leader_epoch = LeaderEpoch(3);
    builder.compression = compression;
    builder.producer_id = ProducerId(7);
    builder.producer_epoch = ProducerEpoch(2);
    builder.base_sequence = 40;
    for at in 0..5_i64 {
        let key = at.to_be_bytes();
        let value = (at < 4).then_some(&b"value"[..]);
        let headers: &[(&str, Option<&[u8]>)] = &[("h", Some(b"1")), ("h", None)];
        let timestamp = Timestamp(10 * (at + 1));
        builder.push(NewRecord { timestamp, key: Some(&key), value, headers });
    }
    builder.build()
}

#[test]
fn what_stays_is_as_it_was() {
    for compression in CompressionType::ALL {
        let original = batch(compression);
        let set = records(&original, &DecompressionCaps::default()).unwrap();
        for horizon in [None, Some(Timestamp(5_000_000))] {
            let bytes = with_fewer_records(&set, &|at| at == 1 || at == 4, horizon).unwrap();
            verify_crc(&bytes).unwrap();
            let kept = records(&bytes, &DecompressionCaps::default()).unwrap();
            let header = *kept.header();
            let base_timestamp = horizon.unwrap_or(Timestamp(20));
            let expected = BatchHeader {
                batch_length: header.batch_length,
                crc: header.crc,
                attributes: with_delete_horizon(set.header().attributes, horizon.is_some()),
                base_timestamp,
                max_timestamp: Timestamp(50),
                records_count: 2,
                ..*set.header()
            };
            assert_eq!(header, expected, "{compression:?}");
            assert_eq!(header.delete_horizon(), horizon);
            assert_eq!((header.last_offset(), header.last_sequence()), (Offset(104), 44));
            let all: Vec<_> = set.iter().map(Result::unwrap).collect();
            let found: Vec<_> = kept.iter().map(Result::unwrap).collect();
            assert_eq!(found, [all[1], all[4]], "records with their times and headers");
        }
    }
}

#[test]
fn the_largest_time_is_that_of_the_records_left() {
    let original = batch(CompressionType::None);
    let set = records(&original, &DecompressionCaps::default()).unwrap();
    let bytes = with_fewer_records(&set, &|at| at == 0, None).unwrap();
    assert_eq!(BatchHeader::parse(&bytes).unwrap().max_timestamp, Timestamp(10));
    // The broker's own time holds for the whole batch.
    let mut stamped = batch(CompressionType::None);
    patch_log_append_time(&mut stamped, Timestamp(77));
    let set = records(&stamped, &DecompressionCaps::default()).unwrap();
    let bytes = with_fewer_records(&set, &|at| at == 0, None).unwrap();
    let header = BatchHeader::parse(&bytes).unwrap();
    assert_eq!(
        (header.max_timestamp, header.attributes.timestamp_type()),
        (Timestamp(77), TimestampType::LogAppendTime)
    );
}

#[test]
fn an_empty_batch_keeps_its_producers_place() {
    for compression in CompressionType::ALL {
        let original = batch(compression);
        let before = BatchHeader::parse(&original).unwrap();
        let bytes = without_records(&before);
        verify_crc(&bytes).unwrap();
        let after = BatchHeader::parse(&bytes).unwrap();
        let expected = BatchHeader {
            batch_length: 49,
            crc: after.crc,
            attributes: Attributes(0),
            base_timestamp: Timestamp::NONE,
            records_count: 0,
            ..before
        };
        assert_eq!(after, expected, "{compression:?}");
        assert_eq!(records(&bytes, &DecompressionCaps::default()).unwrap().iter().count(), 0);
    }
}
