//! Every stock client as producer and assigned consumer: alone with a broker, and all of them with one.
//!
//! **Owns** the contract that one small program for each client keeps, and what the clients are asked.
//! **Does not own** the programs (`python/`, `java/`, `go/`, `js/`, `rust-rdkafka/`) nor their installation.
//!
//! A program is started with the broker's address, reads commands from its standard input, one a line,
//! repeats each behind `>` (save the first two) and answers:
//!
//! ```text
//! record PARTITION TIMESTAMP_MS KEY VALUE [NAME VALUE]...    kept, to be produced later
//! forget                                 none are kept any more
//! produce TOPIC CODEC plain|idempotent   `acked COUNT`, or `error` and the client's name for it
//! consume TOPIC COUNT                    all records of partitions 0..COUNT, by partition and offset:
//!                                        PARTITION OFFSET TIMESTAMP_MS KEY VALUE [NAME VALUE]...
//!                                        then `ends` and each end offset
//! times TOPIC PARTITION TIMESTAMP_MS...  `offsets` and each first offset at or after; what the client makes
//!                                        of none is its own
//! partitions TOPIC                       `partitions COUNT`
//! ```
//!
//! A field is `null`, or `=` and its bytes in hexadecimal. Told with `*COUNT` behind them, they are repeated
//! so often; said, what is longer than 64 bytes is `=LENGTH#CRC32`.

mod many;
mod script;
mod shown;

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

pub use many::{list_partitions, together};

use super::{Context, create_topics};
use crate::broker::{Broker, Flavor, Settings};
use crate::process::run;
use crate::tools::Tools;

/// How long one program may take for all it is asked.
const DEADLINE: Duration = Duration::from_secs(120);

/// One stock client.
struct StockClient {
    /// As its scenario is named.
    name: &'static str,
    /// What it is not asked for.
    cannot: &'static [Cannot],
    /// Its program, installed or built if it is not there yet.
    command: fn(&Tools) -> Result<Command>,
}

/// What not every client can produce.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cannot {
    /// It has no idempotent producer.
    Idempotent,
    /// It refuses a header whose value is null.
    NullHeader,
    /// It refuses a record whose key and value both are null.
    NullRecord,
}

impl StockClient {
    /// Whether it is asked for what some cannot produce.
    fn can(&self, what: Cannot) -> bool {
        !self.cannot.contains(&what)
    }
}

const fn client(
    name: &'static str,
    cannot: &'static [Cannot],
    command: fn(&Tools) -> Result<Command>,
) -> StockClient {
    StockClient { name, cannot, command }
}

const JAVA: &str = "StockClient";
const KAFKA_PYTHON: &str = "stock_kafka_python.py";

const CLIENTS: &[StockClient] = &[
    client("java", &[], |tools| Ok(tools.java(JAVA))),
    client("java-3.9", &[], |tools| tools.java_of("3.9.1", JAVA)),
    client("java-2.8", &[], |tools| tools.java_of("2.8.2", JAVA)),
    client("confluent-kafka", &[], |tools| Ok(tools.python("stock_confluent_kafka.py"))),
    client("rdkafka", &[], Tools::rust_rdkafka),
    client("franz-go", &[], |tools| tools.go("franz-go")),
    client("sarama", &[], |tools| tools.go("sarama")),
    client("kafka-go", &[Cannot::Idempotent], |tools| tools.go("kafka-go")),
    client("kafkajs", &[Cannot::NullHeader], |tools| tools.node("kafkajs.js")),
    client("kafka-python", &[Cannot::NullHeader, Cannot::NullRecord], |tools| {
        tools.python_with("kafka-python", KAFKA_PYTHON)
    }),
    client("kafka-python-2", &[Cannot::NullHeader, Cannot::NullRecord], |tools| {
        tools.python_with("kafka-python-2", KAFKA_PYTHON)
    }),
    client("aiokafka", &[Cannot::NullRecord], |tools| tools.python_with("aiokafka", "stock_aiokafka.py")),
];

/// One client does everything: each codec, odd fields, large records, too large ones, offsets by time.
pub fn alone(context: &mut Context, name: &str) -> Result<()> {
    let client = CLIENTS.iter().find(|client| client.name == name).context("no such client")?;
    let mut command = (client.command)(context.tools)?;
    let broker = context.start_with(&at_once())?;
    create_topics(context, &broker, script::TOPICS)?;
    command.arg(broker.bootstrap());
    let seen = run(command, script::alone(client).as_bytes(), DEADLINE)?.success()?;
    context.transcript.add(&shown::readable(&seen.stdout)?);
    expect_no_complaint(context, &broker)
}

/// kafkajs reads as the only member of a group: nobody else is waited for.
fn at_once() -> Settings {
    Settings::default().with("group.initial.rebalance.delay.ms", "0")
}

/// A stock client gives our broker no cause to warn: a line of that kind is a misunderstanding.
fn expect_no_complaint(context: &Context, broker: &Broker) -> Result<()> {
    if context.flavor == Flavor::Kafka {
        return Ok(());
    }
    let log = broker.log_text()?;
    let complaint = log.lines().find(|line| line.contains(r#""WARN""#) || line.contains(r#""ERROR""#));
    ensure!(complaint.is_none(), "the broker complained: {}", complaint.unwrap_or_default());
    Ok(())
}
