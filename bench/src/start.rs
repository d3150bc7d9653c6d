//! How long a start takes: from the process's start to its first answer to a Metadata request.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use compat::broker::{self, Broker, Settings, serves};
use compat::tools::Tools;

use crate::case::{Load, Scale};
use crate::client::Work;
use crate::figures::{Figures, KAFKA, Label};
use crate::topics;

const DEADLINE: Duration = Duration::from_secs(180);
const LOAD_DEADLINE: Duration = Duration::from_secs(300);
const POLL_INTERVAL: Duration = Duration::from_millis(1);
const RECORD_BYTES: u32 = 1024;
const PARTITIONS: u32 = 6;
/// Records of 1 KiB in a GiB.
const GIB: u64 = 1 << 20;
const TOPIC: &str = "kept";

/// Kafka's virtual machine, as its own start script runs it.
const KAFKA_OPTIONS: [&str; 9] = [
    "-Xmx1g",
    "-Xms1g",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
];

/// Starts a broker of this label on an empty folder; with the time until it served.
pub fn empty(tools: &Tools, label: &Label, folder: &Path) -> Result<(Broker, f64)> {
    std::fs::create_dir_all(folder)?;
    let mut settings =
        Settings { java_options: KAFKA_OPTIONS.map(str::to_owned).to_vec(), ..Settings::default() };
    // As in Kafka's own config/server.properties: groups that are measured do not wait for more members.
    settings = settings.with("group.initial.rebalance.delay.ms", "0");
    // After a minute, as by default, files of one case would go while the next ones run.
    settings = settings.with("log.segment.delete.delay.ms", "500");
    for (key, value) in label.properties {
        settings = settings.with(key, value);
    }
    let prepared = broker::prepare(label.flavor, tools, folder, &settings)?;
    let start = Instant::now();
    let mut broker = prepared.start()?;
    let ready_ms = until_ready(&mut broker, start)?;
    Ok((broker, ready_ms))
}

/// Starts it again on what it has.
fn again(broker: &mut Broker) -> Result<f64> {
    let start = Instant::now();
    broker.start_again()?;
    until_ready(broker, start)
}

fn until_ready(broker: &mut Broker, start: Instant) -> Result<f64> {
    while !serves(broker.bootstrap())? {
        broker.check_alive()?;
        ensure!(start.elapsed() < DEADLINE, "no answer in {} s", DEADLINE.as_secs());
        std::thread::park_timeout(POLL_INTERVAL);
    }
    Ok((start.elapsed().as_secs_f64() * 1e6).round() / 1e3)
}

/// Starts on an empty folder, and again after an orderly stop with some data.
pub fn orderly(tools: &Tools, label: &Label, folder: &Path) -> Result<Figures> {
    let (mut broker, empty_ms) = empty(tools, label, folder)?;
    fill(tools, &broker, GIB / 16, true)?;
    broker.stop()?;
    let clean_ms = again(&mut broker)?;
    broker.stop()?;
    Ok(Figures::from([("empty_ms".to_owned(), empty_ms), ("clean_ms".to_owned(), clean_ms)]))
}

/// Starts after SIGKILL with a small and a large log.
pub fn killed(tools: &Tools, label: &Label, folder: &Path, scale: Scale) -> Result<Figures> {
    let steps = match scale {
        Scale::Full => [(4 * GIB, "killed_4_gib_ms"), (6 * GIB, "killed_10_gib_ms")],
        Scale::Quick => [(GIB / 8, "killed_4_gib_ms"), (GIB / 8, "killed_10_gib_ms")],
    };
    let (mut broker, _) = empty(tools, label, folder)?;
    let mut figures = Figures::new();
    for (step, (records, name)) in steps.into_iter().enumerate() {
        fill(tools, &broker, records, step == 0)?;
        broker.kill()?;
        figures.insert(name.to_owned(), again(&mut broker)?);
    }
    broker.kill()?;
    Ok(figures)
}

/// How often a start after SIGKILL is measured in a sitting: Kafka's takes long, and varies little.
pub fn kills(label: &Label, rounds: u32) -> u32 {
    if label.name == KAFKA { 1 } else { rounds }
}

fn fill(tools: &Tools, broker: &Broker, records: u64, create: bool) -> Result<()> {
    if create {
        topics::create(broker.bootstrap(), TOPIC, PARTITIONS)?;
    }
    let work = Work {
        tools,
        bootstrap: broker.bootstrap(),
        topic: TOPIC,
        partitions: PARTITIONS,
        records,
        record_bytes: RECORD_BYTES,
    };
    let command = work.command(Load::RawProduce { per_batch: 64, rate: 0 })?;
    compat::process::run(broker::tied_to_this_process(&command), b"", LOAD_DEADLINE)?.success()?;
    Ok(())
}
