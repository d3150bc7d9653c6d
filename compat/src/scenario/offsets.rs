//! kafka-get-offsets in all its modes: every sentinel, times, and every way to choose partitions.

use anyhow::Result;

use super::{Context, create_topic, produce_at};
use crate::broker::Settings;

const TOOL: &str = "org.apache.kafka.tools.GetOffsetShell";

/// Offsets of a topic with records in one of two partitions, and of one without any.
pub fn run(context: &mut Context) -> Result<()> {
    // The records' times are long ago, and retention would come in between.
    let broker = context.start_with(&Settings::default().with("log.retention.ms", "-1"))?;
    let broker = &broker;
    create_topic(context, broker, "offsets", 2)?;
    produce_at(context, broker, ("offsets", 1), &[1_000, 3_000, 2_000])?;
    for time in ["-1", "-2", "earliest", "-3", "max-timestamp", "0", "1001", "3000", "3001"] {
        context.see_java(broker, TOOL, &format!("--topic offsets --time {time}"), "")?;
    }
    // -4: without tiering the earliest local offset is the earliest.
    context.see_java(broker, TOOL, "--topic-partitions offsets:1 --time earliest-local", "")?;
    context.see_java(broker, TOOL, "--topic absent", "")?;
    // -5: without tiering there is no latest tiered one.
    for time in ["latest", "-4", "-5", "latest-tiered", "1000", "9223372036854775807", "-7", "soon"] {
        context.see_java(broker, TOOL, &format!("--topic offsets --time {time}"), "")?;
    }
    create_topic(context, broker, "other", 3)?;
    for words in [
        "",
        "--exclude-internal-topics",
        "--topic off.*",
        "--topic o.*|absent --partitions 1",
        "--topic offsets --partitions 0-1",
        "--topic offsets --partitions 0,9",
        "--partitions 2-",
        "--topic-partitions offsets",
        "--topic-partitions offsets:1,other:0-2,.*:2",
        "--topic-partitions other:-2",
        "--topic-partitions :1",
        "--topic-partitions absent:0",
        "--topic offsets --topic-partitions other",
        "--topic offsets --partitions x",
        "--topic other --time earliest --exclude-internal-topics",
    ] {
        context.see_java(broker, TOOL, words, "")?;
    }
    Ok(())
}
