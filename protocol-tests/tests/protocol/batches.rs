//! Record batches with bytes changed: validation and reading end with a verdict, whatever the bytes say.

use bytes::Bytes;
use highwater::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use highwater::protocol::batch::{
    BatchBuilder, BatchHeader, CompressionType, DecompressionCaps, HEADER_BYTES, NewRecord, ProduceRules,
    records, validate_produced, verify_crc,
};
use kafka_protocol::records::RecordBatchDecoder;
use protocol_tests::random::Random;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn rules(keys_required: bool) -> ProduceRules {
    ProduceRules {
        api_version: 13,
        batch_bytes_max: 1 << 20,
        keys_required,
        decompression: DecompressionCaps { output_bytes_max: 4 << 20, ratio_max: 64 },
        ..ProduceRules::lenient()
    }
}

fn random_batch(compression: CompressionType, random: &mut Random) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.compression = compression;
    builder.producer_id = ProducerId(random.below(3) as i64);
    builder.producer_epoch = ProducerEpoch(0);
    builder.base_sequence = random.below(1_000) as i32;
    for _ in 0..1 + random.below(20) {
        let timestamp = Timestamp(NOW.0 + random.below(2_000) as i64 - 1_000);
        let (key, value) = (random.below(10), random.below(200));
        let (key, value) = (random.bytes(key), random.bytes(value));
        let headers = [("a", Some(&key[..])), ("a", None)];
        let headers = &headers[..random.below(3)];
        let value = (!random.one_in(5)).then_some(&value[..]);
        builder.push(NewRecord { timestamp, key: Some(&key), value, headers });
    }
    builder.build()
}

fn seal(batch: &mut [u8]) {
    let crc = crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// Bit by bit, so that the product's checksum has a second opinion.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 })
    };
    !bytes.iter().fold(!0, step)
}

#[test]
fn valid_batches_pass_and_read_as_the_codec_crate_reads_them() {
    let mut random = Random::new(1);
    for _ in 0..200 {
        let batch = Bytes::from(random_batch(CompressionType::None, &mut random));
        let produced = validate_produced(&batch, NOW, &rules(true)).expect("valid");
        assert_eq!(produced.bytes, batch);
        let set = records(&batch, &DecompressionCaps::default()).expect("valid");
        let ours: Vec<_> = set.iter().collect::<Result<_, _>>().expect("valid");
        let theirs = RecordBatchDecoder::decode(&mut batch.clone()).expect("valid").records;
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(i64::from(ours.offset_delta), theirs.offset);
            assert_eq!(ours.timestamp.0, theirs.timestamp);
            assert_eq!(ours.key, theirs.key.as_deref());
            assert_eq!(ours.value, theirs.value.as_deref());
        }
    }
}

#[test]
fn the_checksum_is_crc_32c() {
    let mut batch = random_batch(CompressionType::Zstd, &mut Random::new(2));
    assert_eq!(verify_crc(&batch), Ok(()));
    seal(&mut batch);
    assert_eq!(verify_crc(&batch), Ok(()));
}

#[test]
fn mutated_batches_with_a_right_checksum_end_with_a_verdict() {
    let (mut passed, mut refused) = (0, 0);
    for compression in CompressionType::ALL {
        let mut random = Random::new(3);
        for _ in 0..1_500 {
            let mut batch = random_batch(compression, &mut random);
            for _ in 0..1 + random.below(3) {
                // Behind the magic; the length stays, or nothing else would be looked at.
                let at = 17 + random.below(batch.len() - 17);
                batch[at] =
                    if random.one_in(2) { random.bits() as u8 } else { batch[at] ^ 1 << random.below(8) };
            }
            seal(&mut batch);
            match validate_produced(&Bytes::from(batch), NOW, &rules(random.one_in(2))) {
                Ok(produced) => {
                    let mut copy = produced.bytes.to_vec();
                    produced.patch(&mut copy, Offset(77), LeaderEpoch(3));
                    assert_eq!(verify_crc(&copy), Ok(()), "what is stored has a right checksum");
                    let stored = BatchHeader::parse(&copy).expect("it passed");
                    assert_eq!(
                        (stored.base_offset, stored.partition_leader_epoch),
                        (Offset(77), LeaderEpoch(3))
                    );
                    assert_eq!(stored.max_timestamp, produced.header.max_timestamp);
                    passed += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(passed > 100 && refused > 100, "{passed} {refused}");
}

#[test]
fn noise_behind_a_header_is_never_read_out_of_bounds() {
    let mut random = Random::new(4);
    for round in 0..5_000 {
        let mut batch = random_batch(CompressionType::None, &mut random);
        batch.truncate(HEADER_BYTES);
        let length = random.below(300);
        batch.extend(random.bytes(length));
        let batch_length = (batch.len() - 12) as i32;
        batch[8..12].copy_from_slice(&batch_length.to_be_bytes());
        batch[22] = (round % 5) as u8;
        batch[57..61].copy_from_slice(&(random.bits() as i32).to_be_bytes());
        if let Ok(set) = records(&batch, &DecompressionCaps::default()) {
            let ended = set.iter().take_while(Result::is_ok).count();
            assert!(ended <= set.size_bytes(), "a record takes at least a byte");
        }
    }
}
