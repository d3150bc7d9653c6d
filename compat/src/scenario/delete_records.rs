//! kafka-delete-records: what goes, what is refused, and that it stays so.

use std::fs;

use anyhow::Result;

use super::{Context, create_topic};
use crate::broker::{Broker, Flavor};

const TOOL: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
const TOPICS_TOOL: &str = "org.apache.kafka.tools.TopicCommand";
const OFFSETS_TOOL: &str = "org.apache.kafka.tools.GetOffsetShell";

/// One topic loses its records bit by bit.
pub fn run(context: &mut Context) -> Result<()> {
    let mut broker = context.start()?;
    create_topic(context, &broker, "shrinking", 3)?;
    context.java(&broker, TOPICS_TOOL, "--create --topic compacted --config cleanup.policy=compact", "")?;
    for partition in 0..3 {
        for batch in ["a\nb\n", "c\n", "d\ne\n"] {
            context.kcat(&broker, &format!("-P -t shrinking -p {partition}"), batch)?.success()?;
        }
    }
    // In the middle of a batch, all, and nothing.
    delete(context, &broker, &[("shrinking", 0, 1), ("shrinking", 1, -1), ("shrinking", 2, 0)])?;
    see(context, &broker)?;
    // A second time, and further back than it is already.
    delete(context, &broker, &[("shrinking", 0, 1), ("shrinking", 1, 2)])?;
    // What does not exist the tool looks for until its time is over, a minute, whatever the broker says.
    for refused in [("shrinking", 0, 6), ("shrinking", 0, -2), ("compacted", 0, -1)] {
        delete(context, &broker, &[refused])?;
    }
    delete(context, &broker, &[("shrinking", 2, 1), ("shrinking", 2, 2)])?;
    broker.stop()?;
    broker.restart()?;
    see(context, &broker)?;
    context.kcat(&broker, "-P -t shrinking -p 1", "after\n")?.success()?;
    delete(context, &broker, &[("shrinking", 0, 3), ("shrinking", 2, 5)])?;
    if context.flavor == Flavor::Highwater {
        // Kafka writes a moved log start down once a minute and may forget it.
        broker.kill()?;
        broker.restart()?;
    }
    see(context, &broker)
}

/// The tool takes a file. Its name is not part of the transcript.
fn delete(context: &mut Context, broker: &Broker, offsets: &[(&str, i32, i64)]) -> Result<()> {
    let entries: Vec<String> = offsets
        .iter()
        .map(|(topic, partition, offset)| {
            format!(r#"{{"topic": "{topic}", "partition": {partition}, "offset": {offset}}}"#)
        })
        .collect();
    let path = context.folder.join("offsets.json");
    fs::write(&path, format!(r#"{{"partitions": [{}], "version": 1}}"#, entries.join(", ")))?;
    let words = format!("--offset-json-file {}", path.display());
    let outcome = context.java(broker, TOOL, &words, "")?;
    context.transcript.section(&format!("DeleteRecordsCommand {}", entries.join(", ")));
    // It prints the partitions in another order every time.
    let mut answered: Vec<&str> = outcome.stdout.lines().collect();
    answered.sort_unstable();
    context.transcript.add(&answered.join("\n"));
    if !outcome.status.success() {
        context.transcript.add(outcome.stderr.lines().next().unwrap_or_default());
    }
    Ok(())
}

/// Where the logs start and end, and what a consumer finds from the beginning and below it.
fn see(context: &mut Context, broker: &Broker) -> Result<()> {
    for time in ["earliest", "latest"] {
        context.see_java(broker, OFFSETS_TOOL, &format!("--topic shrinking --time {time}"), "")?;
    }
    for partition in 0..3 {
        context.see_kcat(
            broker,
            &format!(r"-C -t shrinking -p {partition} -o beginning -e -q -f %o|%s\n"),
            "",
        )?;
    }
    context.see_kcat(broker, r"-C -t shrinking -p 0 -o 0 -e -q -X auto.offset.reset=error -f %o|%s\n", "")
}
