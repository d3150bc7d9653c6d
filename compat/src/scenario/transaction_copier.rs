//! Kafka's own torture of transactions, `TransactionalMessageCopier`: three of them copy a topic, each one
//! partition, a few messages and the consumed offset in each transaction, some of which they abort by
//! themselves. They and the broker are killed meanwhile. Who reads what was committed finds every message
//! once and in order.

mod copier;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::{Context, create_topics, kcat_command};
use crate::broker::Broker;
use crate::process::run as run_program;
use crate::wait::eventually;
use copier::Copier;

const PARTITIONS: u32 = 3;
/// Until the next thing is killed, and until all is copied.
const DEADLINE: Duration = Duration::from_secs(240);

/// How much is copied, and what happens meanwhile.
#[derive(Clone, Copy)]
pub struct Plan {
    /// All messages, a third in each partition.
    pub messages: u32,
    /// In one transaction at most.
    pub per_transaction: u32,
    /// How often something is killed: a copier, a copier, the broker, and so on.
    pub kills: u32,
}

/// Copies; then compares.
pub fn run(context: &mut Context) -> Result<()> {
    let plan = context.scale.copied;
    let mut broker = context.start()?;
    create_topics(context, &broker, &format!("in {PARTITIONS} , out {PARTITIONS}"))?;
    for partition in 0..PARTITIONS {
        let lines = messages(plan, partition).fold(String::new(), |mut lines, message| {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{message}");
            lines
        });
        context.kcat(&broker, &format!("-P -t in -p {partition}"), &lines)?.success()?;
    }
    let start = |partition| Copier::start(context.tools, broker.bootstrap(), plan.per_transaction, partition);
    let mut copiers = (0..PARTITIONS).map(start).collect::<Result<Vec<_>>>()?;
    for kill in 0..plan.kills {
        let target = u64::from(plan.messages) * u64::from(kill + 1) / u64::from(plan.kills + 1);
        copy_until(&mut broker, &mut copiers, target)?;
        match kill % PARTITIONS {
            2 => {
                broker.kill()?;
                broker.restart()?;
            }
            // Each in turn.
            turn => kill_one(&mut copiers, kill / PARTITIONS * (PARTITIONS - 1) + turn)?,
        }
    }
    copy_until(&mut broker, &mut copiers, u64::MAX)?;
    let aborted =
        (0..PARTITIONS).map(|partition| compare(&broker, plan, partition)).sum::<Result<usize>>()?;
    ensure!(aborted > 0, "nothing was aborted");
    context.transcript.add("all messages, once, in order");
    Ok(())
}

/// What a partition of the input holds, in order.
fn messages(plan: Plan, partition: u32) -> impl Iterator<Item = u32> {
    (partition..plan.messages).step_by(PARTITIONS as usize)
}

/// Waits until so much is copied, or all; who gives up, as copiers do whose broker is away, is started again.
fn copy_until(broker: &mut Broker, copiers: &mut [Copier], target: u64) -> Result<()> {
    eventually(DEADLINE, "messages to be copied", || {
        broker.check_alive()?;
        let mut done = true;
        for copier in &mut *copiers {
            done &= copier.is_done()?;
        }
        let copied: u64 = copiers.iter().map(Copier::copied).sum();
        Ok((done || copied >= target).then_some(()))
    })
}

/// One of those that still have something to do.
fn kill_one(copiers: &mut [Copier], kill: u32) -> Result<()> {
    let count = copiers.len();
    for place in (0..count).map(|step| (kill as usize + step) % count) {
        if !copiers[place].is_done()? {
            return copiers[place].kill_and_restart();
        }
    }
    bail!("everything was copied before kill {kill}")
}

/// Committed is the input, as it was. How many records besides were aborted.
fn compare(broker: &Broker, plan: Plan, partition: u32) -> Result<usize> {
    let read = |isolation: &str| {
        let words = format!(
            "-C -t out -p {partition} -o beginning -e -q -X check.crcs=true -X isolation.level={isolation}"
        );
        Ok::<_, anyhow::Error>(run_program(kcat_command(broker, &words), b"", DEADLINE)?.success()?.stdout)
    };
    let (committed, all) = (read("read_committed")?, read("read_uncommitted")?);
    check(&committed, messages(plan, partition))?;
    let distinct: BTreeSet<&str> = all.lines().collect();
    ensure!(distinct.len() == committed.lines().count(), "partition {partition}: a message from nowhere");
    Ok(all.lines().count() - distinct.len())
}

/// These lines are these messages.
fn check(lines: &str, messages: impl Iterator<Item = u32>) -> Result<()> {
    let mut lines = lines.lines();
    for (place, message) in messages.enumerate() {
        let line = lines.next();
        ensure!(line == Some(&message.to_string()), "message {place} is {line:?}, not {message}");
    }
    ensure!(lines.next().is_none(), "more than all messages");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_repetition_and_disorder_are_found() {
        for (lines, sound) in [
            ("1\n4\n7\n", true),
            ("1\n4\n", false),
            ("1\n7\n", false),
            ("1\n4\n4\n7\n", false),
            ("1\n7\n4\n", false),
            ("1\n4\n7\n10\n", false),
        ] {
            assert_eq!(check(lines, (1..10).step_by(3)).is_ok(), sound, "{lines:?}");
        }
    }
}
