//! CreateTopics.

use anyhow::Result;
use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};

use super::{Case, Talk};
use crate::client::text;
use crate::requests::{create_topics, new_topic};

pub(super) const CASES: &[Case] = &[
    Case { name: "create-topics", versions: 2..=7, run: good },
    Case { name: "create-topics-refused", versions: 2..=7, run: refused },
    Case { name: "create-topics-configs", versions: 2..=7, run: configs },
    Case { name: "create-topics-assignments", versions: 2..=7, run: assignments },
];

/// Creates and writes down, with the new topics' ids known.
fn create(talk: &mut Talk, label: &str, topics: Vec<CreatableTopic>) -> Result<()> {
    talk.ask(label, &create_topics(topics))
}

fn good(talk: &mut Talk) -> Result<()> {
    let names: Vec<String> = (0..6).map(|_| talk.name()).collect::<Result<_>>()?;
    create(talk, "one partition", vec![new_topic(&names[0], 1, &[])])?;
    create(talk, "the same again", vec![new_topic(&names[0], 1, &[])])?;
    let many = vec![new_topic(&names[1], 3, &[]), new_topic(&names[0], 1, &[]), new_topic(&names[2], 2, &[])];
    create(talk, "several, one of them there", many)?;
    create(talk, "defaults", vec![new_topic(&names[3], -1, &[]).with_replication_factor(-1)])?;
    create(
        talk,
        "some settings",
        vec![new_topic(
            &names[4],
            2,
            &[
                ("retention.ms", "3600000"),
                ("cleanup.policy", "compact,delete"),
                ("max.message.bytes", "2000000"),
            ],
        )],
    )?;
    create(talk, "no topics", Vec::new())?;
    let only = create_topics(vec![new_topic(&names[5], 4, &[("segment.bytes", "1048576")])]);
    talk.ask("only validated", &only.with_validate_only(true))?;
    let there = create_topics(vec![new_topic(&names[0], 1, &[])]).with_validate_only(true);
    talk.ask("only validated, and there", &there)
}

fn refused(talk: &mut Talk) -> Result<()> {
    let name = talk.name()?;
    let long = "x".repeat(250);
    for (label, topic) in [
        ("a slash", "a/b"),
        ("no name", ""),
        ("a dot", "."),
        ("two dots", ".."),
        ("no ASCII", "ä"),
        ("too long a name", long.as_str()),
        ("the metadata log", "__cluster_metadata"),
    ] {
        create(talk, label, vec![new_topic(topic, 1, &[])])?;
    }
    for partitions in [0, -2, i32::MIN] {
        create(talk, &format!("{partitions} partitions"), vec![new_topic(&name, partitions, &[])])?;
    }
    for factor in [0, -2, i16::MIN] {
        let topic = new_topic(&name, 1, &[]).with_replication_factor(factor);
        create(talk, &format!("{factor} replicas"), vec![topic])?;
    }
    let twice = vec![new_topic(&name, 1, &[]), new_topic(&name, 2, &[])];
    create(talk, "a topic twice", twice)?;
    let collision = talk.topic(1, &[])?.name.replace('-', "_");
    let dots = collision.replace('_', ".");
    talk.know_text(&dots, "the topic's name with dots");
    create(talk, "a name that is another with dots", vec![new_topic(&dots, 1, &[])])
}

fn configs(talk: &mut Talk) -> Result<()> {
    let name = talk.name()?;
    for (key, value) in [
        ("no.such.key", "1"),
        ("", "1"),
        ("retention.ms", "soon"),
        ("retention.ms", "-2"),
        ("retention.ms", ""),
        ("retention.ms", " 7 "),
        ("retention.bytes", "9223372036854775808"),
        ("cleanup.policy", "shred"),
        ("cleanup.policy", ""),
        ("cleanup.policy", "delete,compact"),
        ("compression.type", "brotli"),
        ("compression.type", "zstd"),
        ("compression.gzip.level", "10"),
        ("segment.bytes", "13"),
        ("min.insync.replicas", "0"),
        ("max.message.bytes", "-1"),
        ("message.timestamp.type", "Whenever"),
        ("message.timestamp.type", "LogAppendTime"),
        ("min.cleanable.dirty.ratio", "1.5"),
        ("unclean.leader.election.enable", "perhaps"),
        ("preallocate", "TRUE"),
        ("leader.replication.throttled.replicas", "0:1"),
        ("leader.replication.throttled.replicas", "x"),
        ("message.format.version", "2.0"),
    ] {
        let request = create_topics(vec![new_topic(&name, 1, &[(key, value)])]).with_validate_only(true);
        talk.ask(&format!("{key}={value:?}"), &request)?;
    }
    let null = CreatableTopicConfig::default().with_name(text("retention.ms")).with_value(None);
    let request = create_topics(vec![new_topic(&name, 1, &[]).with_configs(vec![null])]);
    talk.ask("retention.ms null", &request.with_validate_only(true))?;
    let twice = new_topic(&name, 1, &[("retention.ms", "1"), ("retention.ms", "2")]);
    talk.ask("a setting twice", &create_topics(vec![twice]).with_validate_only(true))
}

fn assignments(talk: &mut Talk) -> Result<()> {
    let name = talk.name()?;
    let assigned = |partitions: &[(i32, &[i32])]| {
        let one = |&(partition, brokers): &(i32, &[i32])| {
            CreatableReplicaAssignment::default()
                .with_partition_index(partition)
                .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
        };
        new_topic(&name, -1, &[])
            .with_replication_factor(-1)
            .with_assignments(partitions.iter().map(one).collect())
    };
    for (label, topic) in [
        ("two on this broker", assigned(&[(0, &[1]), (1, &[1])])),
        ("an unknown broker", assigned(&[(0, &[9])])),
        ("a broker twice", assigned(&[(0, &[1, 1])])),
        ("no brokers", assigned(&[(0, &[])])),
        ("a gap", assigned(&[(0, &[1]), (2, &[1])])),
        ("a partition twice", assigned(&[(0, &[1]), (0, &[1])])),
        ("with a count", assigned(&[(0, &[1])]).with_num_partitions(1)),
        ("with a factor", assigned(&[(0, &[1])]).with_replication_factor(1)),
    ] {
        talk.ask(label, &create_topics(vec![topic]).with_validate_only(true))?;
    }
    Ok(())
}
