//! DescribeConfigs, AlterConfigs, IncrementalAlterConfigs.

use anyhow::Result;
use kafka_protocol::messages::alter_configs_request::{self, AlterConfigsRequest};
use kafka_protocol::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use kafka_protocol::messages::incremental_alter_configs_request::{self, IncrementalAlterConfigsRequest};

use super::{Case, Talk};
use crate::client::text;

pub(super) const CASES: &[Case] = &[
    Case { name: "describe-configs", versions: 1..=4, run: describe },
    Case { name: "describe-configs-broker", versions: 1..=4, run: describe_broker },
    Case { name: "alter-configs", versions: 0..=2, run: alter },
    Case { name: "incremental-alter-configs", versions: 0..=1, run: incremental },
    Case { name: "incremental-alter-configs-values", versions: 0..=1, run: values },
    Case { name: "incremental-alter-configs-broker", versions: 0..=1, run: broker },
];

pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;

pub(super) fn resource(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResource {
    DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| text(key)).collect()))
}

pub(super) fn request(resources: Vec<DescribeConfigsResource>) -> DescribeConfigsRequest {
    DescribeConfigsRequest::default().with_resources(resources)
}

fn describe(talk: &mut Talk) -> Result<()> {
    let settings = [("retention.ms", "3600000"), ("cleanup.policy", "compact"), ("min.insync.replicas", "1")];
    let (topic, plain) = (talk.topic(1, &settings)?.name, talk.topic(1, &[])?.name);
    let absent = talk.name()?;
    let keys = Some(&["retention.ms", "no.such.key", "cleanup.policy"][..]);
    for (label, resources) in [
        ("a topic", vec![resource(TOPIC, &topic, None)]),
        ("a plain topic", vec![resource(TOPIC, &plain, None)]),
        ("some keys", vec![resource(TOPIC, &topic, keys)]),
        ("no keys", vec![resource(TOPIC, &topic, Some(&[]))]),
        ("two topics", vec![resource(TOPIC, &topic, keys), resource(TOPIC, &plain, keys)]),
        ("a topic twice", vec![resource(TOPIC, &topic, keys), resource(TOPIC, &topic, keys)]),
        ("none", vec![]),
        ("an absent topic", vec![resource(TOPIC, &absent, None)]),
        ("an odd name", vec![resource(TOPIC, "a/b", None)]),
        ("no name", vec![resource(TOPIC, "", None)]),
        ("an unknown kind", vec![resource(77, "a", None)]),
        ("kind 0", vec![resource(0, "a", None)]),
        ("another broker", vec![resource(BROKER, "9", None)]),
        ("a broker that is no number", vec![resource(BROKER, "one", None)]),
    ] {
        talk.ask(label, &request(resources))?;
    }
    let some = request(vec![resource(TOPIC, &topic, None)]).with_include_synonyms(true);
    talk.ask("with synonyms", &some)?;
    if talk.version >= 3 {
        talk.ask("with documentation", &some.with_include_documentation(true))?;
    }
    Ok(())
}

fn describe_broker(talk: &mut Talk) -> Result<()> {
    // The whole is long, and the same in every version but for the types.
    if talk.version == 4 {
        talk.ask("this broker", &request(vec![resource(BROKER, "1", None)]).with_include_synonyms(true))?;
    }
    talk.ask("all brokers' defaults", &request(vec![resource(BROKER, "", None)]))?;
    let keys = Some(&["log.retention.hours", "num.partitions", "no.such.key", "log.cleaner.threads"][..]);
    talk.ask("some keys", &request(vec![resource(BROKER, "1", keys)]))
}

pub(super) fn altered(
    kind: i8,
    name: &str,
    settings: &[(&str, Option<&str>)],
) -> alter_configs_request::AlterConfigsResource {
    let setting = |(key, value): &(&str, Option<&str>)| {
        alter_configs_request::AlterableConfig::default().with_name(text(key)).with_value(value.map(text))
    };
    alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(settings.iter().map(setting).collect())
}

fn alter(talk: &mut Talk) -> Result<()> {
    let topic = talk.topic(1, &[("retention.ms", "3600000")])?.name;
    let absent = talk.name()?;
    let request = |resources| AlterConfigsRequest::default().with_resources(resources);
    // A topic twice is left out: Apache Kafka 4.3.1 never answers such a request.
    for (label, resources) in [
        ("none", vec![]),
        ("an absent topic", vec![altered(TOPIC, &absent, &[("retention.ms", Some("1000"))])]),
        ("an unknown key", vec![altered(TOPIC, &topic, &[("no.such.key", Some("1"))])]),
        ("an odd value", vec![altered(TOPIC, &topic, &[("retention.ms", Some("soon"))])]),
        ("a null value", vec![altered(TOPIC, &topic, &[("retention.ms", None)])]),
        ("an unknown kind", vec![altered(77, "a", &[])]),
        ("kind 0", vec![altered(0, "a", &[])]),
        ("no name", vec![altered(TOPIC, "", &[])]),
        ("another broker", vec![altered(BROKER, "9", &[("log.cleaner.threads", Some("2"))])]),
        ("a broker that is no number", vec![altered(BROKER, "one", &[])]),
        (
            "a setting of the broker that cannot be altered",
            vec![altered(BROKER, "1", &[("node.id", Some("2"))])],
        ),
        (
            "one good, one not",
            vec![
                altered(TOPIC, &topic, &[("max.message.bytes", Some("2000"))]),
                altered(TOPIC, &absent, &[("retention.ms", Some("1000"))]),
            ],
        ),
    ] {
        talk.ask(label, &request(resources))?;
    }
    let only = altered(TOPIC, &topic, &[("segment.bytes", Some("1048576"))]);
    talk.ask("only validated", &request(vec![only]).with_validate_only(true))?;
    settled(talk, "what is set now", &topic, "max.message.bytes", "2000")
}

/// Writes down the settings that a topic has of its own, once one of them has this value.
fn settled(talk: &mut Talk, label: &str, topic: &str, key: &str, value: &str) -> Result<()> {
    const TOPIC_SOURCE: i8 = 1;
    let asked = request(vec![resource(TOPIC, topic, None)]);
    let own = |answer: &kafka_protocol::messages::DescribeConfigsResponse| {
        let configs = answer.results.iter().flat_map(|result| &result.configs);
        let own = configs.filter(|config| config.config_source == TOPIC_SOURCE).map(|config| {
            (config.name.to_string(), config.value.as_ref().map(ToString::to_string).unwrap_or_default())
        });
        own.collect::<std::collections::BTreeMap<_, _>>()
    };
    let mut seen = own(&talk.quiet(4, &asked)?);
    for _ in 0..1000 {
        if seen.get(key).is_some_and(|seen| seen == value) {
            break;
        }
        seen = own(&talk.quiet(4, &asked)?);
    }
    talk.note(label, &format!("{seen:?}"));
    Ok(())
}

pub(super) const SET: i8 = 0;
pub(super) const DELETE: i8 = 1;
pub(super) const APPEND: i8 = 2;
pub(super) const SUBTRACT: i8 = 3;

pub(super) type Change<'a> = (i8, &'a str, Option<&'a str>);

pub(super) fn changed(
    kind: i8,
    name: &str,
    changes: &[Change],
) -> incremental_alter_configs_request::AlterConfigsResource {
    let change = |(operation, key, value): &Change| {
        incremental_alter_configs_request::AlterableConfig::default()
            .with_config_operation(*operation)
            .with_name(text(key))
            .with_value(value.map(text))
    };
    incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(changes.iter().map(change).collect())
}

pub(super) fn change(talk: &mut Talk, label: &str, kind: i8, name: &str, changes: &[Change]) -> Result<()> {
    let resources = vec![changed(kind, name, changes)];
    talk.ask(label, &IncrementalAlterConfigsRequest::default().with_resources(resources))
}

fn incremental(talk: &mut Talk) -> Result<()> {
    let topic = talk.topic(1, &[("retention.ms", "3600000"), ("cleanup.policy", "delete")])?.name;
    let absent = talk.name()?;
    for (label, changes) in [
        ("nothing", &[][..]),
        ("set", &[(SET, "retention.ms", Some("7200000"))]),
        ("set two", &[(SET, "max.message.bytes", Some("3000")), (SET, "segment.bytes", Some("1048576"))]),
        ("delete", &[(DELETE, "segment.bytes", None)]),
        ("delete with a value", &[(DELETE, "segment.bytes", Some("7"))]),
        ("delete what is not set", &[(DELETE, "flush.ms", None)]),
        ("append", &[(APPEND, "cleanup.policy", Some("compact"))]),
        ("append what is there", &[(APPEND, "cleanup.policy", Some("compact"))]),
        ("subtract", &[(SUBTRACT, "cleanup.policy", Some("delete"))]),
        ("subtract what is not there", &[(SUBTRACT, "cleanup.policy", Some("delete"))]),
        ("append to what is no list", &[(APPEND, "retention.ms", Some("1"))]),
        ("subtract from what is no list", &[(SUBTRACT, "retention.ms", Some("1"))]),
        ("set null", &[(SET, "retention.ms", None)]),
        ("append null", &[(APPEND, "cleanup.policy", None)]),
        ("an unknown operation", &[(9, "retention.ms", Some("1"))]),
        ("a negative operation", &[(-1, "retention.ms", Some("1"))]),
        ("a key twice", &[(SET, "retention.ms", Some("1")), (DELETE, "retention.ms", None)]),
        ("an unknown key", &[(SET, "no.such.key", Some("1"))]),
        ("delete an unknown key", &[(DELETE, "no.such.key", None)]),
        ("an empty key", &[(SET, "", Some("1"))]),
        ("one good, one not", &[(SET, "flush.ms", Some("1000")), (SET, "retention.ms", Some("soon"))]),
    ] {
        change(talk, label, TOPIC, &topic, changes)?;
    }
    settled(talk, "what is set now", &topic, "cleanup.policy", "compact")?;
    let one = &[(SET, "retention.ms", Some("1000"))][..];
    change(talk, "an absent topic", TOPIC, &absent, one)?;
    change(talk, "no name", TOPIC, "", one)?;
    change(talk, "an odd name", TOPIC, "a/b", one)?;
    change(talk, "an unknown kind", 77, "a", one)?;
    change(talk, "kind 0", 0, "a", one)?;
    let request = |resources| IncrementalAlterConfigsRequest::default().with_resources(resources);
    talk.ask("none", &request(vec![]))?;
    talk.ask("a topic twice", &request(vec![changed(TOPIC, &topic, one), changed(TOPIC, &topic, one)]))?;
    let flush = changed(TOPIC, &topic, &[(SET, "flush.ms", Some("5"))]);
    talk.ask("only validated", &request(vec![flush.clone()]).with_validate_only(true))?;
    let other = changed(TOPIC, &absent, one);
    talk.ask("two topics, one of them absent", &request(vec![flush, other]))?;
    settled(talk, "what is set after that", &topic, "flush.ms", "5")
}

fn values(talk: &mut Talk) -> Result<()> {
    let topic = talk.topic(1, &[])?.name;
    for (key, value) in [
        ("retention.ms", "-2"),
        ("retention.ms", ""),
        ("retention.ms", " 70000 "),
        ("retention.ms", "9223372036854775808"),
        ("cleanup.policy", "shred"),
        ("cleanup.policy", ""),
        ("cleanup.policy", "compact,compact"),
        ("cleanup.policy", " compact , delete "),
        ("compression.type", "brotli"),
        ("compression.type", "zstd"),
        ("compression.zstd.level", "99"),
        ("compression.lz4.level", "0"),
        ("segment.bytes", "13"),
        ("segment.ms", "0"),
        ("min.insync.replicas", "0"),
        ("min.insync.replicas", "2"),
        ("max.message.bytes", "-1"),
        ("message.timestamp.type", "Whenever"),
        ("message.timestamp.before.max.ms", "-1"),
        ("min.cleanable.dirty.ratio", "1.5"),
        ("unclean.leader.election.enable", "perhaps"),
        ("remote.storage.enable", "true"),
        ("local.retention.ms", "5"),
        ("follower.replication.throttled.replicas", "*"),
        ("follower.replication.throttled.replicas", "x"),
        ("index.interval.bytes", "-1"),
        ("file.delete.delay.ms", "-1"),
        ("preallocate", "1"),
        ("min.compaction.lag.ms", "5"),
        ("max.compaction.lag.ms", "1"),
    ] {
        let resources = vec![changed(TOPIC, &topic, &[(SET, key, Some(value))])];
        let request =
            IncrementalAlterConfigsRequest::default().with_resources(resources).with_validate_only(true);
        talk.ask(&format!("{key}={value:?}"), &request)?;
    }
    Ok(())
}

fn broker(talk: &mut Talk) -> Result<()> {
    for (label, name, changes) in [
        ("another broker", "9", &[(SET, "log.retention.ms", Some("3600000"))][..]),
        ("a broker that is no number", "one", &[(SET, "log.retention.ms", Some("3600000"))]),
        ("what cannot be altered", "1", &[(SET, "node.id", Some("2"))]),
        ("the directories", "1", &[(SET, "log.dirs", Some("/tmp"))]),
        ("what is unknown", "1", &[(SET, "no.such.key", Some("2"))]),
        ("an odd value", "1", &[(SET, "log.retention.ms", Some("soon"))]),
        ("for all, what cannot be altered", "", &[(SET, "node.id", Some("2"))]),
        ("for all, an odd value", "", &[(SET, "log.retention.ms", Some("soon"))]),
    ] {
        let resources = vec![changed(BROKER, name, changes)];
        let request =
            IncrementalAlterConfigsRequest::default().with_resources(resources).with_validate_only(true);
        talk.ask(label, &request)?;
    }
    Ok(())
}
