//! Transactions of every stock client: committed, aborted, fenced, timed out; the broker is killed between.
//!
//! **Owns** the contract that a small program for each client keeps, and what is checked.
//! **Does not own** the programs (`java/Transactions.java`, `python/transactions_*.py`,
//! `go/franz-go-transactions`, `js/transactions_kafkajs.js`, `rust-rdkafka/src/transactions.rs`).
//!
//! A program is started with the broker's address and reads commands from its standard input, one a line.
//! Topics have three partitions. It answers each with `ok`, or `error` and the client's name for it:
//!
//! ```text
//! init NAME ID TIMEOUT_MS GROUP TOPIC   a producer; what had the name before is closed. GROUP, or `none`, is
//!                                       that of `offsets`
//! begin NAME
//! send NAME TOPIC PARTITION VALUE       until it is acknowledged
//! offsets NAME GROUP TOPIC OFFSET       consumes all partitions up to there as a member of the group, and
//!                                       sends these offsets to the transaction
//! commit NAME
//! abort NAME
//! read TOPIC committed|uncommitted LAST from the beginning until LAST was seen in each partition; before
//!                                       `ok`, the values of each: PARTITION VALUE...
//! ```

mod kcat;
mod program;
mod story;

use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, anyhow};

use super::{Context, committed, create_topics};
use crate::broker::{Broker, Settings};
use crate::tools::Tools;
pub use program::Program;
use story::Story;

/// Of every topic.
const PARTITIONS: u32 = 3;

/// A client with transactions.
struct Client {
    name: &'static str,
    command: fn(&Tools) -> Result<Command>,
}

const JAVA: &str = "Transactions";
const TOOL: &str = "org.apache.kafka.tools.TransactionsCommand";

/// Java 4.3 and franz-go know version 2 of the protocol, Java 2.8 and kafkajs the first one only.
const CLIENTS: &[Client] = &[
    Client { name: "java", command: |tools| Ok(tools.java(JAVA)) },
    Client { name: "java-2.8", command: |tools| tools.java_of("2.8.2", JAVA) },
    Client { name: "confluent-kafka", command: |tools| Ok(tools.python("transactions_confluent_kafka.py")) },
    Client { name: "rdkafka", command: Tools::rust_rdkafka_transactions },
    Client { name: "franz-go", command: |tools| tools.go("franz-go-transactions") },
    Client { name: "kafkajs", command: |tools| tools.node("transactions_kafkajs.js") },
];

/// All of them side by side, each with topics of its own; each reads what another one wrote.
pub fn run(context: &mut Context) -> Result<()> {
    let settings = Settings::default()
        .with("group.initial.rebalance.delay.ms", "0")
        // How often Apache Kafka looks for transactions whose time is over.
        .with("transaction.abort.timed.out.transaction.cleanup.interval.ms", "500");
    let mut broker = context.start_with(&settings)?;
    let topic = |client: &Client| format!("by-{0} {PARTITIONS} , for-{0} {PARTITIONS}", client.name);
    let topics: Vec<String> = CLIENTS.iter().map(topic).collect();
    create_topics(context, &broker, &format!("{} , {} {PARTITIONS}", topics.join(" , "), kcat::TOPIC))?;
    // Apache Kafka makes its offsets topic when it is first asked for; kafkajs does not ask twice.
    committed(context, &broker, "nobody", (kcat::TOPIC, PARTITIONS))?;
    let mut stories = Vec::new();
    for client in CLIENTS {
        let mut command = (client.command)(context.tools)?;
        command.arg(broker.bootstrap());
        stories.push(Story::start(client.name, command)?);
    }
    each(&mut stories, |story| story.chapter(context, &broker))?;
    kcat::chapter(context, &broker)?;
    read_each_other(&mut stories)?;
    each(&mut stories, Story::leave_open)?;
    broker.kill()?;
    broker.restart()?;
    await_coordinators(context, &broker)?;
    each(&mut stories, Story::end_what_was_open)?;
    each(&mut stories, |story| story.chapter(context, &broker))?;
    kcat::chapter(context, &broker)?;
    read_each_other(&mut stories)?;
    for story in stories {
        context.transcript.section(story.client());
        context.transcript.add(&story.finish()?);
    }
    kcat::told(context, &broker)
}

/// kafkajs gives up a transaction whose coordinator is not there yet; Apache Kafka's tool waits for it.
fn await_coordinators(context: &Context, broker: &Broker) -> Result<()> {
    let mut ids = ["kafkajs-kept", "kafkajs-gone"];
    each(&mut ids, |id| {
        context.java(broker, TOOL, &format!("describe --transactional-id {id}"), "")?.success()?;
        Ok(())
    })
}

/// Each reads what the next one wrote.
fn read_each_other(stories: &mut [Story]) -> Result<()> {
    let topics: Vec<_> = stories.iter().map(Story::written).collect();
    let mut places: Vec<_> = stories.iter_mut().enumerate().collect();
    each(&mut places, |(place, story)| story.read(&topics[(*place + 1) % topics.len()]))
}

/// Does the same with every one at the same time.
fn each<T: Send>(all: &mut [T], act: impl Fn(&mut T) -> Result<()> + Sync) -> Result<()> {
    let act = &act;
    thread::scope(|scope| {
        let threads: Vec<_> = all.iter_mut().map(|one| scope.spawn(move || act(one))).collect();
        let ended = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a client's thread panicked"))));
        // All of them are heard before one that failed ends it.
        ended.collect::<Vec<_>>().into_iter().collect::<Result<()>>().context("a client")
    })
}
