use super::super::{BatchBuilder, CompressionType, NewRecord};
use super::*;

fn batch(compression: CompressionType) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.compression = compression;
    builder.base_offset = Offset(100);
    let headers: &[(&str, Option<&[u8]>)] = &[("k", Some(b"1")), ("k", Some(b"2")), ("", None)];
    builder
        .push(NewRecord { timestamp: Timestamp(50), key: Some(b"key"), value: Some(b"value"), headers })
        .push(NewRecord { timestamp: Timestamp(40), key: Some(b""), value: None, headers: &[] })
        .push(NewRecord { timestamp: Timestamp(60), key: None, value: Some(&[9; 300]), headers: &[] });
    builder.build()
}

fn read_all(batch: &[u8]) -> Result<usize, BatchError> {
    records(batch, &DecompressionCaps::default())?
        .iter()
        .try_fold(0, |count, record| record.map(|_| count + 1))
}

#[test]
fn records_come_back_as_they_were_pushed() {
    for compression in CompressionType::ALL {
        let batch = batch(compression);
        let set = records(&batch, &DecompressionCaps::default()).expect("valid");
        let all: Vec<_> = set.iter().collect::<Result<_, _>>().expect("valid");
        let plain: Vec<_> = all
            .iter()
            .map(|record| (record.offset_delta, record.timestamp.0, record.key, record.value))
            .collect();
        assert_eq!(
            plain,
            [
                (0, 50, Some(&b"key"[..]), Some(&b"value"[..])),
                (1, 40, Some(b""), None),
                (2, 60, None, Some(&[9; 300]))
            ]
        );
        let headers: Vec<_> = all[0].headers.map(|header| (header.key, header.value)).collect();
        assert_eq!(headers, [(&b"k"[..], Some(&b"1"[..])), (b"k", Some(b"2")), (b"", None)]);
        assert_eq!((all[0].headers.len(), all[1].headers.len()), (3, 0));
    }
}

#[test]
fn time_look_ups_give_the_first_record_in_offset_order() {
    let batch = batch(CompressionType::Zstd);
    let set = records(&batch, &DecompressionCaps::default()).expect("valid");
    let found = |timestamp, start| {
        let found = set.first_at_or_after(Timestamp(timestamp), Offset(start)).expect("valid");
        found.map(|(offset, timestamp)| (offset.0, timestamp.0))
    };
    assert_eq!(found(0, 0), Some((100, 50)));
    assert_eq!(found(50, 100), Some((100, 50)));
    assert_eq!(found(51, 0), Some((102, 60)));
    assert_eq!(found(61, 0), None);
    assert_eq!(found(0, 102), Some((102, 60)));
    assert_eq!(found(0, 103), None);
}

#[test]
fn log_append_time_holds_for_every_record() {
    let mut batch = batch(CompressionType::None);
    super::super::patch_log_append_time(&mut batch, Timestamp(1_234));
    let set = records(&batch, &DecompressionCaps::default()).expect("valid");
    assert!(set.iter().all(|record| record.expect("valid").timestamp == Timestamp(1_234)));
}

#[test]
fn a_count_that_differs_from_the_records_is_an_error() {
    for (count, index, reason) in [
        (4_i32, 3, "its length cannot be read"),
        (i32::MAX, 3, "its length cannot be read"),
        (2, 2, "bytes are left over after the last record"),
        (0, 0, "bytes are left over after the last record"),
        (-1, 0, "bytes are left over after the last record"),
    ] {
        let mut batch = batch(CompressionType::None);
        batch[57..61].copy_from_slice(&count.to_be_bytes());
        assert_eq!(read_all(&batch), Err(BatchError::Record { index, reason }), "count {count}");
    }
}

#[test]
fn an_iterator_ends_after_its_first_error() {
    let mut batch = batch(CompressionType::None);
    batch[61] = 0x01;
    let set = records(&batch, &DecompressionCaps::default()).expect("the header is valid");
    assert_eq!(set.iter().count(), 1);
    assert!(set.iter().all(|record| record.is_err()));
}

/// One record whose body is `body`.
fn one_record(body: &[u8]) -> Result<usize, BatchError> {
    let mut batch = BatchBuilder::new().build();
    varint::put_signed(&mut batch, body.len() as i32);
    batch.extend_from_slice(body);
    let length = batch.len() as i32 - 12;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[57..61].copy_from_slice(&1_i32.to_be_bytes());
    read_all(&batch)
}

#[test]
fn records_whose_lengths_lie_are_refused() {
    let huge = [0xfe, 0xff, 0xff, 0xff, 0x0f];
    let with = |start: &[u8], end: &[u8]| [start, end].concat();
    assert_eq!(one_record(&[0, 0, 0, 1, 1, 0]), Ok(1), "the smallest record there is");
    for (body, reason) in [
        (vec![], "it is too short"),
        (vec![0], "its timestamp cannot be read"),
        (vec![0, 0], "its offset cannot be read"),
        (vec![0, 0, 0], "a length cannot be read"),
        (vec![0, 0, 0, 3], "a length is negative"),
        (vec![0, 0, 0, 4, 1], "a field is longer than the record"),
        (with(&[0, 0, 0], &huge), "a field is longer than the record"),
        (vec![0, 0, 0, 1, 1], "its header count cannot be read"),
        (vec![0, 0, 0, 1, 1, 1], "its header count is negative"),
        (with(&[0, 0, 0, 1, 1], &huge), "it has more headers than bytes"),
        (vec![0, 0, 0, 1, 1, 2, 1, 1], "a header key is null"),
        (vec![0, 0, 0, 1, 1, 2, 0, 2], "a field is longer than the record"),
        (vec![0, 0, 0, 1, 1, 0, 0], "it is longer than its fields"),
    ] {
        assert_eq!(one_record(&body), Err(BatchError::Record { index: 0, reason }), "{body:?}");
    }
}

#[test]
fn any_flipped_bit_and_any_cut_is_survived() {
    for compression in CompressionType::ALL {
        let whole = batch(compression);
        for at in HEADER_BYTES..whole.len() {
            for bit in 0..8 {
                let mut batch = whole.clone();
                batch[at] ^= 1 << bit;
                let _ = read_all(&batch);
            }
            let cut = read_all(&whole[..at]).expect_err("cut");
            assert_eq!(cut, BatchError::Truncated { expected: whole.len(), actual: at });
        }
    }
}
