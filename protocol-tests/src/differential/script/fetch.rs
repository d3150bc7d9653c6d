//! Fetch without sessions.

use anyhow::Result;
use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::fetch_request::{FetchPartition, ReplicaState};
use uuid::Uuid;

use super::{Case, Talk};
use crate::batches::{CODECS, batch, compressed};
use crate::client::text;
use crate::requests::{PRODUCE, Topic, fetch, fetch_of, fetch_partition, fetch_topic, produce_of};

pub(super) const CASES: &[Case] = &[
    Case { name: "fetch-offsets", versions: 4..=18, run: offsets },
    Case { name: "fetch-sizes", versions: 4..=18, run: sizes },
    Case { name: "fetch", versions: 4..=18, run: requests },
    Case { name: "fetch-epochs", versions: 9..=18, run: leader_epochs },
    Case { name: "fetch-replicas", versions: 4..=18, run: replicas },
];

/// Two partitions with batches of two, three and one records; a third one that is empty.
fn filled(talk: &mut Talk) -> Result<Topic> {
    let topic = talk.topic(3, &[])?;
    for partition in [0, 1] {
        for values in [&["a", "b"][..], &["c", "d", "e"], &["f"]] {
            talk.quiet(PRODUCE, &produce_of(PRODUCE, &topic, -1, vec![(partition, Some(batch(values)))]))?;
        }
    }
    Ok(topic)
}

fn offsets(talk: &mut Talk) -> Result<()> {
    let topic = filled(talk)?;
    for offset in [0, 1, 2, 4, 5, 6, 7, 1000, i64::MAX, -1, -2, i64::MIN] {
        talk.ask(&format!("from {offset}"), &fetch(talk.version, &topic, offset))?;
    }
    Ok(())
}

fn sizes(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = filled(talk)?;
    let asked = |partition, bytes_max| fetch_partition(partition, 0).with_partition_max_bytes(bytes_max);
    let all = |bytes_max| vec![fetch_topic(version, &topic, (0..3).map(|at| asked(at, bytes_max)).collect())];
    // A batch of two records has 77 bytes, one of three 85, one of one 69.
    for (label, bytes_max, partition_bytes_max) in [
        ("all", 1 << 20, 1 << 20),
        ("a byte for each partition", 1 << 20, 1),
        ("nothing for each partition", 1 << 20, 0),
        ("less than nothing for each partition", 1 << 20, -1),
        ("a byte for all", 1, 1 << 20),
        ("nothing for all", 0, 1 << 20),
        ("less than nothing for all", -1, 1 << 20),
        ("two batches for each partition", 1 << 20, 165),
        ("two batches for all", 165, 1 << 20),
        ("one batch and a half", 120, 1 << 20),
    ] {
        talk.ask(label, &fetch_of(all(partition_bytes_max)).with_max_bytes(bytes_max))?;
    }
    for (label, bytes_min, wait_ms) in
        [("no bytes", 0, 60_000), ("many bytes", 1 << 20, 10), ("less than no time", 1, -1)]
    {
        talk.ask(label, &fetch_of(all(1 << 20)).with_min_bytes(bytes_min).with_max_wait_ms(wait_ms))?;
    }
    let codecs = talk.topic(1, &[])?;
    for codec in CODECS {
        talk.quiet(
            PRODUCE,
            &produce_of(PRODUCE, &codecs, -1, vec![(0, Some(compressed(&["a", "b"], codec)))]),
        )?;
    }
    talk.ask("all codecs", &fetch(version, &codecs, 0))
}

fn requests(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let (topic, other) = (filled(talk)?, filled(talk)?);
    let absent = Topic { name: talk.name()?, id: Uuid::from_u128(7) };
    let nothing = Topic { name: String::new(), id: Uuid::nil() };
    let of = |topic: &Topic, partitions: &[i32]| {
        fetch_topic(version, topic, partitions.iter().map(|at| fetch_partition(*at, 0)).collect())
    };
    for (label, topics) in [
        ("two topics", vec![of(&other, &[1, 0]), of(&topic, &[0])]),
        ("no topics", vec![]),
        ("no partitions", vec![of(&topic, &[])]),
        ("an unknown partition", vec![of(&topic, &[9, 0])]),
        ("a negative partition", vec![of(&topic, &[-1])]),
        ("a partition twice", vec![of(&topic, &[0, 0])]),
        ("a topic twice", vec![of(&topic, &[0]), of(&topic, &[1])]),
        ("an absent topic", vec![of(&absent, &[0]), of(&topic, &[0])]),
        ("no topic name", vec![of(&nothing, &[0])]),
    ] {
        talk.ask(label, &fetch_of(topics))?;
    }
    for isolation_level in [1, 2, -1] {
        let request = fetch(version, &topic, 0).with_isolation_level(isolation_level);
        talk.ask(&format!("isolation level {isolation_level}"), &request)?;
    }
    talk.ask("a rack", &fetch(version, &topic, 0).with_rack_id(text("r1")))?;
    if version >= 12 {
        talk.ask("another cluster", &fetch(version, &topic, 0).with_cluster_id(Some(text("another"))))?;
    }
    Ok(())
}

fn leader_epochs(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = filled(talk)?;
    let asked = |partition: FetchPartition| fetch_of(vec![fetch_topic(version, &topic, vec![partition])]);
    for leader_epoch in [-1, 0, 1, 1000, -2] {
        let partition = fetch_partition(0, 0).with_current_leader_epoch(leader_epoch);
        talk.ask(&format!("leader epoch {leader_epoch}"), &asked(partition))?;
    }
    if version >= 12 {
        for fetched in [0, 1, 7] {
            let partition = fetch_partition(0, 4).with_last_fetched_epoch(fetched);
            talk.ask(&format!("last fetched epoch {fetched}"), &asked(partition))?;
        }
    }
    Ok(())
}

fn replicas(talk: &mut Talk) -> Result<()> {
    let topic = filled(talk)?;
    for replica in [1, 9, -2, -3] {
        let request = fetch(talk.version, &topic, 0);
        let request = match talk.version >= 15 {
            true => request.with_replica_state(ReplicaState::default().with_replica_id(BrokerId(replica))),
            false => request.with_replica_id(BrokerId(replica)),
        };
        talk.ask(&format!("replica {replica}"), &request)?;
    }
    Ok(())
}
