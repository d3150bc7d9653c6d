//! kafka-configs: describes and alters topics, groups, the broker and the cluster's default, and the errors
//! people meet.

use anyhow::Result;

use super::{Context, create_topic};
use crate::broker::Broker;

const TOOL: &str = "kafka.admin.ConfigCommand";

/// Broker keys whose lines are shown: Kafka has some 250 that mean nothing elsewhere.
const BROKER_KEYS: &[&str] = &[
    "auto.create.topics.enable=",
    "log.cleanup.policy=",
    "log.retention.hours=",
    "log.retention.minutes=",
    "log.retention.ms=",
    "log.segment.bytes=",
    "max.connections=",
    "message.max.bytes=",
    "num.partitions=",
];

/// Alterations, one after the other, and what is shown of them.
pub fn run(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    create_topic(context, &broker, "orders", 1)?;
    topics(context, &broker)?;
    brokers(context, &broker)
}

fn topics(context: &mut Context, broker: &Broker) -> Result<()> {
    const ORDERS: &str = "--entity-type topics --entity-name orders";
    for words in [
        "--describe",
        "--alter --add-config retention.ms=3600000,max.message.bytes=2000000,cleanup.policy=[compact,delete]",
        "--describe",
        // The default's own value is an override like any other.
        "--alter --add-config segment.ms=604800000 --delete-config retention.ms",
        "--describe --all",
        "--alter --delete-config retention.ms",
        "--alter --add-config no.such.key=1",
        "--alter --add-config retention.ms=soon",
        "--alter --add-config segment.bytes=1",
        "--describe",
    ] {
        see(context, broker, &format!("{ORDERS} {words}"))?;
    }
    for words in ["--describe", "--alter --add-config retention.ms=1"] {
        see(context, broker, &format!("--entity-type topics --entity-name absent {words}"))?;
    }
    Ok(())
}

fn brokers(context: &mut Context, broker: &Broker) -> Result<()> {
    const ONE: &str = "--entity-type brokers --entity-name 1";
    const ALL: &str = "--entity-type brokers --entity-default";
    for words in [
        format!("{ONE} --alter --add-config message.max.bytes=3000000,log.retention.ms=7200000"),
        format!("{ALL} --alter --add-config message.max.bytes=4000000,max.connections=500"),
        format!("{ALL} --alter --add-config log.segment.bytes=2000000"),
        format!("{ONE} --describe"),
        format!("{ALL} --describe"),
    ] {
        see(context, broker, &words)?;
    }
    see_broker_keys(context, broker, &format!("{ONE} --describe --all"))?;
    for words in [
        // What the broker says is what a topic without its own inherits.
        "--entity-type topics --entity-name orders --describe --all".to_owned(),
        format!("{ONE} --alter --delete-config message.max.bytes"),
        format!("{ALL} --alter --delete-config max.connections,log.segment.bytes"),
        format!("{ONE} --describe"),
        format!("{ALL} --describe"),
        format!("{ONE} --alter --add-config num.partitions=3"),
        format!("{ONE} --alter --add-config message.max.bytes=many"),
        format!("{ONE} --alter --delete-config message.max.bytes"),
        "--entity-type brokers --entity-name 7 --describe".to_owned(),
    ] {
        see(context, broker, &words)?;
    }
    Ok(())
}

/// Settings of groups, none of which exists but in its settings; kafka-configs knows all by
/// ListConfigResources.
pub fn run_groups(context: &mut Context) -> Result<()> {
    const TIMEOUT: &str = "consumer.session.timeout.ms";
    const INTERVAL: &str = "consumer.heartbeat.interval.ms";
    const LEVEL: &str = "share.isolation.level";
    const READERS: &str = "--entity-type groups --entity-name readers";
    let broker = context.start()?;
    for words in [
        format!("{READERS} --describe"),
        format!("{READERS} --alter --add-config {TIMEOUT}=50000,{INTERVAL}=6000,{LEVEL}=read_committed"),
        format!("--group writers --alter --add-config {INTERVAL}=7000"),
        format!("{READERS} --describe --all"),
        "--entity-type groups --describe".to_owned(),
        format!("{READERS} --alter --delete-config {LEVEL} --add-config {TIMEOUT}=51000"),
        format!("{READERS} --alter --add-config {TIMEOUT}=1"),
        format!("{READERS} --describe"),
        format!("{READERS} --alter --delete-config {TIMEOUT},{INTERVAL}"),
        "--entity-type groups --describe".to_owned(),
        "--client-metrics absent --describe".to_owned(),
    ] {
        see(context, &broker, &words)?;
    }
    Ok(())
}

/// What the tool says, and the broker's own words where it is refused.
fn see(context: &mut Context, broker: &Broker, words: &str) -> Result<()> {
    let outcome = context.java(broker, TOOL, words, "")?;
    context.transcript.section(&format!("ConfigCommand {words}"));
    context.transcript.outcome(&outcome);
    if let Some(line) = outcome.stderr.lines().find(|line| line.contains("Exception: ")) {
        context.transcript.add(line);
    }
    Ok(())
}

fn see_broker_keys(context: &mut Context, broker: &Broker, words: &str) -> Result<()> {
    let outcome = context.java(broker, TOOL, words, "")?.success()?;
    context.transcript.section(&format!("ConfigCommand {words} (some keys)"));
    let is_shown = |line: &&str| BROKER_KEYS.iter().any(|key| line.trim_start().starts_with(key));
    let lines: Vec<&str> = outcome.stdout.lines().filter(is_shown).collect();
    context.transcript.add(&lines.join("\n"));
    Ok(())
}
