//! What groups and transactions leave in Kafka's own topics, read by Kafka's own formatters and by
//! kafka-dump-log: who watches `__consumer_offsets` and `__transaction_state` reads them so.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::{Map, Value};

use super::transactions::Program;
use super::{CLIENT_DEADLINE, Context, create_topic};
use crate::broker::{Broker, Settings};
use crate::process::run as run_program;

const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const DUMP: &str = "org.apache.kafka.tools.DumpLogSegments";
const TOPIC: &str = "words";
/// As many as the programs of `transactions` know.
const PARTITIONS: u32 = 3;
const OFFSETS: &str = "__consumer_offsets";
const TRANSACTIONS: &str = "__transaction_state";
/// Topic and class of each.
const FORMATTERS: [(&str, &str); 3] = [
    (OFFSETS, "OffsetsMessageFormatter"),
    (OFFSETS, "GroupMetadataMessageFormatter"),
    (TRANSACTIONS, "TransactionLogMessageFormatter"),
];
const DECODERS: [(&str, &str); 2] =
    [(OFFSETS, "--offsets-decoder"), (TRANSACTIONS, "--transaction-log-decoder")];
/// After which the console consumer takes a topic's end for its end.
const QUIET: Duration = Duration::from_secs(4);
/// Ids by their names in Kafka's JSON, and what they are ids of. Times are known by their digits.
const IDS: [(&str, &str); 7] = [
    ("memberId", "member"),
    ("leader", "member"),
    ("topicId", "topic"),
    ("producerId", "producer"),
    ("previousProducerId", "producer"),
    ("nextProducerId", "producer"),
    ("metadataHash", "hash"),
];

/// What has no order.
const UNORDERED: &str = "transactionPartitions";

/// Groups of both protocols and transactions of both versions; then what they left.
pub fn run(context: &mut Context) -> Result<()> {
    // One file for each topic.
    let settings = Settings::default()
        .with("offsets.topic.num.partitions", "1")
        .with("transaction.state.log.num.partitions", "1")
        .with("group.initial.rebalance.delay.ms", "0");
    let mut broker = context.start_with(&settings)?;
    create_topic(context, &broker, TOPIC, PARTITIONS)?;
    for partition in 0..PARTITIONS {
        context.kcat(&broker, &format!("-P -t {TOPIC} -p {partition}"), "a\nb\n")?.success()?;
    }
    consume(context, &broker)?;
    transact(context, &broker)?;
    let mut ids = Ids::default();
    let commands = FORMATTERS.map(|(topic, class)| formatter(context, &broker, topic, class));
    for ((topic, class), seen) in FORMATTERS.iter().zip(all(commands)?) {
        context.transcript.section(&format!("{topic} by {class}"));
        // One after the other, and nothing between.
        for value in serde_json::Deserializer::from_str(&seen).into_iter() {
            context.transcript.add(&ids.normalised(value?));
        }
    }
    // An orderly stop leaves everything in the segments.
    broker.stop()?;
    let commands = DECODERS.map(|(topic, option)| dumping(context, broker.log_dir(), topic, option));
    for ((topic, option), seen) in DECODERS.iter().zip(all(commands)?) {
        context.transcript.section(&format!("{topic} by kafka-dump-log {option}"));
        for line in seen.lines() {
            tell(context, &mut ids, line)?;
        }
    }
    Ok(())
}

/// A classic group and one of the newer protocol read everything; offsets are deleted.
fn consume(context: &Context, broker: &Broker) -> Result<()> {
    let classic = format!("-G classic -X client.id=reader -X auto.offset.reset=earliest -e -q {TOPIC}");
    context.kcat(broker, &classic, "")?.success()?;
    let modern = format!(
        "--topic {TOPIC} --group modern --from-beginning --max-messages 6 --timeout-ms 30000 \
         --command-property group.protocol=consumer --command-property client.id=reader"
    );
    context.java(broker, CONSUMER, &modern, "")?.success()?;
    let delete = format!("--delete-offsets --group classic --topic {TOPIC}:1");
    context.java(broker, GROUPS, &delete, "")?.success()?;
    Ok(())
}

/// A client of version 2 of transactions and one of version 1: one is committed with offsets, one aborted.
fn transact(context: &Context, broker: &Broker) -> Result<()> {
    let programs = [
        ("newer", context.tools.java("Transactions")),
        ("older", context.tools.python("transactions_confluent_kafka.py")),
    ];
    for (name, mut command) in programs {
        command.arg(broker.bootstrap());
        let mut program = Program::start(command)?;
        for line in [
            format!("init a {name} 60000 of-{name} {TOPIC}"),
            "begin a".to_owned(),
            format!("send a {TOPIC} 0 x"),
            format!("offsets a of-{name} {TOPIC} 2"),
            "commit a".to_owned(),
            "begin a".to_owned(),
            format!("send a {TOPIC} 1 y"),
            "abort a".to_owned(),
        ] {
            let answer = program.ask(&line)?;
            ensure!(answer.last == "ok", "{name}: {line}: {}", answer.last);
        }
    }
    Ok(())
}

fn formatter(context: &Context, broker: &Broker, topic: &str, class: &str) -> Command {
    let mut command = context.tools.java(CONSUMER);
    command.args(["--bootstrap-server", broker.bootstrap(), "--topic", topic, "--partition", "0"]);
    command.args(["--offset", "earliest", "--timeout-ms", &QUIET.as_millis().to_string()]);
    command.args(["--formatter", &format!("org.apache.kafka.tools.consumer.{class}")]);
    command
}

fn dumping(context: &Context, folder: &Path, topic: &str, option: &str) -> Command {
    let mut command = context.tools.java(DUMP);
    command.arg("--files").arg(folder.join(format!("{topic}-0/00000000000000000000.log"))).arg(option);
    command
}

/// Runs them side by side; what each printed.
fn all<const COUNT: usize>(commands: [Command; COUNT]) -> Result<Vec<String>> {
    let run = |command| Ok(run_program(command, b"", CLIENT_DEADLINE)?.success()?.stdout);
    thread::scope(|scope| {
        let threads = commands.map(|command| scope.spawn(|| run(command)));
        let joined = |thread: thread::ScopedJoinHandle<'_, Result<String>>| {
            thread.join().unwrap_or_else(|_| Err(anyhow!("a tool's thread panicked")))
        };
        threads.into_iter().map(joined).collect()
    })
}

/// Of a record in a dump its key and value, of a control record which marker it is.
fn tell(context: &mut Context, ids: &mut Ids, line: &str) -> Result<()> {
    if let Some((_, marker)) = line.split_once(" endTxnMarker: ") {
        context.transcript.add(&format!("marker: {marker}"));
    } else if let Some((_, record)) = line.split_once(" key: ") {
        let (key, value) = record.split_once(" payload: ").context("a record without a value")?;
        for (word, text) in [("key", key), ("value", value)] {
            let parsed =
                serde_json::from_str(text).map_or_else(|_| text.to_owned(), |value| ids.normalised(value));
            context.transcript.add(&format!("{word}: {parsed}"));
        }
    }
    Ok(())
}

/// Ids in the order in which they were seen: the first of a topic is `<topic 1>`, wherever it stands.
#[derive(Default)]
struct Ids(Vec<(&'static str, Value)>);

impl Ids {
    fn normalised(&mut self, mut value: Value) -> String {
        self.normalise(&mut value);
        value.to_string()
    }

    fn normalise(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => self.normalise_fields(fields),
            Value::Array(items) => items.iter_mut().for_each(|item| self.normalise(item)),
            _ => {}
        }
    }

    /// What says that there is none stays. Kafka writes a transaction's partitions in the order of a map.
    fn normalise_fields(&mut self, fields: &mut Map<String, Value>) {
        for (name, value) in fields {
            if let (UNORDERED, Value::Array(items)) = (name.as_str(), &mut *value) {
                items.sort_by_cached_key(Value::to_string);
            }
            let is_none = value.is_null() || value.as_i64() == Some(-1) || value.as_str() == Some("");
            match IDS.iter().find(|(id, _)| id == name) {
                Some((_, kind)) if !is_none => *value = Value::from(self.name(kind, value)),
                _ => self.normalise(value),
            }
        }
    }

    fn name(&mut self, kind: &'static str, value: &Value) -> String {
        let known = |(of, id): &(&str, Value)| *of == kind && id == value;
        if !self.0.iter().any(known) {
            self.0.push((kind, value.clone()));
        }
        let of_kind = self.0.iter().filter(|(of, _)| *of == kind);
        let place = of_kind.take_while(|(_, id)| id != value).count();
        format!("<{kind} {}>", place + 1)
    }
}
