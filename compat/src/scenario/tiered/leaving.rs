//! A topic of which no more is copied, and then one that is tiered no longer.

use anyhow::{Context as _, Result, ensure};

use super::{TIER_DEADLINE, alter, await_tier, offsets, topic_id};
use crate::broker::Broker;
use crate::bucket::Bucket;
use crate::scenario::Context;
use crate::wait::eventually;

pub const TOPIC: &str = "leaving";
/// One that goes on being copied: when its newest segments are in the bucket, the others' would be too.
pub const CLOCK: &str = "clock";
/// Of a value; a segment has some hundred of them.
const VALUE_BYTES: usize = 10_000;
const VALUES: usize = 500;

/// First `remote.log.copy.disable`, then `remote.storage.enable=false` with `remote.log.delete.on.disable`.
pub fn play(context: &mut Context, broker: &Broker, bucket: &Bucket) -> Result<()> {
    let mut sent = Vec::new();
    produce(context, broker, TOPIC, &mut sent)?;
    await_tier(broker, bucket, context, TOPIC, 1)?;
    let no_more = "remote.log.copy.disable=true,local.retention.bytes=-2,local.retention.ms=-2";
    alter(context, broker, TOPIC, no_more)?;
    let topic_id = topic_id(context, broker, TOPIC)?;
    let copied = || -> Result<Vec<i64>> {
        let objects = bucket.objects()?;
        Ok(objects.of_topic(&topic_id).get(&0).map(|kinds| kinds.segments.clone()).unwrap_or_default())
    };
    let before = copied()?;
    produce(context, broker, TOPIC, &mut sent)?;
    super::create_topics(context, broker, &format!("{CLOCK} 1 {}", super::tiered_topic(1 << 20, 1 << 20)))?;
    produce(context, broker, CLOCK, &mut Vec::new())?;
    await_tier(broker, bucket, context, CLOCK, 1)?;
    ensure!(copied()? == before && !before.is_empty(), "{before:?}, then {:?}", copied()?);
    ensure!(read(context, broker)? == sent, "a topic of which no more is copied is not read as it was sent");
    context.transcript.add("with remote.log.copy.disable nothing more is copied, and all is read");

    let off = "remote.storage.enable=false,remote.log.delete.on.disable=true";
    alter(context, broker, TOPIC, off)?;
    eventually(TIER_DEADLINE, "a topic to leave the tier", || Ok(copied()?.is_empty().then_some(())))?;
    let start = usize::try_from(offsets(context, broker, TOPIC, "-2")?[0])?;
    let rest = sent.get(start..).context("the log start lies behind the end")?;
    ensure!(start > 0 && read(context, broker)? == rest, "a topic that left the tier, from {start}");
    context.transcript.add("what is tiered no longer has left the bucket, and the disk's part is read");
    Ok(())
}

/// Some segments more.
fn produce(context: &Context, broker: &Broker, topic: &str, sent: &mut Vec<String>) -> Result<()> {
    let filler = "y".repeat(VALUE_BYTES);
    let values: Vec<_> = (0..VALUES).map(|number| format!("{number}-{filler}")).collect();
    let words = format!("-P -t {topic} -p 0 -X enable.idempotence=true");
    context.kcat(broker, &words, &(values.join("\n") + "\n"))?.success()?;
    sent.extend(values);
    Ok(())
}

fn read(context: &Context, broker: &Broker) -> Result<Vec<String>> {
    let words = format!(r"-C -t {TOPIC} -p 0 -o beginning -e -q -f %s\n");
    let read = context.kcat(broker, &words, "")?.success()?.stdout;
    Ok(read.lines().map(str::to_owned).collect())
}
