//! kafka-get-offsets, by every sentinel that makes sense without tiering, and by time.

use anyhow::Result;

use super::{Context, create_topic, produce_at};

const TOOL: &str = "org.apache.kafka.tools.GetOffsetShell";

/// Offsets of a topic with records in one of two partitions.
pub fn run(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    let broker = &broker;
    create_topic(context, broker, "offsets", 2)?;
    produce_at(context, broker, ("offsets", 1), &[1_000, 3_000, 2_000])?;
    for time in ["-1", "-2", "earliest", "-3", "max-timestamp", "0", "1001", "3000", "3001"] {
        context.see_java(broker, TOOL, &format!("--topic offsets --time {time}"), "")?;
    }
    // -4: without tiering the earliest local offset is the earliest.
    context.see_java(broker, TOOL, "--topic-partitions offsets:1 --time earliest-local", "")?;
    context.see_java(broker, TOOL, "--topic absent", "")
}
