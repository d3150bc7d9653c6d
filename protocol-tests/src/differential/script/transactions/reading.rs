//! Fetch and ListOffsets of a reader of committed transactions.

use std::time::Duration;

use anyhow::Result;

use super::{Case, Talk, Writer, begin, close, end, topic, write, writer};
use crate::batches::{SOME_TIME, batch};
use crate::requests::{PRODUCE, Topic, fetch, fetch_of, fetch_partition, fetch_topic, list_offsets, produce};

pub(in super::super) const CASES: &[Case] = &[
    Case { name: "fetch-committed", versions: 4..=18, run: fetches },
    Case { name: "list-offsets-committed", versions: 2..=10, run: offsets },
];

/// Isolation levels.
const LEVELS: [(&str, i8); 2] = [("uncommitted", 0), ("committed", 1)];

/// In partition 0: a committed transaction around an aborted one, a plain batch, two aborted ones that began
/// in another order than they ended, and one that is open, with a plain batch behind it. In partition 1 one
/// that is open from the beginning.
fn filled(talk: &mut Talk) -> Result<(Topic, [Writer; 3])> {
    let topic = topic(talk, 3)?;
    let [one, two, three] = [writer(talk)?, writer(talk)?, writer(talk)?];
    let first: &[(&str, &[i32])] = &[(&topic.name, &[0])];
    begin(talk, &one, first)?;
    begin(talk, &two, first)?;
    write(talk, &one, &topic, 0, 0)?;
    write(talk, &two, &topic, 0, 0)?;
    end(talk, &two, false)?;
    write(talk, &one, &topic, 0, 1)?;
    end(talk, &one, true)?;
    talk.quiet(PRODUCE, &produce(PRODUCE, &topic, -1, batch(&["plain"])))?;
    begin(talk, &one, first)?;
    begin(talk, &two, first)?;
    write(talk, &one, &topic, 0, 2)?;
    write(talk, &two, &topic, 0, 1)?;
    end(talk, &two, false)?;
    // Two markers of one millisecond: the first would be the one with the largest timestamp.
    std::thread::park_timeout(TWO_MILLISECONDS);
    end(talk, &one, false)?;
    begin(talk, &three, &[(&topic.name, &[0, 1])])?;
    write(talk, &three, &topic, 0, 0)?;
    write(talk, &three, &topic, 1, 0)?;
    talk.quiet(PRODUCE, &produce(PRODUCE, &topic, -1, batch(&["behind"])))?;
    Ok((topic, [one, two, three]))
}

/// The wall clock moves on by one at least.
const TWO_MILLISECONDS: Duration = Duration::from_millis(2);

/// Offsets of partition 0 from the first to one behind its end.
const OFFSETS: std::ops::RangeInclusive<i64> = 0..=14;

fn fetches(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let (topic, [one, _, three]) = filled(talk)?;
    for (word, level) in LEVELS {
        for offset in OFFSETS {
            let request = fetch(version, &topic, offset).with_isolation_level(level);
            talk.ask(&format!("{word} from {offset}"), &request)?;
        }
        // One batch has 69 bytes, a marker 78.
        for bytes_max in [1, 69, 140, 300, 500] {
            let partition = fetch_partition(0, 0).with_partition_max_bytes(bytes_max);
            let request = fetch_of(vec![fetch_topic(version, &topic, vec![partition])]);
            talk.ask(&format!("{word}, {bytes_max} bytes"), &request.with_isolation_level(level))?;
        }
        let all = (0..3).map(|partition| fetch_partition(partition, 0)).collect();
        let request = fetch_of(vec![fetch_topic(version, &topic, all)]).with_isolation_level(level);
        talk.ask(&format!("{word}, three partitions"), &request)?;
    }
    end(talk, &three, true)?;
    for (word, level) in LEVELS {
        let request = fetch(version, &topic, 10).with_isolation_level(level);
        talk.ask(&format!("{word} after a commit"), &request)?;
    }
    close(talk, &one)
}

fn offsets(talk: &mut Talk) -> Result<()> {
    let (topic, [_, _, three]) = filled(talk)?;
    let version = talk.version;
    let asked = |talk: &mut Talk, when: &str| -> Result<()> {
        for (word, level) in LEVELS {
            for partition in 0..3 {
                for timestamp in [-1, -2, -3, -4, -5, 0, SOME_TIME, SOME_TIME + 1, i64::MAX] {
                    if timestamp < -2 && version < 7 {
                        continue;
                    }
                    let request = list_offsets(&topic.name, &[(partition, timestamp)]);
                    let label = format!("{word} {when}: {timestamp} of partition {partition}");
                    talk.ask(&label, &request.with_isolation_level(level))?;
                }
            }
        }
        Ok(())
    };
    asked(talk, "with one open")?;
    end(talk, &three, false)?;
    asked(talk, "after its end")
}
