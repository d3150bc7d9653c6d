//! `kill -9` at random under load: everything acknowledged is there, in order, and once.

use std::time::Duration;

use anyhow::Result;

use super::batches::BatchLoad;
use super::{Context, create_topic};
use crate::broker::Flavor;
use crate::numbered::{self, Numbered};
use crate::stream::LogStream;
use crate::wait::eventually;

const PLAN: numbered::Plan = numbered::Plan { topic: "crash", partitions: 3, per_second: 0 };
const BATCHES: &str = "batches";
const SEED: u64 = 0xdead;
/// At most so many acknowledgements pass between two kills.
const ACKNOWLEDGED_BETWEEN_KILLS_MAX: u64 = 6_000;
/// Every so many kills, the next start is killed too, before it is ready: in the middle of recovery.
const KILL_DURING_RECOVERY_EVERY: u32 = 4;
const DEADLINE: Duration = Duration::from_secs(120);
/// A JVM's start takes seconds, and its promise is not what is tested.
const KILLS_OF_KAFKA: u32 = 2;

/// Kills the broker again and again while an idempotent producer writes; then compares.
pub fn run(context: &mut Context) -> Result<()> {
    let mut broker = context.start()?;
    create_topic(context, &broker, PLAN.topic, PLAN.partitions)?;
    let mut load = Numbered::start(context.tools, &broker, PLAN)?;
    let kills = match context.flavor {
        Flavor::Highwater => context.scale.kills_count,
        Flavor::Kafka => KILLS_OF_KAFKA,
    };
    create_topic(context, &broker, BATCHES, 1)?;
    let batches = BatchLoad::start(broker.bootstrap(), BATCHES)?;
    let mut random = LogStream::new(SEED);
    for kill in 1..=kills {
        let target = load.count()? + random.below(ACKNOWLEDGED_BETWEEN_KILLS_MAX);
        eventually(DEADLINE, "acknowledgements", || {
            broker.check_alive()?;
            Ok((load.count()? >= target).then_some(()))
        })?;
        broker.kill()?;
        if kill % KILL_DURING_RECOVERY_EVERY == 0 {
            broker.start_again()?;
            broker.kill()?;
        }
        broker.restart()?;
    }
    let sent = batches.finish()?;
    for (partition, acknowledged) in load.finish()?.iter().enumerate() {
        numbered::compare(&broker, (PLAN.topic, partition), 0, acknowledged)?;
        context.transcript.add(&format!("partition {partition}: all acknowledged records, in order, once"));
    }
    sent.compare(&broker)?;
    context.transcript.add("batches of a producer that never retries: each wholly or not at all, none twice");
    Ok(())
}
