//! Mutants of record batches that Kafka's own classes made, of every codec, and bombs: each ends with a
//! verdict and never takes more than decompression may.

use bytes::Bytes;
use highwater::model::Timestamp;
use highwater::protocol::ErrorCode;
use highwater::protocol::batch::{
    BatchError, CompressionType, HEADER_BYTES, ProduceRules, decompress, records, validate_produced,
};
use kafka_protocol::messages::ProduceRequest;
use protocol_tests::codec;
use protocol_tests::golden::requests;
use protocol_tests::mutate::mutate;
use protocol_tests::random::Random;

use crate::abort_shapes::{batch, decompression_bytes_max, rules};
use crate::watch::{Watch, is_whole, left_out};
use crate::{SLACK_BYTES, alone, measured, measured_by_kernel};

/// Mutants of each batch.
const MUTANTS: u64 = 20_000;
/// What the bombs claim or become.
const GIB: usize = 1 << 30;
/// What the Zstandard library may keep beside the output: the largest window that a frame may ask for.
const WINDOW_BYTES_MAX: usize = 128 << 20;
/// From where on a mutant is changed, in turn: anywhere, behind the checksum, in the records.
const FROM: [usize; 3] = [0, 21, HEADER_BYTES];

/// The batches of the golden Produce requests of the newest version, one of each codec.
fn golden_batches() -> Vec<Vec<u8>> {
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    let newest = requests().into_iter().filter(|golden| (golden.api_key, golden.api_version) == (0, 13));
    let batches = newest.filter(|golden| codecs.contains(&golden.flavor)).map(|golden| {
        let (_, _, request) = codec::decode(0, 13, &golden.frame).expect("Kafka's own");
        let request: &ProduceRequest = request.any().downcast_ref().expect("a Produce request");
        request.topic_data[0].partition_data[0].records.as_ref().expect("a batch").to_vec()
    });
    batches.collect()
}

/// Makes length and checksum right again, so that what follows is looked at.
fn seal(batch: &mut [u8]) {
    if batch.len() >= HEADER_BYTES {
        let length = (batch.len() - 12) as i32;
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        let crc = crc32c::crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
}

#[test]
fn batches_of_every_codec_that_kafka_made_are_taken() {
    let _alone = alone();
    for batch in golden_batches() {
        let verdict = validate_produced(&Bytes::from(batch), Timestamp(1_700_000_000_000), &rules());
        let produced = verdict.unwrap_or_else(|rejection| panic!("{rejection:?}"));
        assert_eq!(produced.header.records_count, 3);
    }
}

#[test]
fn mutated_batches_end_with_a_verdict_and_bounded_memory() {
    let _alone = alone();
    let watch = Watch::over("mutated_batches");
    let golden = golden_batches();
    assert_eq!(golden.len(), 5);
    let bound = decompression_bytes_max(&rules().decompression) + SLACK_BYTES;
    let (mut taken, mut refused) = (0_u32, 0_u32);
    for (line, whole) in golden.iter().enumerate() {
        for seed in (0..MUTANTS).filter(|seed| !left_out(line, Some(*seed))) {
            watch.next(line, seed);
            let mut random = Random::new(seed << 32 | line as u64);
            let mut bytes = whole.clone();
            let other = &golden[random.below(golden.len())];
            mutate(&mut bytes, other, FROM[random.below(FROM.len())], &mut random);
            if !random.one_in(4) {
                seal(&mut bytes);
            }
            let bytes = Bytes::from(bytes);
            let rules = ProduceRules { keys_required: random.one_in(2), ..rules() };
            let (verdict, grown) =
                measured(|| validate_produced(&bytes, Timestamp(1_700_000_000_000), &rules));
            assert!(grown <= bound, "{grown} bytes taken: {bytes:02x?}");
            let (_, grown) = measured(|| {
                records(&bytes, &rules.decompression).map(|set| set.iter().take_while(Result::is_ok).count())
            });
            assert!(grown <= bound, "{grown} bytes taken: {bytes:02x?}");
            if verdict.is_ok() { taken += 1 } else { refused += 1 }
        }
    }
    assert!(!is_whole() || taken > 1_000 && refused > 1_000, "{taken} {refused}");
}

/// What becomes, or says that it becomes, a GiB or more, by codec.
fn bombs() -> Vec<(&'static str, CompressionType, Vec<u8>)> {
    use CompressionType::{Gzip, Lz4, Snappy, Zstd};
    let part = vec![0; 16 << 20];
    let many = |compression| {
        let part = highwater::protocol::batch::compress(compression, &part);
        part.repeat(GIB / (16 << 20))
    };
    // Window of 128 MiB, content size 2^40; then blocks of 128 KiB that are one byte each.
    let mut zstd = vec![0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0x88, 0, 0, 0, 0, 0, 1, 0, 0];
    (0..GIB >> 17).for_each(|_| zstd.extend_from_slice(&[0x02, 0x00, 0x10, 0]));
    let mut zstd_of_one_segment = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0];
    zstd_of_one_segment.extend_from_slice(&[0x03, 0x00, 0x10, 0]);
    // A raw block says its length first: 2^32 - 1, 2^30, 2^26.
    let snappy_raw = |length: &[u8]| [length, &[0, b'x', 0xfe, 1, 0, 0xfe, 1, 0]].concat();
    let xerial = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
    let framed = |length: u32, block: &[u8]| [&xerial[..], &length.to_be_bytes(), block].concat();
    let claim = snappy_raw(&[0x80, 0x80, 0x80, 0x80, 0x04]);
    vec![
        ("gzip members", Gzip, many(Gzip)),
        ("lz4 frames", Lz4, many(Lz4)),
        ("zstd frames", Zstd, many(Zstd)),
        ("zstd blocks of one byte", Zstd, zstd),
        ("zstd, a segment of 2^40", Zstd, zstd_of_one_segment),
        ("snappy, raw, 4 GiB", Snappy, snappy_raw(&[0xff, 0xff, 0xff, 0xff, 0x0f])),
        ("snappy, raw, 1 GiB", Snappy, claim.clone()),
        ("snappy, raw, 64 MiB", Snappy, snappy_raw(&[0x80, 0x80, 0x80, 0x20])),
        ("snappy, framed, 1 GiB", Snappy, framed(claim.len() as u32, &claim)),
        ("snappy, a frame of 4 GiB", Snappy, framed(u32::MAX, &claim)),
        ("snappy blocks", Snappy, [&xerial[..], &many(Snappy)[16..(64 << 20) / 24]].concat()),
    ]
}

#[test]
fn bombs_of_every_codec_are_invalid_records_and_take_bounded_memory() {
    let _alone = alone();
    let caps = rules().decompression;
    let bound = decompression_bytes_max(&caps) + SLACK_BYTES;
    for (what, compression, bomb) in bombs() {
        let (output, grown) = measured(|| decompress(compression, &bomb, &caps).map(|bytes| bytes.len()));
        let refused = matches!(output, Err(BatchError::TooLarge { .. } | BatchError::Damaged { .. }));
        assert!(refused && grown <= bound, "{what}: {output:?}, {grown} bytes");
        let (_, resident) = measured_by_kernel(|| decompress(compression, &bomb, &caps).is_ok());
        assert!(resident <= bound + WINDOW_BYTES_MAX, "{what}: {resident} bytes as the kernel counts");
        let batch = Bytes::from(batch(1, compression, &[]));
        let mut batch = batch[..HEADER_BYTES].to_vec();
        batch.extend_from_slice(&bomb);
        // Its time as a producer sets it, not as the broker's own patch left it.
        batch[21..23].copy_from_slice(&(compression as u16).to_be_bytes());
        seal(&mut batch);
        let batch = Bytes::from(batch);
        let (verdict, grown) = measured(|| validate_produced(&batch, Timestamp(0), &rules()));
        let rejection = verdict.expect_err(what);
        assert_eq!(rejection.code, ErrorCode::InvalidRecord, "{what}");
        let by_codec = ["damaged", "decompress to more"].iter().any(|word| rejection.message.contains(word));
        assert!(by_codec, "{what}: {}", rejection.message);
        assert!(grown <= bound, "{what}: {grown} bytes");
    }
}
