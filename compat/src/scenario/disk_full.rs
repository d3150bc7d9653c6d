//! A full disk: producers get an error, reads go on, writes resume when there is room; nothing is restarted.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{Context, create_topic};
use crate::broker::{Broker, Settings};
use crate::namespace;
use crate::process::run as run_program;

const DISK_BYTES: u64 = 192 << 20;
const FILL_DEADLINE: Duration = Duration::from_secs(120);

/// In a mount namespace of its own, so that the small disk is gone with the run.
pub fn run(context: &mut Context) -> Result<()> {
    let seen = namespace::run_inside(context, "--mount", "disk-full")?;
    context.transcript.add(&seen);
    Ok(())
}

/// The scenario proper, on a file system of its own.
pub fn inside(context: &mut Context) -> Result<()> {
    let disk = namespace::small_disk(&context.folder, DISK_BYTES)?;

    // Small files, so that all of it fits twice and fills within seconds.
    let settings = Settings { log_dir: Some(disk.join("data")), ..Settings::default() }
        .with("highwater.wal.file.bytes", "8388608")
        .with("highwater.wal.capacity.bytes", "33554432")
        .with("highwater.segment.disk.reserve.bytes", "16777216");
    let mut broker = context.start_with(&settings)?;
    let id = broker.id();
    create_topic(context, &broker, "full", 1)?;
    let mut acknowledged = produce_until(context, &broker, "success", "before")?;

    let ballast = disk.join("ballast");
    fill(&ballast)?;
    acknowledged.extend(produce_until(context, &broker, "error", "during")?);
    context.transcript.add("a producer got an error");
    check_readable(context, &broker, &acknowledged)?;
    context.transcript.add("reads went on");

    fs::remove_file(&ballast)?;
    acknowledged.extend(produce_until(context, &broker, "success", "after")?);
    check_readable(context, &broker, &acknowledged)?;
    context.transcript.add("writes resumed when there was room");
    broker.check_alive()?;
    ensure!(broker.id() == id, "the broker was restarted");
    broker.kill()?;
    broker.restart()?;
    check_readable(context, &broker, &acknowledged)?;
    context.transcript.add("all acknowledged records are there after a crash");
    broker.stop()
}

/// Writes zeroes until nothing more fits.
fn fill(path: &Path) -> Result<()> {
    let mut file = File::create(path)?;
    for chunk in [1 << 20, 4096] {
        let zeroes = vec![0; chunk];
        while file.write_all(&zeroes).is_ok() {}
    }
    Ok(())
}

/// Names of the records acknowledged until the first error or success.
fn produce_until(context: &Context, broker: &Broker, wanted: &str, prefix: &str) -> Result<Vec<String>> {
    let mut command = context.tools.python("produce_until.py");
    command.args([broker.bootstrap(), "full", wanted, prefix]);
    let seen = run_program(command, b"", FILL_DEADLINE)?.success().context("produce_until.py")?;
    let names = seen.stdout.lines().filter(|line| !line.starts_with("error "));
    Ok(names.map(str::to_owned).collect())
}

/// Every acknowledged record can be read. One that got an error may be there or not.
fn check_readable(context: &Context, broker: &Broker, acknowledged: &[String]) -> Result<()> {
    let read = context.kcat(broker, r"-C -t full -p 0 -o beginning -e -q -f %k\n", "")?.success()?;
    let held: HashSet<&str> = read.stdout.lines().collect();
    for name in acknowledged {
        ensure!(held.contains(name.as_str()), "{name} was acknowledged and is not there");
    }
    Ok(())
}
