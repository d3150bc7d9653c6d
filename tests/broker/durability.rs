//! Killed at any moment under load: what was acknowledged is there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::batches::{SOME_TIME, batch_with, split, values};
use crate::client::Client;
use crate::eventually::eventually;
use crate::process::{DEADLINE, Process};
use crate::requests::{FETCH, Topic, error_name, fetch, fetched};
use highwater::model::{ProducerEpoch, ProducerId};

const CYCLES: usize = 10;
const WRITERS: usize = 6;
const PARTITIONS: i32 = 2;
const RECORDS: i32 = 3;

/// A kind of load, and settings under which batches come by other ways to where they stay.
struct Load {
    settings: &'static [&'static str],
    /// Added to each value.
    padding_bytes: usize,
}

/// One producer. An idempotent one sends again what was not answered; another one never does.
struct Writer {
    name: usize,
    partition: i32,
    producer_id: Option<i64>,
    padding: String,
    /// Number of the next batch; sequences follow from it.
    next: i32,
    /// Number and base offset of each batch that was acknowledged.
    acknowledged: Vec<(i32, i64)>,
}

impl Writer {
    fn new(name: usize, padding_bytes: usize, client: &mut Client) -> Writer {
        let partition = i32::try_from(name).unwrap() % PARTITIONS;
        let producer_id = (name < WRITERS / 2).then(|| client.producer_id());
        let padding = ".".repeat(padding_bytes);
        Writer { name, partition, producer_id, padding, next: 0, acknowledged: Vec::new() }
    }

    fn value(&self, number: i32, record: i32) -> String {
        format!("{} {number} {record} {}", self.name, self.padding)
    }

    fn batch(&self, number: i32) -> Bytes {
        let values: Vec<_> = (0..RECORDS).map(|record| self.value(number, record)).collect();
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        batch_with(&values, SOME_TIME, |builder| {
            if let Some(producer_id) = self.producer_id {
                builder.producer_id = ProducerId(producer_id);
                builder.producer_epoch = ProducerEpoch(0);
                builder.base_sequence = number * RECORDS;
            }
        })
    }

    /// Writes one batch after the other until the broker is gone.
    fn run(&mut self, mut client: Client, topic: &Topic, count: &AtomicUsize) {
        loop {
            let number = self.next;
            match client.try_produce(topic, self.partition, self.batch(number)) {
                Ok(answer) => {
                    assert_eq!(error_name(answer.error_code), "NONE", "{answer:?}");
                    self.acknowledged.push((number, answer.base_offset));
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) if self.producer_id.is_some() => return,
                Err(_) => {
                    self.next += 1;
                    return;
                }
            }
            self.next += 1;
        }
    }

    /// Whether all that was acknowledged is there in order, and nothing twice.
    fn check(&self, found: &HashMap<String, Vec<i64>>) {
        let mut last = -1;
        for number in 0..self.next {
            let values = (0..RECORDS).map(|record| self.value(number, record));
            let offsets: Vec<_> =
                values.map(|value| found.get(&value).cloned().unwrap_or_default()).collect();
            let acknowledged = self.acknowledged.iter().find(|(acknowledged, _)| *acknowledged == number);
            if let Some((_, base_offset)) = acknowledged {
                let expected: Vec<_> =
                    (*base_offset..).take(offsets.len()).map(|offset| vec![offset]).collect();
                assert_eq!(offsets, expected, "batch {number} of writer {}", self.name);
            } else if offsets.iter().any(|offsets| !offsets.is_empty()) {
                let first = *offsets[0].first().expect("a batch is there wholly");
                let expected: Vec<_> = (first..).take(offsets.len()).map(|offset| vec![offset]).collect();
                assert_eq!(offsets, expected, "batch {number} of writer {}, not acknowledged", self.name);
            }
            if let [offset, ..] = offsets[0][..] {
                assert!(offset > last, "batch {number} of writer {} stands before an earlier one", self.name);
                last = offset;
            }
        }
    }
}

/// A consumer: what it has seen was committed, and must never be gone.
struct Reader {
    partition: i32,
    seen: Vec<(i64, String)>,
}

impl Reader {
    /// Reads on until the broker is gone.
    fn run(&mut self, mut client: Client, topic: &Topic) {
        loop {
            let next = self.seen.last().map_or(0, |(offset, _)| offset + 1);
            let request = fetch(FETCH, topic, self.partition, next).with_max_wait_ms(100);
            let Ok(answer) = client.try_ask(FETCH, &request) else { return };
            let answer = fetched(answer);
            assert_eq!(error_name(answer.error_code), "NONE", "{next} was the next one");
            // The batch that holds `next` may begin before it.
            let read = values(&answer.records.unwrap_or_default());
            self.seen.extend(read.into_iter().filter(|(offset, _)| *offset >= next));
        }
    }

    fn check(&self, found: &HashMap<String, Vec<i64>>) {
        for (offset, value) in &self.seen {
            assert_eq!(found.get(value), Some(&vec![*offset]), "a consumer saw it at {offset}");
        }
    }
}

/// Offsets of each value in a partition, which must be dense; leader epochs must not fall.
fn read(client: &mut Client, topic: &Topic, partition: i32) -> HashMap<String, Vec<i64>> {
    let all = client.fetch_all(topic, partition, 0);
    let leader_epochs: Vec<_> =
        split(&all).iter().map(|(header, _)| header.partition_leader_epoch.0).collect();
    assert!(leader_epochs.is_sorted(), "{leader_epochs:?}");
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    for (expected, (offset, value)) in (0..).zip(values(&all)) {
        assert_eq!(offset, expected, "offsets are dense");
        found.entry(value).or_default().push(offset);
    }
    found
}

fn check(client: &mut Client, topic: &Topic, writers: &[Writer], readers: &[Reader]) {
    for reader in readers {
        let found = read(client, topic, reader.partition);
        reader.check(&found);
        for writer in writers.iter().filter(|writer| writer.partition == reader.partition) {
            writer.check(&found);
        }
    }
}

fn killed_under_load(load: &Load) {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start_with(directory.path(), load.settings);
    let mut client = process.client();
    let topic = client.create_topic("load", PARTITIONS, &[("retention.ms", "-1")]);
    let mut writers: Vec<_> =
        (0..WRITERS).map(|name| Writer::new(name, load.padding_bytes, &mut client)).collect();
    let mut readers: Vec<_> =
        (0..PARTITIONS).map(|partition| Reader { partition, seen: Vec::new() }).collect();
    let mut leader_epoch = -1;
    for cycle in 0..CYCLES {
        let found = client.leader_epoch("load", 0);
        assert!(found > leader_epoch, "{found} after {leader_epoch}");
        leader_epoch = found;
        let count = AtomicUsize::new(0);
        // Another moment in each cycle; when exactly is the scheduler's and the disk's choice.
        let until = 1 + cycle * 37 % 101;
        std::thread::scope(|scope| {
            for writer in &mut writers {
                let (client, topic, count) = (process.client(), &topic, &count);
                scope.spawn(move || writer.run(client, topic, count));
            }
            for reader in &mut readers {
                let (client, topic) = (process.client(), &topic);
                scope.spawn(move || reader.run(client, topic));
            }
            eventually(DEADLINE, "acknowledgements", || {
                (count.load(Ordering::Relaxed) >= until).then_some(())
            });
            process.signal(rustix::process::Signal::KILL);
        });
        drop(process);
        process = Process::start_with(directory.path(), load.settings);
        client = process.client();
        check(&mut client, &topic, &writers, &readers);
    }
    assert!(readers.iter().all(|reader| !reader.seen.is_empty()), "consumers saw something");
    process.stop();
    let process = Process::start(directory.path());
    check(&mut process.client(), &topic, &writers, &readers);
}

#[test]
fn killed_under_load_nothing_acknowledged_is_lost_or_doubled() {
    killed_under_load(&Load { settings: &[], padding_bytes: 0 });
}

#[test]
fn killed_between_frequent_checkpoints_nothing_acknowledged_is_lost_or_doubled() {
    killed_under_load(&Load { settings: &["highwater.checkpoint.interval.ms=100"], padding_bytes: 0 });
}

#[test]
fn killed_while_segments_roll_and_the_wal_is_used_again_nothing_is_lost_or_doubled() {
    // Batches of 120 KB, eight to a segment; in all more than the WAL's 32 MiB.
    let settings = &["log.segment.bytes=1048576", "highwater.checkpoint.bytes=4194304"];
    killed_under_load(&Load { settings, padding_bytes: 40_000 });
}

#[test]
fn killed_with_the_operating_systems_durability_nothing_acknowledged_is_lost_or_doubled() {
    killed_under_load(&Load { settings: &["highwater.wal.sync=os"], padding_bytes: 0 });
}
