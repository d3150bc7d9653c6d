//! MirrorMaker 2 between two brokers, both of which are killed: records, topic settings and what groups have
//! committed come over.

use std::collections::HashSet;
use std::fs;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{CLIENT_DEADLINE, Context, committed, create_topics};
use crate::broker::{self, Broker, Flavor, Settings, tied_to_this_process};
use crate::process::{Process, run as run_program};
use crate::wait::eventually;

const TOPIC: &str = "mirrored";
/// As MirrorMaker names it where it copies to: behind the name of the cluster it is from.
const COPY: &str = "from.mirrored";
const PARTITIONS: u32 = 3;
/// Lines that each chapter adds.
const LINES: u64 = 3_000;
const GROUP: &str = "reader";
/// Starts of virtual machines, some of them one after another.
const DEADLINE: Duration = Duration::from_secs(120);
/// A JVM ended by SIGTERM exits with 128 + 15 after its shutdown hooks.
const EXIT_CODE_TERMINATED: i32 = 143;

/// Between two brokers of the flavor that is looked at.
pub fn run(context: &mut Context) -> Result<()> {
    mirror(context, context.flavor)
}

/// Whoever moves: from Apache Kafka.
pub fn from_kafka(context: &mut Context) -> Result<()> {
    mirror(context, Flavor::Kafka)
}

fn mirror(context: &mut Context, flavor: Flavor) -> Result<()> {
    let mut from = start(context, flavor, "from")?;
    let mut to = start(context, context.flavor, "to")?;
    create_topics(context, &from, &format!("{TOPIC} {PARTITIONS} retention.ms=86400000"))?;
    produce(context, &from, 0..LINES)?;
    let words = format!("-G {GROUP} {TOPIC} -c {LINES} -q -X auto.offset.reset=earliest");
    context.kcat(&from, &words, "")?.success()?;
    let mut mirror_maker = start_mirror_maker(context, &from, &to)?;
    expect_copied(&to, LINES)?;
    expect_moved(context, &from, &to)?;
    context.transcript.add("the records came over, and what the group had committed");
    for topic in ["from.checkpoints.internal", "heartbeats"] {
        let words = format!("-C -t {topic} -p 0 -o beginning -c 1 -q");
        context.kcat(&to, &words, "")?.success().context(topic)?;
    }
    let words = format!("--describe --entity-type topics --entity-name {COPY}");
    context.see_java(&to, "kafka.admin.ConfigCommand", &words, "")?;

    produce(context, &from, LINES..2 * LINES)?;
    expect_copied(&to, 2 * LINES)?;
    expect_group_goes_on(context, &to)?;
    context.transcript.add("the group went on at the copy, missed nothing and read nothing again");

    to.kill()?;
    to.restart()?;
    produce(context, &from, 2 * LINES..3 * LINES)?;
    expect_copied(&to, 3 * LINES).context("after the broker that is copied to was killed")?;
    from.kill()?;
    from.restart()?;
    produce(context, &from, 3 * LINES..4 * LINES)?;
    expect_copied(&to, 4 * LINES).context("after the broker that is copied from was killed")?;
    let status = mirror_maker.terminate(DEADLINE)?;
    ensure!(status.code() == Some(EXIT_CODE_TERMINATED), "MirrorMaker after SIGTERM: {status}");
    context.transcript.add("the records came over after either broker was killed");
    Ok(())
}

fn start(context: &mut Context, flavor: Flavor, name: &str) -> Result<Broker> {
    let folder = context.folder.join(name);
    fs::create_dir_all(&folder)?;
    let started = broker::start(flavor, context.tools, &folder, &Settings::default())?;
    context.transcript.replace(started.bootstrap(), name);
    Ok(started)
}

fn start_mirror_maker(context: &Context, from: &Broker, to: &Broker) -> Result<Process> {
    let mut properties = format!(
        "clusters=from,to\n\
         from.bootstrap.servers={}\n\
         to.bootstrap.servers={}\n\
         from->to.enabled=true\n\
         topics={TOPIC}\n\
         groups={GROUP}\n\
         plugin.discovery=service_load\n\
         offset.flush.interval.ms=1000\n\
         sync.group.offsets.enabled=true\n\
         offset.lag.max=0\n\
         replication.factor=1\n",
        from.bootstrap(),
        to.bootstrap()
    );
    for each in
        ["refresh.topics", "refresh.groups", "emit.checkpoints", "emit.heartbeats", "sync.group.offsets"]
    {
        properties += &format!("{each}.interval.seconds=1\n");
    }
    for topic in ["checkpoints", "heartbeats", "offset-syncs"] {
        properties += &format!("{topic}.topic.replication.factor=1\n");
    }
    for topic in ["config", "offset", "status"] {
        properties += &format!("{topic}.storage.replication.factor=1\n");
    }
    let path = context.folder.join("mirror-maker.properties");
    fs::write(&path, properties)?;
    let mut command = context.tools.java("org.apache.kafka.connect.mirror.MirrorMaker");
    command.arg(path);
    Process::spawn_logged(tied_to_this_process(&command), &context.folder.join("mirror-maker.log"))
}

fn produce(context: &Context, broker: &Broker, lines: Range<u64>) -> Result<()> {
    let lines: String = lines.map(|line| format!("{line}:line {line}\n")).collect();
    context.kcat(broker, &format!("-P -t {TOPIC} -K : -X enable.idempotence=true"), &lines)?.success()?;
    Ok(())
}

/// Every line is in the copy, and nothing else.
fn expect_copied(to: &Broker, lines: u64) -> Result<()> {
    let wanted: HashSet<String> = (0..lines).map(|line| format!("line {line}")).collect();
    eventually(DEADLINE, "every record to be copied", || {
        let command = super::kcat_command(to, &format!("-C -t {COPY} -o beginning -e -q"));
        let read = run_program(command, b"", CLIENT_DEADLINE)?.stdout;
        let read: HashSet<&str> = read.lines().collect();
        ensure!(read.iter().all(|line| wanted.contains(*line)), "the copy holds what nobody wrote");
        Ok((read.len() == wanted.len()).then_some(()))
    })
}

/// What the group had committed, which is all there was, is translated.
fn expect_moved(context: &Context, from: &Broker, to: &Broker) -> Result<()> {
    let offsets = |broker, topic| committed(context, broker, GROUP, (topic, PARTITIONS));
    let before = offsets(from, TOPIC)?;
    let told: u64 = before.lines().map(str::parse::<u64>).sum::<Result<_, _>>()?;
    ensure!(told == LINES, "the group committed {before:?}");
    let mut after = String::new();
    let moved = eventually(DEADLINE, "the group's offsets to be translated", || {
        after = offsets(to, COPY)?;
        Ok((before == after).then_some(()))
    });
    moved.with_context(|| format!("{before:?} became {after:?}"))
}

/// The group reads here what it did not read there, all of it and nothing else.
fn expect_group_goes_on(context: &Context, to: &Broker) -> Result<()> {
    let words = format!("-G {GROUP} {COPY} -e -q -X auto.offset.reset=error");
    let read = context.kcat(to, &words, "")?.success()?.stdout;
    let read: HashSet<&str> = read.lines().collect();
    let wanted: HashSet<String> = (LINES..2 * LINES).map(|line| format!("line {line}")).collect();
    let missed = wanted.iter().filter(|line| !read.contains(line.as_str())).count();
    let again = read.iter().filter(|line| !wanted.contains(**line)).count();
    ensure!(missed + again == 0, "the group missed {missed} lines and read {again} again");
    Ok(())
}
