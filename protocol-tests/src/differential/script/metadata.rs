//! Metadata, DescribeTopicPartitions.

use anyhow::Result;
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{DescribeTopicPartitionsRequest, MetadataRequest};
use uuid::Uuid;

use super::{Case, Talk};
use crate::requests::{Topic, metadata, name};

pub(super) const CASES: &[Case] = &[
    Case { name: "metadata", versions: 0..=13, run: by_name },
    Case { name: "metadata-ids", versions: 10..=13, run: by_id },
    Case { name: "metadata-operations", versions: 8..=13, run: operations },
    Case { name: "describe-topic-partitions", versions: 0..=0, run: describe_topic_partitions },
];

fn by_name(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let (one, three) = (talk.topic(1, &[])?, talk.topic(3, &[])?);
    let absent = talk.name()?;
    let (one, three, absent) = (one.name.as_str(), three.name.as_str(), absent.as_str());
    talk.ask("all topics", &metadata(version, None))?;
    if version > 0 {
        talk.ask("no topics", &metadata(version, Some(&[])))?;
    }
    for (label, topics) in
        [("one topic", &[one][..]), ("two topics", &[three, one]), ("a topic twice", &[one, one])]
    {
        talk.ask(label, &metadata(version, Some(topics)))?;
    }
    let long = "x".repeat(250);
    for (label, topic) in [
        ("a slash", "a/b"),
        ("no name", ""),
        ("a dot", "."),
        ("two dots", ".."),
        ("no ASCII", "ä"),
        ("too long a name", long.as_str()),
    ] {
        talk.ask(label, &metadata(version, Some(&[topic, one])))?;
    }
    if version >= 4 {
        talk.ask("an absent topic", &metadata(version, Some(&[absent, one])))?;
        talk.ask("an internal topic", &metadata(version, Some(&["__cluster_metadata"])))?;
    }
    Ok(())
}

fn asked(topics: &[(Option<&str>, Uuid)]) -> MetadataRequest {
    let topic = |(topic, id): &(Option<&str>, Uuid)| {
        MetadataRequestTopic::default().with_name(topic.map(name)).with_topic_id(*id)
    };
    MetadataRequest::default()
        .with_topics(Some(topics.iter().map(topic).collect()))
        .with_allow_auto_topic_creation(false)
}

fn by_id(talk: &mut Talk) -> Result<()> {
    let (topic, other) = (talk.topic(1, &[])?, talk.topic(1, &[])?);
    let unknown = Uuid::from_u128(7);
    for (label, topics) in [
        ("an id", &[(None, topic.id)][..]),
        ("two ids", &[(None, topic.id), (None, other.id)]),
        ("an id twice", &[(None, topic.id), (None, topic.id)]),
        ("an unknown id", &[(None, unknown)]),
        ("a known and an unknown id", &[(None, unknown), (None, topic.id)]),
        ("id and name", &[(Some(topic.name.as_str()), topic.id)]),
        ("an id and another name", &[(None, topic.id), (Some(other.name.as_str()), Uuid::nil())]),
        ("neither id nor name", &[(None, Uuid::nil())]),
    ] {
        talk.ask(label, &asked(topics))?;
    }
    Ok(())
}

fn operations(talk: &mut Talk) -> Result<()> {
    let topic = talk.topic(1, &[])?;
    let request = metadata(talk.version, Some(&[&topic.name]));
    talk.ask("the topic's", &request.clone().with_include_topic_authorized_operations(true))?;
    if talk.version <= 10 {
        talk.ask("the cluster's", &request.with_include_cluster_authorized_operations(true))?;
    }
    Ok(())
}

fn partitions_of(topics: &[&str], limit: i32, cursor: Option<(&str, i32)>) -> DescribeTopicPartitionsRequest {
    let from =
        |(topic, partition)| Cursor::default().with_topic_name(name(topic)).with_partition_index(partition);
    DescribeTopicPartitionsRequest::default()
        .with_topics(topics.iter().map(|topic| TopicRequest::default().with_name(name(topic))).collect())
        .with_response_partition_limit(limit)
        .with_cursor(cursor.map(from))
}

fn describe_topic_partitions(talk: &mut Talk) -> Result<()> {
    let topics: Vec<Topic> =
        [3, 1, 2].into_iter().map(|count| talk.topic(count, &[])).collect::<Result<_>>()?;
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let absent = talk.name()?;
    for (label, topics, limit, cursor) in [
        ("one topic", &names[..1], 2000, None),
        ("all three", &names, 2000, None),
        ("no topics is all", &[], 2000, None),
        ("two at a time", &names, 2, None),
        ("from a cursor", &names, 2, Some((names[0], 2))),
        ("from the second topic", &names, 2, Some((names[1], 0))),
        ("from beyond the last partition", &names, 2000, Some((names[0], 9))),
        ("from behind all topics", &names, 2000, Some(("zzzz", 0))),
        ("from a negative partition", &names, 2000, Some((names[0], -1))),
        ("a limit of 0", &names, 0, None),
        ("a negative limit", &names, -1, None),
        ("a topic twice", &[names[0], names[0]], 2000, None),
        ("an absent topic", &[absent.as_str(), names[1]], 2000, None),
        ("an odd name", &["a/b"], 2000, None),
    ] {
        talk.ask(label, &partitions_of(topics, limit, cursor))?;
    }
    Ok(())
}
