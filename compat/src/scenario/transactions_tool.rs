//! kafka-transactions: who looks at transactions, finds one that nobody will end, and ends it.

use anyhow::Result;

use super::transactions::Program;
use super::{Context, create_topics};
use crate::broker::{Broker, Settings};
use crate::raw_producer::{Origin, RawProducer, batch};

const TOOL: &str = "org.apache.kafka.tools.TransactionsCommand";
const TOPIC: &str = "words";
/// Of nobody whom the coordinator knows.
const STRANGER: Origin = Origin { transactional_id: "stranger", producer_id: 424_242 };
const LONG_AGO_MS: i64 = 1_700_000_000_000;
/// What of a table differs from run to run.
const OF_THE_HOUR: [&str; 2] = ["TransactionDurationMs", "Duration(min)"];

/// One transaction of each kind, looked at and ended.
pub fn run(context: &mut Context) -> Result<()> {
    // Else no partition lets in what its coordinator does not know.
    let settings = Settings::default().with("transaction.partition.verification.enable", "false");
    let broker = context.start_with(&settings)?;
    create_topics(context, &broker, &format!("{TOPIC} 2"))?;
    see(context, &broker, "describe --transactional-id absent")?;
    let mut command = context.tools.python("transactions_confluent_kafka.py");
    command.arg(broker.bootstrap());
    let mut program = Program::start(command)?;
    for command in [
        "init a ended 600000 none words",
        "begin a",
        "send a words 0 one",
        "commit a",
        "begin a",
        "send a words 1 two",
        "abort a",
        "init b open 600000 none words",
        "begin b",
        "send b words 0 three",
        "send b words 1 four",
        "init c unused 600000 none words",
    ] {
        context.transcript.add(&format!("{command}: {}", program.ask(command)?.last));
    }
    for words in [
        "list",
        "list --duration-filter 600000",
        "list --transactional-id-pattern .*en.*",
        "describe --transactional-id ended",
        "describe --transactional-id open",
        "describe --transactional-id unused",
        "describe-producers --topic words --partition 0",
        "describe-producers --topic words --partition 1",
        "find-hanging --topic words --max-transaction-timeout 0",
    ] {
        see(context, &broker, words)?;
    }
    hang(context, &broker)?;
    context.transcript.section("program");
    context.transcript.add(&format!("commit b: {}", program.ask("commit b")?.last));
    for words in [
        "abort --topic words --partition 0 --start-offset 3",
        "abort --topic words --partition 1 --producer-id 424243 --producer-epoch 3 --coordinator-epoch 0",
        "list",
        "describe --transactional-id open",
    ] {
        see(context, &broker, words)?;
    }
    program.finish()
}

/// Nobody will ever end this one.
fn hang(context: &mut Context, broker: &Broker) -> Result<()> {
    let mut producer = RawProducer::connect(broker.bootstrap().parse()?)?;
    let offset = producer.begin(TOPIC, &STRANGER, batch(&[(None, b"stray")], LONG_AGO_MS))?;
    for words in [
        "find-hanging --topic words --max-transaction-timeout 0",
        "find-hanging --broker-id 1 --max-transaction-timeout 0",
        "describe-producers --topic words --partition 0",
        &format!("abort --topic words --partition 0 --start-offset {offset}"),
        "describe-producers --topic words --partition 0",
        "find-hanging --topic words",
    ] {
        see(context, broker, words)?;
    }
    Ok(())
}

/// Rows of a table come in no order.
fn see(context: &mut Context, broker: &Broker, words: &str) -> Result<()> {
    let outcome = context.java(broker, TOOL, words, "")?;
    let mut lines: Vec<Vec<&str>> =
        outcome.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    if let Some(column) =
        lines.first().and_then(|head| head.iter().position(|name| OF_THE_HOUR.contains(name)))
    {
        let rows = lines.iter_mut().skip(1);
        rows.filter_map(|row| row.get_mut(column))
            .filter(|cell| **cell != "None")
            .for_each(|cell| *cell = "<age>");
    }
    let mut lines: Vec<String> = lines.iter().map(|words| words.join(" ")).collect();
    lines.sort_unstable();
    context.transcript.section(words);
    context.transcript.add(&lines.join("\n"));
    if let Some(code) = outcome.status.code().filter(|code| *code != 0) {
        context.transcript.add(&format!("exit {code}\n{}", outcome.stderr));
    }
    Ok(())
}
