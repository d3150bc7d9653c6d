//! CreateTopics, DeleteTopics, DescribeConfigs.

use anyhow::{Context, Result, ensure};
use highwater::protocol::ErrorCode;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DescribeConfigsRequest};
use uuid::Uuid;

use super::{Bench, case_table};
use crate::client::{Client, text};
use crate::requests::{
    CREATE_TOPICS, DELETE_TOPICS, TIMEOUT_MS, create_topics, delete_topics, expect_code, new_topic,
};

case_table! {
    topics_are_created_in_every_version,
    a_created_topic_is_told_with_its_settings,
    a_topic_of_default_partitions_and_replicas_is_taken,
    validate_only_creates_nothing,
    topics_that_cannot_be_are_refused_one_by_one,
    a_topic_twice_in_one_request_is_an_invalid_request,
    topics_are_deleted_in_every_version,
    topics_are_deleted_by_id,
    what_is_not_there_cannot_be_deleted,
    a_topic_has_every_setting_that_clients_look_for,
    null_is_all_settings_and_a_list_only_those,
}

fn topics_are_created_in_every_version(bench: &mut Bench) -> Result<()> {
    let mut client = bench.client()?;
    for version in 2..=7 {
        let topic = bench.name()?;
        let answer = client.ask(version, &create_topics(vec![new_topic(&topic, 2, &[])]))?;
        let created = answer.topics.first().context("no topic")?;
        expect_code(created.error_code, ErrorCode::None, &format!("version {version}"))?;
        bench.ready(&topic, 2)?;
        let again = client.ask(version, &create_topics(vec![new_topic(&topic, 2, &[])]))?;
        let code = again.topics.first().context("no topic")?.error_code;
        expect_code(code, ErrorCode::TopicAlreadyExists, "the same again")?;
    }
    Ok(())
}

fn a_created_topic_is_told_with_its_settings(bench: &mut Bench) -> Result<()> {
    let mut client = bench.client()?;
    for version in 5..=7 {
        let topic = bench.name()?;
        let new = new_topic(&topic, 3, &[("retention.ms", "3600000")]);
        let answer = client.ask(version, &create_topics(vec![new]))?;
        let created = answer.topics.first().context("no topic")?;
        ensure!((created.num_partitions, created.replication_factor) == (3, 1), "version {version}");
        ensure!(created.topic_id.is_nil() == (version < 7), "version {version}: id {}", created.topic_id);
        let configs = created.configs.as_ref().context("no settings")?;
        let value = |key: &str| {
            let found = configs.iter().find(|config| config.name.as_str() == key);
            found.and_then(|config| config.value.clone()).map(|value| value.to_string())
        };
        ensure!(value("retention.ms").as_deref() == Some("3600000"), "version {version}: {configs:?}");
        ensure!(value("cleanup.policy").as_deref() == Some("delete"), "version {version}: {configs:?}");
    }
    Ok(())
}

fn a_topic_of_default_partitions_and_replicas_is_taken(bench: &mut Bench) -> Result<()> {
    let name = bench.name()?;
    let created = bench.create(new_topic(&name, -1, &[]).with_replication_factor(-1))?;
    let partitions = bench.client()?.topic(&created.name)?.partitions;
    ensure!(!partitions.is_empty(), "no partitions");
    Ok(())
}

fn validate_only_creates_nothing(bench: &mut Bench) -> Result<()> {
    let topic = bench.name()?;
    let mut client = bench.client()?;
    let request = create_topics(vec![new_topic(&topic, 2, &[])]).with_validate_only(true);
    let answer = client.ask(CREATE_TOPICS, &request)?;
    expect_code(
        answer.topics.first().context("no topic")?.error_code,
        ErrorCode::None,
        "it could be created",
    )?;
    expect_code(client.topic(&topic)?.error_code, ErrorCode::UnknownTopicOrPartition, "afterwards")
}

fn topics_that_cannot_be_are_refused_one_by_one(bench: &mut Bench) -> Result<()> {
    let (good, other) = (bench.name()?, bench.name()?);
    let mut client = bench.client()?;
    let new = |name: &str, partitions, configs: &[(&str, &str)]| new_topic(name, partitions, configs);
    let refused = [
        (new("a/b", 1, &[]), ErrorCode::InvalidTopicException),
        (new("", 1, &[]), ErrorCode::InvalidTopicException),
        (new(&other, 0, &[]), ErrorCode::InvalidPartitions),
        (new(&other, -2, &[]), ErrorCode::InvalidPartitions),
        (new(&other, 1, &[]).with_replication_factor(0), ErrorCode::InvalidReplicationFactor),
        (new(&other, 1, &[("no.such.key", "1")]), ErrorCode::InvalidConfig),
        (new(&other, 1, &[("retention.ms", "soon")]), ErrorCode::InvalidConfig),
        (new(&other, 1, &[("retention.ms", "-2")]), ErrorCode::InvalidConfig),
    ];
    for (topic, expected) in refused {
        let request = create_topics(vec![topic.clone(), new(&good, 1, &[])]).with_validate_only(true);
        let answer = client.ask(CREATE_TOPICS, &request)?;
        for created in &answer.topics {
            let is_good = created.name.as_str() == good;
            let expected = if is_good { ErrorCode::None } else { expected };
            expect_code(created.error_code, expected, &format!("{topic:?}"))?;
            ensure!(is_good || created.error_message.is_some(), "{topic:?}: no message");
        }
    }
    Ok(())
}

fn a_topic_twice_in_one_request_is_an_invalid_request(bench: &mut Bench) -> Result<()> {
    let topic = bench.name()?;
    let mut client = bench.client()?;
    let twice = vec![new_topic(&topic, 1, &[]), new_topic(&topic, 2, &[])];
    let answer = client.ask(CREATE_TOPICS, &create_topics(twice))?;
    ensure!(!answer.topics.is_empty(), "no topic in the answer");
    for created in &answer.topics {
        expect_code(created.error_code, ErrorCode::InvalidRequest, "twice")?;
    }
    expect_code(client.topic(&topic)?.error_code, ErrorCode::UnknownTopicOrPartition, "afterwards")
}

fn topics_are_deleted_in_every_version(bench: &mut Bench) -> Result<()> {
    let mut client = bench.client()?;
    for version in 1..=6 {
        let topic = bench.topic(1)?;
        let answer = client.ask(version, &delete_topics(version, &[&topic.name]))?;
        let deleted = answer.responses.first().context("no topic")?;
        expect_code(deleted.error_code, ErrorCode::None, &format!("version {version}"))?;
        ensure!(deleted.name.as_ref().is_some_and(|name| name.as_str() == topic.name), "the name");
        // The name is free at once.
        let code = client.ask(CREATE_TOPICS, &create_topics(vec![new_topic(&topic.name, 2, &[])]))?;
        let code = code.topics.first().context("no topic")?.error_code;
        expect_code(code, ErrorCode::None, "created again")?;
    }
    Ok(())
}

fn delete_by_id(client: &mut Client, id: Uuid) -> Result<i16> {
    let state = DeleteTopicState::default().with_name(None).with_topic_id(id);
    let request = DeleteTopicsRequest::default().with_topics(vec![state]).with_timeout_ms(TIMEOUT_MS);
    Ok(client.ask(DELETE_TOPICS, &request)?.responses.first().context("no topic")?.error_code)
}

fn topics_are_deleted_by_id(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    expect_code(delete_by_id(&mut client, topic.id)?, ErrorCode::None, "by id")?;
    expect_code(delete_by_id(&mut client, topic.id)?, ErrorCode::UnknownTopicId, "the same id again")
}

fn what_is_not_there_cannot_be_deleted(bench: &mut Bench) -> Result<()> {
    let (absent, present) = (bench.name()?, bench.topic(1)?);
    let mut client = bench.client()?;
    for version in [1, 4, 6] {
        let answer = client.ask(version, &delete_topics(version, &[&absent]))?;
        let code = answer.responses.first().context("no topic")?.error_code;
        expect_code(code, ErrorCode::UnknownTopicOrPartition, "an absent topic")?;
    }
    expect_code(client.topic(&present.name)?.error_code, ErrorCode::None, "the other topic")
}

/// Asks for some settings of a topic; `None` is all.
fn describe(
    client: &mut Client,
    version: i16,
    topic: &str,
    keys: Option<&[&str]>,
) -> Result<DescribeConfigsResult> {
    const TOPIC: i8 = 2;
    let resource = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(topic))
        .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| text(key)).collect()));
    let answer = client.ask(version, &DescribeConfigsRequest::default().with_resources(vec![resource]))?;
    answer.results.into_iter().next().context("no result")
}

fn a_topic_has_every_setting_that_clients_look_for(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic_with(1, &[("cleanup.policy", "compact")])?;
    let mut client = bench.client()?;
    for version in 1..=4 {
        let result = describe(&mut client, version, &topic.name, None)?;
        expect_code(result.error_code, ErrorCode::None, "a topic")?;
        for (key, value) in [
            // Schema Registry and Connect refuse to start where this is missing.
            ("cleanup.policy", Some("compact")),
            ("max.message.bytes", None),
            ("min.insync.replicas", None),
            ("retention.ms", None),
            ("compression.type", Some("producer")),
            ("message.timestamp.type", Some("CreateTime")),
        ] {
            let found = result.configs.iter().find(|config| config.name.as_str() == key);
            let found = found.with_context(|| format!("version {version}: no {key}"))?;
            let seen = found.value.as_ref().map(|value| value.as_str());
            ensure!(
                seen.is_some() && (value.is_none() || value == seen),
                "version {version}: {key} {seen:?}"
            );
        }
    }
    let absent = bench.name()?;
    let result = describe(&mut client, 4, &absent, None)?;
    expect_code(result.error_code, ErrorCode::UnknownTopicOrPartition, "an absent topic")
}

fn null_is_all_settings_and_a_list_only_those(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    for version in 1..=4 {
        let all = describe(&mut client, version, &topic.name, None)?.configs.len();
        let keys: &[&str] = &["retention.ms", "no.such.key", "cleanup.policy"];
        let some = describe(&mut client, version, &topic.name, Some(keys))?.configs;
        let mut names: Vec<_> = some.iter().map(|config| config.name.as_str()).collect();
        names.sort_unstable();
        ensure!(
            all > 10 && names == ["cleanup.policy", "retention.ms"],
            "version {version}: {all}, {names:?}"
        );
    }
    Ok(())
}
