//! `cleanup.policy=compact`: what is left of a topic, record by record.

mod times;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Context, create_topics};
use crate::broker::{Broker, Settings};
use crate::wait::eventually;
pub use times::run as run_times;

const DEADLINE: Duration = Duration::from_secs(60);
/// So large that a segment of 1 MiB takes ten, each a batch of its own.
const VALUE_BYTES: usize = 100_000;
const PER_SEGMENT: usize = 10;
const KEYS: usize = 7;
/// The last five lie in the active segment.
const RECORDS: usize = 65;

/// A topic is compacted while it is written, and to its end.
pub fn run(context: &mut Context) -> Result<()> {
    let settings = Settings::default()
        .with("log.cleaner.backoff.ms", "100")
        .with("highwater.checkpoint.interval.ms", "200");
    let mut broker = context.start_with(&settings)?;
    let configs = "cleanup.policy=compact segment.bytes=1048576 min.cleanable.dirty.ratio=0.01";
    create_topics(context, &broker, &format!("compacted 1 {configs}"))?;
    let records: Vec<Record> = (0..RECORDS).map(record).collect();
    for half in records.chunks(RECORDS / 2) {
        write(context, &broker, "compacted", half)?;
    }
    wait_for(context, &broker, "compacted", &left(&records))?;
    see(context, &broker)?;
    // Where a position lies that is gone, the next record there is comes.
    context.see_kcat(&broker, r"-C -t compacted -p 0 -o 3 -c 2 -q -f %o|%k|%S\n", "")?;
    broker.kill()?;
    broker.restart()?;
    see(context, &broker)
}

/// A key by its number, and whether there is a value.
#[derive(Clone, Copy)]
struct Record {
    key: usize,
    is_tombstone: bool,
}

/// Every ninth is a tombstone.
fn record(at: usize) -> Record {
    Record { key: at * at % KEYS, is_tombstone: at % 9 == 4 }
}

/// Each is a batch of its own.
fn write(context: &Context, broker: &Broker, topic: &str, records: &[Record]) -> Result<()> {
    let line = |(at, record): (usize, &Record)| {
        let value =
            if record.is_tombstone { String::new() } else { format!("{at:02}-").repeat(VALUE_BYTES / 3) };
        format!("k{}:{value}\n", record.key)
    };
    let lines: String = records.iter().enumerate().map(line).collect();
    // -Z: a line without a value is a tombstone.
    let words = format!("-P -t {topic} -p 0 -K : -Z -X batch.num.messages=1 -X message.max.bytes=1000000");
    context.kcat(broker, &words, &lines)?.success()?;
    Ok(())
}

/// Offsets of the records that stay: below the active segment the newest of each key, above it all.
fn left(records: &[Record]) -> Vec<usize> {
    let active = active_base(records);
    let newest: BTreeMap<usize, usize> = (0..active).map(|at| (records[at].key, at)).collect();
    let mut offsets: Vec<usize> = newest.into_values().chain(active..records.len()).collect();
    offsets.sort_unstable();
    offsets
}

/// A tombstone takes next to no room in a segment.
fn active_base(records: &[Record]) -> usize {
    let (mut base, mut large) = (0, 0);
    for (at, record) in records.iter().enumerate() {
        if !record.is_tombstone && large == PER_SEGMENT {
            (base, large) = (at, 0);
        }
        large += usize::from(!record.is_tombstone);
    }
    base
}

/// Offsets of what is there.
fn offsets(context: &Context, broker: &Broker, topic: &str) -> Result<Vec<usize>> {
    let words = format!(r"-C -t {topic} -p 0 -o beginning -e -q -X check.crcs=true -f %o\n");
    let read = context.kcat(broker, &words, "")?.success()?.stdout;
    read.lines().map(|line| Ok(line.parse()?)).collect()
}

fn wait_for(context: &Context, broker: &Broker, topic: &str, expected: &[usize]) -> Result<()> {
    let mut seen = Vec::new();
    let waited = eventually(DEADLINE, "a topic to be compacted", || {
        seen = offsets(context, broker, topic)?;
        Ok((seen == expected).then_some(()))
    });
    waited.with_context(|| format!("{topic} has {seen:?}, not {expected:?}"))
}

fn see(context: &mut Context, broker: &Broker) -> Result<()> {
    context.see_kcat(broker, r"-C -t compacted -p 0 -o beginning -e -q -X check.crcs=true -f %o|%k|%S\n", "")
}
