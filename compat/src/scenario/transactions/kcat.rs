//! kcat as a transactional producer: its whole input is one transaction, which SIGTERM aborts.

use std::io::Write;
use std::process::{ChildStdin, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};
use protocol_tests::client::{Client, resolve};
use protocol_tests::watermarks::are_stable;
use rustix::process::Signal;

use super::{Context, PARTITIONS};
use crate::broker::Broker;
use crate::process::Process;
use crate::scenario::kcat_command;
use crate::wait::eventually;

/// What it writes to.
pub const TOPIC: &str = "by-kcat";
const WORDS: &str = "-P -t by-kcat -X transactional.id=kcat";
/// Between them they go to all partitions.
const KEYS: [&str; 6] = ["a", "b", "g", "h", "i", "m"];
/// Input that is not to be. kcat looks for lines once it has 16 KiB: whole lines fill three of these, since
/// it ends without a word to the broker if a line is left over when it is told to go.
const GONE: &str = "gone-gone-gone-\n";
const GONE_LINES: usize = 3 * (16 << 10) / GONE.len();
const DEADLINE: Duration = Duration::from_secs(30);

/// Transactions that are committed, aborted, fenced and out of time. kcat cannot send offsets.
pub fn chapter(context: &Context, broker: &Broker) -> Result<()> {
    let lines: String = KEYS.map(|key| format!("{key}:kept-by-{key}\n")).concat();
    context.kcat(broker, &format!("{WORDS} -K: -X partitioner=consistent"), &lines)?.success()?;
    let (mut process, input) = open(context, broker, "")?;
    process.signal(Signal::TERM)?;
    drop(input);
    let status = process.wait(DEADLINE)?;
    ensure!(status.success(), "kcat could not abort");
    // By itself: its time is over in a minute only, and nobody has taken its place.
    aborted(broker, "kcat to abort what it leaves")?;
    fenced(context, broker)?;
    out_of_time(context, broker)
}

/// The next one with its id ends a transaction, and goes before it.
fn fenced(context: &Context, broker: &Broker) -> Result<()> {
    let (mut first, input) = open(context, broker, "")?;
    context.kcat(broker, &format!("{WORDS} -p 0"), "by-the-next\n")?.success()?;
    drop(input);
    let status = first.wait(DEADLINE)?;
    ensure!(!status.success(), "kcat says that it committed what was fenced");
    Ok(())
}

/// The broker aborts it, and does not let it commit.
fn out_of_time(context: &Context, broker: &Broker) -> Result<()> {
    let (mut process, input) = open(context, broker, "-X transaction.timeout.ms=1500")?;
    aborted(broker, "the broker to abort what takes too long")?;
    drop(input);
    let status = process.wait(DEADLINE)?;
    ensure!(!status.success(), "kcat says that it committed what was out of time");
    Ok(())
}

/// Waits until no transaction is open there.
fn aborted(broker: &Broker, what: &str) -> Result<()> {
    let mut client = Client::connect(resolve(broker.bootstrap())?)?;
    eventually(DEADLINE, what, || {
        Ok(are_stable(&mut client, &[TOPIC.to_owned()], PARTITIONS.cast_signed())?.then_some(()))
    })
}

/// One that has written, and waits for more input.
fn open(context: &Context, broker: &Broker, more: &str) -> Result<(Process, ChildStdin)> {
    let mut command = kcat_command(broker, &format!("{WORDS} -p 0 -X linger.ms=0 {more}"));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let before = read(context, broker, "read_uncommitted")?;
    let mut process = Process::spawn(command)?;
    let mut input = process.take_stdin()?;
    input.write_all(GONE.repeat(GONE_LINES).as_bytes())?;
    eventually(DEADLINE, "an open transaction's record", || {
        Ok((read(context, broker, "read_uncommitted")? != before).then_some(()))
    })?;
    Ok((process, input))
}

fn read(context: &Context, broker: &Broker, isolation: &str) -> Result<String> {
    read_partition(context, broker, 0, isolation)
}

fn read_partition(context: &Context, broker: &Broker, partition: u32, isolation: &str) -> Result<String> {
    let words = format!("-C -t {TOPIC} -p {partition} -o beginning -e -q -X isolation.level={isolation}");
    Ok(context.kcat(broker, &words, "")?.success()?.stdout)
}

/// What lies there at the end: how much of the aborted input, only the hour knows.
pub fn told(context: &mut Context, broker: &Broker) -> Result<()> {
    context.transcript.section("kcat");
    for partition in 0..PARTITIONS {
        let found = read_partition(context, broker, partition, "read_committed")?;
        ensure!(!found.is_empty(), "kcat's keys leave partition {partition} empty");
        context.transcript.add(&format!("partition {partition}"));
        context.transcript.add(&found);
    }
    Ok(())
}
