//! A history: several clients send, poll and commit at random while the broker is killed and paused and a
//! proxy between holds what they ask or are told. What they were told is checked by the rules of
//! [`crate::history`].
//!
//! **Owns** the contract that a small program for each client keeps, who takes part, and when it ends.
//! **Does not own** the programs (`java/History.java`, `python/history_confluent_kafka.py`), nor the rules.
//! **Invariants**: a seed gives one schedule of faults. All other chance comes from it too, but what a client
//! is asked next depends on how it went before.
//!
//! A program is started with the broker's address and reads commands from its standard input, one a line. It
//! answers each with `ok`, or `error` and the client's name for it; before `ok`, what the command asks for:
//!
//! ```text
//! open ID TIMEOUT_MS REQUEST_TIMEOUT_MS GROUP  an idempotent producer, one with transactions, a consumer
//! assign PARTITION:OFFSET..              what the consumer reads from now on
//! subscribe TOPIC..                      the same as a member of its group
//! send PARTITION VALUE                   by the first producer, until it is acknowledged; its OFFSET
//! poll MS                                PARTITION OFFSET VALUE of each record, one a line
//! consumed PARTITION:OFFSET..            commits these offsets, and waits for that
//! rewind                                 goes back to what the group has committed
//! begin                                  a transaction
//! put PARTITION VALUE                    the same as `send`, in the transaction; OFFSET
//! offsets PARTITION:OFFSET..             sends the consumer's offsets to the transaction
//! commit
//! abort
//! ```
//!
//! What is polled as a member must be what the member has when `poll` ends: it is committed then.
//!
//! Keys are replaced: when a client has written so often, it leaves its oldest key for a new one. What groups
//! have committed is asked of the broker all the while.
//!
//! Clients of version 2 of transactions ask again soon, on a new connection, while what they asked first is
//! still under way. To those of version 1 this must not happen: an end that comes late ends their next
//! transaction, as the scenario `late-end` shows. So they are patient.

mod client;
mod faults;
mod recorder;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use protocol_tests::client::{Client as WireClient, resolve};
use protocol_tests::watermarks::are_stable;

use super::{Context, create_topics};
use crate::broker::{Broker, Settings, free_port};
use crate::history::{Did, Outcome, check, to_text};
use crate::proxy::Proxy;
use crate::tools::Tools;
use crate::wait::eventually;
use client::{Client, Program};
use recorder::{Recorder, look_at_committed, watch};

/// All that there ever are; the last ones are not replaced any more.
const TOPICS: u32 = 16;
const PARTITIONS: u32 = 2;
/// Of which a client writes and reads so many at a time.
const KEYS_AT_ONCE: usize = 6;
/// That of members; who reads what it is assigned has one of its own.
const SHARED_GROUP: &str = "history-shared";
/// For the last transaction to end and be seen to have ended, beyond its own time.
const SETTLED_AFTER: Duration = Duration::from_secs(30);
/// What each client must have done, or the run shows nothing.
const COMMITTED_MIN: usize = 3;
/// For a history of 100,000 operations and more, in the slow build.
const CHECKED_MAX: Duration = Duration::from_secs(60);
/// In a shorter run, none of some kind may be asked just when it would be held.
const EVERY_KIND_FROM_ROUNDS: u32 = 4;

/// How long, and how bad.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Of every choice.
    pub seed: u64,
    /// How often each fault comes.
    pub rounds: u32,
    /// Longest time for which a frame is held.
    pub hold: Duration,
    /// For which the broker stands still.
    pub pause: Duration,
    /// Of a transaction.
    pub timeout: Duration,
    /// After so many records of its own a client replaces a key.
    pub writes_per_key: u64,
}

const JAVA: &str = "History";
const IMPATIENT: Duration = Duration::from_millis(1_500);

/// Who takes part: Java 4.3 knows version 2 of transactions.
const PROGRAMS: &[Program] = &[
    IMPATIENT_JAVA,
    Program { name: "java-2.8", command: |tools| tools.java_of("2.8.2", JAVA), patience: None },
    CONFLUENT_KAFKA,
    Program { name: "java-again", ..IMPATIENT_JAVA },
    Program { name: "confluent-kafka-again", ..CONFLUENT_KAFKA },
];

const IMPATIENT_JAVA: Program =
    Program { name: "java", command: |tools| Ok(tools.java(JAVA)), patience: Some(IMPATIENT) };

const CONFLUENT_KAFKA: Program =
    Program { name: "confluent-kafka", command: confluent_kafka, patience: None };

fn confluent_kafka(tools: &Tools) -> Result<std::process::Command> {
    Ok(tools.python("history_confluent_kafka.py"))
}

/// Topics, by name.
fn topics() -> Vec<String> {
    (0..TOPICS).map(|topic| format!("history{topic}")).collect()
}

/// All partitions, as keys of a history.
fn keys() -> Vec<String> {
    let of = |topic: String| (0..PARTITIONS).map(move |partition| format!("{topic}-{partition}"));
    topics().into_iter().flat_map(of).collect()
}

/// The group of a client that reads what it is assigned.
fn own_group(number: u32) -> String {
    format!("history-{number}")
}

fn groups() -> Vec<String> {
    let own = (0u32..).zip(PROGRAMS).map(|(number, _)| own_group(number));
    own.chain([SHARED_GROUP.to_owned()]).collect()
}

/// Starts a broker that clients reach through a proxy alone.
pub fn behind_proxy(context: &mut Context, settings: Settings) -> Result<(Broker, Proxy)> {
    let port = free_port()?;
    let advertised = format!("PLAINTEXT://127.0.0.1:{port}");
    let mut broker = context.start_with(&settings.with("advertised.listeners", &advertised))?;
    let proxy = Proxy::start(port, resolve(broker.bootstrap())?)?;
    broker.is_reached_by(&proxy.address().to_string());
    Ok((broker, proxy))
}

/// Everything.
pub fn run(context: &mut Context) -> Result<()> {
    let plan = context.scale.history;
    eprintln!("seed {}", plan.seed);
    let settings = Settings::default()
        .with("transaction.abort.timed.out.transaction.cleanup.interval.ms", "500")
        .with("group.initial.rebalance.delay.ms", "0");
    let (mut broker, proxy) = behind_proxy(context, settings)?;
    let direct = proxy.broker();
    let topics: Vec<String> = topics().iter().map(|topic| format!("{topic} {PARTITIONS}")).collect();
    create_topics(context, &broker, &topics.join(" , "))?;

    let recorder = Arc::new(Recorder::default());
    let start = |(number, program)| {
        Client::start(context.tools, program, (number, plan), broker.bootstrap(), Arc::clone(&recorder))
    };
    let mut clients = (0..).zip(PROGRAMS).map(start).collect::<Result<Vec<_>>>()?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watching = scope.spawn(|| watch(direct, &recorder, &is_over));
        let working = |client: &mut Client<'_>| client.work(&is_over);
        let threads: Vec<_> = clients.iter_mut().map(|client| scope.spawn(move || working(client))).collect();
        let played = faults::play(&mut broker, &proxy, plan);
        is_over.store(true, Ordering::Release);
        let mut ended: Vec<Result<()>> = threads.into_iter().map(joined).collect();
        ended.push(joined(watching));
        played.and(ended.into_iter().collect::<Result<()>>())
    })?;
    settle(direct, plan)?;
    look_at_committed(&mut WireClient::connect(direct)?, &recorder)?;
    let last = recorder.last_offsets();
    thread::scope(|scope| {
        let read = |client: &mut Client<'_>| client.read_everything(&last);
        let threads: Vec<_> = clients.iter_mut().map(|client| scope.spawn(move || read(client))).collect();
        threads.into_iter().try_for_each(joined)
    })?;
    clients.iter().for_each(|client| eprintln!("{}", client.complaints()));
    drop(clients);
    judge_held(plan, &proxy)?;
    judge(context, &recorder)
}

fn joined(thread: thread::ScopedJoinHandle<'_, Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|_| Err(anyhow!("a client's thread panicked")))
}

/// Waits until no transaction is open.
fn settle(broker: SocketAddr, plan: Plan) -> Result<()> {
    let mut client = WireClient::connect(broker)?;
    let topics = topics();
    eventually(plan.timeout + SETTLED_AFTER, "all transactions to end", || {
        Ok(are_stable(&mut client, &topics, PARTITIONS.cast_signed())?.then_some(()))
    })
}

/// That frames of each kind were late; in a short run, of most.
fn judge_held(plan: Plan, proxy: &Proxy) -> Result<()> {
    let counts = proxy.held_counts();
    let kinds: Vec<_> = faults::held_kinds().map(|kind| (kind, counts.get(&kind).copied())).collect();
    let told = kinds
        .iter()
        .map(|((api_key, way), count)| format!("{} of key {api_key} ({way:?})", count.unwrap_or_default()));
    eprintln!("frames that were late: {}", told.collect::<Vec<_>>().join(", "));
    let missing = kinds.iter().filter(|(_, count)| count.is_none()).count();
    let missing_max = if plan.rounds >= EVERY_KIND_FROM_ROUNDS { 0 } else { kinds.len() / 2 };
    ensure!(missing <= missing_max, "of {missing} kinds no frame was late: {counts:?}");
    Ok(())
}

/// Leaves the history in the scenario's folder, and checks it.
fn judge(context: &mut Context, recorder: &Recorder) -> Result<()> {
    let history = recorder.take();
    let file = context.folder.join("history.jsonl");
    fs::write(&file, to_text(&history)?)?;
    let mut committed: BTreeMap<u32, usize> = BTreeMap::new();
    let (mut aborted, mut unknown) = (0, 0);
    for operation in history.iter().filter(|operation| !operation.steps().is_empty()) {
        let is_transaction = matches!(operation.did, Did::Transaction(_));
        match operation.outcome {
            Outcome::Ok => *committed.entry(operation.process).or_default() += usize::from(is_transaction),
            Outcome::Failed => aborted += 1,
            Outcome::Unknown => unknown += 1,
        }
    }
    let begun = Instant::now();
    let findings = check(&history)?;
    let took = begun.elapsed();
    ensure!(took < CHECKED_MAX, "{} operations were checked in {took:?}", history.len());
    eprintln!(
        "checked in {took:?}; {aborted} operations failed, {unknown} ended nobody knows how; committed by \
         client: {:?}\n{findings}",
        committed.values()
    );
    ensure!(findings.is_sound(), "the history in {} is that of no sound log:\n{findings}", file.display());
    let enough = committed.values().filter(|count| **count >= COMMITTED_MIN).count();
    ensure!(enough == PROGRAMS.len(), "a client did next to nothing: {committed:?}");
    ensure!(aborted > 0, "nothing was aborted");
    let has = |wanted: fn(&Did) -> bool| history.iter().any(|operation| wanted(&operation.did));
    ensure!(has(|did| *did == Did::Subscribe), "nobody subscribed");
    ensure!(has(|did| matches!(did, Did::Committed { .. })), "no committed offset was seen");
    context.transcript.add("nothing that a sound log would not show");
    Ok(())
}
