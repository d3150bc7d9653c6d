//! kcat as a transactional producer: its whole input is one transaction, which SIGTERM aborts.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use super::Context;
use crate::broker::Broker;
use crate::process::Process;
use crate::scenario::kcat_command;
use crate::wait::eventually;

/// What it writes to.
pub const TOPIC: &str = "by-kcat";
const WORDS: &str = "-P -t by-kcat -X transactional.id=kcat";
/// Lines of the input that is not to be.
const GONE: usize = 10_000;
const DEADLINE: Duration = Duration::from_secs(30);

/// One transaction that is committed, one that is aborted.
pub fn chapter(context: &Context, broker: &Broker) -> Result<()> {
    for partition in 0..super::PARTITIONS {
        context.kcat(broker, &format!("{WORDS} -p {partition}"), "kept\n")?.success()?;
    }
    let mut command = kcat_command(broker, &format!("{WORDS} -p 0 -X linger.ms=0"));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let before = read(context, broker, "read_uncommitted")?;
    let mut process = Process::spawn(command)?;
    let mut input = process.take_stdin()?;
    // It waits for a whole buffer before it looks for lines.
    input.write_all("gone\n".repeat(GONE).as_bytes())?;
    eventually(DEADLINE, "an open transaction's record", || {
        Ok((read(context, broker, "read_uncommitted")? != before).then_some(()))
    })?;
    process.signal(Signal::TERM)?;
    drop(input);
    process.wait(DEADLINE)?;
    Ok(())
}

fn read(context: &Context, broker: &Broker, isolation: &str) -> Result<String> {
    let words = format!("-C -t {TOPIC} -p 0 -o beginning -e -q -X isolation.level={isolation}");
    Ok(context.kcat(broker, &words, "")?.success()?.stdout)
}

/// What lies there at the end: how much of the aborted input, only the hour knows.
pub fn told(context: &mut Context, broker: &Broker) -> Result<()> {
    let found = read(context, broker, "read_committed")?;
    context.transcript.section("kcat");
    context.transcript.add(&found);
    Ok(())
}
