//! `cleanup.policy=compact`: what is left of a topic, record by record.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::{Context, create_topics};
use crate::broker::{Broker, Settings};
use crate::wait::eventually;

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
    for half in [0..RECORDS / 2, RECORDS / 2..RECORDS] {
        let lines: String = half.map(line).collect();
        // -Z: a line without a value is a tombstone.
        let words = "-P -t compacted -p 0 -K : -Z -X batch.num.messages=1 -X message.max.bytes=1000000";
        context.kcat(&broker, words, &lines)?.success()?;
    }
    wait_for_compaction(context, &broker)?;
    see(context, &broker)?;
    // Where a position lies that is gone, the next record there is comes.
    context.see_kcat(&broker, r"-C -t compacted -p 0 -o 3 -c 2 -q -f %o|%k|%S\n", "")?;
    broker.kill()?;
    broker.restart()?;
    see(context, &broker)
}

/// Key and value; every ninth is a tombstone.
fn line(at: usize) -> String {
    let value = if is_tombstone(at) { String::new() } else { format!("{at:02}-").repeat(VALUE_BYTES / 3) };
    format!("k{}:{value}\n", key(at))
}

fn key(at: usize) -> usize {
    at * at % KEYS
}

fn is_tombstone(at: usize) -> bool {
    at % 9 == 4
}

/// Offsets of the records that stay: below the active segment the newest of each key, above it all.
fn expected() -> Vec<usize> {
    let active = active_base();
    let newest: BTreeMap<usize, usize> = (0..active).map(|at| (key(at), at)).collect();
    let mut offsets: Vec<usize> = newest.into_values().chain(active..RECORDS).collect();
    offsets.sort_unstable();
    offsets
}

/// A tombstone takes next to no room in a segment.
fn active_base() -> usize {
    let (mut base, mut large) = (0, 0);
    for at in 0..RECORDS {
        if !is_tombstone(at) && large == PER_SEGMENT {
            (base, large) = (at, 0);
        }
        large += usize::from(!is_tombstone(at));
    }
    base
}

fn wait_for_compaction(context: &Context, broker: &Broker) -> Result<()> {
    let expected: Vec<String> = expected().iter().map(usize::to_string).collect();
    eventually(DEADLINE, "the topic to be compacted", || {
        let read = context.kcat(broker, r"-C -t compacted -p 0 -o beginning -e -q -f %o\n", "")?;
        let is_done = read.success()?.stdout.lines().eq(expected.iter().map(String::as_str));
        Ok(is_done.then_some(()))
    })
}

fn see(context: &mut Context, broker: &Broker) -> Result<()> {
    context.see_kcat(broker, r"-C -t compacted -p 0 -o beginning -e -q -X check.crcs=true -f %o|%k|%S\n", "")
}
