//! A consumer that follows the end of a topic.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::broker::Broker;
use crate::numbered::Acknowledged;
use crate::process::Process;
use crate::scenario::kcat_command;
use crate::wait::eventually;

const DEADLINE: Duration = Duration::from_secs(60);

/// kcat, from the beginning on and without an end.
pub struct Follower {
    process: Process,
    seen: Arc<Seen>,
}

struct Seen {
    /// Where the next record of each partition lies: no offset is left out.
    next: Vec<AtomicI64>,
    count: AtomicU64,
    /// The first record that did not come where it should.
    wrong: OnceLock<String>,
}

impl Follower {
    /// Starts it on a topic of so many partitions, to which nothing or little was written.
    pub fn start(broker: &Broker, topic: &str, partitions: u32) -> Result<Follower> {
        let mut command = kcat_command(broker, &format!(r"-C -t {topic} -o beginning -q -u -f %p\x20%o\n"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::spawn(command)?;
        let next = (0..partitions).map(|_| AtomicI64::new(0)).collect();
        let seen = Arc::new(Seen { next, count: AtomicU64::new(0), wrong: OnceLock::new() });
        let (lines, heard) = (BufReader::new(process.take_stdout()?).lines(), Arc::clone(&seen));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if heard.hear(&line).is_none() {
                    drop(heard.wrong.set(line));
                    return;
                }
            }
        });
        Ok(Follower { process, seen })
    }

    /// How many records it has seen.
    pub fn count(&self) -> u64 {
        self.seen.count.load(Ordering::Relaxed)
    }

    /// Waits until it has seen all that was acknowledged.
    pub fn finish(mut self, acknowledged: &[Acknowledged]) -> Result<()> {
        for (partition, acknowledged) in acknowledged.iter().enumerate() {
            let end = i64::try_from(acknowledged.len())?;
            let next = self.seen.next.get(partition).context("a partition")?;
            eventually(DEADLINE, "a consumer of new records", || {
                if let Some(line) = self.seen.wrong.get() {
                    bail!("a consumer of new records saw {line}, not what comes next");
                }
                ensure!(self.process.exited()?.is_none(), "a consumer of new records ended");
                Ok((next.load(Ordering::Relaxed) == end).then_some(()))
            })?;
        }
        Ok(())
    }
}

impl Seen {
    /// A line of partition and offset; `None` if it is not the next one.
    fn hear(&self, line: &str) -> Option<()> {
        let (partition, offset) = line.split_once(' ')?;
        let next = self.next.get(partition.parse::<usize>().ok()?)?;
        let offset: i64 = offset.parse().ok()?;
        (next.swap(offset + 1, Ordering::Relaxed) == offset).then_some(())?;
        self.count.fetch_add(1, Ordering::Relaxed);
        Some(())
    }
}
