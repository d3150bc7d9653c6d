//! WriteTxnMarkers, and what partitions make of markers.

use anyhow::Result;
use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use kafka_protocol::messages::{ProducerId, WriteTxnMarkersRequest};

use super::admin::describe_producers;
use super::{Case, PRODUCE, Talk, Writer, begin, close, groups, topic, write, writer};
use crate::requests::{FETCH, Topic, fetch, name};

pub(in super::super) const CASES: &[Case] = &[
    Case { name: "write-txn-markers", versions: 1..=1, run: markers },
    Case { name: "write-txn-markers-epochs", versions: 1..=1, run: epochs },
];

fn marker(writer: &Writer, committed: bool, coordinator_epoch: i32) -> WritableTxnMarker {
    WritableTxnMarker::default()
        .with_producer_id(ProducerId(writer.id))
        .with_producer_epoch(writer.producer_epoch)
        .with_transaction_result(committed)
        .with_coordinator_epoch(coordinator_epoch)
}

fn at(marker: WritableTxnMarker, topics: &[(&str, &[i32])]) -> WritableTxnMarker {
    let topic = |(topic, partitions): &(&str, &[i32])| {
        WritableTxnMarkerTopic::default().with_name(name(topic)).with_partition_indexes(partitions.to_vec())
    };
    marker.with_topics(topics.iter().map(topic).collect())
}

fn of(markers: Vec<WritableTxnMarker>) -> WriteTxnMarkersRequest {
    WriteTxnMarkersRequest::default().with_markers(markers)
}

/// A producer as the partition knows it, and what lies there.
fn state(talk: &mut Talk, label: &str, topic: &Topic, partition: i32) -> Result<()> {
    talk.ask_in(0, &format!("{label}: the producers"), &describe_producers(&[(&topic.name, &[partition])]))?;
    if partition > 0 {
        return Ok(());
    }
    let mut request = fetch(FETCH, topic, 0).with_isolation_level(1);
    request.topics[0].partitions[0].partition = partition;
    talk.ask_in(FETCH, &format!("{label}: what is read"), &request)
}

fn markers(talk: &mut Talk) -> Result<()> {
    let topic = topic(talk, 3)?;
    let absent = talk.name()?;
    let (first, second) = (writer(talk)?, writer(talk)?);
    let group = groups::group(talk)?;
    begin(talk, &first, &[(&topic.name, &[0, 1, 2])])?;
    begin(talk, &second, &[(&topic.name, &[0])])?;
    for partition in 0..3 {
        write(talk, &first, &topic, partition, 0)?;
    }
    write(talk, &second, &topic, 0, 0)?;
    let by = |committed| marker(&first, committed, 0);
    for (label, markers) in [
        ("none", vec![]),
        ("no topics", vec![by(true)]),
        ("no partitions", vec![at(by(true), &[(&topic.name, &[])])]),
        ("an absent topic", vec![at(by(true), &[(&absent, &[0])])]),
        ("an absent partition", vec![at(by(true), &[(&topic.name, &[9])])]),
        ("a negative partition", vec![at(by(true), &[(&topic.name, &[-1])])]),
        ("no name", vec![at(by(true), &[("", &[0])])]),
        ("an absent partition and one that there is", vec![at(by(true), &[(&topic.name, &[9, 2])])]),
        // A partition twice: Apache Kafka 4.3.1 never answers.
        ("one", vec![at(by(false), &[(&topic.name, &[1])])]),
        ("the same once more", vec![at(by(false), &[(&topic.name, &[1])])]),
        (
            "two of one partition",
            vec![at(by(true), &[(&topic.name, &[0])]), at(marker(&second, false, 0), &[(&topic.name, &[0])])],
        ),
    ] {
        talk.ask(label, &of(markers))?;
    }
    for partition in 0..3 {
        state(talk, &format!("partition {partition}"), &topic, partition)?;
    }
    talk.ask(
        "of groups, of a producer without offsets",
        &of(vec![at(by(false), &[("__consumer_offsets", &[groups::partition(&group)])])]),
    )?;
    let version = PRODUCE;
    talk.ask_in(version, "a write after the marker", &first.produce(version, &topic, 1, 1))?;
    talk.ask_in(version, "another write after the marker", &first.produce(version, &topic, 1, 2))?;
    close(talk, &first)?;
    close(talk, &second)?;
    talk.ask_in(0, "after all: the producers", &describe_producers(&[(&topic.name, &[0, 1, 2])]))
}

fn epochs(talk: &mut Talk) -> Result<()> {
    let topic = topic(talk, 1)?;
    let (first, stranger) = (writer(talk)?, writer(talk)?);
    let one: &[(&str, &[i32])] = &[(&topic.name, &[0])];
    for (label, marker) in [
        ("of a stranger", marker(&stranger, true, 0)),
        ("of a stranger in a later epoch", marker(&stranger.in_epoch(5), false, 0)),
        ("of nobody", marker(&stranger.with_id(987_654_321), true, 3)),
        ("of a negative id", marker(&stranger.with_id(-1), true, 0)),
    ] {
        talk.ask(label, &of(vec![at(marker, one)]))?;
    }
    state(talk, "after strangers", &topic, 0)?;
    begin(talk, &first, one)?;
    write(talk, &first, &topic, 0, 0)?;
    for (label, marker) in [
        ("a negative epoch", marker(&first.in_epoch(-1), true, 0)),
        ("a negative epoch of the coordinator", marker(&first, false, -1)),
        ("the coordinator's fifth epoch", marker(&first, false, 5)),
        ("its fourth", marker(&first, false, 4)),
        ("a later epoch of the producer", marker(&first.in_epoch(3), false, 5)),
        ("the epoch before", marker(&first.in_epoch(2), true, 5)),
        ("the largest epoch of the coordinator", marker(&first.in_epoch(3), true, i32::MAX)),
        ("a smaller one after that", marker(&first.in_epoch(3), true, 5)),
        ("the last epoch of the producer", marker(&first.in_epoch(i16::MAX), true, i32::MAX)),
    ] {
        talk.ask(label, &of(vec![at(marker, one)]))?;
        state(talk, label, &topic, 0)?;
    }
    // What is left open here ends by its time-out, when the topic is gone.
    Ok(())
}
