//! A compacted topic: keys are written over and over, most of it has left the disk, and of each key little
//! more than the newest record is left.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

use super::{TIER_DEADLINE, kcat_reader, local_segments, offsets};
use crate::broker::Broker;
use crate::process::run as run_program;
use crate::scenario::{CLIENT_DEADLINE, Context};
use crate::wait::eventually;

pub const TOPIC: &str = "compacted";
const KEYS: usize = 100;
/// So large that a round fills a segment.
const VALUE_BYTES: usize = 10_000;
const ROUNDS: usize = 30;
/// One record of each key, a part that is not compacted yet, and what the disk keeps: less than a third of
/// what was written.
const LEFT_MAX: usize = KEYS * ROUNDS / 3;
/// In the last round, and never again, these keys are taken back.
const GONE: std::ops::Range<usize> = 90..KEYS;

/// As `create_topics` takes it.
pub fn topic() -> String {
    format!(
        "{TOPIC} 1 cleanup.policy=compact min.cleanable.dirty.ratio=0.3 delete.retention.ms=1000 {}",
        super::tiered_topic(1 << 20, 1 << 20)
    )
}

/// Writes all rounds.
pub fn produce(context: &Context, broker: &Broker) -> Result<()> {
    for round in 0..ROUNDS {
        let lines: String = (0..KEYS).map(|key| format!("k{key}:{}\n", value(round, key))).collect();
        // -Z: a line without a value is a tombstone.
        let words = format!("-P -t {TOPIC} -p 0 -K : -Z -X batch.num.messages=20 -X enable.idempotence=true");
        context.kcat(broker, &words, &lines)?.success()?;
    }
    Ok(())
}

/// Waits until all that is closed is in the tier, and something has left the disk. Names of objects do not
/// tell that: what is compacted there need not begin where a segment of the disk does.
fn await_copied(context: &Context, broker: &Broker) -> Result<()> {
    eventually(TIER_DEADLINE, "the tier to have the topic that is compacted", || {
        let local = local_segments(broker.log_dir(), TOPIC, 0)?;
        let (Some((first, _)), Some((active, _))) = (local.first(), local.last()) else { return Ok(None) };
        let tiered = offsets(context, broker, TOPIC, "-5")?[0];
        Ok((*first > 0 && tiered + 1 >= *active).then_some(()))
    })
}

fn value(round: usize, key: usize) -> String {
    if round + 1 == ROUNDS && GONE.contains(&key) {
        return String::new();
    }
    let word = format!("{round}-{key}-");
    word.repeat(VALUE_BYTES / word.len())
}

/// Waits until what is in the bucket is compacted, too; the newest value of each key is right all the while,
/// and no key that was taken back comes back.
pub fn await_compaction(context: &Context, broker: &Broker) -> Result<()> {
    await_copied(context, broker)?;
    let mut left = usize::MAX;
    let compacted = eventually(TIER_DEADLINE, "the tier to be compacted", || {
        let said = read_by_kcat(broker)?;
        left = said.lines().count();
        check(&said)?;
        Ok((left <= LEFT_MAX).then_some(()))
    });
    compacted.with_context(|| format!("{left} records are left"))
}

/// By Java.
pub fn compare(context: &Context, broker: &Broker) -> Result<()> {
    check(&read_by_java(context, broker)?)
}

/// A line for each record: key, tab, value.
fn read_by_kcat(broker: &Broker) -> Result<String> {
    Ok(run_program(kcat_reader(broker, TOPIC, 0), b"", CLIENT_DEADLINE)?.success()?.stdout)
}

fn read_by_java(context: &Context, broker: &Broker) -> Result<String> {
    let mut java = context.tools.java("LogConsumer");
    java.args(["--bootstrap-server", broker.bootstrap(), TOPIC, "0"]);
    Ok(run_program(java, b"", CLIENT_DEADLINE)?.success()?.stdout)
}

/// The newest value of each key below the end of the tier: what a restored node is to have.
pub fn values_up_to(context: &Context, broker: &Broker, newest: i64) -> Result<BTreeMap<String, String>> {
    let words = format!(r"-C -t {TOPIC} -p 0 -o beginning -e -q -X check.crcs=true -f %o\t%k\t%s\n");
    let said = context.kcat(broker, &words, "")?.success()?.stdout;
    let mut values = BTreeMap::new();
    for line in said.lines() {
        let (offset, record) = line.split_once('\t').context(line.to_owned())?;
        if offset.parse::<i64>()? <= newest {
            take(&mut values, record);
        }
    }
    ensure!(values.len() >= GONE.start / 2, "{} keys are in the tier", values.len());
    Ok(values)
}

/// A restored node has these, and no key that was taken back: by both kinds of clients.
pub fn compare_restored(
    context: &Context,
    broker: &Broker,
    expected: &BTreeMap<String, String>,
) -> Result<()> {
    for (client, said) in [("kcat", read_by_kcat(broker)?), ("Java", read_by_java(context, broker)?)] {
        let mut values = BTreeMap::new();
        said.lines().for_each(|record| take(&mut values, record));
        let keys = |values: &BTreeMap<String, String>| values.keys().cloned().collect::<Vec<_>>();
        ensure!(values == *expected, "{client} reads {:?}, not {:?}", keys(&values), keys(expected));
    }
    Ok(())
}

/// Takes a record into what a table of them would show.
fn take(values: &mut BTreeMap<String, String>, record: &str) {
    let (key, value) = record.split_once('\t').unwrap_or((record, ""));
    match value {
        "" => values.remove(key),
        value => values.insert(key.to_owned(), value.to_owned()),
    };
}

/// The newest of each key is what was written last; of one that was taken back, nothing or the tombstone.
fn check(read: &str) -> Result<()> {
    let newest: BTreeMap<&str, &str> = read.lines().filter_map(|line| line.split_once('\t')).collect();
    for key in 0..KEYS {
        let found = newest.get(format!("k{key}").as_str()).copied();
        let is_right = match found {
            Some(found) => found == value(ROUNDS - 1, key),
            None => GONE.contains(&key),
        };
        let start = found.map(|found| &found[..found.len().min(20)]);
        ensure!(is_right, "of k{key} the newest is {start:?}");
    }
    Ok(())
}
