//! Kafka Connect: a file's lines go through a topic into another file, with one worker that stands alone and
//! with two that share the work.
//!
//! **Owns** what the workers are told and what must have arrived.
//! **Does not own** the connectors, which are Kafka's own (`connect-file`). Its source knows nothing of
//! exactly-once delivery, which is not tried here.

mod worker;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{Context, committed, create_topic};
use crate::broker::Broker;
use crate::wait::eventually;
use worker::Worker;

const TOPIC: &str = "lines";
const PARTITIONS: u32 = 3;
/// Lines that each chapter adds.
const LINES: u64 = 2_000;
/// A worker's start, a session that ends, a rebalance, a broker's start.
const DEADLINE: Duration = Duration::from_secs(120);
/// A consumer's group, as Connect names it after its connector.
const SINK_GROUP: &str = "connect-sink";
const WORKERS_GROUP: &str = "workers";

/// One worker without a group: the broker is killed under it, then it is stopped and started again.
pub fn standalone(context: &mut Context) -> Result<()> {
    let mut broker = context.start()?;
    create_topic(context, &broker, TOPIC, PARTITIONS)?;
    let files = Files::new(&context.folder);
    let mut worker = Worker::alone(context, &broker, &files)?;
    files.expect_through("at first", 0..LINES)?;
    broker.kill()?;
    broker.restart()?;
    files.expect_through("after the broker was killed", 0..2 * LINES)?;
    worker.stop()?;
    expect_read_to_the_end(context, &broker)?;
    context.transcript.add("every line arrived, over the broker's death too");

    let lines = files.lines_that_arrived()?;
    let mut worker = Worker::alone(context, &broker, &files)?;
    files.expect_through("after the worker was stopped", 0..3 * LINES)?;
    worker.stop()?;
    // What was stopped in good order had told how far it was, on both sides.
    let again = files.lines_that_arrived()? - lines;
    ensure!(again == usize::try_from(LINES)?, "{again} lines after an orderly stop, not {LINES}");
    expect_read_to_the_end(context, &broker)?;
    context.transcript.add("a worker that was stopped went on where it was, and told no line twice");
    Ok(())
}

/// Two workers in a group: the one that leads is killed, then the broker.
pub fn distributed(context: &mut Context) -> Result<()> {
    let mut broker = context.start()?;
    create_topic(context, &broker, TOPIC, PARTITIONS)?;
    let files = Files::new(&context.folder);
    let mut first = Worker::in_group(context, &broker, 1)?;
    first.wait_until_ready()?;
    let mut second = Worker::in_group(context, &broker, 2)?;
    second.wait_until_ready()?;
    first.create("source", &files.source())?;
    second.create("sink", &files.sink())?;
    files.expect_through("at first", 0..LINES)?;
    eventually(DEADLINE, "the work to be shared", || {
        let busy =
            [&first, &second].map(|worker| second.works_on("source", worker.address()).unwrap_or(false));
        let sinks =
            [&first, &second].map(|worker| second.works_on("sink", worker.address()).unwrap_or(false));
        Ok((busy != sinks).then_some(()))
    })?;
    context.see_java(&broker, "org.apache.kafka.tools.GroupsCommand", "--list --group-type classic", "")?;
    context.transcript.add("every line arrived, and both workers had a part in it");

    first.kill()?;
    files.expect_through("after a worker was killed", 0..2 * LINES)?;
    for connector in ["source", "sink"] {
        eventually(DEADLINE, "the work to be the second's", || {
            Ok(second.works_on(connector, second.address()).unwrap_or(false).then_some(()))
        })?;
    }
    context.transcript.add("the other one took over from a worker that was killed");

    broker.kill()?;
    broker.restart()?;
    files.expect_through("after the broker was killed", 0..3 * LINES)?;
    eventually(DEADLINE, "the source to have told how far it is", || {
        Ok(second.told_position("source", fs::metadata(&files.from)?.len()).unwrap_or(false).then_some(()))
    })?;
    second.stop()?;
    expect_read_to_the_end(context, &broker)?;
    context.transcript.add("every line arrived over the broker's death, and each side had committed so");
    Ok(())
}

/// The sink's group has committed the topic's end, in every partition that holds something.
fn expect_read_to_the_end(context: &Context, broker: &Broker) -> Result<()> {
    let seen = committed(context, broker, SINK_GROUP, (TOPIC, PARTITIONS))?;
    for (partition, seen) in seen.lines().enumerate() {
        let end = context.kcat(broker, &format!("-Q -t {TOPIC}:{partition}:-1"), "")?.success()?.stdout;
        let end = end.trim_end().rsplit(' ').next().unwrap_or_default();
        ensure!(seen == end || end == "0", "partition {partition}: committed {seen}, the end is {end}");
    }
    Ok(())
}

/// The file that is read and the one that is written.
struct Files {
    from: PathBuf,
    to: PathBuf,
}

impl Files {
    fn new(folder: &Path) -> Files {
        Files { from: folder.join("from.txt"), to: folder.join("to.txt") }
    }

    fn source(&self) -> [(&'static str, String); 4] {
        [
            ("connector.class", "FileStreamSource".to_owned()),
            ("tasks.max", "1".to_owned()),
            ("file", self.from.display().to_string()),
            ("topic", TOPIC.to_owned()),
        ]
    }

    fn sink(&self) -> [(&'static str, String); 4] {
        [
            ("connector.class", "FileStreamSink".to_owned()),
            ("tasks.max", "1".to_owned()),
            ("file", self.to.display().to_string()),
            ("topics", TOPIC.to_owned()),
        ]
    }

    /// Adds the last [`LINES`] of these lines to the one, and waits until all of them are in the other.
    fn expect_through(&self, when: &str, lines: Range<u64>) -> Result<()> {
        let mut from = File::options().create(true).append(true).open(&self.from)?;
        let added: String = (lines.end - LINES..lines.end).map(|line| format!("line {line}\n")).collect();
        from.write_all(added.as_bytes())?;
        let wanted: HashSet<String> = lines.map(|line| format!("line {line}")).collect();
        let result = eventually(DEADLINE, "every line to arrive", || {
            let text = fs::read_to_string(&self.to).unwrap_or_default();
            let arrived: HashSet<&str> =
                text.split_inclusive('\n').filter_map(|l| l.strip_suffix('\n')).collect();
            Ok(wanted.iter().all(|line| arrived.contains(line.as_str())).then_some(()))
        });
        result.with_context(|| when.to_owned())
    }

    fn lines_that_arrived(&self) -> Result<usize> {
        Ok(fs::read_to_string(&self.to)?.lines().count())
    }
}
