//! Shapes of frame and batch that abort a process built on the codec crate alone, one test each.

use bytes::Bytes;
use highwater::model::Timestamp;
use highwater::protocol::batch::{
    BatchBuilder, BatchError, CompressionType, DecompressionCaps, NewRecord, ProduceRules, compress,
    decompress, records, validate_produced,
};
use highwater::protocol::guard::{CHARGE_BYTES_MAX, CHARGE_BYTES_PER_ELEMENT, Fault, Guard, GuardError};
use protocol_tests::codec;

use crate::{SLACK_BYTES, alone, measured};

/// Metadata: array of topics is the first field of the body. Version 8 is the last plain one, 9 the first
/// flexible.
const METADATA: i16 = 3;
const PLAIN: i16 = 8;
const FLEXIBLE: i16 = 9;

/// 2^31-1 and 2^32-1 as four bytes.
const FIXED_COUNTS: [[u8; 4]; 2] = [[0x7f, 0xff, 0xff, 0xff], [0xff; 4]];
/// 2^31-1 and 2^32-1 as variable-length numbers.
const COMPACT_COUNTS: [[u8; 5]; 2] = [[0xff, 0xff, 0xff, 0xff, 0x07], [0xff, 0xff, 0xff, 0xff, 0x0f]];

/// A Metadata frame with `header_tags` behind the client id (flexible only) and `body`.
fn metadata(api_version: i16, header_tags: &[u8], body: &[u8]) -> Bytes {
    let mut frame = vec![0, METADATA as u8, 0, api_version as u8, 0, 0, 0, 1, 0, 1, b'c'];
    frame.extend_from_slice(header_tags);
    frame.extend_from_slice(body);
    frame.into()
}

/// The guard's fault, found without taking memory.
#[track_caller]
fn refused(api_version: i16, frame: &Bytes) -> Fault {
    let guard = Guard::default();
    let (checked, grown) = measured(|| guard.check(METADATA, api_version, frame));
    assert!(grown <= SLACK_BYTES, "{grown} bytes taken");
    match checked.expect_err("hostile") {
        GuardError::Malformed { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

#[test]
fn array_counts_of_2_31_and_2_32() {
    let _alone = alone();
    let faults = FIXED_COUNTS.map(|count| {
        // The topics may be null, which is what -1 says: then the three flags that must follow are missing.
        refused(PLAIN, &metadata(PLAIN, &[], &count))
    });
    assert_eq!(faults, [Fault::Count(0x7fff_ffff), Fault::Truncated]);
    // ListOffsets: replica id, isolation level, then an array that is never null.
    let guard = Guard::default();
    for count in FIXED_COUNTS {
        let mut frame = vec![0, 2, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        frame.extend_from_slice(&count);
        let (checked, grown) = measured(|| guard.check(2, 5, &frame));
        assert!(matches!(checked, Err(GuardError::Malformed { .. })), "{checked:?}");
        assert!(grown <= SLACK_BYTES);
    }
}

#[test]
fn compact_array_counts_of_2_31_and_2_32() {
    let _alone = alone();
    let faults = COMPACT_COUNTS.map(|count| refused(FLEXIBLE, &metadata(FLEXIBLE, &[0], &count)));
    assert_eq!(faults, [Fault::Count(0x7fff_fffe), Fault::Count(0xffff_fffe)]);
}

#[test]
fn tagged_field_counts_of_2_31_and_2_32_in_the_body() {
    let _alone = alone();
    let faults = COMPACT_COUNTS.map(|count| {
        let body = [&[1, 0, 0, 0][..], &count].concat();
        refused(FLEXIBLE, &metadata(FLEXIBLE, &[0], &body))
    });
    assert_eq!(faults, [Fault::Count(0x7fff_ffff), Fault::Count(0xffff_ffff)]);
}

#[test]
fn tagged_field_counts_of_2_31_and_2_32_in_the_header() {
    let _alone = alone();
    let faults = COMPACT_COUNTS.map(|count| refused(FLEXIBLE, &metadata(FLEXIBLE, &count, &[])));
    assert_eq!(faults, [Fault::Count(0x7fff_ffff), Fault::Count(0xffff_ffff)]);
}

#[test]
fn tagged_field_sizes_of_2_31_and_2_32() {
    let _alone = alone();
    let faults = COMPACT_COUNTS.map(|size| {
        let body = [&[1, 0, 0, 0, 1, 9][..], &size].concat();
        refused(FLEXIBLE, &metadata(FLEXIBLE, &[0], &body))
    });
    assert_eq!(faults, [Fault::Truncated; 2]);
}

#[test]
fn string_and_bytes_lengths_of_2_31_and_2_32() {
    let _alone = alone();
    let faults = COMPACT_COUNTS.map(|length| {
        let body = [&[2][..], &length].concat();
        refused(FLEXIBLE, &metadata(FLEXIBLE, &[0], &body))
    });
    assert_eq!(faults, [Fault::Truncated; 2]);
}

#[test]
fn nested_array_counts_of_2_31_and_2_32() {
    let _alone = alone();
    // Produce 8: one topic "t" with so many partitions.
    let guard = Guard::default();
    for count in FIXED_COUNTS {
        let mut frame = vec![0, 0, 0, 8, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0, 0, 9];
        frame.extend_from_slice(&[0, 0, 0, 1, 0, 1, b't']);
        frame.extend_from_slice(&count);
        let (checked, grown) = measured(|| guard.check(0, 8, &frame));
        assert!(matches!(checked, Err(GuardError::Malformed { .. })), "{checked:?}");
        assert!(grown <= SLACK_BYTES);
    }
}

#[test]
fn frames_shorter_than_a_header() {
    let _alone = alone();
    let whole = metadata(FLEXIBLE, &[0], &[1, 0, 0, 0, 0]);
    let guard = Guard::default();
    assert!(guard.check(METADATA, FLEXIBLE, &whole).is_ok());
    for length in 0..12 {
        let (checked, grown) = measured(|| guard.check(METADATA, FLEXIBLE, &whole[..length]));
        assert!(checked.is_err() && grown <= SLACK_BYTES, "{length} bytes");
    }
}

#[test]
fn honest_frames_that_multiply_in_memory() {
    let _alone = alone();
    // 16 MiB of empty topic names, three bytes each: an empty compact string would do with two.
    let elements = (16 << 20) / 2_u32;
    let mut body = elements.to_be_bytes().to_vec();
    body.resize(4 + elements as usize * 2, 0);
    body.extend_from_slice(&[0, 0, 0]);
    let frame = metadata(PLAIN, &[], &body);
    let guard = Guard::default();
    let (checked, grown) = measured(|| guard.check(METADATA, PLAIN, &frame));
    let too_costly =
        GuardError::TooCostly { api_key: METADATA, api_version: PLAIN, charge_bytes_max: CHARGE_BYTES_MAX };
    assert_eq!(checked, Err(too_costly));
    assert!(grown <= SLACK_BYTES);
}

#[test]
fn the_largest_honest_frame_stays_within_its_charge() {
    let _alone = alone();
    let elements = (CHARGE_BYTES_MAX / CHARGE_BYTES_PER_ELEMENT) as u32;
    let mut body = elements.to_be_bytes().to_vec();
    body.resize(4 + elements as usize * 2, 0);
    body.extend_from_slice(&[0, 0, 0]);
    let frame = metadata(PLAIN, &[], &body);
    let checked = Guard::default().check(METADATA, PLAIN, &frame).expect("exactly at the bound");
    let (decoded, grown) = measured(|| codec::decode(METADATA, PLAIN, &frame));
    assert!(decoded.is_ok() && grown as u64 <= checked.charge_bytes, "{grown} bytes");
}

#[test]
fn many_empty_tagged_fields_are_charged() {
    let _alone = alone();
    // Two bytes each on the wire, an entry of a map each in memory.
    let count = (CHARGE_BYTES_MAX / CHARGE_BYTES_PER_ELEMENT) as usize - 1;
    let tagged = |count: usize| {
        let mut body = vec![1, 0, 0, 0];
        protocol_tests::frames::put_varint(&mut body, count as u32);
        for tag in 0..count {
            protocol_tests::frames::put_varint(&mut body, tag as u32);
            body.push(0);
        }
        metadata(FLEXIBLE, &[0], &body)
    };
    let frame = tagged(count);
    let checked = Guard::default().check(METADATA, FLEXIBLE, &frame).expect("exactly at the bound");
    let (decoded, grown) = measured(|| codec::decode(METADATA, FLEXIBLE, &frame));
    assert!(decoded.is_ok() && grown as u64 <= checked.charge_bytes, "{grown} bytes");
    let checked = Guard::default().check(METADATA, FLEXIBLE, &tagged(count + 1));
    assert!(matches!(checked, Err(GuardError::TooCostly { .. })), "{checked:?}");
}

pub fn rules() -> ProduceRules {
    ProduceRules {
        api_version: 13,
        batch_bytes_max: 64 << 20,
        keys_required: true,
        decompression: DecompressionCaps { output_bytes_max: 8 << 20, ratio_max: 100 },
        ..ProduceRules::lenient()
    }
}

/// A batch whose records are `body`, with that count of them, its checksum right.
pub fn batch(records_count: i32, compression: CompressionType, body: &[u8]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.compression = compression;
    let mut batch = builder.build();
    batch.truncate(61);
    batch.extend_from_slice(&compress(compression, body));
    let length = (batch.len() - 12) as i32;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[23..27].copy_from_slice(&records_count.wrapping_sub(1).to_be_bytes());
    batch[57..61].copy_from_slice(&records_count.to_be_bytes());
    // The broker's own patch is used to make the checksum right; the time it sets is taken back by the next
    // test.
    highwater::protocol::batch::patch_log_append_time(&mut batch, Timestamp(0));
    batch
}

#[test]
fn record_counts_of_2_31_and_2_32() {
    let _alone = alone();
    for count in [i32::MAX, -1] {
        let batch = Bytes::from(batch(count, CompressionType::None, &[]));
        let (verdict, grown) = measured(|| validate_produced(&batch, Timestamp(0), &rules()));
        assert!(verdict.is_err() && grown <= SLACK_BYTES, "{count}: {grown} bytes");
        let (read, grown) =
            measured(|| records(&batch, &DecompressionCaps::default()).map(|set| set.iter().count()));
        assert!(read.expect("the header is whole") <= 1 && grown <= SLACK_BYTES, "{count}: {grown} bytes");
    }
}

#[test]
fn header_counts_of_2_31_and_2_32() {
    let _alone = alone();
    // Zigzag: 2^31-1, and 2^32-1 which is -2^31.
    for count in [[0xfe, 0xff, 0xff, 0xff, 0x0f], [0xff, 0xff, 0xff, 0xff, 0x0f]] {
        let mut body = vec![2 * 10, 0, 0, 0, 1, 1];
        body.extend_from_slice(&count);
        let batch = Bytes::from(batch(1, CompressionType::None, &body));
        let (read, grown) = measured(|| {
            let set = records(&batch, &DecompressionCaps::default()).expect("the header is whole");
            set.iter().next().expect("one record").map(|_| ())
        });
        assert!(matches!(read, Err(BatchError::Record { index: 0, .. })), "{read:?}");
        assert!(grown <= SLACK_BYTES, "{grown} bytes");
    }
}

#[test]
fn record_and_field_lengths_of_2_31() {
    let _alone = alone();
    let huge = [0xfe, 0xff, 0xff, 0xff, 0x0f];
    for body in
        [huge.to_vec(), [&[2 * 8, 0, 0, 0][..], &huge].concat(), [&[2 * 9, 0, 0, 0, 1][..], &huge].concat()]
    {
        let batch = batch(1, CompressionType::None, &body);
        let (read, grown) = measured(|| {
            let set = records(&batch, &DecompressionCaps::default()).expect("the header is whole");
            set.iter().next().expect("one record").map(|_| ())
        });
        assert!(matches!(read, Err(BatchError::Record { index: 0, .. })), "{read:?}");
        assert!(grown <= SLACK_BYTES, "{grown} bytes");
    }
}

/// The buffer doubles as it grows, so that old and new stand side by side for a moment; LZ4 keeps two blocks
/// of 4 MiB.
pub fn decompression_bytes_max(caps: &DecompressionCaps) -> usize {
    3 * caps.output_bytes_max + (9 << 20)
}

#[test]
fn compressed_bombs() {
    let _alone = alone();
    let caps = rules().decompression;
    for compression in
        [CompressionType::Gzip, CompressionType::Snappy, CompressionType::Lz4, CompressionType::Zstd]
    {
        let zeroes = vec![0; 64 << 20];
        let bomb = compress(compression, &zeroes);
        drop(zeroes);
        let (output, grown) = measured(|| decompress(compression, &bomb, &caps).map(|bytes| bytes.len()));
        assert!(matches!(output, Err(BatchError::TooLarge { .. })), "{compression:?}: {output:?}");
        let bound = decompression_bytes_max(&caps);
        assert!(grown <= bound, "{compression:?}: {grown} bytes");
    }
}

#[test]
fn a_bomb_is_refused_where_its_records_must_be_read_and_costs_nothing_where_not() {
    let _alone = alone();
    let mut builder = BatchBuilder::new();
    builder.compression = CompressionType::Zstd;
    let value = vec![0; 32 << 20];
    builder.push(NewRecord { timestamp: Timestamp(0), key: Some(b"k"), value: Some(&value), headers: &[] });
    let bomb = Bytes::from(builder.build());
    drop((builder, value));
    let (verdict, grown) = measured(|| validate_produced(&bomb, Timestamp(0), &rules()));
    assert!(
        verdict.is_err() && grown <= 3 * rules().decompression.output_bytes_max + (4 << 20),
        "{grown} bytes"
    );
    let unread = ProduceRules { keys_required: false, ..rules() };
    let (verdict, grown) = measured(|| validate_produced(&bomb, Timestamp(0), &unread));
    assert!(verdict.is_ok() && grown <= SLACK_BYTES, "{grown} bytes");
}
