//! Metadata, DescribeCluster, DescribeTopicPartitions: what there is, and topic ids.

use anyhow::{Context, Result, ensure};
use highwater::protocol::ErrorCode;
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponse;
use kafka_protocol::messages::{DescribeClusterRequest, DescribeTopicPartitionsRequest, MetadataRequest};
use uuid::Uuid;

use super::{Bench, case_table};
use crate::batches::batch;
use crate::client::Client;
use crate::requests::{
    METADATA, Topic, expect_code, fetch, fetched, metadata, name, new_topic, produce, produced,
};

case_table! {
    metadata_shows_brokers_and_partitions_in_every_version,
    null_is_all_topics_and_an_empty_list_none_since_version_1,
    a_topic_id_stands_for_the_topic_since_version_12,
    an_unknown_topic_is_told_and_not_created_unless_asked_for,
    a_name_that_no_topic_can_have_is_an_invalid_topic,
    a_topic_created_again_has_another_id,
    leaders_and_epochs_are_there_at_once,
    describe_cluster_names_the_brokers_of_metadata,
    describe_topic_partitions_says_what_metadata_says,
    describe_topic_partitions_goes_on_where_its_cursor_says,
}

fn ask(client: &mut Client, version: i16, topics: Option<&[&str]>) -> Result<MetadataResponse> {
    client.ask(version, &metadata(version, topics))
}

fn names(answer: &MetadataResponse) -> Vec<String> {
    answer.topics.iter().filter_map(|topic| Some(topic.name.as_ref()?.to_string())).collect()
}

fn metadata_shows_brokers_and_partitions_in_every_version(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(3)?;
    let mut client = bench.client()?;
    for version in 0..=13 {
        let answer = ask(&mut client, version, Some(&[&topic.name]))?;
        ensure!(answer.error_code == 0 && !answer.brokers.is_empty(), "version {version}: brokers");
        ensure!(answer.brokers.iter().all(|broker| broker.port > 0 && !broker.host.is_empty()), "address");
        let is_broker = |id| answer.brokers.iter().any(|broker| broker.node_id == id);
        ensure!(version == 0 || is_broker(answer.controller_id), "version {version}: the controller");
        ensure!(version < 2 || answer.cluster_id.as_ref().is_some_and(|id| !id.is_empty()), "cluster id");
        let seen = answer.topics.first().context("no topic")?;
        ensure!(names(&answer) == [topic.name.as_str()] && !seen.is_internal, "version {version}");
        let mut indexes: Vec<_> = seen.partitions.iter().map(|partition| partition.partition_index).collect();
        indexes.sort_unstable();
        ensure!(indexes == [0, 1, 2], "version {version}: {indexes:?}");
        for partition in &seen.partitions {
            ensure!(is_broker(partition.leader_id), "version {version}: a leader that is no broker");
            ensure!(partition.isr_nodes.contains(&partition.leader_id), "version {version}: in sync");
            ensure!(partition.replica_nodes.contains(&partition.leader_id), "version {version}: replicas");
        }
        ensure!(seen.topic_id.is_nil() == (version < 10), "version {version}: topic id {}", seen.topic_id);
    }
    Ok(())
}

fn null_is_all_topics_and_an_empty_list_none_since_version_1(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    for version in 0..=13 {
        let all = names(&ask(&mut client, version, None)?);
        ensure!(all.contains(&topic.name), "version {version}: all topics without {}", topic.name);
        if version > 0 {
            let none = names(&ask(&mut client, version, Some(&[]))?);
            ensure!(none.is_empty(), "version {version}: an empty list gives {none:?}");
        }
    }
    Ok(())
}

/// Asks by id.
fn by_id(client: &mut Client, version: i16, id: Uuid) -> Result<(i16, Option<String>)> {
    let asked = MetadataRequestTopic::default().with_name(None).with_topic_id(id);
    let request =
        MetadataRequest::default().with_topics(Some(vec![asked])).with_allow_auto_topic_creation(false);
    let answer = client.ask(version, &request)?;
    let topic = answer.topics.into_iter().next().context("no topic")?;
    Ok((topic.error_code, topic.name.map(|name| name.to_string()).filter(|name| !name.is_empty())))
}

fn a_topic_id_stands_for_the_topic_since_version_12(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    for version in 12..=13 {
        ensure!(by_id(&mut client, version, topic.id)? == (0, Some(topic.name.clone())), "version {version}");
        let (code, _) = by_id(&mut client, version, Uuid::from_u128(77))?;
        expect_code(code, ErrorCode::UnknownTopicId, "an id that nobody has")?;
    }
    Ok(())
}

fn an_unknown_topic_is_told_and_not_created_unless_asked_for(bench: &mut Bench) -> Result<()> {
    let topic = bench.name()?;
    let mut client = bench.client()?;
    for version in 4..=13 {
        let answer = ask(&mut client, version, Some(&[&topic]))?;
        let seen = answer.topics.first().context("no topic")?;
        expect_code(seen.error_code, ErrorCode::UnknownTopicOrPartition, "an unknown topic")?;
        ensure!(seen.partitions.is_empty(), "partitions of an unknown topic");
    }
    ensure!(!names(&ask(&mut client, METADATA, None)?).contains(&topic), "asking has created it");
    // Where brokers create topics on demand, the topic comes; where not, it stays unknown.
    let request = metadata(METADATA, Some(&[&topic])).with_allow_auto_topic_creation(true);
    let code = client.ask(METADATA, &request)?.topics.first().context("no topic")?.error_code;
    let may_come = [0, ErrorCode::LeaderNotAvailable.code(), ErrorCode::UnknownTopicOrPartition.code()];
    ensure!(may_come.contains(&code), "created on demand: {code}");
    Ok(())
}

fn a_name_that_no_topic_can_have_is_an_invalid_topic(bench: &mut Bench) -> Result<()> {
    let mut client = bench.client()?;
    let long = "x".repeat(250);
    for version in [1, 4, METADATA] {
        for topic in ["a/b", ".", "..", "a b", "ä", long.as_str()] {
            let request = metadata(version, Some(&[topic])).with_allow_auto_topic_creation(true);
            let code = client.ask(version, &request)?.topics.first().context("no topic")?.error_code;
            expect_code(code, ErrorCode::InvalidTopicException, topic)?;
        }
    }
    Ok(())
}

fn a_topic_created_again_has_another_id(bench: &mut Bench) -> Result<()> {
    let first = bench.topic(1)?;
    let mut client = bench.client()?;
    client.append(&first, batch(&["of the first one"]))?;
    bench.delete(&first.name)?;
    let second = bench.create(new_topic(&first.name, 1, &[]))?;
    ensure!(first.id != second.id, "the same id");
    let answer = client.ask(13, &produce(13, &first, -1, batch(&["late"])))?;
    expect_code(produced(answer)?.error_code, ErrorCode::UnknownTopicId, "Produce to the old id")?;
    let answer = fetched(client.ask(13, &fetch(13, &first, 0))?)?;
    expect_code(answer.error_code, ErrorCode::UnknownTopicId, "Fetch of the old id")?;
    let (code, _) = by_id(&mut client, METADATA, first.id)?;
    expect_code(code, ErrorCode::UnknownTopicId, "Metadata of the old id")?;
    let answer = fetched(client.ask(13, &fetch(13, &second, 0))?)?;
    ensure!(
        answer.error_code == 0 && answer.high_watermark == 0,
        "the new topic holds what the old one held"
    );
    Ok(())
}

fn leaders_and_epochs_are_there_at_once(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(2)?;
    let mut client = bench.client()?;
    for version in 7..=13 {
        let answer = ask(&mut client, version, Some(&[&topic.name]))?;
        for partition in &answer.topics.first().context("no topic")?.partitions {
            ensure!(partition.error_code == 0, "version {version}: error {}", partition.error_code);
            ensure!(
                partition.leader_epoch >= 0,
                "version {version}: leader epoch {}",
                partition.leader_epoch
            );
            ensure!(partition.offline_replicas.is_empty(), "version {version}: offline replicas");
        }
    }
    Ok(())
}

fn describe_cluster_names_the_brokers_of_metadata(bench: &mut Bench) -> Result<()> {
    let mut client = bench.client()?;
    let expected = ask(&mut client, METADATA, Some(&[]))?;
    for version in 0..=2 {
        let answer = client.ask(version, &DescribeClusterRequest::default())?;
        ensure!(
            answer.error_code == 0 && Some(&answer.cluster_id) == expected.cluster_id.as_ref(),
            "cluster"
        );
        let described: Vec<_> =
            answer.brokers.iter().map(|broker| (broker.broker_id, &broker.host, broker.port)).collect();
        let known: Vec<_> =
            expected.brokers.iter().map(|broker| (broker.node_id, &broker.host, broker.port)).collect();
        ensure!(described == known, "version {version}: {described:?}, Metadata: {known:?}");
    }
    Ok(())
}

fn partitions_of(topics: &[&Topic]) -> DescribeTopicPartitionsRequest {
    let asked = topics.iter().map(|topic| TopicRequest::default().with_name(name(&topic.name)));
    DescribeTopicPartitionsRequest::default().with_topics(asked.collect()).with_response_partition_limit(2000)
}

fn describe_topic_partitions_says_what_metadata_says(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(3)?;
    let mut client = bench.client()?;
    let expected = client.topic(&topic.name)?;
    let answer = client.ask(0, &partitions_of(&[&topic]))?;
    let seen = answer.topics.first().context("no topic")?;
    ensure!(seen.error_code == 0 && seen.topic_id == topic.id && answer.next_cursor.is_none(), "{seen:?}");
    ensure!(seen.partitions.len() == expected.partitions.len(), "{seen:?}");
    for partition in &seen.partitions {
        let same =
            expected.partitions.iter().find(|other| other.partition_index == partition.partition_index);
        let same = same.context("a partition that Metadata does not know")?;
        ensure!(
            (partition.leader_id, partition.leader_epoch) == (same.leader_id, same.leader_epoch),
            "leader"
        );
        ensure!(
            partition.isr_nodes == same.isr_nodes && partition.replica_nodes == same.replica_nodes,
            "nodes"
        );
    }
    Ok(())
}

fn describe_topic_partitions_goes_on_where_its_cursor_says(bench: &mut Bench) -> Result<()> {
    let topics = [bench.topic(3)?, bench.topic(2)?];
    let mut client = bench.client()?;
    let mut seen = Vec::new();
    let mut cursor: Option<(String, i32)> = None;
    loop {
        let from = cursor.as_ref().map(|(topic, partition)| {
            Cursor::default().with_topic_name(name(topic)).with_partition_index(*partition)
        });
        let request =
            partitions_of(&[&topics[0], &topics[1]]).with_response_partition_limit(2).with_cursor(from);
        let answer = client.ask(0, &request)?;
        for topic in &answer.topics {
            let topic_name = topic.name.as_ref().context("a topic without a name")?.to_string();
            seen.extend(topic.partitions.iter().map(|found| (topic_name.clone(), found.partition_index)));
        }
        let Some(next) = answer.next_cursor else { break };
        let next = (next.topic_name.to_string(), next.partition_index);
        ensure!(cursor.as_ref() != Some(&next) && seen.len() <= 5, "it turns round at {next:?}");
        cursor = Some(next);
    }
    let all =
        topics.iter().zip([3, 2]).flat_map(|(topic, count)| (0..count).map(|at| (topic.name.clone(), at)));
    ensure!(seen == all.collect::<Vec<_>>(), "{seen:?}");
    Ok(())
}
