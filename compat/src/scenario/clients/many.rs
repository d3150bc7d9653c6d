//! All clients with one broker.

use std::fs;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context as _, Result, anyhow};

use super::script::{self, CODECS};
use super::shown::readable;
use super::{CLIENTS, DEADLINE, StockClient, at_once, expect_no_complaint};
use crate::broker::{Broker, Flavor, Settings};
use crate::process::run;
use crate::scenario::{Context, create_topics, grow_topic};

/// How many programs run at the same time.
const SIDE_BY_SIDE: usize = 4;
const PARTITIONS: u32 = 10_000;
/// Kafka's controller takes no change of 10,000 records or more.
const KAFKA_PARTITIONS_AT_ONCE: u32 = 5_000;

/// Each client writes a topic with all its codecs in it; then each reads every topic. What the Java client
/// reads stands in the transcript whole, of the others only what they read otherwise.
pub fn together(context: &mut Context) -> Result<()> {
    let broker = context.start_with(&at_once())?;
    let topics: Vec<String> =
        CLIENTS.iter().map(|client| format!("from-{} 2 retention.ms=-1", client.name)).collect();
    create_topics(context, &broker, &topics.join(" , "))?;
    let written = ask_all(context, &broker, &|client| {
        let produce = |codec| format!("produce from-{} {codec} plain\n", client.name);
        script::records(client) + &CODECS.map(produce).concat()
    })?;
    context.transcript.section("written");
    written.iter().for_each(|said| context.transcript.add(said));

    let consume: String = CLIENTS.iter().map(|client| format!("consume from-{} 2\n", client.name)).collect();
    let read = ask_all(context, &broker, &|_| consume.clone())?;
    context.transcript.section("read by java");
    context.transcript.add(&read[0]);
    for (client, said) in CLIENTS.iter().zip(&read).skip(1) {
        context.transcript.section(&format!("read otherwise by {}", client.name));
        context.transcript.add(&otherwise(&read[0], said));
    }
    read_by_kcat(context, &broker)?;
    expect_no_complaint(context, &broker)
}

/// Debian's librdkafka, older than the others: the same checksum where a client wrote the same records.
fn read_by_kcat(context: &mut Context, broker: &Broker) -> Result<()> {
    const FORMAT: &str = r"%o|%T|%K:%k|%S:%s|%h\n";
    context.transcript.section("read by kcat");
    for client in CLIENTS {
        for partition in [0, 1] {
            let topic = format!("from-{}", client.name);
            let words = format!("-C -t {topic} -p {partition} -o beginning -e -q -f {FORMAT}");
            let read = context.kcat(broker, &words, "")?.success()?.stdout;
            let checksum = crc32c::crc32c(read.as_bytes());
            context.transcript.add(&format!("{topic} {partition}: {} bytes, CRC {checksum:08x}", read.len()));
        }
    }
    Ok(())
}

/// Lines that differ from the first client's, under the command that they answer.
fn otherwise(first: &str, other: &str) -> String {
    let mut command = None;
    let mut found = String::new();
    let lines = first.lines().map(Some).chain(std::iter::repeat(None));
    for (other, first) in other.lines().zip(lines) {
        if other.starts_with('>') {
            command = Some(other);
        }
        if first != Some(other) {
            for line in command.take().filter(|command| *command != other).into_iter().chain([other]) {
                found += &format!("{line}\n");
            }
        }
    }
    let (first, other) = (first.lines().count(), other.lines().count());
    if other < first { found + &format!("{} lines fewer\n", first - other) } else { found }
}

/// A topic of 10,000 partitions: every client sees them all.
pub fn list_partitions(context: &mut Context) -> Result<()> {
    if context.flavor == Flavor::Highwater {
        let broker = context.start()?;
        create_topics(context, &broker, &format!("wide {PARTITIONS}"))?;
        return list(context, &broker);
    }
    // Kafka syncs several files for each partition: minutes on a disk that others use too.
    let memory = InMemory(PathBuf::from(format!("/dev/shm/highwater-compat-{}", std::process::id())));
    let broker = context.start_with(&Settings { log_dir: Some(memory.0.clone()), ..Settings::default() })?;
    create_topics(context, &broker, &format!("wide {KAFKA_PARTITIONS_AT_ONCE}"))?;
    grow_topic(context, &broker, "wide", PARTITIONS)?;
    list(context, &broker)
}

/// A folder that is gone with this; the broker in it goes first.
struct InMemory(PathBuf);

impl Drop for InMemory {
    fn drop(&mut self) {
        // Memory that stays taken until somebody looks: nothing that a recording should fail for.
        drop(fs::remove_dir_all(&self.0));
    }
}

fn list(context: &mut Context, broker: &Broker) -> Result<()> {
    let seen = ask_all(context, broker, &|_| "partitions wide\n".to_owned())?;
    for (client, said) in CLIENTS.iter().zip(seen) {
        context.transcript.section(client.name);
        context.transcript.add(&said);
    }
    expect_no_complaint(context, broker)
}

/// Runs every client with its script, some side by side; what each said, in their order.
fn ask_all(
    context: &Context,
    broker: &Broker,
    script: &(dyn Fn(&StockClient) -> String + Sync),
) -> Result<Vec<String>> {
    let mut said = Vec::new();
    for clients in CLIENTS.chunks(SIDE_BY_SIDE) {
        let mut commands = Vec::new();
        for client in clients {
            let mut command = (client.command)(context.tools)?;
            command.arg(broker.bootstrap());
            commands.push((client, command));
        }
        let results: Vec<Result<String>> = thread::scope(|scope| {
            let start = |(client, command)| {
                scope.spawn(move || {
                    let outcome = run(command, script(client).as_bytes(), DEADLINE)?.success()?;
                    readable(&outcome.stdout).context(client.name)
                })
            };
            let running: Vec<_> = commands.into_iter().map(start).collect();
            let join = |thread: thread::ScopedJoinHandle<_>| {
                thread.join().unwrap_or_else(|_| Err(anyhow!("a client's thread panicked")))
            };
            running.into_iter().map(join).collect()
        });
        for result in results {
            said.push(result?);
        }
    }
    Ok(said)
}

#[test]
fn only_what_another_client_reads_otherwise_is_shown() {
    let first = "> consume a 1\n0 0 x\n0 1 y\nends 2\n> consume b 1\nends 0\n";
    assert_eq!(otherwise(first, first), "");
    assert_eq!(otherwise(first, &first.replace("1 y", "1 z")), "> consume a 1\n0 1 z\n");
    assert_eq!(otherwise(first, &first.replace("ends 0\n", "")), "1 lines fewer\n");
    assert_eq!(otherwise("a\n", "a\n> b\n"), "> b\n");
}
