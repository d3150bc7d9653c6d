//! `kill -9` at random while segments are copied, leave the disk and the bucket: everything acknowledged is
//! there, in order and once, and in the bucket nothing stays that nothing names.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::tiered::{await_empty, await_tier, tiered_topic, topic_id};
use super::{CLIENT_DEADLINE, Context, create_topics, kcat_command};
use crate::broker::Broker;
use crate::bucket::{Bucket, Kind};
use crate::numbered::{self, Numbered};
use crate::process::{Process, run as run_program};
use crate::proxy::wait;
use crate::stream::LogStream;
use crate::wait::eventually;

/// Some 1 MiB a second into each partition: a segment.
const LOAD: numbered::Plan = numbered::Plan { topic: "tiered-crash", partitions: 2, per_second: 9_000 };
/// Loses its first records now and then.
const SHRINKING: u32 = 1;
const SEGMENT_BYTES: u64 = 1 << 20;
const LOCAL_BYTES: u64 = 1 << 20;
const SEED: u64 = 0x71e4;
/// At most so many acknowledgements pass between two kills: two seconds.
const ACKNOWLEDGED_BETWEEN_KILLS_MAX: u64 = 18_000;
/// Every so many kills, the next start is killed too, before it is ready.
const KILL_DURING_RECOVERY_EVERY: u32 = 4;
const TOPICS_TOOL: &str = "org.apache.kafka.tools.TopicCommand";
const DEADLINE: Duration = Duration::from_secs(120);
/// Longer than `highwater.tier.grace.ms` of the bucket's settings.
const GRACE: Duration = Duration::from_secs(4);
const VALUE_BYTES: usize = 10_000;
/// Of manifests, once the time of grace is over: the one that holds, and what the last updates replaced.
const MANIFESTS_MAX: usize = 3;

/// How often.
#[derive(Clone, Copy)]
pub struct Plan {
    /// The broker is killed under load.
    pub kills: u32,
}

/// Kills the broker again and again, and looks at what is left.
pub fn run(context: &mut Context) -> Result<()> {
    let bucket = Bucket::on(Kind::Moto, context.tools, &context.folder)?;
    let mut broker = context.start_with(&bucket.settings())?;
    let topic = tiered_topic(SEGMENT_BYTES, LOCAL_BYTES);
    create_topics(context, &broker, &format!("{} {} {topic}", LOAD.topic, LOAD.partitions))?;
    let mut load = Numbered::start(context.tools, &broker, LOAD)?;
    let mut random = LogStream::new(SEED);
    let mut asked = 0;
    for kill in 1..=context.scale.tiered_crash.kills {
        // Its end may be the broker's.
        let newest = u64::try_from(load.newest(SHRINKING)).unwrap_or(0);
        asked = asked.max(newest / 2);
        let deleting = delete_records(context, &broker, asked)?;
        let target = load.count()? + random.below(ACKNOWLEDGED_BETWEEN_KILLS_MAX);
        eventually(DEADLINE, "acknowledgements", || {
            broker.check_alive()?;
            Ok((load.count()? >= target).then_some(()))
        })?;
        let acknowledged = load.newest(0) + 1;
        broker.kill()?;
        drop(deleting);
        if kill % KILL_DURING_RECOVERY_EVERY == 0 {
            broker.start_again()?;
            broker.kill()?;
        }
        broker.restart()?;
        check_readable(&broker, acknowledged).with_context(|| format!("after kill {kill} of {SEED:#x}"))?;
    }
    let acknowledged = load.finish()?;
    let mut last = delete_records(context, &broker, asked)?;
    ensure!(last.wait(CLIENT_DEADLINE)?.success(), "records could not be deleted in the end");
    await_tier(&broker, &bucket, context, LOAD.topic, LOAD.partitions)?;
    for (partition, acknowledged) in (0..).zip(&acknowledged) {
        let start = if partition == SHRINKING { i64::try_from(asked)? } else { 0 };
        numbered::compare(&broker, (LOAD.topic, partition as usize), start, acknowledged)?;
    }
    context.transcript.add("all acknowledged records are there, in order, once, over both tiers");

    nothing_is_left_over(context, &broker, &bucket, i64::try_from(asked)?)?;
    context.transcript.add("when the time of grace is over, nothing lies in the bucket that nothing names");
    context.java(&broker, TOPICS_TOOL, &format!("--delete --topic {}", LOAD.topic), "")?.success()?;
    await_empty(&bucket)?;
    context.transcript.add("of the deleted topic nothing is left");
    broker.stop()
}

/// Asks for it, and does not wait for the answer.
fn delete_records(context: &Context, broker: &Broker, offset: u64) -> Result<Process> {
    let mut command = context.tools.python("delete_records.py");
    command.args([broker.bootstrap(), LOAD.topic, &SHRINKING.to_string(), &offset.to_string()]);
    let errors = File::options().create(true).append(true).open(context.folder.join("delete_records.log"))?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
    Process::spawn(command)
}

/// What partition 0 holds from its beginning to what was acknowledged last. The load's numbers are its
/// offsets.
fn check_readable(broker: &Broker, count: i64) -> Result<()> {
    if count == 0 {
        return Ok(());
    }
    let words =
        format!(r"-C -t {} -p 0 -o beginning -c {count} -q -X check.crcs=true -f %s\x20%o\n", LOAD.topic);
    let read = run_program(kcat_command(broker, &words), b"", DEADLINE)?.success()?.stdout;
    for (place, line) in read.lines().enumerate() {
        let (number, offset) = (line.split(' ').next(), line.rsplit(' ').next());
        let expected = place.to_string();
        ensure!(number == Some(&expected) && offset == Some(&expected), "at {place}: {line}");
    }
    ensure!(read.lines().count() == usize::try_from(count)?, "{} of {count}", read.lines().count());
    Ok(())
}

/// A segment that no manifest names lies beside one of the same offset that one does, or below the log start;
/// manifests are few. What an update replaces goes with a later one, when its time is over.
fn nothing_is_left_over(context: &Context, broker: &Broker, bucket: &Bucket, start: i64) -> Result<()> {
    let topic_id = topic_id(context, broker, LOAD.topic)?;
    wait(GRACE);
    let value = "z".repeat(VALUE_BYTES);
    let values = format!("{value}\n").repeat(2 * SEGMENT_BYTES as usize / VALUE_BYTES);
    for partition in 0..LOAD.partitions {
        context.kcat(broker, &format!("-P -t {} -p {partition}", LOAD.topic), &values)?.success()?;
    }
    let mut left = String::new();
    let gone = eventually(DEADLINE, "what nothing names to go", || {
        let objects = bucket.objects()?;
        let partitions = objects.of_topic(&topic_id);
        left = format!("{partitions:?}");
        let is_tidy = partitions.iter().all(|(partition, kinds)| {
            let below = kinds.segments.iter().filter(|base_offset| **base_offset < start).count();
            let is_in_the_log = *partition != SHRINKING || below <= 1;
            kinds.doubled() == 0 && is_in_the_log && kinds.leaves.max(kinds.roots) <= MANIFESTS_MAX
        });
        Ok(is_tidy.then_some(()))
    });
    gone.with_context(|| format!("left: {left}"))
}
