use super::super::{Attributes, BatchBuilder, NewRecord};
use super::*;
use crate::model::{ProducerEpoch, ProducerId};

const NOW: Timestamp = Timestamp(1_000_000);

fn rules() -> ProduceRules {
    ProduceRules {
        api_version: 13,
        batch_bytes_max: 1 << 20,
        timestamp_after_max_ms: 1_000,
        ..ProduceRules::lenient()
    }
}

fn builder() -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    for (timestamp, key) in [(NOW.0, Some(&b"a"[..])), (NOW.0 - 500, None), (NOW.0 + 500, Some(b"c"))] {
        builder.push(NewRecord { timestamp: Timestamp(timestamp), key, value: Some(b"value"), headers: &[] });
    }
    builder
}

fn built(change: impl FnOnce(&mut BatchBuilder)) -> Vec<u8> {
    let mut builder = builder();
    change(&mut builder);
    builder.build()
}

fn with_crc(mut batch: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

fn changed(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut batch = builder().build();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    with_crc(batch)
}

fn code(records: Vec<u8>, rules: &ProduceRules) -> ErrorCode {
    match validate_produced(&records.into(), NOW, rules) {
        Ok(_) => ErrorCode::None,
        Err(rejection) => rejection.code,
    }
}

#[track_caller]
fn check(cases: Vec<(&str, Vec<u8>, ErrorCode)>, rules: &ProduceRules) {
    for (name, records, expected) in cases {
        assert_eq!(code(records, rules), expected, "{name}");
    }
}

#[test]
fn a_valid_batch_passes_unchanged_under_every_codec() {
    for compression in CompressionType::ALL {
        let batch = Bytes::from(built(|builder| builder.compression = compression));
        let produced = validate_produced(&batch, NOW, &rules()).expect("valid");
        assert_eq!(produced.bytes, batch);
        assert_eq!(produced.header, BatchHeader::parse(&batch).expect("valid"));
        assert_eq!(produced.log_append_time(), Timestamp::NONE);
        let mut copy = batch.to_vec();
        produced.patch(&mut copy, Offset(5), LeaderEpoch(6));
        assert_eq!(copy[16..], batch[16..], "only offset and leader epoch differ");
        assert_eq!(BatchHeader::parse(&copy).expect("valid").base_offset, Offset(5));
    }
}

#[test]
fn trap_33_and_34_exactly_one_batch_of_format_2() {
    let one = builder().build();
    let at_length = |length: i32| changed(8, &length.to_be_bytes());
    check(
        vec![
            ("nothing", vec![], ErrorCode::InvalidRecord),
            ("less than a length field", one[..11].to_vec(), ErrorCode::InvalidRecord),
            ("a cut batch", one[..one.len() - 1].to_vec(), ErrorCode::InvalidRecord),
            ("two batches", [&one[..], &one].concat(), ErrorCode::InvalidRecord),
            (
                "a batch and a cut one: the cut one goes",
                [&one[..], &one[..one.len() - 1]].concat(),
                ErrorCode::None,
            ),
            ("a batch and three bytes", [&one[..], &[1, 2, 3]].concat(), ErrorCode::None),
            ("a batch and nonsense", [&one[..], &[0; 20]].concat(), ErrorCode::CorruptMessage),
            ("format 0", changed(16, &[0]), ErrorCode::InvalidRecord),
            ("format 1", changed(16, &[1]), ErrorCode::InvalidRecord),
            ("format 3", changed(16, &[3]), ErrorCode::CorruptMessage),
            ("format -1", changed(16, &[0xff]), ErrorCode::CorruptMessage),
            ("a length below any format's", at_length(13), ErrorCode::CorruptMessage),
            ("a negative length", at_length(-1), ErrorCode::CorruptMessage),
            ("a length of 2^31-1", at_length(i32::MAX), ErrorCode::InvalidRecord),
        ],
        &rules(),
    );
    let padded = Bytes::from([&one[..], &[1, 2, 3]].concat());
    let produced = validate_produced(&padded, NOW, &rules()).expect("valid");
    assert_eq!(produced.bytes, one, "what is stored ends with the batch");
}

#[test]
fn trap_35_header_rules() {
    let idempotent = |sequence| {
        move |builder: &mut BatchBuilder| {
            builder.producer_id = ProducerId(1);
            builder.producer_epoch = ProducerEpoch(0);
            builder.base_sequence = sequence;
        }
    };
    let mut flipped = builder().build();
    *flipped.last_mut().expect("not empty") ^= 1;
    check(
        vec![
            ("a flipped bit", flipped, ErrorCode::CorruptMessage),
            (
                "a length that stops inside the header",
                {
                    let mut short = changed(8, &20_i32.to_be_bytes());
                    short.truncate(32);
                    short
                },
                ErrorCode::CorruptMessage,
            ),
            ("a base offset", built(|builder| builder.base_offset = Offset(1)), ErrorCode::InvalidRecord),
            ("more offsets than records", changed(23, &3_i32.to_be_bytes()), ErrorCode::InvalidRecord),
            ("negative offsets", changed(23, &(-1_i32).to_be_bytes()), ErrorCode::InvalidRecord),
            ("a count of 2^31-1", changed(57, &i32::MAX.to_be_bytes()), ErrorCode::InvalidRecord),
            ("a negative count", changed(57, &(-1_i32).to_be_bytes()), ErrorCode::InvalidRecord),
            ("no records", BatchBuilder::new().build(), ErrorCode::InvalidRecord),
            (
                "one record too many",
                {
                    let batch = changed(23, &3_i32.to_be_bytes());
                    let mut batch = batch;
                    batch[57..61].copy_from_slice(&4_i32.to_be_bytes());
                    with_crc(batch)
                },
                ErrorCode::InvalidRecord,
            ),
            ("compression type 5", changed(21, &5_i16.to_be_bytes()), ErrorCode::UnknownServerError),
            ("a control batch", built(|builder| builder.is_control = true), ErrorCode::InvalidRecord),
            ("a transactional batch", built(|builder| builder.is_transactional = true), ErrorCode::None),
            ("an idempotent batch", built(idempotent(0)), ErrorCode::None),
            ("an idempotent batch without sequence", built(idempotent(-1)), ErrorCode::InvalidRecord),
            ("a sequence without producer", built(|builder| builder.base_sequence = 4), ErrorCode::None),
        ],
        &rules(),
    );
}

#[test]
fn records_of_an_uncompressed_batch_are_walked() {
    let whole = builder().build();
    // Record 1's offset delta: length, attributes, timestamp delta (two bytes), then it.
    let second = 61 + 1 + usize::from(whole[61] >> 1);
    assert_eq!(whole[second + 4], 2, "the case must hit an offset delta of 1");
    check(vec![("a false record length", changed(61, &[0x7e]), ErrorCode::InvalidRecord)], &rules());
}

#[test]
fn trap_38_zstd_needs_produce_7() {
    let zstd = || built(|builder| builder.compression = CompressionType::Zstd);
    for (api_version, expected) in [
        (3, ErrorCode::UnsupportedCompressionType),
        (6, ErrorCode::UnsupportedCompressionType),
        (7, ErrorCode::None),
    ] {
        assert_eq!(code(zstd(), &ProduceRules { api_version, ..rules() }), expected);
    }
    let lz4 = built(|builder| builder.compression = CompressionType::Lz4);
    assert_eq!(code(lz4, &ProduceRules { api_version: 3, ..rules() }), ErrorCode::None);
}

#[test]
fn trap_39_the_size_of_a_batch_counts_its_header() {
    let batch = builder().build();
    for (batch_bytes_max, expected) in
        [(batch.len(), ErrorCode::None), (batch.len() - 1, ErrorCode::MessageTooLarge)]
    {
        assert_eq!(code(batch.clone(), &ProduceRules { batch_bytes_max, ..rules() }), expected);
    }
}

#[test]
fn trap_40_a_compacted_topic_takes_no_record_without_key() {
    let rules = ProduceRules { keys_required: true, ..rules() };
    for compression in [CompressionType::None, CompressionType::Zstd] {
        let batch = built(|builder| builder.compression = compression);
        let rejection =
            validate_produced(&batch.into(), NOW, &rules).expect_err("the second record has no key");
        assert_eq!(rejection.code, ErrorCode::InvalidRecord);
        assert_eq!(rejection.record_errors.iter().map(|error| error.batch_index).collect::<Vec<_>>(), [1]);
    }
}

#[test]
fn record_errors_are_bounded() {
    let mut builder = BatchBuilder::new();
    for _ in 0..2 * RECORD_ERRORS_MAX {
        builder.push(NewRecord { timestamp: NOW, ..NewRecord::default() });
    }
    let rules = ProduceRules { keys_required: true, ..rules() };
    let rejection = validate_produced(&builder.build().into(), NOW, &rules).expect_err("no keys");
    assert_eq!(rejection.record_errors.len(), RECORD_ERRORS_MAX);
}

#[test]
fn trap_37_timestamps_stay_within_their_bounds() {
    let at = |compression: CompressionType, timestamp: i64| {
        let mut builder = BatchBuilder::new();
        builder.compression = compression;
        builder.push(NewRecord { timestamp: Timestamp(timestamp), ..NewRecord::default() }).build()
    };
    let bounded = ProduceRules { timestamp_before_max_ms: 2_000, ..rules() };
    for compression in [CompressionType::None, CompressionType::Gzip] {
        for (timestamp, rules, expected) in [
            (NOW.0 + 1_000, &rules(), ErrorCode::None),
            (NOW.0 + 1_001, &rules(), ErrorCode::InvalidTimestamp),
            (i64::MAX, &rules(), ErrorCode::InvalidTimestamp),
            (0, &rules(), ErrorCode::None),
            (i64::MIN, &rules(), ErrorCode::None),
            (NOW.0 - 2_000, &bounded, ErrorCode::None),
            (NOW.0 - 2_001, &bounded, ErrorCode::InvalidTimestamp),
            (i64::MIN, &bounded, ErrorCode::InvalidTimestamp),
            (-1, &bounded, ErrorCode::None),
        ] {
            assert_eq!(code(at(compression, timestamp), rules), expected, "{compression:?} {timestamp}");
        }
    }
}

#[test]
fn one_bad_timestamp_outweighs_missing_keys() {
    let rules = ProduceRules {
        keys_required: true,
        timestamp_before_max_ms: 0,
        timestamp_after_max_ms: 0,
        ..rules()
    };
    let rejection = validate_produced(&builder().build().into(), NOW, &rules).expect_err("two faults");
    assert_eq!(rejection.code, ErrorCode::InvalidTimestamp);
    assert_eq!(rejection.record_errors.iter().map(|error| error.batch_index).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn trap_37_log_append_time_is_the_brokers() {
    let rules =
        ProduceRules { timestamp_type: TimestampType::LogAppendTime, timestamp_before_max_ms: 0, ..rules() };
    let batch = Bytes::from(builder().build());
    let produced = validate_produced(&batch, NOW, &rules).expect("producers' times do not matter");
    assert_eq!(produced.log_append_time(), NOW);
    let mut copy = batch.to_vec();
    produced.patch(&mut copy, Offset(9), LeaderEpoch(1));
    assert_eq!(verify_crc(&copy), Ok(()));
    let stored = BatchHeader::parse(&copy).expect("valid");
    assert_eq!((stored.attributes, stored.max_timestamp), (Attributes(8), NOW));
    let own = built(|builder| builder.timestamp_type = TimestampType::LogAppendTime);
    assert_eq!(code(own, &rules), ErrorCode::InvalidTimestamp, "a producer may not claim the broker's time");
}

#[test]
fn a_false_maximum_timestamp_is_corrected() {
    let batch = Bytes::from(changed(35, &7_i64.to_be_bytes()));
    let produced = validate_produced(&batch, NOW, &rules()).expect("valid");
    let mut copy = batch.to_vec();
    produced.patch(&mut copy, Offset(0), LeaderEpoch(0));
    assert_eq!(verify_crc(&copy), Ok(()));
    assert_eq!(BatchHeader::parse(&copy).expect("valid").max_timestamp, Timestamp(NOW.0 + 500));
}

#[test]
fn a_bomb_on_a_compacted_topic_is_refused() {
    let mut builder = BatchBuilder::new();
    builder.compression = CompressionType::Zstd;
    let value = vec![0; 8 << 20];
    builder.push(NewRecord { timestamp: NOW, key: Some(b"k"), value: Some(&value), headers: &[] });
    let caps = DecompressionCaps { output_bytes_max: 4 << 20, ratio_max: usize::MAX };
    let rules = ProduceRules { keys_required: true, decompression: caps, ..rules() };
    assert_eq!(code(builder.build(), &rules), ErrorCode::InvalidRecord);
}

#[test]
fn batches_share_what_they_may_decompress_to() {
    let rules = ProduceRules { timestamp_before_max_ms: 1_000, ..rules() };
    let gzip = Bytes::from(built(|builder| builder.compression = CompressionType::Gzip));
    let size = records(&gzip, &rules.decompression).expect("valid").size_bytes();
    let mut left = BytesLeft { decompressed: 2 * size + 1, added: 0 };
    let mut codes = Vec::new();
    for _ in 0..4 {
        let checked = validate_produced_within(&gzip, NOW, &rules, &mut left);
        codes.push((checked.map_or_else(|rejection| rejection.code, |_| ErrorCode::None), left.decompressed));
    }
    let too_large = (ErrorCode::MessageTooLarge, 0);
    assert_eq!(codes, [(ErrorCode::None, size + 1), (ErrorCode::None, 1), too_large, too_large]);
    // What is not compressed needs no room.
    let plain = Bytes::from(builder().build());
    assert!(validate_produced_within(&plain, NOW, &rules, &mut left).is_ok());
}

#[test]
fn a_batch_that_cannot_be_decompressed_counts_as_what_it_could_have_been() {
    let rules = ProduceRules { timestamp_before_max_ms: 1_000, ..rules() };
    let mut gzip = built(|builder| builder.compression = CompressionType::Gzip);
    gzip[HEADER_BYTES] ^= 0xff;
    let mut left = BytesLeft { decompressed: 3 << 20, added: 0 };
    let checked = validate_produced_within(&with_crc(gzip).into(), NOW, &rules, &mut left);
    assert_eq!(checked.map_err(|rejection| rejection.code), Err(ErrorCode::InvalidRecord));
    assert_eq!(left.decompressed, 2 << 20, "a mebibyte is allowed whatever the ratio");
}

#[test]
fn only_what_must_be_decompressed_or_compressed_takes_long() {
    let plain = builder().build();
    let gzip = built(|builder| builder.compression = CompressionType::Gzip);
    let wanting = |compression| ProduceRules { codec: Some(Codec { compression, level: None }), ..rules() };
    let compacted = ProduceRules { keys_required: true, ..rules() };
    let dated = ProduceRules { timestamp_before_max_ms: 1_000, ..rules() };
    let late = Timestamp(NOW.0 - 2_000);
    for (rules, now, plain_does, gzip_does) in [
        (rules(), NOW, false, false),
        (compacted, NOW, false, true),
        (dated, NOW, false, true),
        // A time in the future, by its header: the records at fault are to be named.
        (rules(), late, false, true),
        (wanting(CompressionType::Gzip), NOW, true, false),
        (wanting(CompressionType::None), NOW, false, true),
        (wanting(CompressionType::Zstd), NOW, true, true),
    ] {
        assert_eq!(rules.take_long(&plain, now), plain_does, "{rules:?}");
        assert_eq!(rules.take_long(&gzip, now), gzip_does, "{rules:?}");
        assert!(!rules.take_long(&gzip[..HEADER_BYTES - 1], now), "no header");
    }
}

#[test]
fn a_future_time_in_a_compressed_batch_names_its_records() {
    let compressed = Bytes::from(built(|builder| builder.compression = CompressionType::Lz4));
    let rules = ProduceRules { timestamp_after_max_ms: 400, ..rules() };
    let rejection = validate_produced(&compressed, NOW, &rules).expect_err("the third is 500 ms ahead");
    let indexes: Vec<_> = rejection.record_errors.iter().map(|error| error.batch_index).collect();
    assert_eq!((rejection.code, indexes), (ErrorCode::InvalidTimestamp, vec![2]));
}
