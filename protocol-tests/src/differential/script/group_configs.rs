//! Settings of groups (KIP-848), and ListConfigResources. What is unknown of operations stands with those of
//! topics.

use anyhow::Result;
use kafka_protocol::messages::{
    AlterConfigsRequest, IncrementalAlterConfigsRequest, ListConfigResourcesRequest,
};

use super::configs::{
    APPEND, BROKER, DELETE, SET, SUBTRACT, TOPIC, altered, change, changed, request, resource,
};
use super::{Case, Talk};

pub(super) const CASES: &[Case] = &[
    Case { name: "group-configs-describe", versions: 1..=4, run: describe },
    Case { name: "group-configs-alter", versions: 0..=2, run: alter },
    Case { name: "group-configs-incremental", versions: 0..=1, run: incremental },
    Case { name: "group-configs-values", versions: 0..=1, run: values },
    Case { name: "list-config-resources", versions: 0..=1, run: list },
];

pub(super) const GROUP: i8 = 32;
const CLIENT_METRICS: i8 = 16;
const TIMEOUT: &str = "consumer.session.timeout.ms";
const INTERVAL: &str = "consumer.heartbeat.interval.ms";

/// Sets what is described next; Apache Kafka's brokers learn of it a little later.
fn set(talk: &mut Talk, group: &str, settings: &[(&str, &str)]) -> Result<()> {
    let changes: Vec<_> = settings.iter().map(|(key, value)| (SET, *key, Some(*value))).collect();
    let resources = vec![changed(GROUP, group, &changes)];
    talk.quiet(1, &IncrementalAlterConfigsRequest::default().with_resources(resources))?;
    let (key, value) = settings[settings.len() - 1];
    settle(talk, group, key, Some(value)).map(drop)
}

/// Asks until the group has this value of its own, or none; its settings then.
fn settle(talk: &mut Talk, group: &str, key: &str, value: Option<&str>) -> Result<String> {
    const GROUP_SOURCE: i8 = 8;
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..1000 {
        let answer = talk.quiet(4, &request(vec![resource(GROUP, group, None)]))?;
        let configs = answer.results.into_iter().flat_map(|result| result.configs);
        let own = configs.filter(|config| config.config_source == GROUP_SOURCE).map(|config| {
            (config.name.to_string(), config.value.as_ref().map(ToString::to_string).unwrap_or_default())
        });
        seen = own.collect();
        if seen.get(key).map(String::as_str) == value {
            break;
        }
    }
    Ok(format!("{seen:?}"))
}

fn describe(talk: &mut Talk) -> Result<()> {
    let (group, plain) = (talk.group(), talk.group());
    set(talk, &group, &[("share.auto.offset.reset", "earliest"), (INTERVAL, "7000"), (TIMEOUT, "50000")])?;
    let keys = Some(&[TIMEOUT, "no.such.key", "share.auto.offset.reset"][..]);
    for (label, resources) in [
        ("a group", vec![resource(GROUP, &group, None)]),
        ("a group without settings", vec![resource(GROUP, &plain, None)]),
        ("some keys", vec![resource(GROUP, &group, keys)]),
        ("no keys", vec![resource(GROUP, &group, Some(&[]))]),
        ("two groups", vec![resource(GROUP, &group, keys), resource(GROUP, &plain, keys)]),
        ("a group twice", vec![resource(GROUP, &group, keys), resource(GROUP, &group, keys)]),
        ("no name", vec![resource(GROUP, "", None)]),
        ("an odd name", vec![resource(GROUP, "a/b c\u{e4}", keys)]),
        ("client metrics without name", vec![resource(CLIENT_METRICS, "", None)]),
    ] {
        talk.ask(label, &request(resources))?;
    }
    let asked = request(vec![resource(GROUP, &group, None)]).with_include_synonyms(true);
    talk.ask("with synonyms", &asked)?;
    if talk.version >= 3 {
        talk.ask("with documentation", &asked.with_include_documentation(true))?;
    }
    Ok(())
}

fn alter(talk: &mut Talk) -> Result<()> {
    let (group, other) = (talk.group(), talk.group());
    let asked = |resources| AlterConfigsRequest::default().with_resources(resources);
    for (label, resources) in [
        ("set two", vec![altered(GROUP, &group, &[(TIMEOUT, Some("50000")), (INTERVAL, Some("6000"))])]),
        ("set another", vec![altered(GROUP, &group, &[("share.session.timeout.ms", Some("46000"))])]),
        ("an unknown key", vec![altered(GROUP, &group, &[("no.such.key", Some("1"))])]),
        ("an odd value", vec![altered(GROUP, &group, &[(TIMEOUT, Some("soon"))])]),
        ("a null value", vec![altered(GROUP, &group, &[(TIMEOUT, None)])]),
        ("below the least", vec![altered(GROUP, &group, &[(TIMEOUT, Some("1"))])]),
        ("no name", vec![altered(GROUP, "", &[(TIMEOUT, Some("50000"))])]),
        ("no name and no keys", vec![altered(GROUP, "", &[])]),
        (
            "one good, one not",
            vec![
                altered(GROUP, &group, &[("streams.num.standby.replicas", Some("1"))]),
                altered(GROUP, &other, &[(TIMEOUT, Some("1"))]),
            ],
        ),
    ] {
        talk.ask(label, &asked(resources))?;
    }
    let only = altered(GROUP, &group, &[(TIMEOUT, Some("55000"))]);
    talk.ask("only validated", &asked(vec![only]).with_validate_only(true))?;
    let seen = settle(talk, &group, "streams.num.standby.replicas", Some("1"))?;
    talk.note("what is set now", &seen);
    talk.ask("nothing", &asked(vec![altered(GROUP, &group, &[])]))?;
    let seen = settle(talk, &group, "streams.num.standby.replicas", None)?;
    talk.note("what is set after that", &seen);
    Ok(())
}

fn incremental(talk: &mut Talk) -> Result<()> {
    let (group, other) = (talk.group(), talk.group());
    for (label, changes) in [
        ("nothing", &[][..]),
        ("set", &[(SET, TIMEOUT, Some("50000"))]),
        ("set two", &[(SET, INTERVAL, Some("10000")), (SET, "share.auto.offset.reset", Some("earliest"))]),
        ("the timeout below the interval", &[(SET, TIMEOUT, Some("45000")), (SET, INTERVAL, Some("45000"))]),
        ("delete", &[(DELETE, TIMEOUT, None)]),
        ("delete with a value", &[(DELETE, TIMEOUT, Some("7"))]),
        ("delete what is not set", &[(DELETE, "share.isolation.level", None)]),
        ("append", &[(APPEND, TIMEOUT, Some("50000"))]),
        ("subtract", &[(SUBTRACT, TIMEOUT, Some("50000"))]),
        ("append to an unknown key", &[(APPEND, "no.such.key", Some("1"))]),
        ("set null", &[(SET, TIMEOUT, None)]),
        ("a key twice", &[(SET, TIMEOUT, Some("50000")), (DELETE, TIMEOUT, None)]),
        ("an unknown key", &[(SET, "no.such.key", Some("1"))]),
        ("delete an unknown key", &[(DELETE, "no.such.key", None)]),
        ("a key of brokers", &[(SET, "group.consumer.session.timeout.ms", Some("50000"))]),
        ("an empty key", &[(SET, "", Some("1"))]),
        ("one good, one not", &[(SET, INTERVAL, Some("9000")), (SET, TIMEOUT, Some("soon"))]),
    ] {
        change(talk, label, GROUP, &group, changes)?;
    }
    let seen = settle(talk, &group, INTERVAL, Some("10000"))?;
    talk.note("what is set now", &seen);
    change(talk, "no name", GROUP, "", &[(SET, TIMEOUT, Some("50000"))])?;
    change(talk, "no name and no keys", GROUP, "", &[])?;
    let odd = talk.group() + "/ \u{e4}";
    change(talk, "an odd name", GROUP, &odd, &[(SET, TIMEOUT, Some("50000"))])?;
    let asked = |resources| IncrementalAlterConfigsRequest::default().with_resources(resources);
    let one = &[(SET, TIMEOUT, Some("51000"))][..];
    talk.ask("a group twice", &asked(vec![changed(GROUP, &group, one), changed(GROUP, &group, one)]))?;
    let good = changed(GROUP, &group, one);
    talk.ask("only validated", &asked(vec![good.clone()]).with_validate_only(true))?;
    let bad = changed(GROUP, &other, &[(SET, TIMEOUT, Some("1"))]);
    talk.ask("two groups, one of them wrong", &asked(vec![good, bad]))?;
    let seen = settle(talk, &group, TIMEOUT, Some("51000"))?;
    talk.note("what is set after that", &seen);
    let topic = changed(TOPIC, &talk.topic(1, &[])?.name, &[(SET, "flush.ms", Some("5"))]);
    let both = changed(GROUP, &other, &[(SET, INTERVAL, Some("6000"))]);
    talk.ask("a topic and a group", &asked(vec![topic, both]))
}

fn values(talk: &mut Talk) -> Result<()> {
    let group = talk.group();
    for (key, value) in [
        (TIMEOUT, "44999"),
        (TIMEOUT, "45000"),
        (TIMEOUT, "60000"),
        (TIMEOUT, "60001"),
        (TIMEOUT, "0"),
        (TIMEOUT, "-1"),
        (TIMEOUT, ""),
        (TIMEOUT, " 46000 "),
        (TIMEOUT, "+46000"),
        (TIMEOUT, "2147483648"),
        (INTERVAL, "4999"),
        (INTERVAL, "15000"),
        (INTERVAL, "15001"),
        ("consumer.assignment.interval.ms", "-1"),
        ("consumer.assignment.interval.ms", "0"),
        ("consumer.assignment.interval.ms", "15001"),
        ("consumer.assignor.offload.enable", "true"),
        ("share.session.timeout.ms", "44999"),
        ("share.session.timeout.ms", "60001"),
        ("share.heartbeat.interval.ms", "4999"),
        ("share.heartbeat.interval.ms", "15001"),
        ("share.record.lock.duration.ms", "999"),
        ("share.record.lock.duration.ms", "1000"),
        ("share.record.lock.duration.ms", "14999"),
        ("share.record.lock.duration.ms", "60001"),
        ("share.delivery.count.limit", "1"),
        ("share.delivery.count.limit", "2"),
        ("share.delivery.count.limit", "11"),
        ("share.partition.max.record.locks", "99"),
        ("share.partition.max.record.locks", "100"),
        ("share.partition.max.record.locks", "10001"),
        ("share.auto.offset.reset", "latest"),
        ("share.auto.offset.reset", "EARLIEST"),
        ("share.auto.offset.reset", "by_duration:PT1H"),
        ("share.auto.offset.reset", "by_duration:-PT1H"),
        ("share.auto.offset.reset", "by_duration:soon"),
        ("share.auto.offset.reset", "by_duration"),
        ("share.auto.offset.reset", "by_duration:"),
        ("share.auto.offset.reset", "BY_DURATION:p1dt2h"),
        ("share.auto.offset.reset", "none"),
        ("share.auto.offset.reset", ""),
        ("share.isolation.level", "read_committed"),
        ("share.isolation.level", "READ_COMMITTED"),
        ("share.isolation.level", "dirty"),
        ("share.renew.acknowledge.enable", "FALSE"),
        ("share.renew.acknowledge.enable", "perhaps"),
        ("share.assignment.interval.ms", "15001"),
        ("share.assignor.offload.enable", "true"),
        ("streams.session.timeout.ms", "44999"),
        ("streams.session.timeout.ms", "60001"),
        ("streams.heartbeat.interval.ms", "4999"),
        ("streams.heartbeat.interval.ms", "15001"),
        ("streams.num.standby.replicas", "-1"),
        ("streams.num.standby.replicas", "3"),
        ("streams.initial.rebalance.delay.ms", "-1"),
        ("streams.initial.rebalance.delay.ms", "2147483647"),
        ("streams.assignment.interval.ms", "15001"),
        ("streams.assignor.offload.enable", "true"),
    ] {
        let resources = vec![changed(GROUP, &group, &[(SET, key, Some(value))])];
        let request =
            IncrementalAlterConfigsRequest::default().with_resources(resources).with_validate_only(true);
        talk.ask(&format!("{key}={value:?}"), &request)?;
    }
    Ok(())
}

fn list(talk: &mut Talk) -> Result<()> {
    let request = ListConfigResourcesRequest::default();
    if talk.version == 0 {
        return talk.ask("all", &request);
    }
    talk.topic(1, &[])?;
    let (group, emptied) = (talk.group(), talk.group());
    set(talk, &group, &[(TIMEOUT, "50000")])?;
    set(talk, &emptied, &[(TIMEOUT, "50000")])?;
    talk.quiet(
        1,
        &IncrementalAlterConfigsRequest::default().with_resources(vec![changed(
            GROUP,
            &emptied,
            &[(DELETE, TIMEOUT, None)],
        )]),
    )?;
    settle(talk, &emptied, TIMEOUT, None)?;
    for types in [
        &[][..],
        &[0],
        &[1],
        &[TOPIC],
        &[BROKER],
        &[8],
        &[CLIENT_METRICS],
        &[GROUP],
        &[TOPIC, GROUP],
        &[TOPIC, TOPIC],
        &[GROUP, 77],
        &[-1],
    ] {
        talk.ask(&format!("{types:?}"), &request.clone().with_resource_types(types.to_vec()))?;
    }
    Ok(())
}
