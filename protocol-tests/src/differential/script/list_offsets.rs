//! ListOffsets, OffsetForLeaderEpoch.

use anyhow::Result;
use highwater::model::Timestamp;
use highwater::protocol::batch::{BatchBuilder, CompressionType, NewRecord};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{BrokerId, OffsetForLeaderEpochRequest};

use super::{Case, Talk};
use crate::batches::SOME_TIME;
use crate::requests::{LATEST, PRODUCE, Topic, list_offsets, name, produce};

pub(super) const CASES: &[Case] = &[
    Case { name: "list-offsets", versions: 1..=10, run: sentinels },
    Case { name: "list-offsets-times", versions: 1..=10, run: times },
    Case { name: "list-offsets-requests", versions: 1..=10, run: requests },
    Case { name: "offset-for-leader-epoch", versions: 2..=4, run: leader_epochs },
];

/// Batches with records at these milliseconds.
fn filled(talk: &mut Talk, batches: &[&[i64]], compression: CompressionType) -> Result<Topic> {
    let topic = talk.topic(1, &[])?;
    for times in batches {
        let mut builder = BatchBuilder::new();
        builder.compression = compression;
        for time in *times {
            let timestamp = Timestamp(SOME_TIME + time);
            builder.push(NewRecord { timestamp, value: Some(b"x"), ..NewRecord::default() });
        }
        talk.quiet(PRODUCE, &produce(PRODUCE, &topic, -1, builder.build().into()))?;
    }
    Ok(topic)
}

fn sentinels(talk: &mut Talk) -> Result<()> {
    let topic = filled(talk, &[&[0, 10, 20], &[15, 30], &[5]], CompressionType::None)?;
    let empty = talk.topic(1, &[])?;
    for timestamp in [-1, -2, -3, -4, -5, -6, -7, i64::MIN] {
        talk.ask(&format!("{timestamp}"), &list_offsets(&topic.name, &[(0, timestamp)]))?;
        talk.ask(&format!("{timestamp} of nothing"), &list_offsets(&empty.name, &[(0, timestamp)]))?;
    }
    Ok(())
}

fn times(talk: &mut Talk) -> Result<()> {
    for compression in [CompressionType::None, CompressionType::Lz4] {
        let topic = filled(talk, &[&[0, 10, 20], &[15, 30], &[5], &[30, 40]], compression)?;
        for time in [-SOME_TIME, -1, 0, 1, 10, 11, 21, 30, 31, 40, 41, i64::MAX - SOME_TIME] {
            let label = format!("{compression:?}: {time} ms after");
            talk.ask(&label, &list_offsets(&topic.name, &[(0, SOME_TIME + time)]))?;
        }
        if talk.version >= 7 {
            talk.ask(&format!("{compression:?}: the largest"), &list_offsets(&topic.name, &[(0, -3)]))?;
        }
    }
    Ok(())
}

fn requests(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = filled(talk, &[&[0, 10]], CompressionType::None)?;
    let absent = talk.name()?;
    for (label, topic, asked) in [
        ("no partitions", &topic.name, &[][..]),
        ("an unknown partition", &topic.name, &[(9, LATEST), (0, LATEST)]),
        ("a negative partition", &topic.name, &[(-1, LATEST)]),
        ("a partition twice", &topic.name, &[(0, LATEST), (0, -2)]),
        ("an absent topic", &absent, &[(0, LATEST)]),
        ("an odd name", &"a/b".to_owned(), &[(0, LATEST)]),
    ] {
        talk.ask(label, &list_offsets(topic, asked))?;
    }
    let one = list_offsets(&topic.name, &[(0, LATEST)]);
    talk.ask("no topics", &one.clone().with_topics(Vec::new()))?;
    for replica in [1, 9, -2, -3] {
        talk.ask(&format!("replica {replica}"), &one.clone().with_replica_id(BrokerId(replica)))?;
    }
    if version >= 2 {
        for isolation_level in [1, 2] {
            let label = format!("isolation level {isolation_level}");
            talk.ask(&label, &one.clone().with_isolation_level(isolation_level))?;
        }
    }
    if version >= 4 {
        for leader_epoch in [0, 1, -2] {
            let mut request = one.clone();
            request.topics[0].partitions[0].current_leader_epoch = leader_epoch;
            talk.ask(&format!("leader epoch {leader_epoch}"), &request)?;
        }
    }
    Ok(())
}

fn leader_epochs(talk: &mut Talk) -> Result<()> {
    let topic = filled(talk, &[&[0, 10], &[20]], CompressionType::None)?;
    let empty = talk.topic(1, &[])?;
    let absent = Topic { name: talk.name()?, id: topic.id };
    let asked = |topic: &Topic, partition: i32, current: i32, leader_epoch: i32| {
        let partition = OffsetForLeaderPartition::default()
            .with_partition(partition)
            .with_current_leader_epoch(current)
            .with_leader_epoch(leader_epoch);
        let topic =
            OffsetForLeaderTopic::default().with_topic(name(&topic.name)).with_partitions(vec![partition]);
        OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic])
    };
    for (label, request) in [
        ("the epoch that there is", asked(&topic, 0, -1, 0)),
        ("of nothing", asked(&empty, 0, -1, 0)),
        ("a later one", asked(&topic, 0, -1, 5)),
        ("none", asked(&topic, 0, -1, -1)),
        ("a negative one", asked(&topic, 0, -1, -5)),
        ("with the current one", asked(&topic, 0, 0, 0)),
        ("with a later current one", asked(&topic, 0, 3, 0)),
        ("an unknown partition", asked(&topic, 9, -1, 0)),
        ("an absent topic", asked(&absent, 0, -1, 0)),
        ("no topics", asked(&topic, 0, -1, 0).with_topics(Vec::new())),
    ] {
        talk.ask(label, &request)?;
    }
    if talk.version >= 3 {
        for replica in [1, 9, -2] {
            let request = asked(&topic, 0, -1, 0).with_replica_id(BrokerId(replica));
            talk.ask(&format!("replica {replica}"), &request)?;
        }
    }
    Ok(())
}
