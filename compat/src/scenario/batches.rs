//! A load of large batches whose outcome is sometimes unknown: each must be there wholly or not at all.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::kcat_command;
use crate::broker::Broker;
use crate::process::run as run_program;
use crate::raw_producer::RawProducer;
use crate::wait::eventually;

const RECORDS_EACH: usize = 40;
const VALUE_BYTES: usize = 500;
const DEADLINE: Duration = Duration::from_secs(60);
/// Turns of acks: what the leader has written survives `kill -9` too, since the kernel has it.
const ACKS: [i16; 2] = [-1, 1];

/// A thread that sends one batch after the other, never one twice.
pub struct BatchLoad {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Sent>>,
}

/// What was sent.
pub struct Sent {
    topic: String,
    /// Offsets of acknowledged batches by number; none where no answer came.
    base_offsets: Vec<Option<i64>>,
}

impl BatchLoad {
    /// Starts the load.
    pub fn start(bootstrap: &str, topic: &str) -> Result<BatchLoad> {
        let address: SocketAddr = bootstrap.parse()?;
        let topic = topic.to_owned();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || send(address, topic, &stopped));
        Ok(BatchLoad { stop, thread })
    }

    /// Ends the load.
    pub fn finish(self) -> Result<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the batch load panicked"))?
    }
}

fn send(address: SocketAddr, topic: String, stop: &AtomicBool) -> Result<Sent> {
    let value = [b'x'; VALUE_BYTES];
    let mut base_offsets = Vec::new();
    let mut connection: Option<RawProducer> = None;
    while !stop.load(Ordering::Relaxed) {
        let producer = match &mut connection {
            Some(producer) => producer,
            None => connection.insert(connect(address)?),
        };
        let number = base_offsets.len();
        let keys: Vec<String> = (0..RECORDS_EACH).map(|place| format!("{number} {place}")).collect();
        match producer.produce(&topic, ACKS[number % ACKS.len()], &keys, &value) {
            Ok(offset) => base_offsets.push(Some(offset)),
            Err(_) => {
                base_offsets.push(None);
                connection = None;
            }
        }
    }
    Ok(Sent { topic, base_offsets })
}

fn connect(address: SocketAddr) -> Result<RawProducer> {
    eventually(DEADLINE, "a connection", || Ok(RawProducer::connect(address).ok()))
}

impl Sent {
    /// Compares with what the topic holds.
    pub fn compare(&self, broker: &Broker) -> Result<()> {
        let words = format!(r"-C -t {} -p 0 -o beginning -e -q -X check.crcs=true -f %o\x20%k\n", self.topic);
        let command: Command = kcat_command(broker, &words);
        let read = run_program(command, b"", DEADLINE)?.success()?;
        let mut records = Vec::new();
        for line in read.stdout.lines() {
            let mut words = line.split(' ');
            let mut next = || words.next().and_then(|word| word.parse::<usize>().ok()).context("a number");
            records.push(Record { offset: next()?, batch: next()?, place: next()? });
        }
        check(&records, RECORDS_EACH, &self.base_offsets)
    }
}

/// A record as it was read back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Record {
    offset: usize,
    batch: usize,
    place: usize,
}

/// The topic must hold runs of whole batches, in the order they were sent, acknowledged ones at the offset
/// that was told.
fn check(records: &[Record], records_each: usize, base_offsets: &[Option<i64>]) -> Result<()> {
    let mut held = Vec::new();
    for run in records.chunks(records_each) {
        let Record { offset, batch, .. } = run[0];
        let expected = |place: usize| Record { offset: offset + place, batch, place };
        let whole = (0..records_each).all(|place| run.get(place) == Some(&expected(place)));
        ensure!(whole, "batch {batch} at offset {offset} is not whole");
        held.push((batch, i64::try_from(offset)?));
    }
    ensure!(held.windows(2).all(|pair| pair[0].0 < pair[1].0), "batches out of order, or one twice");
    for (batch, offset) in base_offsets.iter().enumerate() {
        let Some(offset) = offset else { continue };
        ensure!(held.contains(&(batch, *offset)), "batch {batch}, acknowledged at {offset}, is not there");
    }
    ensure!(base_offsets.iter().any(Option::is_some), "no batch was acknowledged");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_torn_and_repeated_batches_are_found() {
        let batch = |batch, offset| [0, 1].map(|place| Record { offset: offset + place, batch, place });
        let (first, second, third) = (batch(0, 0), batch(1, 2), batch(2, 4));
        let acknowledged = [Some(0), None, Some(4)];
        let sound = |records: &[&[Record]], acknowledged: &[Option<i64>]| {
            check(&records.concat(), 2, acknowledged).is_ok()
        };
        assert!(sound(&[&first, &second, &third], &acknowledged));
        // One without an answer may be missing, wholly.
        assert!(sound(&[&first, &batch(2, 2)], &[Some(0), None, Some(2)]));
        assert!(!sound(&[&first, &second], &acknowledged), "lost");
        assert!(!sound(&[&first, &second[..1], &third], &acknowledged), "torn");
        assert!(!sound(&[&first, &batch(2, 2)], &acknowledged), "at another offset");
        assert!(!sound(&[&first, &second, &batch(1, 4)], &[Some(0), Some(2)]), "twice");
        assert!(!sound(&[&second, &batch(0, 4)], &[None, Some(2)]), "out of order");
        assert!(!sound(&[], &[None]), "nothing was tried");
    }
}
