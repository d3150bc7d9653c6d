//! Transactions of two clients at once, some aborted, in segments that leave the disk.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::super::transactions::Program;
use super::super::{Context, kcat_command};
use crate::broker::Broker;
use crate::feeding::digest_of_output;
use crate::process::run as run_program;
use crate::stream::Digest;

pub const TOPIC: &str = "transactional";
/// What the programs know.
pub const PARTITIONS: u32 = 3;
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const TIMEOUT_MS: u32 = 300_000;
const DEADLINE: Duration = Duration::from_secs(120);
/// Large, so that few of them fill a segment.
const VALUE_BYTES: usize = 20_000;
/// One transaction is open from the first of these rounds to the second, over several segments.
const LONG: std::ops::Range<u32> = 3..22;

/// What lies in one partition, as consumers of either kind see it.
#[derive(PartialEq, Eq, Default, Debug)]
pub struct Told {
    committed: Digest,
    all: Digest,
}

impl Told {
    fn add(&mut self, value: &str, is_committed: bool) {
        self.all.add_line(value.as_bytes());
        if is_committed {
            self.committed.add_line(value.as_bytes());
        }
    }
}

/// A value that was sent, and by whose transaction.
struct Sent {
    partition: u32,
    value: String,
    transaction: usize,
}

/// The clients and what they did.
struct Story {
    /// By name of the producer.
    clients: Vec<(&'static str, Program)>,
    sent: Vec<Sent>,
    /// Whether it was committed, by transaction.
    ended: Vec<Option<bool>>,
}

impl Story {
    fn ask(&mut self, client: usize, words: &str) -> Result<()> {
        let (name, program) = &mut self.clients[client];
        let answer = program.ask(words)?;
        ensure!(answer.last == "ok", "{name}: {} to {:.80}", answer.last, words);
        Ok(())
    }

    fn begin(&mut self, client: usize, producer: &str) -> Result<usize> {
        self.ask(client, &format!("begin {producer}"))?;
        self.ended.push(None);
        Ok(self.ended.len() - 1)
    }

    fn send(&mut self, client: usize, producer: &str, transaction: usize) -> Result<()> {
        for partition in 0..PARTITIONS {
            let value = format!("{}-{}", self.sent.len(), "x".repeat(VALUE_BYTES));
            self.ask(client, &format!("send {producer} {TOPIC} {partition} {value}"))?;
            self.sent.push(Sent { partition, value, transaction });
        }
        Ok(())
    }

    fn end(&mut self, client: usize, producer: &str, transaction: usize, commits: bool) -> Result<()> {
        let word = if commits { "commit" } else { "abort" };
        self.ended[transaction] = Some(commits);
        self.ask(client, &format!("{word} {producer}"))
    }

    /// With what lay there before.
    fn told(&self, mut told: Vec<Told>) -> Vec<Told> {
        told.resize_with(PARTITIONS as usize, Told::default);
        for sent in &self.sent {
            let told = &mut told[sent.partition as usize];
            told.add(&sent.value, self.ended[sent.transaction] == Some(true));
        }
        told
    }
}

/// So many transactions of each client, whose records lie between each other's; what lies there then, with
/// what did before.
pub fn produce(
    context: &Context,
    broker: &Broker,
    transactions: u32,
    before: Vec<Told>,
) -> Result<Vec<Told>> {
    let mut java = context.tools.java("Transactions");
    java.arg(broker.bootstrap());
    let mut rdkafka = context.tools.python("transactions_confluent_kafka.py");
    rdkafka.arg(broker.bootstrap());
    let clients = vec![("java", Program::start(java)?), ("confluent-kafka", Program::start(rdkafka)?)];
    let mut story = Story { clients, sent: Vec::new(), ended: Vec::new() };
    for (client, producer) in [(0, "short"), (0, "long"), (1, "short")] {
        story.ask(client, &format!("init {producer} {producer}-{client} {TIMEOUT_MS} none none"))?;
    }
    let mut long = None;
    for round in 0..transactions {
        if round == LONG.start {
            let transaction = story.begin(0, "long")?;
            story.send(0, "long", transaction)?;
            long = Some(transaction);
        }
        let both = [story.begin(0, "short")?, story.begin(1, "short")?];
        for _ in 0..2 {
            story.send(0, "short", both[0])?;
            story.send(1, "short", both[1])?;
        }
        story.end(1, "short", both[1], !round.is_multiple_of(4))?;
        story.end(0, "short", both[0], !round.is_multiple_of(3))?;
        if let Some(transaction) = long.take_if(|_| round + 1 == LONG.end) {
            story.end(0, "long", transaction, false)?;
        }
    }
    ensure!(long.is_none(), "a transaction was left open: {transactions} rounds");
    let told = story.told(before);
    story.clients.into_iter().try_for_each(|(_, program)| program.finish())?;
    Ok(told)
}

/// What lies there up to those offsets, as kcat finds it; all together is what was sent.
pub fn told_up_to(broker: &Broker, sent: &[Told], newest: &[i64]) -> Result<Vec<Told>> {
    let mut found = Vec::new();
    for ((partition, newest), sent) in (0..PARTITIONS).zip(newest).zip(sent) {
        let lines_of = |isolation: &str| -> Result<Vec<String>> {
            let words = format!(
                r"-C -t {TOPIC} -p {partition} -o beginning -e -q -X isolation.level={isolation}
                  -f %o\x20%s\n"
            );
            let read = run_program(kcat_command(broker, &words), b"", DEADLINE)?.success()?.stdout;
            Ok(read.lines().map(str::to_owned).collect())
        };
        let committed: HashSet<String> = lines_of("read_committed")?.into_iter().collect();
        let (mut told, mut all) = (Told::default(), Told::default());
        for line in lines_of("read_uncommitted")? {
            let (offset, value) = line.split_once(' ').context("a record")?;
            all.add(value, committed.contains(&line));
            if offset.parse::<i64>()? <= *newest {
                told.add(value, committed.contains(&line));
            }
        }
        ensure!(all == *sent, "partition {partition}: sent {sent:?}, read {all:?}");
        found.push(told);
    }
    Ok(found)
}

/// Both isolation levels, by kcat, and each by Kafka's console consumer.
pub fn compare(context: &Context, broker: &Broker, told: &[Told]) -> Result<()> {
    for (partition, told) in told.iter().enumerate() {
        for (isolation, expected) in [("read_committed", &told.committed), ("read_uncommitted", &told.all)] {
            let words = format!(
                r"-C -t {TOPIC} -p {partition} -o beginning -e -q -X isolation.level={isolation} -f %s\n"
            );
            let read = digest_of_output(kcat_command(broker, &words))?;
            ensure!(read == *expected, "kcat, {isolation} {partition}: {read:?}, not {expected:?}");
        }
    }
    for (partition, isolation) in [(0, "read_committed"), (1, "read_uncommitted")] {
        let expected =
            if isolation == "read_committed" { &told[partition].committed } else { &told[partition].all };
        let words = format!(
            "--topic {TOPIC} --partition {partition} --offset earliest --isolation-level {isolation} \
             --max-messages {} --timeout-ms 30000",
            expected.records
        );
        let printed = context.java(broker, CONSUMER, &words, "")?.success()?.stdout;
        let mut read = Digest::default();
        printed.lines().for_each(|line| read.add_line(line.as_bytes()));
        ensure!(read == *expected, "Java, {isolation} {partition}: {read:?}, not {expected:?}");
    }
    Ok(())
}
