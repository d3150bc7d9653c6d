//! Wireshark's Kafka dissector reads what clients and broker say to each other: no frame is malformed, every
//! reply belongs to its request.
//!
//! tshark 4.0 (Debian 12) knows fewer versions than are served; of those that it says it does not know,
//! nothing is judged. What it gets wrong of Apache Kafka's own frames stands in [`DISSECTOR_FAULTS`]:
//! `compat run --against kafka tshark` shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use protocol_tests::batches::{CODECS, compressed};
use protocol_tests::client::{Client, resolve};
use protocol_tests::golden::{Golden, requests};
use protocol_tests::requests::{
    CREATE_TOPICS, Topic, create_partitions, create_topics, fetch, new_topic, produce,
};

use super::{CLIENT_DEADLINE, Context};
use crate::broker::{Broker, Flavor, Settings};
use crate::capture::{Capture, PORT, Passed};
use crate::process::run as run_program;
use crate::wait::eventually;

/// Where the recorded frames lie in the scenario's folder.
const FILE: &str = "session.pcap";
/// Keys with versions that tshark 4.0 knows, and must have judged.
const JUDGED_MIN: usize = 60;
/// Correlation ids of golden requests begin here; the client counts its own from 1.
const FIRST_NUMBER: i32 = 1_000_000;
const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const JOIN_GROUP: i16 = 11;
const SYNC_GROUP: i16 = 14;
const CREATE_TOPICS_KEY: i16 = 19;
const CREATE_PARTITIONS_KEY: i16 = 37;

/// What tshark 4.0 finds wrong of Kafka's own replies: key, versions, its words. It expects no throttle time
/// in DeleteTopics 1 and 2.
const DISSECTOR_FAULTS: &[(i16, [i16; 2], &str)] =
    &[(20, [1, 2], "Dissected message does not end at the pdu length offset")];

/// A session of many clients, and what tshark says about it.
pub fn run(context: &mut Context) -> Result<()> {
    let file = context.folder.join(FILE);
    let capture = Capture::start(&file)?;
    let advertised = format!("PLAINTEXT://{}", capture.address());
    let mut broker = context.start_with(&Settings::default().with("advertised.listeners", &advertised))?;
    capture.pass_to(resolve(broker.bootstrap())?)?;
    broker.is_reached_by(&capture.address().to_string());
    stock_clients(context, &broker)?;
    every_version(capture.address())?;
    let passed = capture.finish()?;
    judge(context, &passed, &dissect(&file)?)
}

/// kcat, Python and Java, each in the versions it likes.
fn stock_clients(context: &Context, broker: &Broker) -> Result<()> {
    let lines: String = (0..200).map(|line| format!("key {line}:{}\n", "abcdefgh".repeat(8))).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let words = format!("-P -t {codec} -p 0 -z {codec} -K : -H name=value -X linger.ms=100");
        context.kcat(broker, &words, &lines)?.success()?;
        context.kcat(broker, &format!("-C -t {codec} -p 0 -o beginning -e -q"), "")?.success()?;
    }
    for words in ["-L", "-Q -t none:0:0", "-P -t none -X enable.idempotence=true"] {
        context.kcat(broker, words, "one\n")?.success()?;
    }
    let mut python = context.tools.python("client.py");
    python.arg(broker.bootstrap());
    let mut words = "";
    if context.flavor == Flavor::Kafka {
        python.arg("settle");
        words = "settle";
    }
    run_program(python, b"", CLIENT_DEADLINE)?.success()?;
    context.java(broker, "JavaClient", words, "")?.success()?;
    Ok(())
}

/// Every served request in every version: records in and out again, and what Kafka's own classes wrote. The
/// answers are not decoded here: that is the dissector's part.
fn every_version(address: SocketAddr) -> Result<()> {
    let mut client = Client::connect(address)?;
    client.ask(CREATE_TOPICS, &create_topics(vec![new_topic("captured", 1, &[])]))?;
    let topic = eventually(CLIENT_DEADLINE, "the topic", || {
        let found = client.topic("captured")?;
        let id = found.topic_id;
        Ok((found.error_code == 0).then(|| Topic { name: "captured".to_owned(), id }))
    })?;
    for (golden, number) in requests().iter().zip(FIRST_NUMBER..).filter(|(golden, _)| golden.is_served()) {
        match (golden.api_key, golden.flavor) {
            // Their records are none: the batches below are.
            (PRODUCE, "full") => {
                for codec in CODECS {
                    let batch = compressed(&["one", "two", "three"], codec);
                    client.send(golden.api_version, &produce(golden.api_version, &topic, -1, batch))?;
                    client.receive_frame()?;
                }
            }
            (PRODUCE, _) => {}
            // The dissector stumbles over replica assignments, which golden ones have.
            (CREATE_TOPICS_KEY, "full") => {
                let topic =
                    new_topic(&format!("version-{}", golden.api_version), 2, &[("retention.ms", "-1")]);
                client.send(golden.api_version, &create_topics(vec![topic]))?;
                client.receive_frame()?;
            }
            (CREATE_TOPICS_KEY, "null") => {}
            (CREATE_PARTITIONS_KEY, "full") => {
                // Versions are in ascending order: each grows the topic by one.
                let count = 2 + i32::from(golden.api_version);
                client.send(golden.api_version, &create_partitions("captured", count))?;
                client.receive_frame()?;
            }
            (FETCH, "bare") => {
                client.send(golden.api_version, &fetch(golden.api_version, &topic, 0))?;
                client.receive_frame()?;
            }
            // The dissector stumbles over what members tell each other, kcat's own requests among them.
            (JOIN_GROUP | SYNC_GROUP, _) => {}
            (_, "full" | "bare" | "null") => call(&mut client, golden, number)?,
            _ => {}
        }
    }
    Ok(())
}

/// Sends it under a number of its own: the dissector finds requests by it.
fn call(client: &mut Client, golden: &Golden, number: i32) -> Result<()> {
    let mut frame = golden.frame.to_vec();
    frame[4..8].copy_from_slice(&number.to_be_bytes());
    client.send_frame(&frame)?;
    client.receive_frame().with_context(|| format!("the answer to {}", golden.name()))?;
    Ok(())
}

/// What tshark says of one packet.
#[derive(Default)]
struct Line {
    is_malformed: bool,
    remarks: String,
    request: Option<usize>,
}

/// tshark's words, by packet number.
fn dissect(file: &Path) -> Result<BTreeMap<usize, Line>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-d", &format!("tcp.port=={PORT},kafka"), "-T", "fields"]);
    for field in ["frame.number", "_ws.malformed", "kafka.request_frame", "_ws.expert.message"] {
        command.args(["-e", field]);
    }
    let outcome = run_program(command, b"", CLIENT_DEADLINE)?.success()?;
    let mut lines = BTreeMap::new();
    for line in outcome.stdout.lines() {
        let mut fields = line.split('\t');
        let mut field = || fields.next().unwrap_or_default();
        let number = field().parse().with_context(|| format!("tshark said: {line}"))?;
        let is_malformed = !field().is_empty();
        let request = field().parse().ok();
        lines.insert(number, Line { is_malformed, remarks: field().to_owned(), request });
    }
    Ok(lines)
}

/// Fails on the first frames that are wrong; says how much was looked at.
fn judge(context: &mut Context, passed: &[Passed], lines: &BTreeMap<usize, Line>) -> Result<()> {
    let mut unknown = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for frame in passed {
        let line = lines.get(&frame.number).context("tshark shows every packet")?;
        seen.insert((frame.api_key, frame.api_version));
        if frame.reply_to.is_none() && is_beyond(&line.remarks) {
            unknown.insert((frame.api_key, frame.api_version));
        }
    }
    let mut faults = Vec::new();
    for frame in passed.iter().filter(|frame| !unknown.contains(&(frame.api_key, frame.api_version))) {
        faults.extend(fault(frame, &lines[&frame.number]));
    }
    faults.sort_unstable();
    faults.dedup();
    ensure!(faults.is_empty(), "tshark finds fault:\n{}", faults.join("\n"));
    let judged = seen.len() - unknown.len();
    ensure!(judged >= JUDGED_MIN, "only {judged} of {} keys and versions were judged", seen.len());
    print!("({judged} of {} keys and versions judged) ", seen.len());
    context.transcript.add("no frame is malformed, every reply belongs to its request");
    Ok(())
}

/// Whether the dissector says that it does not know the request's version.
fn is_beyond(remarks: &str) -> bool {
    remarks.contains("Unsupported ") || remarks.contains("Unknown ")
}

fn fault(frame: &Passed, line: &Line) -> Option<String> {
    let Passed { api_key, api_version, reply_to, .. } = *frame;
    let way = if reply_to.is_some() { "reply" } else { "request" };
    let is_mistaken = |remark: &str| {
        DISSECTOR_FAULTS.iter().any(|(key, [first, last], words)| {
            reply_to.is_some()
                && *key == api_key
                && (*first..=*last).contains(&api_version)
                && remark == *words
        })
    };
    let (mistaken, wrong): (Vec<_>, Vec<_>) = line
        .remarks
        .split(',')
        // ApiVersions tells of versions that the dissector does not know: that is no fault of the reply.
        .filter(|remark| !remark.is_empty() && !is_beyond(remark))
        .partition(|remark| is_mistaken(remark));
    if !wrong.is_empty() || (line.is_malformed && mistaken.is_empty()) {
        return Some(format!("{way} {api_key} {api_version}: {wrong:?}, malformed: {}", line.is_malformed));
    }
    (line.request != reply_to)
        .then(|| format!("{way} {api_key} {api_version}: of request {:?}", line.request))
}
