use bytes::Bytes;

use crate::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use crate::protocol::ErrorCode;
use crate::protocol::batch::{
    BatchBuilder, BatchHeader, BytesLeft, Codec, CompressionType, DecompressionCaps, NewRecord, ProduceRules,
    ProducedBatch, TimestampType, records, validate_produced, validate_produced_within, verify_crc,
};

const NOW: Timestamp = Timestamp(1_000_000);
fn rules(compression: CompressionType) -> ProduceRules {
    ProduceRules {
        api_version: 13,
        batch_bytes_max: 1 << 20,
        codec: Some(Codec { compression, level: None }),
        ..ProduceRules::lenient()
    }
}

/// Keys and values there and not, empty and long, headers that repeat.
fn batch(compression: CompressionType) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.compression = compression;
    builder.is_transactional = true;
    builder.producer_id = ProducerId(7);
    builder.producer_epoch = ProducerEpoch(3);
    builder.base_sequence = 11;
    let long = b"some words and some more ".repeat(4_000);
    let headers = [("h", Some(&b"1"[..])), ("h", None), ("", Some(b""))];
    for (ahead, key, value, headers) in [
        (0, None, Some(&long[..]), &headers[..]),
        (-500, Some(&b"key"[..]), None, &[]),
        (900, Some(b""), Some(b""), &headers[..1]),
    ] {
        builder.push(NewRecord { timestamp: Timestamp(NOW.0 + ahead), key, value, headers });
    }
    builder.build().into()
}

fn taken(records: &Bytes, rules: &ProduceRules) -> ProducedBatch {
    validate_produced(records, NOW, rules).expect("valid")
}

/// What consumers see of a batch.
fn seen(batch: &[u8]) -> Vec<String> {
    let set = records(batch, &DecompressionCaps::default()).expect("a valid batch");
    let shown = set.iter().map(|record| {
        let record = record.expect("a valid record");
        let headers: Vec<_> = record.headers.map(|header| (header.key, header.value)).collect();
        format!("{:?} {headers:?}", (record.offset_delta, record.timestamp, record.key, record.value))
    });
    shown.collect()
}

#[test]
fn batches_get_the_topics_codec_and_keep_all_else() {
    for source in CompressionType::ALL {
        let sent = batch(source);
        let header = BatchHeader::parse(&sent).expect("valid");
        for target in CompressionType::ALL {
            let produced = taken(&sent, &rules(target));
            let stored = BatchHeader::parse(&produced.bytes).expect("valid");
            assert_eq!(verify_crc(&produced.bytes), Ok(()), "{source:?} to {target:?}");
            assert_eq!(stored.attributes.compression(), Ok(target));
            assert_eq!(seen(&produced.bytes), seen(&sent), "{source:?} to {target:?}");
            assert_eq!(
                produced.bytes == sent,
                source == target,
                "only what is compressed otherwise is built"
            );
            let (crc, batch_length, attributes) = (stored.crc, stored.batch_length, stored.attributes);
            assert_eq!(stored, BatchHeader { crc, batch_length, attributes, ..header });
            assert!(attributes.is_transactional());
            assert_eq!(produced.header, stored);
            let compresses = target != CompressionType::None;
            assert_eq!(produced.bytes.len() < 50_000, compresses, "{target:?}: {}", produced.bytes.len());
            let mut copy = produced.bytes.to_vec();
            produced.patch(&mut copy, Offset(9), LeaderEpoch(2));
            assert_eq!(copy[16..], produced.bytes[16..]);
        }
    }
}

#[test]
fn kept_as_sent_where_the_producer_decides() {
    for source in CompressionType::ALL {
        let rules = ProduceRules { codec: None, ..rules(CompressionType::None) };
        assert_eq!(taken(&batch(source), &rules).bytes, batch(source));
    }
}

#[test]
fn times_are_settled_in_what_is_built() {
    let mut false_maximum = batch(CompressionType::None).to_vec();
    false_maximum[35..43].copy_from_slice(&5_i64.to_be_bytes());
    let crc = crc32c::crc32c(&false_maximum[21..]);
    false_maximum[17..21].copy_from_slice(&crc.to_be_bytes());
    let create = rules(CompressionType::Zstd);
    let append = ProduceRules { timestamp_type: TimestampType::LogAppendTime, ..create };
    for (rules, timestamp_type, maximum, told) in [
        (create, TimestampType::CreateTime, NOW.0 + 900, -1),
        (append, TimestampType::LogAppendTime, NOW.0, NOW.0),
    ] {
        let produced = taken(&false_maximum.clone().into(), &rules);
        let stored = BatchHeader::parse(&produced.bytes).expect("valid");
        assert_eq!(stored.attributes.timestamp_type(), timestamp_type);
        assert_eq!((stored.max_timestamp.0, produced.log_append_time().0), (maximum, told));
        assert_eq!(verify_crc(&produced.bytes), Ok(()));
    }
}

#[test]
fn the_largest_batch_counts_before_and_after() {
    let (plain, gzip) = (batch(CompressionType::None), batch(CompressionType::Gzip));
    let code = |records: &Bytes, rules: &ProduceRules| {
        validate_produced(records, NOW, rules).map_or_else(|rejection| rejection.code, |_| ErrorCode::None)
    };
    let limited = |compression, batch_bytes_max| ProduceRules { batch_bytes_max, ..rules(compression) };
    assert_eq!(code(&plain, &limited(CompressionType::Gzip, plain.len())), ErrorCode::None);
    assert_eq!(code(&plain, &limited(CompressionType::Gzip, plain.len() - 1)), ErrorCode::MessageTooLarge);
    assert_eq!(code(&gzip, &limited(CompressionType::None, plain.len())), ErrorCode::None);
    assert_eq!(code(&gzip, &limited(CompressionType::None, plain.len() - 1)), ErrorCode::MessageTooLarge);
}

#[test]
fn what_is_kept_beyond_what_came_is_bounded_for_a_request() {
    let gzip = batch(CompressionType::Gzip);
    let rules = rules(CompressionType::None);
    let grows_by = taken(&gzip, &rules).bytes.len() - gzip.len();
    let mut left = BytesLeft { decompressed: usize::MAX, added: 2 * grows_by };
    let mut check = |records: &Bytes, rules: &ProduceRules| {
        let checked = validate_produced_within(records, NOW, rules, &mut left);
        (checked.map_or_else(|rejection| rejection.code, |_| ErrorCode::None), left.added)
    };
    assert_eq!(check(&gzip, &rules), (ErrorCode::None, grows_by));
    assert_eq!(check(&gzip, &rules), (ErrorCode::None, 0));
    assert_eq!(check(&gzip, &rules), (ErrorCode::MessageTooLarge, 0));
    let shrinking =
        ProduceRules { codec: Some(Codec { compression: CompressionType::Gzip, level: None }), ..rules };
    assert_eq!(check(&batch(CompressionType::None), &shrinking), (ErrorCode::None, 0));
}

#[test]
fn levels_are_used() {
    let mut words = Vec::new();
    let mut state = 1_u32;
    for _ in 0..30_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        words.extend_from_slice(format!("word-{:x} ", (state >> 16) % 700).as_bytes());
    }
    let mut builder = BatchBuilder::new();
    builder.push(NewRecord { timestamp: NOW, value: Some(&words), ..NewRecord::default() });
    let plain = Bytes::from(builder.build());
    let size = |compression, level| {
        let rules = ProduceRules { codec: Some(Codec { compression, level }), ..rules(compression) };
        let produced = taken(&plain, &rules);
        assert_eq!(seen(&produced.bytes), seen(&plain), "{compression:?} {level:?}");
        produced.bytes.len()
    };
    for (compression, quick, thorough) in [(CompressionType::Gzip, 1, 9), (CompressionType::Zstd, -50, 19)] {
        assert!(size(compression, Some(quick)) > size(compression, Some(thorough)), "{compression:?}");
        size(compression, None);
    }
    for level in [-131_072, 0, 22] {
        size(CompressionType::Zstd, Some(level));
    }
}

/// Takes more memory than a batch may have, so that the window is bounded.
#[test]
fn a_batch_larger_than_the_window_is_compressed_too() {
    let value = b"0123456789abcdef".repeat(600_000);
    let mut builder = BatchBuilder::new();
    builder.push(NewRecord { timestamp: NOW, value: Some(&value), ..NewRecord::default() });
    let plain = Bytes::from(builder.build());
    let rules = ProduceRules { batch_bytes_max: 16 << 20, ..rules(CompressionType::Zstd) };
    let produced = taken(&plain, &rules);
    assert!(produced.bytes.len() < 10_000, "{}", produced.bytes.len());
    let caps = DecompressionCaps { ratio_max: usize::MAX, ..DecompressionCaps::default() };
    assert_eq!(records(&produced.bytes, &caps).expect("valid").size_bytes() + 61, plain.len());
}

/// Measured against Kafka 4.3: it numbers compressed records anew (and takes uncompressed ones as they are).
#[test]
fn record_offsets_that_do_not_run_are_numbered_anew() {
    let mut sent = batch(CompressionType::None).to_vec();
    // Behind the first record: its length, the long value, its own fields.
    let mut rest = &sent[61..];
    let length = crate::protocol::varint::signed(&mut rest).expect("a length") as usize;
    let second = sent.len() - rest.len() + length;
    let at = second + 4;
    assert_eq!(sent[at], 2, "the case must hit an offset delta of 1");
    sent[at] = 10;
    let crc = crc32c::crc32c(&sent[21..]);
    sent[17..21].copy_from_slice(&crc.to_be_bytes());
    for rules in [rules(CompressionType::None), rules(CompressionType::Gzip)] {
        let produced = taken(&sent.clone().into(), &rules);
        assert_eq!(seen(&produced.bytes), seen(&batch(CompressionType::None)));
        assert_eq!(verify_crc(&produced.bytes), Ok(()));
    }
}
