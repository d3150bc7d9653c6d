//! kafka-topics: create, describe, list, delete, and the errors people meet.

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
    ] {
        context.see_java(&broker, TOOL, words, "")?;
    }
    Ok(())
}
