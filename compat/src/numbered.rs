//! A load of numbered records by an idempotent producer, whose acknowledgements are compared with what
//! partitions hold.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::broker::Broker;
use crate::process::{Process, run as run_program};
use crate::scenario::kcat_command;
use crate::tools::Tools;

const DEADLINE: Duration = Duration::from_secs(300);

/// Number and offset of each acknowledged record of a partition, in the order of acknowledgements.
pub type Acknowledged = Vec<(u64, i64)>;

/// A topic and how fast it is written to.
#[derive(Clone, Copy)]
pub struct Plan {
    /// The topic.
    pub topic: &'static str,
    /// Its partitions, written in turn.
    pub partitions: u32,
    /// Records a second at most, of some 230 bytes each; 0 sets no bound.
    pub per_second: u32,
}

/// The producer (`python/crash_producer.py`) while it runs.
pub struct Numbered {
    plan: Plan,
    producer: Process,
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
    reader: JoinHandle<Result<bool>>,
}

impl Numbered {
    /// Starts it. The topic is there.
    pub fn start(tools: &Tools, broker: &Broker, plan: Plan) -> Result<Numbered> {
        let mut command = tools.python("crash_producer.py");
        let (partitions, per_second) = (plan.partitions.to_string(), plan.per_second.to_string());
        command.args([broker.bootstrap(), plan.topic, &partitions, &per_second]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut producer = Process::spawn(command)?;
        let acknowledged = Arc::new(Mutex::new(vec![Acknowledged::new(); usize::try_from(plan.partitions)?]));
        let reader = read_acknowledgements(producer.take_stdout()?, &acknowledged);
        Ok(Numbered { plan, producer, acknowledged, reader })
    }

    /// How many records are acknowledged. Fails if the producer has given up.
    pub fn count(&mut self) -> Result<u64> {
        let ended = self.producer.exited()?;
        ensure!(ended.is_none(), "the producer of {} gave up: {ended:?}", self.plan.topic);
        Ok(locked(&self.acknowledged).iter().map(|partition| partition.len() as u64).sum())
    }

    /// The newest acknowledged offset of a partition; -1 if there is none.
    pub fn newest(&self, partition: u32) -> i64 {
        let acknowledged = locked(&self.acknowledged);
        let of_partition = acknowledged.get(partition as usize);
        of_partition.and_then(|records| records.last()).map_or(-1, |(_, offset)| *offset)
    }

    /// Ends its input, and waits until all are acknowledged; what was, by partition.
    pub fn finish(mut self) -> Result<Vec<Acknowledged>> {
        drop(self.producer.take_stdin()?);
        let status = self.producer.wait(DEADLINE)?;
        ensure!(status.success(), "a record failed: {status}");
        let ended = self.reader.join().map_err(|_| anyhow!("the reader panicked"))??;
        ensure!(ended, "the producer did not say that it had ended");
        let acknowledged = std::mem::take(&mut *locked(&self.acknowledged));
        Ok(acknowledged)
    }
}

fn locked(acknowledged: &Mutex<Vec<Acknowledged>>) -> MutexGuard<'_, Vec<Acknowledged>> {
    acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Collects `PARTITION NUMBER OFFSET` lines; whether the last line was `end`.
fn read_acknowledgements(
    output: ChildStdout,
    acknowledged: &Arc<Mutex<Vec<Acknowledged>>>,
) -> JoinHandle<Result<bool>> {
    let acknowledged = Arc::clone(acknowledged);
    std::thread::spawn(move || {
        let mut ended = false;
        for line in BufReader::new(output).lines() {
            let line = line?;
            ended = line == "end";
            if let [partition, number, offset] = line.split(' ').collect::<Vec<_>>()[..] {
                let mut acknowledged = locked(&acknowledged);
                let partition = acknowledged.get_mut(partition.parse::<usize>()?).context("a partition")?;
                partition.push((number.parse()?, offset.parse()?));
            }
        }
        Ok(ended)
    })
}

/// Compares what a partition holds from its log start on, which must be `start`, with what was acknowledged.
/// The client checks each batch's checksum.
pub fn compare(
    broker: &Broker,
    (topic, partition): (&str, usize),
    start: i64,
    acknowledged: &[(u64, i64)],
) -> Result<()> {
    let words = format!(r"-C -t {topic} -p {partition} -o beginning -e -q -X check.crcs=true -f %s\x20%o\n");
    let read = run_program(kcat_command(broker, &words), b"", DEADLINE)?.success()?;
    let mut held = Vec::new();
    for line in read.stdout.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [number, _, offset] = words[..] else { bail!("a record: {line}") };
        held.push((number.parse()?, offset.parse()?));
    }
    check(&held, start, acknowledged).with_context(|| format!("partition {partition} of {topic}"))
}

/// Every record was acknowledged in the end, so a partition must hold the numbers from 0, dense, each at the
/// offset that its acknowledgement named; without those below `start`.
fn check(held: &[(u64, i64)], start: i64, acknowledged: &[(u64, i64)]) -> Result<()> {
    let mut sorted = acknowledged.to_vec();
    sorted.sort_unstable();
    for (place, record) in sorted.iter().enumerate() {
        ensure!(record.0 == place as u64, "the record {record:?} was acknowledged as the {place}th");
    }
    sorted.retain(|(_, offset)| *offset >= start);
    ensure!(held.len() == sorted.len(), "{} records of {}", held.len(), sorted.len());
    for (record, expected) in held.iter().zip(&sorted) {
        ensure!(record == expected, "record and offset {record:?}, acknowledged as {expected:?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_repetition_and_disorder_are_found() {
        let acknowledged = [(1, 1), (0, 0), (2, 2)];
        for (held, start, sound) in [
            (&[(0, 0), (1, 1), (2, 2)][..], 0, true),
            (&[(0, 0), (1, 1)], 0, false),
            (&[(0, 0), (1, 1), (1, 2), (2, 3)], 0, false),
            (&[(0, 0), (1, 1), (1, 2)], 0, false),
            (&[(1, 0), (0, 1), (2, 2)], 0, false),
            (&[(0, 0), (1, 1), (2, 3)], 0, false),
            (&[(1, 1), (2, 2)], 1, true),
            (&[(0, 0), (1, 1), (2, 2)], 1, false),
            (&[(2, 2)], 1, false),
        ] {
            assert_eq!(check(held, start, &acknowledged).is_ok(), sound, "{held:?} from {start}");
        }
        assert!(check(&[(1, 1)], 0, &[(1, 1)]).is_err(), "the first was never acknowledged");
    }
}
