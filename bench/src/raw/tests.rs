use compat::raw_producer;

use super::fetch::fetched;
use super::*;

/// A response to a fetch of one partition, with the records given.
fn response(topic: &str, error_code: i16, high_watermark: i64, records: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 14];
    bytes.extend(1_i32.to_be_bytes());
    bytes.extend((topic.len() as u16).to_be_bytes());
    bytes.extend(topic.as_bytes());
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 0]);
    bytes.extend(error_code.to_be_bytes());
    bytes.extend(high_watermark.to_be_bytes());
    bytes.extend([0; 16]);
    bytes.extend((-1_i32).to_be_bytes()); // no aborted transactions
    bytes.extend((-1_i32).to_be_bytes());
    bytes.extend((records.len() as u32).to_be_bytes());
    bytes.extend(records);
    bytes
}

#[test]
fn a_fetch_counts_whole_batches_only() {
    let value: &[u8] = b"value";
    let batch = raw_producer::batch(&[(None, value), (None, value), (None, value)], 5);
    let mut records = batch.clone();
    records.extend(&batch[..batch.len() - 1]);
    let found = fetched(&response("t", 0, 9, &records)).unwrap().unwrap();
    assert_eq!((found.records, found.next_offset, found.high_watermark), (3, Some(3), 9));
    let found = fetched(&response("t", 0, 9, &[])).unwrap().unwrap();
    assert_eq!((found.records, found.next_offset), (0, None));
    assert!(fetched(&response("t", 6, 9, &[])).is_err());
    assert!(fetched(&response("t", 0, 9, &records)[..60]).is_err());
}

#[test]
fn percentiles_are_those_of_the_sorted_times() {
    let mut figures = Figures::new();
    percentiles(&mut figures, "x_", (0..=1_000).rev().map(|time| time as f32).collect());
    let of = |name: &str| figures[&format!("x_{name}_ms")];
    assert_eq!(
        [of("p50"), of("p95"), of("p99"), of("p999"), of("max")],
        [500.0, 950.0, 990.0, 999.0, 1_000.0]
    );
    let mut none = Figures::new();
    percentiles(&mut none, "", Vec::new());
    assert!(none.is_empty());
}

#[test]
fn words_are_numbers_and_an_address() {
    assert!(target(&["127.0.0.1:9", "t", "6", "100", "10"]).is_ok());
    for words in [
        &["127.0.0.1", "t", "6", "100", "10"][..],
        &["127.0.0.1:9", "t", "0", "100", "10"],
        &["127.0.0.1:9", "t", "6", "many", "10"],
        &["127.0.0.1:9", "t", "6"],
    ] {
        assert!(target(words).is_err(), "{words:?}");
    }
    assert!(numbers::<2>(&["1"]).is_err());
}
