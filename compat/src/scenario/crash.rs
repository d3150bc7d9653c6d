//! `kill -9` at random under load: everything acknowledged is there, in order, and once.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use super::batches::BatchLoad;
use super::{Context, create_topic, kcat_command};
use crate::broker::{Broker, Flavor};
use crate::process::{Process, run as run_program};
use crate::stream::LogStream;
use crate::wait::eventually;

const PARTITIONS: usize = 3;
const BATCHES: &str = "batches";
const SEED: u64 = 0xdead;
/// At most so many acknowledgements pass between two kills.
const ACKNOWLEDGED_BETWEEN_KILLS_MAX: u64 = 6_000;
/// Every so many kills, the next start is killed too, before it is ready: in the middle of recovery.
const KILL_DURING_RECOVERY_EVERY: u32 = 4;
const DEADLINE: Duration = Duration::from_secs(120);
/// A JVM's start takes seconds, and its promise is not what is tested.
const KILLS_OF_KAFKA: u32 = 2;

/// `(number, offset)` of acknowledged records, by partition, in the order of their acknowledgements.
type Acknowledged = Arc<Mutex<[Vec<(u64, i64)>; PARTITIONS]>>;

/// Kills the broker again and again while an idempotent producer writes; then compares.
pub fn run(context: &mut Context) -> Result<()> {
    let mut broker = context.start()?;
    create_topic(context, &broker, "crash", u32::try_from(PARTITIONS)?)?;
    let mut command = context.tools.python("crash_producer.py");
    command.args([broker.bootstrap(), "crash", &PARTITIONS.to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut producer = Process::spawn(command)?;
    let acknowledged = Acknowledged::default();
    let reader = read_acknowledgements(producer.take_stdout()?, &acknowledged);
    let kills = match context.flavor {
        Flavor::Highwater => context.scale.kills_count,
        Flavor::Kafka => KILLS_OF_KAFKA,
    };
    create_topic(context, &broker, BATCHES, 1)?;
    let batches = BatchLoad::start(broker.bootstrap(), BATCHES)?;
    let mut random = LogStream::new(SEED);
    for kill in 1..=kills {
        let target = count(&acknowledged) + random.below(ACKNOWLEDGED_BETWEEN_KILLS_MAX);
        eventually(DEADLINE, "acknowledgements", || {
            broker.check_alive()?;
            ensure!(producer.exited()?.is_none(), "the producer gave up before kill {kill}");
            Ok((count(&acknowledged) >= target).then_some(()))
        })?;
        broker.kill()?;
        if kill % KILL_DURING_RECOVERY_EVERY == 0 {
            broker.start_again()?;
            broker.kill()?;
        }
        broker.restart()?;
    }
    let sent = batches.finish()?;
    // The end of its input tells the producer to stop.
    drop(producer.take_stdin()?);
    let status = producer.wait(DEADLINE)?;
    ensure!(status.success(), "a record failed: {status}");
    let ended = reader.join().map_err(|_| anyhow!("the reader panicked"))??;
    ensure!(ended, "the producer did not say that it had ended");
    let acknowledged = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
    for (partition, acknowledged) in acknowledged.iter().enumerate() {
        compare(&broker, partition, acknowledged)?;
        context.transcript.add(&format!("partition {partition}: all acknowledged records, in order, once"));
    }
    sent.compare(&broker)?;
    context.transcript.add("batches of a producer that never retries: each wholly or not at all, none twice");
    Ok(())
}

fn count(acknowledged: &Acknowledged) -> u64 {
    let acknowledged = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
    acknowledged.iter().map(|partition| partition.len() as u64).sum()
}

/// Collects `PARTITION NUMBER OFFSET` lines; whether the last line was `end`.
fn read_acknowledgements(output: ChildStdout, acknowledged: &Acknowledged) -> JoinHandle<Result<bool>> {
    let acknowledged = Arc::clone(acknowledged);
    std::thread::spawn(move || {
        let mut ended = false;
        for line in BufReader::new(output).lines() {
            let line = line?;
            ended = line == "end";
            if let [partition, number, offset] = line.split(' ').collect::<Vec<_>>()[..] {
                let mut acknowledged = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
                let partition = acknowledged.get_mut(partition.parse::<usize>()?).context("a partition")?;
                partition.push((number.parse()?, offset.parse()?));
            }
        }
        Ok(ended)
    })
}

/// Compares what a partition holds with what was acknowledged. The client checks each batch's checksum.
fn compare(broker: &Broker, partition: usize, acknowledged: &[(u64, i64)]) -> Result<()> {
    let words = format!(r"-C -t crash -p {partition} -o beginning -e -q -X check.crcs=true -f %s\x20%o\n");
    let command: Command = kcat_command(broker, &words);
    let read = run_program(command, b"", DEADLINE)?.success()?;
    let mut held = Vec::new();
    for line in read.stdout.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [number, _, offset] = words[..] else { bail!("a record: {line}") };
        held.push((number.parse()?, offset.parse()?));
    }
    check(&held, acknowledged).with_context(|| format!("partition {partition}"))
}

/// Every record was acknowledged in the end, so a partition must hold the numbers from 0, dense, each at the
/// offset that its acknowledgement named.
fn check(held: &[(u64, i64)], acknowledged: &[(u64, i64)]) -> Result<()> {
    ensure!(held.len() == acknowledged.len(), "{} records of {}", held.len(), acknowledged.len());
    let mut sorted = acknowledged.to_vec();
    sorted.sort_unstable();
    for (place, (record, expected)) in held.iter().zip(&sorted).enumerate() {
        let dense = record.0 == place as u64;
        ensure!(dense && record == expected, "record and offset {record:?}, acknowledged as {expected:?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_repetition_and_disorder_are_found() {
        let acknowledged = [(1, 1), (0, 0), (2, 2)];
        for (held, sound) in [
            (&[(0, 0), (1, 1), (2, 2)][..], true),
            (&[(0, 0), (1, 1)], false),
            (&[(0, 0), (1, 1), (1, 2), (2, 3)], false),
            (&[(0, 0), (1, 1), (1, 2)], false),
            (&[(1, 0), (0, 1), (2, 2)], false),
            (&[(0, 0), (1, 1), (2, 3)], false),
        ] {
            assert_eq!(check(held, &acknowledged).is_ok(), sound, "{held:?}");
        }
    }
}
