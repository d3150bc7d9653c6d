//! Record batches: what is refused, and that what is taken comes back as it was.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use highwater::model::Timestamp;
use highwater::protocol::ErrorCode;
use highwater::protocol::batch::{BatchBuilder, DecompressionCaps, NewRecord, records};

use super::{Bench, case_table};
use crate::batches::{CODECS, SOME_TIME, batch, batch_with, compressed, patched, split, values};
use crate::requests::{PRODUCE, expect_code, produce_of, produced};

case_table! {
    batches_of_every_codec_come_back_byte_for_byte,
    keys_values_and_headers_come_back_as_they_were,
    a_wrong_checksum_is_a_corrupt_message,
    exactly_one_batch_for_each_partition,
    other_formats_than_2_are_refused,
    counts_and_offsets_must_fit_the_records,
    control_batches_are_not_for_clients,
    an_undefined_codec_is_refused,
    a_batch_that_is_cut_off_is_refused,
}

/// From the magic on: all that a broker has to leave alone (what stands before lies outside the checksum).
const UNCHANGED_FROM: usize = 16;

fn batches_of_every_codec_come_back_byte_for_byte(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let long = "0123456789".repeat(100);
    let mut sent = Vec::new();
    for codec in CODECS {
        let batch = compressed(&["a", &long, "b"], codec);
        client.append(&topic, batch.clone())?;
        sent.push(batch);
    }
    let received = split(&client.fetch(&topic, 0)?.records.unwrap_or_default())?;
    ensure!(received.len() == sent.len(), "{} batches", received.len());
    for ((header, received), (sent, offset)) in received.iter().zip(sent.iter().zip((0..).step_by(3))) {
        ensure!(header.base_offset.0 == offset, "{header:?}");
        ensure!(received[UNCHANGED_FROM..] == sent[UNCHANGED_FROM..], "changed: {header:?}");
    }
    Ok(())
}

fn keys_values_and_headers_come_back_as_they_were(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let headers: &[(&str, Option<&[u8]>)] =
        &[("same", Some(b"1")), ("same", Some(b"2")), ("null", None), ("", Some(b""))];
    let mut builder = BatchBuilder::new();
    for (key, value, headers) in [
        (None, Some(&b"value"[..]), &[][..]),
        (Some(&b"key"[..]), None, headers),
        (Some(&b""[..]), Some(&b""[..]), headers),
    ] {
        builder.push(NewRecord { timestamp: Timestamp(SOME_TIME), key, value, headers });
    }
    let sent = Bytes::from(builder.build());
    client.append(&topic, sent.clone())?;
    let received = client.fetch(&topic, 0)?.records.context("nothing to read")?;
    let caps = DecompressionCaps::default();
    let (sent, received) = (records(&sent, &caps)?, records(&received, &caps)?);
    let (sent, received): (Vec<_>, Vec<_>) = (sent.iter().collect(), received.iter().collect());
    ensure!(sent.len() == 3 && sent == received, "{received:?}");
    Ok(())
}

/// Each of these must be refused with the code, and leave nothing behind.
fn expect_refused(bench: &mut Bench, refused: Vec<(Option<Bytes>, ErrorCode)>) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    for (number, (records, expected)) in refused.into_iter().enumerate() {
        let answer = client.ask(PRODUCE, &produce_of(PRODUCE, &topic, -1, vec![(0, records)]))?;
        let answer = produced(answer)?;
        expect_code(answer.error_code, expected, &format!("number {number}"))?;
        ensure!(answer.base_offset == -1, "number {number}: offset {}", answer.base_offset);
    }
    ensure!(client.append(&topic, batch(&["good"]))? == 0, "something was written");
    let read = values(&client.fetch(&topic, 0)?.records.unwrap_or_default())?;
    ensure!(read == [(0, "good".to_owned())], "{read:?}");
    Ok(())
}

fn a_wrong_checksum_is_a_corrupt_message(bench: &mut Bench) -> Result<()> {
    let good = batch(&["a"]);
    let last = good.len() - 2;
    let damaged = [(17, [1, 2]), (23, [0, 1]), (last, [9, 9])];
    let refused =
        damaged.map(|(at, bytes)| (Some(patched(&good, at, &bytes, false)), ErrorCode::CorruptMessage));
    expect_refused(bench, refused.into())
}

fn exactly_one_batch_for_each_partition(bench: &mut Bench) -> Result<()> {
    let one = batch(&["a"]);
    let two = Bytes::from([&one[..], &one[..]].concat());
    expect_refused(
        bench,
        vec![(Some(two), ErrorCode::InvalidRecord), (Some(Bytes::new()), ErrorCode::InvalidRecord)],
    )
}

fn other_formats_than_2_are_refused(bench: &mut Bench) -> Result<()> {
    let good = batch(&["a"]);
    let refused = [0, 1].map(|magic| (Some(patched(&good, 16, &[magic], true)), ErrorCode::InvalidRecord));
    expect_refused(bench, refused.into())
}

fn counts_and_offsets_must_fit_the_records(bench: &mut Bench) -> Result<()> {
    let good = batch(&["a", "b"]);
    let invalid = |at, bytes: &[u8]| (Some(patched(&good, at, bytes, true)), ErrorCode::InvalidRecord);
    let refused = vec![
        // The last offset delta: too small, too large. The count of records likewise.
        invalid(23, &[0, 0, 0, 0]),
        invalid(23, &[0, 0, 0, 5]),
        invalid(57, &[0, 0, 0, 1]),
        invalid(57, &[0, 0, 0, 3]),
        invalid(57, &[0, 0, 0, 0]),
    ];
    expect_refused(bench, refused)
}

fn control_batches_are_not_for_clients(bench: &mut Bench) -> Result<()> {
    let control = batch_with(&["a"], SOME_TIME, |builder| builder.is_control = true);
    expect_refused(bench, vec![(Some(control), ErrorCode::InvalidRecord)])
}

fn an_undefined_codec_is_refused(bench: &mut Bench) -> Result<()> {
    let good = batch(&["a", "b"]);
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    for codec in 5..=7 {
        let answer = client.produce(&topic, patched(&good, 22, &[codec], true))?;
        ensure!(answer.error_code != 0, "codec {codec} was taken");
    }
    ensure!(client.append(&topic, good)? == 0, "something was written");
    Ok(())
}

fn a_batch_that_is_cut_off_is_refused(bench: &mut Bench) -> Result<()> {
    let good = batch(&["a", "b"]);
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    for length in [1, 11, 12, 16, 17, 60, 61, good.len() - 1] {
        let request = produce_of(PRODUCE, &topic, -1, vec![(0, Some(good.slice(..length)))]);
        client.send(PRODUCE, &request)?;
        // An error, or an end: Kafka cannot even read some of these.
        match client.hear(crate::client::PATIENCE)? {
            crate::client::Heard::Frame(frame) => {
                use kafka_protocol::messages::ProduceRequest;
                let (_, answer) = crate::client::decode_response::<ProduceRequest>(PRODUCE, frame)?;
                ensure!(produced(answer)?.error_code != 0, "{length} bytes of a batch were taken");
            }
            crate::client::Heard::Closed => client = bench.client()?,
            crate::client::Heard::Silence => {
                anyhow::bail!("{length} bytes of a batch: neither answered nor closed")
            }
        }
    }
    ensure!(client.append(&topic, good)? == 0, "something was written");
    Ok(())
}
