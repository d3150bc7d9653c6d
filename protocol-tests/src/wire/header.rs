//! Request headers, tagged fields, the order of answers.

use anyhow::{Result, ensure};
use bytes::Bytes;
use highwater::protocol::ErrorCode;
use kafka_protocol::messages::{FetchRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest};

use super::{Bench, case_table};
use crate::batches::{batch, values};
use crate::client::{decode_response, frame};
use crate::requests::{
    FETCH, LATEST, LIST_OFFSETS, METADATA, PRODUCE, expect_code, fetch, fetched, list_offsets, metadata,
    produce, produce_of, produced,
};

case_table! {
    correlation_ids_come_back_as_they_are,
    client_ids_may_be_null_empty_or_long_in_both_header_versions,
    unknown_tagged_fields_are_ignored,
    bytes_after_the_body_are_ignored,
    answers_come_in_the_order_of_requests,
    an_answer_that_waits_holds_back_those_behind_it,
    acks_0_gets_no_answer,
    an_error_with_acks_0_ends_the_connection,
}

fn correlation_ids_come_back_as_they_are(bench: &mut Bench) -> Result<()> {
    let mut client = bench.client()?;
    for number in [0, 1, -1, i32::MAX, i32::MIN] {
        for version in [0, METADATA] {
            client.send_frame(&frame(version, number, &metadata(version, Some(&["wire-absent"])))?)?;
            let (seen, _) = decode_response::<MetadataRequest>(version, client.receive_frame()?)?;
            ensure!(seen == number, "{seen} instead of {number}");
        }
    }
    Ok(())
}

fn client_ids_may_be_null_empty_or_long_in_both_header_versions(bench: &mut Bench) -> Result<()> {
    let mut client = bench.client()?;
    let long = "x".repeat(1000);
    for client_id in [None, Some(""), Some("a"), Some(long.as_str())] {
        // Version 9 has a flexible header, whose client id is yet a string with two bytes of length.
        for version in [1_i16, 9] {
            let mut request = 3_i16.to_be_bytes().to_vec();
            request.extend(version.to_be_bytes());
            request.extend(5_i32.to_be_bytes());
            request.extend(client_id.map_or(-1_i16, |id| id.len() as i16).to_be_bytes());
            request.extend(client_id.unwrap_or_default().as_bytes());
            match version {
                1 => request.extend([0, 0, 0, 0]),
                // Tagged fields, no topics, three flags, tagged fields.
                _ => request.extend([0, 1, 0, 0, 0, 0]),
            }
            client.send_frame(&request)?;
            let (number, answer) = decode_response::<MetadataRequest>(version, client.receive_frame()?)?;
            ensure!(number == 5 && answer.topics.is_empty(), "{client_id:?} in version {version}");
            ensure!(!answer.brokers.is_empty(), "{client_id:?} in version {version}: no brokers");
        }
    }
    Ok(())
}

fn unknown_tagged_fields_are_ignored(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let field = |request: ProduceRequest| {
        let mut request = request.with_unknown_tagged_field(9999, Bytes::from_static(b"from the future"));
        for topic in &mut request.topic_data {
            topic.unknown_tagged_fields.insert(50, Bytes::new());
            for partition in &mut topic.partition_data {
                partition.unknown_tagged_fields.insert(51, Bytes::from_static(&[1]));
            }
        }
        request
    };
    let answer = produced(client.ask(PRODUCE, &field(produce(PRODUCE, &topic, -1, batch(&["a"]))))?)?;
    expect_code(answer.error_code, ErrorCode::None, "with unknown tagged fields in the body")?;
    // And in the header, whose tagged fields stand behind the client id.
    let plain = frame(METADATA, 3, &metadata(METADATA, Some(&[])))?;
    let header_end = 2 + 2 + 4 + 2 + crate::client::CLIENT_ID.len();
    let mut tagged = plain[..header_end].to_vec();
    tagged.extend([2, 100, 3, b'a', b'b', b'c', 101, 0]);
    tagged.extend(&plain[header_end + 1..]);
    client.send_frame(&tagged)?;
    let (number, answer) = decode_response::<MetadataRequest>(METADATA, client.receive_frame()?)?;
    ensure!(number == 3 && !answer.brokers.is_empty(), "with unknown tagged fields in the header");
    Ok(())
}

fn bytes_after_the_body_are_ignored(bench: &mut Bench) -> Result<()> {
    let mut client = bench.client()?;
    for version in [1, METADATA] {
        let mut request = frame(version, 4, &metadata(version, Some(&[])))?;
        request.extend([1, 2, 3]);
        client.send_frame(&request)?;
        let (number, answer) = decode_response::<MetadataRequest>(version, client.receive_frame()?)?;
        ensure!(number == 4 && !answer.brokers.is_empty(), "version {version}");
    }
    Ok(())
}

fn answers_come_in_the_order_of_requests(bench: &mut Bench) -> Result<()> {
    const ROUNDS: i64 = 20;
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let mut sent = Vec::new();
    for round in 0..ROUNDS {
        sent.push(client.send(PRODUCE, &produce(PRODUCE, &topic, -1, batch(&[&round.to_string()])))?);
        sent.push(client.send(METADATA, &metadata(METADATA, Some(&[&topic.name])))?);
        sent.push(client.send(LIST_OFFSETS, &list_offsets(&topic.name, &[(0, LATEST)]))?);
    }
    let mut received = Vec::new();
    for round in 0..ROUNDS {
        let (number, answer) = client.receive::<ProduceRequest>(PRODUCE)?;
        received.push(number);
        ensure!(produced(answer)?.base_offset == round, "round {round}");
        received.push(client.receive::<MetadataRequest>(METADATA)?.0);
        received.push(client.receive::<ListOffsetsRequest>(LIST_OFFSETS)?.0);
    }
    ensure!(sent == received, "{received:?}");
    Ok(())
}

fn an_answer_that_waits_holds_back_those_behind_it(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let (mut waiting, mut other) = (bench.client()?, bench.client()?);
    let first = waiting.send(FETCH, &fetch(FETCH, &topic, 0).with_max_wait_ms(400))?;
    let second = waiting.send(METADATA, &metadata(METADATA, Some(&[])))?;
    // Another connection is not held back.
    let start = bench.now();
    other.ask(METADATA, &metadata(METADATA, Some(&[])))?;
    ensure!(bench.now() - start < std::time::Duration::from_millis(300), "the other connection waited too");
    let (number, answer) = waiting.receive::<FetchRequest>(FETCH)?;
    ensure!(number == first && fetched(answer)?.high_watermark == 0, "the fetch comes first");
    ensure!(waiting.receive::<MetadataRequest>(METADATA)?.0 == second, "then what was sent behind it");
    Ok(())
}

fn acks_0_gets_no_answer(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    for value in ["a", "b", "c"] {
        client.send(PRODUCE, &produce(PRODUCE, &topic, 0, batch(&[value])))?;
    }
    // Its answer is the next one that comes, and it was appended behind them.
    ensure!(client.append(&topic, batch(&["d"]))? == 3, "not all were appended, or one twice");
    let read = values(&client.fetch(&topic, 0)?.records.unwrap_or_default())?;
    ensure!(read.iter().map(|(_, value)| value.as_str()).eq(["a", "b", "c", "d"]), "{read:?}");
    Ok(())
}

fn an_error_with_acks_0_ends_the_connection(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    client.send(PRODUCE, &produce_of(PRODUCE, &topic, 0, vec![(7, Some(batch(&["nowhere"])))]))?;
    client.expect_closed()
}
