//! The store is away until the disk is full to its reserve: only then producers wait and get an error, and
//! reads go on. When the store is back, copies make room and producers go on. Nothing is restarted.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::tiered::{await_tier, local_segments, offsets, tiered_topic};
use super::tiered_faults::hasty;
use super::{CLIENT_DEADLINE, Context, create_topics};
use crate::broker::{Broker, Settings, binary};
use crate::bucket::faults::{ALL, Fault, Strike};
use crate::bucket::{Bucket, Kind};
use crate::namespace;
use crate::numbered::{self, Numbered};
use crate::process::run as run_program;
use crate::wait::eventually;

/// The write-ahead log has at most a third of it.
const DISK_BYTES: u64 = 96 << 20;
const RESERVE_BYTES: u64 = 24 << 20;
/// The broker looks once a second how much is left.
const RESERVE_MISSED_BYTES_MAX: u64 = RESERVE_BYTES / 2;
const WAL_FILE_BYTES: u64 = 8 << 20;
const LOAD: numbered::Plan = numbered::Plan { topic: "reserve", partitions: 1, per_second: 30_000 };
/// One record at a time is sent here, without retries.
const ASIDE: &str = "aside";
const SEGMENT_BYTES: u64 = 1 << 20;
const LOCAL_BYTES: u64 = 4 << 20;
const DEADLINE: Duration = Duration::from_secs(120);
/// For so long nothing is acknowledged any more.
const STANDSTILL: Duration = Duration::from_secs(3);
/// As many records as follow when all is well again.
const AFTERWARDS: u64 = 100_000;

/// In a mount namespace of its own, so that the small disk is gone with the run.
pub fn run(context: &mut Context) -> Result<()> {
    let seen = namespace::run_inside(context, "--mount", "tiered-reserve")?;
    context.transcript.add(&seen);
    Ok(())
}

/// The scenario proper, on a file system of its own.
pub fn inside(context: &mut Context) -> Result<()> {
    let disk = namespace::small_disk(&context.folder, DISK_BYTES)?;

    let (bucket, faults) = Bucket::behind_faults(Kind::Moto, context.tools, &context.folder)?;
    let settings = Settings { log_dir: Some(disk.join("data")), ..hasty(&bucket) }
        .with("highwater.wal.file.bytes", &WAL_FILE_BYTES.to_string())
        .with("highwater.wal.capacity.bytes", &(4 * WAL_FILE_BYTES).to_string())
        .with("highwater.segment.disk.reserve.bytes", &RESERVE_BYTES.to_string());
    let mut broker = context.start_with(&settings)?;
    let id = broker.id();
    let topic = tiered_topic(SEGMENT_BYTES, LOCAL_BYTES);
    create_topics(context, &broker, &format!("{} {} {topic} , {ASIDE} 1", LOAD.topic, LOAD.partitions))?;
    let mut load = Numbered::start(context.tools, &broker, LOAD)?;
    eventually(DEADLINE, "segments to leave the disk", || {
        load.count()?;
        let first = local_segments(broker.log_dir(), LOAD.topic, 0)?.first().copied();
        Ok(first.filter(|(base_offset, _)| *base_offset > 0))
    })?;

    faults.strike(Some(Strike { fault: Fault::Away, methods: ALL, every: 1 }));
    await_reserve(&mut broker, &mut load)?;
    stands_still(context, &mut broker, &mut load)?;
    context.transcript.add("the store away: producers wait where the disk's reserve begins, and reads go on");

    faults.strike(None);
    let before = load.count()?;
    eventually(DEADLINE, "producers to go on", || {
        broker.check_alive()?;
        Ok((load.count()? >= before + AFTERWARDS).then_some(()))
    })?;
    let told = "there is room on the disk again: writes go on";
    ensure!(broker.log_text()?.contains(told), "the log does not say that there is room again");
    produce_aside(context, &broker, "success")?;
    let acknowledged = load.finish()?.remove(0);
    await_tier(&broker, &bucket, context, LOAD.topic, LOAD.partitions)?;
    numbered::compare(&broker, (LOAD.topic, 0), 0, &acknowledged)?;
    broker.check_alive()?;
    ensure!(broker.id() == id, "the broker was restarted");
    broker.kill()?;
    broker.restart()?;
    numbered::compare(&broker, (LOAD.topic, 0), 0, &acknowledged)?;
    context.transcript.add("the store back: copies make room, producers go on, and nothing is lost");
    broker.stop()
}

/// Waits until the broker says that there is no room, which is no earlier and little later than it should.
fn await_reserve(broker: &mut Broker, load: &mut Numbered) -> Result<()> {
    eventually(DEADLINE, "a word that there is no room on the disk", || {
        broker.check_alive()?;
        load.count()?;
        Ok(broker.log_text()?.contains("no room on the disk that holds the log").then_some(()))
    })?;
    let free = free_bytes(broker)?;
    let expected = RESERVE_BYTES - RESERVE_MISSED_BYTES_MAX..RESERVE_BYTES + WAL_FILE_BYTES;
    ensure!(expected.contains(&free), "{free} bytes were free, not about {RESERVE_BYTES}");
    Ok(())
}

fn free_bytes(broker: &Broker) -> Result<u64> {
    let found = rustix::fs::statvfs(broker.log_dir())?;
    Ok(found.f_bavail * found.f_frsize)
}

/// Nothing more is acknowledged; what is on the disk is read; whoever asks is told why.
fn stands_still(context: &Context, broker: &mut Broker, load: &mut Numbered) -> Result<()> {
    let (mut count, mut since) = (load.count()?, Instant::now());
    eventually(DEADLINE, "producers to wait", || {
        broker.check_alive()?;
        let now = load.count()?;
        if now != count {
            (count, since) = (now, Instant::now());
        }
        Ok((since.elapsed() >= STANDSTILL).then_some(()))
    })?;
    let said = produce_aside(context, broker, "error")?;
    ensure!(said.contains("error KAFKA_STORAGE_ERROR"), "a producer without retries was told {said}");

    let newest = load.newest(0);
    let local_start = offsets(context, broker, LOAD.topic, "-4")?[0];
    ensure!(0 < local_start && local_start < newest, "the disk begins at {local_start} of {newest}");
    let count = newest + 1 - local_start;
    let words =
        format!(r"-C -t {} -p 0 -o {local_start} -c {count} -q -X check.crcs=true -f %s\x20%o\n", LOAD.topic);
    let read = context.kcat(broker, &words, "")?.success()?.stdout;
    let numbers = read.lines().map(|line| {
        let number = line.split(' ').next();
        (number == line.rsplit(' ').next()).then(|| number?.parse().ok()).flatten()
    });
    ensure!(
        numbers.eq((local_start..=newest).map(Some)),
        "{count} records from {local_start} on are not read"
    );

    let mut status = Command::new(binary()?);
    status.args(["tier", "status", "--admin", &broker.admin()?]);
    let said = run_program(status, b"", CLIENT_DEADLINE)?.success()?.stdout;
    let failing = format!("{}-0: FAILING since ", LOAD.topic);
    let line = said.lines().find(|line| line.starts_with(&failing)).with_context(|| said.clone())?;
    ensure!(line.contains("the object store is not available"), "{line}");
    let log = broker.log_text()?;
    let topic = format!("\"topic\":\"{}\"", LOAD.topic);
    let is_told = |line: &str| line.contains(&topic) && line.contains("the object store is not available");
    ensure!(log.lines().any(is_told), "the log does not say that the store is away");
    Ok(())
}

/// Until the first error or success; what it was told.
fn produce_aside(context: &Context, broker: &Broker, wanted: &str) -> Result<String> {
    let mut command = context.tools.python("produce_until.py");
    command.args([broker.bootstrap(), ASIDE, wanted, wanted]);
    Ok(run_program(command, b"", DEADLINE)?.success()?.stdout)
}
