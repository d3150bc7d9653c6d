//! Members of a group, of every stock client: three share a topic, one is killed, one is added, the broker is
//! killed.
//!
//! **Owns** the contract that a small program for each client keeps, and what is checked.
//! **Does not own** the programs (`java/GroupMember.java`, `python/member_*.py`, `go/*-member`,
//! `js/member_kafkajs.js`, `rust-rdkafka/src/member.rs`).
//!
//! A program is started with `BOOTSTRAP GROUP TOPIC`, is a member until its standard input ends, begins at
//! the first record where nothing is committed, commits what it was given before it asks for more, and says:
//!
//! ```text
//! TIME_MS assigned PARTITION...        it has these, too, from now on
//! TIME_MS revoked PARTITION...         it has these no more
//! TIME_MS record PARTITION OFFSET
//! TIME_MS committed PARTITION OFFSET   the broker has confirmed it
//! TIME_MS left
//! ```

mod member;
mod story;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

pub use member::{Member, Said, expect_one_owner};

use anyhow::{Context as _, Result, anyhow};

use super::{Context, create_topics};
use crate::broker::{Broker, Settings};
use crate::tools::Tools;
use story::{PARTITIONS, Story};

/// A client as member.
struct Client {
    name: &'static str,
    command: fn(&Tools) -> Result<Command>,
    /// Words behind those of the contract.
    words: &'static [&'static str],
    /// A member gives up in a rebalance only what another one gets.
    cooperates: bool,
}

const fn client(
    name: &'static str,
    command: fn(&Tools) -> Result<Command>,
    words: &'static [&'static str],
) -> Client {
    Client { name, command, words, cooperates: false }
}

const fn cooperating(client: Client) -> Client {
    Client { cooperates: true, ..client }
}

/// Our Java program.
pub const JAVA: &str = "GroupMember";

const COOPERATIVE: &str =
    "partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor";

const CLIENTS: &[Client] = &[
    client("java", |tools| Ok(tools.java(JAVA)), &["classic"]),
    cooperating(client("java-cooperative", |tools| Ok(tools.java(JAVA)), &["classic", COOPERATIVE])),
    client("java-2.8", |tools| tools.java_of("2.8.2", JAVA), &["classic"]),
    client("confluent-kafka", |tools| Ok(tools.python("member_confluent_kafka.py")), &["classic"]),
    client("kcat", |tools| Ok(tools.python("member_kcat.py")), &[]),
    client("rdkafka", Tools::rust_rdkafka_member, &["classic"]),
    cooperating(client("franz-go", |tools| tools.go("franz-go-member"), &[])),
    client("sarama", |tools| tools.go("sarama-member"), &[]),
    client("kafkajs", |tools| tools.node("member_kafkajs.js"), &[]),
    client("kafka-python", |tools| tools.python_with("kafka-python", "member_kafka_python.py"), &[]),
    client("aiokafka", |tools| tools.python_with("aiokafka", "member_aiokafka.py"), &[]),
];

/// Members of the protocol of KIP-848.
const MODERN: &[Client] = &[
    cooperating(client("java", |tools| Ok(tools.java(JAVA)), &["consumer"])),
    cooperating(client(
        "confluent-kafka",
        |tools| Ok(tools.python("member_confluent_kafka.py")),
        &["consumer"],
    )),
    cooperating(client("rdkafka", Tools::rust_rdkafka_member, &["consumer"])),
];

/// As short as the classic clients' own, so that a member that was killed is missed soon.
const MODERN_SESSION_MS: &str = "6000";

/// Every client with the classic protocol.
pub fn classic(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    play_all(context, broker, CLIENTS)
}

/// Those that know the newer protocol, with it.
pub fn modern(context: &mut Context) -> Result<()> {
    let broker = context.start_with(&modern_settings())?;
    play_all(context, broker, MODERN)
}

/// Half of a session: no member is taken for lost after that. Kafka's broker is away for longer.
const AWAY_BRIEFLY: Duration = Duration::from_secs(3);

/// The newer protocol with the times that our members have in the older one.
pub fn modern_settings() -> Settings {
    Settings::default()
        .with("group.consumer.min.session.timeout.ms", MODERN_SESSION_MS)
        .with("group.consumer.session.timeout.ms", MODERN_SESSION_MS)
        .with("group.consumer.min.heartbeat.interval.ms", "500")
        .with("group.consumer.heartbeat.interval.ms", "500")
}

/// All of them side by side, each with a topic and a group of its own; the broker's death strikes them
/// together.
fn play_all(context: &mut Context, mut broker: Broker, clients: &'static [Client]) -> Result<()> {
    let topics: Vec<String> =
        clients.iter().map(|client| format!("for-{} {PARTITIONS}", client.name)).collect();
    create_topics(context, &broker, &topics.join(" , "))?;
    let mut stories = Vec::new();
    for client in clients {
        let mut command = (client.command)(context.tools)?;
        let (group, topic) = (format!("of-{}", client.name), format!("for-{}", client.name));
        command.args([broker.bootstrap(), &group, &topic]).args(client.words);
        stories.push(Story::new(client, command, group, topic));
    }
    each(&mut stories, |story| story.before_the_kill(context, &broker))?;
    let killed = Instant::now();
    broker.kill()?;
    broker.restart()?;
    let was_away_briefly = killed.elapsed() < AWAY_BRIEFLY;
    each(&mut stories, |story| story.after_the_kill(context, &broker, was_away_briefly))?;
    for story in &mut stories {
        context.transcript.section(story.client());
        context.transcript.add(&story.told());
    }
    Ok(())
}

/// Does the same with every story at the same time.
fn each(stories: &mut [Story], act: impl Fn(&mut Story) -> Result<()> + Sync) -> Result<()> {
    let act = &act;
    thread::scope(|scope| {
        let threads: Vec<_> = stories
            .iter_mut()
            .map(|story| {
                scope.spawn(move || {
                    let client = story.client();
                    act(story).with_context(|| format!("{client}\n{}", story.heard()))
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow!("a client's thread panicked")))
        })
    })
}
