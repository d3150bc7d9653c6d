//! kafka-topics: create, alter, describe, list, delete, and the errors people meet.

use anyhow::Result;

use super::Context;

const TOOL: &str = "org.apache.kafka.tools.TopicCommand";

/// One topic's life.
pub fn run(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    for words in [
        "--list",
        "--create --topic plain",
        "--create --topic wide --partitions 4 --replication-factor 1 --config retention.ms=3600000 \
         --config cleanup.policy=compact --config max.message.bytes=2000000",
        "--create --topic plain",
        "--create --topic plain --if-not-exists",
        "--create --topic bad/name",
        "--create --topic bad-config --config retention.ms=soon",
        "--create --topic unknown-config --config no.such.key=1",
        "--list",
        "--describe",
        "--describe --topic wide",
        "--describe --topic absent",
        "--delete --topic plain",
        "--delete --topic absent",
        "--list",
        // The name is free at once.
        "--create --topic plain --partitions 2",
        "--describe --topic plain",
        "--alter --topic wide --partitions 6",
        "--describe --topic wide",
        "--alter --topic wide --partitions 6",
        "--alter --topic wide --partitions 2",
        "--alter --topic wide --partitions 0",
        "--alter --topic wide --partitions 7 --replica-assignment 1,1,1,1,1,1,1",
        "--alter --topic wide --partitions 8 --replica-assignment 1,1,1,1,1,1,1,9",
        "--alter --topic wide --partitions 9 --replica-assignment 1,1,1,1,1,1,1,1",
        "--alter --topic absent --partitions 3",
        "--alter --topic absent --partitions 3 --if-exists",
        // All topics whose name matches.
        "--alter --topic wi.*|pl.*n --partitions 9",
        "--describe --topic wi.* --partition-size-limit-per-response 2",
        "--describe --topic absent --if-exists",
        "--describe --topic-id AAAAAAAAAAAAAAAAAAAAAQ",
        "--describe --topics-with-overrides",
        "--describe --under-replicated-partitions",
        "--describe --unavailable-partitions",
        "--describe --under-min-isr-partitions",
        "--describe --at-min-isr-partitions",
        "--describe --exclude-internal --topic plain",
        "--list --topic pl.*",
    ] {
        context.see_java(&broker, TOOL, words, "")?;
    }
    Ok(())
}
