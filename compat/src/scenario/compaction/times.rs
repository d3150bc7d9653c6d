//! When compaction comes, and what goes with time: `delete.retention.ms`, `compact,delete`,
//! `min.compaction.lag.ms` and `max.compaction.lag.ms`.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{DEADLINE, PER_SEGMENT, Record, left, offsets, wait_for, write};
use crate::broker::{Flavor, Settings};
use crate::scenario::{Context, create_topics};
use crate::wait::eventually;

/// Times of the topics below.
const TOMBSTONES_STAY: Duration = Duration::from_millis(8_000);
const RECORDS_STAY: Duration = Duration::from_millis(9_000);
const LAG_MIN: Duration = Duration::from_millis(6_000);
const TOPICS: [&str; 5] = [
    "tombstones 1 delete.retention.ms=8000",
    "deleted 1 cleanup.policy=compact,delete retention.ms=9000",
    "waiting 1 min.compaction.lag.ms=6000",
    // When they have been compacted once, nothing is dirty enough for them.
    "forced 1 min.cleanable.dirty.ratio=0.95 max.compaction.lag.ms=3000",
    "unforced 1 min.cleanable.dirty.ratio=0.95",
];
const DEFAULTS: &str = "segment.bytes=1048576";
const KEYS: usize = 5;
/// Two segments that can be compacted, and half of one that cannot.
const RECORDS: usize = 2 * PER_SEGMENT + PER_SEGMENT / 2;
/// Its tombstone follows its only value.
const DELETED_KEY: usize = 99;
/// Between two looks, so that there is not always something new to compact.
const BETWEEN: Duration = Duration::from_millis(500);

fn filling(count: usize) -> Vec<Record> {
    (0..count).map(|at| Record { key: at % KEYS, is_tombstone: false }).collect()
}

/// All topics at the same time.
pub fn run(context: &mut Context) -> Result<()> {
    let mut settings = Settings::default()
        .with("log.cleanup.policy", "compact")
        .with("log.cleaner.min.cleanable.ratio", "0.01")
        .with("log.cleaner.backoff.ms", "100")
        .with("log.retention.check.interval.ms", "500")
        .with("highwater.checkpoint.interval.ms", "200");
    if context.flavor == Flavor::Kafka {
        // Else it looks for the first time after half a minute.
        settings = settings.with("log.initial.task.delay.ms", "500");
    }
    let broker = &context.start_with(&settings)?;
    let topics: Vec<String> = TOPICS.iter().map(|topic| format!("{topic} {DEFAULTS}")).collect();
    create_topics(context, broker, &topics.join(" , "))?;
    let began = Instant::now();
    let records = filling(RECORDS);
    for topic in ["deleted", "waiting", "forced", "unforced"] {
        write(context, broker, topic, &records)?;
    }
    let deleted = [false, true].map(|is_tombstone| Record { key: DELETED_KEY, is_tombstone });
    let with_deleted: Vec<Record> = deleted.into_iter().chain(filling(RECORDS)).collect();
    write(context, broker, "tombstones", &with_deleted)?;

    wait_for(context, broker, "deleted", &left(&records))?;
    wait_for(context, broker, "tombstones", &left(&with_deleted))?;
    context.transcript.add("compacted at once, with a tombstone for the key that was deleted");

    for topic in ["unforced", "forced"] {
        // Of what, and how far, is a matter of when it was first looked at.
        eventually(DEADLINE, "something to be compacted", || {
            Ok((offsets(context, broker, topic)?.len() < RECORDS).then_some(()))
        })?;
        write(context, broker, topic, &filling(PER_SEGMENT))?;
    }
    // All keys come again in what follows, which the lag may have rolled into a segment of its own.
    let follows = RECORDS - PER_SEGMENT / 2;
    let goes_on = |topic| -> Result<bool> { Ok(offsets(context, broker, topic)?.first() < Some(&follows)) };
    eventually(DEADLINE, "all that is old to be compacted", || Ok((!goes_on("forced")?).then_some(())))?;
    ensure!(goes_on("unforced")?, "compacted, and not dirty enough");
    context.transcript.add("max.compaction.lag.ms: compacted although not dirty enough; without it not");

    // Each is looked at from here on, about half of the shortest time after the beginning.
    let (mut lagged, mut without_tombstone, mut without_records) = (None, None, None);
    let note = |moment: &mut Option<Duration>, is_there: bool| {
        *moment = moment.or_else(|| is_there.then(|| began.elapsed()));
    };
    eventually(DEADLINE, "compaction after its lag, and for a tombstone and records to go", || {
        note(&mut lagged, offsets(context, broker, "waiting")? == left(&records));
        if without_tombstone.is_none() {
            // What is not dirty is not looked at again.
            write(context, broker, "tombstones", &filling(PER_SEGMENT))?;
            let first = offsets(context, broker, "tombstones")?.first().copied();
            note(&mut without_tombstone, first > Some(deleted.len()));
        }
        note(&mut without_records, offsets(context, broker, "deleted")?.is_empty());
        std::thread::park_timeout(BETWEEN);
        let all = lagged.zip(without_tombstone).zip(without_records);
        Ok(all.map(drop))
    })?;
    for (moment, least, what) in [
        (lagged, LAG_MIN, "compacted"),
        (without_tombstone, TOMBSTONES_STAY, "the tombstone went"),
        (without_records, RECORDS_STAY, "the records went"),
    ] {
        ensure!(moment >= Some(least), "{what} after {moment:?}, not {least:?}");
    }
    context.transcript.add("min.compaction.lag.ms: compacted, and not before");
    context.transcript.add("delete.retention.ms: the tombstone went, and not before");
    context.see_kcat(broker, "-Q -t deleted:0:-2 -t deleted:0:-1", "")?;
    context.transcript.add("compact,delete: compacted, then deleted, and not before");
    Ok(())
}
