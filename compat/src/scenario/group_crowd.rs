//! Real clients in a small storm: members of several groups come, leave and are killed, while records flow
//! and the broker is stopped and killed under them.
//!
//! **Owns** who is in which group and what must be true afterwards. **Does not own** the programs: they are
//! those of `group-members`, under its contract.

mod crowd;

use std::io::Write as _;
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::group_members::modern_settings;
use super::{Context, committed, create_topics, kcat_command};
use crate::broker::Broker;
use crate::process::Process;
use crate::wait::eventually;
use crowd::{Crowd, GROUPS, seats};

const TOPIC: &str = "crowd";
const PARTITIONS: u32 = 12;
/// Records come at this rate.
const LINES_AT_ONCE: u64 = 20;
const LINES_PAUSE: Duration = Duration::from_millis(100);
/// Sessions that end (6 s), rebalances, clients that look for their coordinator every now and then.
const DEADLINE: Duration = Duration::from_secs(90);

/// Once nobody comes or goes any more, every group is stable, every member has its share, and every record
/// was delivered and committed.
pub fn run(context: &mut Context) -> Result<()> {
    let settings = modern_settings().with("group.initial.rebalance.delay.ms", "100");
    let mut broker = context.start_with(&settings)?;
    create_topics(context, &broker, &format!("{TOPIC} {PARTITIONS}"))?;
    let mut crowd = Crowd::new(context, &broker)?;
    let load = Load::start(&broker, TOPIC)?;
    for round in 0..context.scale.crowd_rounds {
        crowd.come_and_go(context.scale.crowd_time)?;
        if round % 2 == 0 { broker.kill() } else { broker.stop() }?;
        broker.restart()?;
    }
    crowd.come_and_go(context.scale.crowd_time)?;
    let lines = load.finish()?;
    let seen = check(context, &broker, &mut crowd, lines);
    // Kept if the scenario fails.
    crowd.write_down(&context.folder)?;
    seen?;
    crowd.end()?;
    context.transcript.add("all groups settled, every member had its share, every record was delivered");
    Ok(())
}

/// Nobody comes or goes any more, and no more records come.
fn check(context: &Context, broker: &Broker, crowd: &mut Crowd, lines: u64) -> Result<()> {
    crowd.expect_all_stay()?;
    let ends = ends(context, broker, (TOPIC, PARTITIONS))?;
    ensure!(ends.iter().sum::<u64>() == lines, "{lines} lines were sent, the ends are {ends:?}");
    let told: String = ends.iter().map(|end| format!("{end}\n")).collect();
    for group in GROUPS {
        crowd.expect_delivered(group, &ends)?;
        eventually(DEADLINE, "everything to be committed", || {
            Ok((committed(context, broker, group, (TOPIC, PARTITIONS))? == told).then_some(()))
        })
        .context(group)?;
    }
    expect_stable(context, broker)
}

/// Where each partition of a topic ends.
pub fn ends(context: &Context, broker: &Broker, (topic, partitions): (&str, u32)) -> Result<Vec<u64>> {
    let end = |partition| -> Result<u64> {
        let told = context.kcat(broker, &format!("-Q -t {topic}:{partition}:-1"), "")?.success()?.stdout;
        Ok(told.trim_end().rsplit(' ').next().context("kcat says an offset")?.parse()?)
    };
    (0..partitions).map(end).collect()
}

/// The broker takes each group for stable, with as many members as it has seats.
fn expect_stable(context: &Context, broker: &Broker) -> Result<()> {
    let told = context.java(
        broker,
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        "--describe --state --all-groups",
        "",
    )?;
    let told = told.success()?.stdout;
    for group in GROUPS {
        let seats = seats(group).to_string();
        let line = told.lines().find(|line| line.starts_with(group)).unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        ensure!(words.ends_with(&["Stable", &seats]), "not {seats} members in a stable group:\n{told}");
    }
    Ok(())
}

/// An idempotent producer of numbered lines.
pub struct Load {
    producer: Process,
    /// Dropped to end it.
    ending: mpsc::Sender<()>,
    writer: JoinHandle<Result<u64>>,
}

impl Load {
    /// Starts it.
    pub fn start(broker: &Broker, topic: &str) -> Result<Load> {
        let words = format!("-P -E -t {topic} -K : -X enable.idempotence=true -X linger.ms=5");
        let mut command = kcat_command(broker, &words);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut producer = Process::spawn(command)?;
        let mut input = producer.take_stdin()?;
        let (ending, ended) = mpsc::channel::<()>();
        let writer = spawn(move || {
            let mut lines = 0;
            while ended.recv_timeout(LINES_PAUSE) == Err(RecvTimeoutError::Timeout) {
                let text: String =
                    (lines..lines + LINES_AT_ONCE).map(|line| format!("{line}:{line}\n")).collect();
                input.write_all(text.as_bytes())?;
                lines += LINES_AT_ONCE;
            }
            Ok(lines)
        });
        Ok(Load { producer, ending, writer })
    }

    /// Ends it when everything is acknowledged; how many lines it sent.
    pub fn finish(self) -> Result<u64> {
        let Load { mut producer, ending, writer } = self;
        drop(ending);
        let lines = writer.join().map_err(|_| anyhow!("the producer's thread panicked"))??;
        let status = producer.wait(DEADLINE)?;
        ensure!(status.success(), "the producer: {status}");
        Ok(lines)
    }
}
