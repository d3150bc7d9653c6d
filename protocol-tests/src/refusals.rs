//! Batches that no stock client sends, and what a broker answers to each, as lines to compare.
//!
//! **Owns** the shapes and the lines. **Does not own** what is right: Apache Kafka's lines are recorded by
//! `compat`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use highwater::env::Env;
use highwater::model::{ProducerEpoch, ProducerId};
use highwater::protocol::ErrorCode;
use highwater::protocol::batch::{
    BatchBuilder, CompressionType, HEADER_BYTES, TimestampType, compress, records,
};
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use uuid::Uuid;

use crate::batches::{batch_with, keyed, patched, split};
use crate::bench::Bench;
use crate::client::{Client, Heard, decode_response};
use crate::requests::{Topic, produce_of};

/// The newest version that is not flexible, and tells of single records.
const VERSION: i16 = 8;
/// Where a batch's fields stand.
const LENGTH_AT: usize = 8;
const LEADER_EPOCH_AT: usize = 12;
const MAGIC_AT: usize = 16;
const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const COUNT_AT: usize = 57;
const HOUR_MS: i64 = 3_600_000;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request for one partition.
struct Case {
    name: String,
    version: i16,
    acks: i16,
    index: i32,
    records: Option<Bytes>,
}

fn case(name: &str, records: impl Into<Bytes>) -> Case {
    Case { name: name.to_owned(), version: VERSION, acks: -1, index: 0, records: Some(records.into()) }
}

/// Sends every case and tells the answers.
pub fn lines(broker: SocketAddr) -> Result<Vec<String>> {
    let mut bench = Bench::new(broker, "refusals")?;
    let now = Env::real().clock.now().0;
    let mut lines = Vec::new();
    for (about, configs, cases) in groups(now) {
        lines.push(format!("## {about}"));
        let first = lines.len();
        let topic = bench.topic_with(1, configs)?;
        for case in &cases {
            lines.push(format!("{}: {}", case.name, answer(&bench, &topic, case)?));
        }
        // One broker may take what another does not: what follows would have other offsets.
        if about.ends_with(RECORDS) {
            lines[first..].iter_mut().for_each(|line| *line = without_offset(line));
        } else {
            lines.extend(stored(&bench, &topic, now)?);
        }
    }
    lines.push("## what is named twice, and what is not there".to_owned());
    lines.extend(named_twice(&mut bench, now)?);
    bench.clean()?;
    Ok(lines)
}

/// Groups whose cases are about the bytes of records.
const RECORDS: &str = "records";

/// A line with "taken" instead of an offset.
fn without_offset(line: &str) -> String {
    match line.split_once(" NONE at ") {
        Some((before, after)) => {
            let rest = after.split_once(',').map_or("", |(_, rest)| rest);
            format!("{before} taken,{rest}")
        }
        None => line.to_owned(),
    }
}

type Group = (&'static str, &'static [(&'static str, &'static str)], Vec<Case>);

fn groups(now: i64) -> Vec<Group> {
    vec![
        ("a plain topic: how many batches", &[], framing(now)),
        ("a plain topic: headers", &[], headers(now)),
        ("a plain topic: records", &[], contents(now)),
        ("a plain topic: producers", &[], producers(now)),
        ("a plain topic: times", &[], times(now)),
        ("message.timestamp.before.max.ms", &[("message.timestamp.before.max.ms", "3600000")], times(now)),
        ("cleanup.policy=compact", &[("cleanup.policy", "compact")], keys(now)),
        ("LogAppendTime", &[("message.timestamp.type", "LogAppendTime")], times(now)),
        ("max.message.bytes", &[("max.message.bytes", "300")], sizes(now)),
        (
            "max.message.bytes and gzip",
            &[("max.message.bytes", "300"), ("compression.type", "gzip")],
            sizes(now),
        ),
        (
            "max.message.bytes and uncompressed",
            &[("max.message.bytes", "300"), ("compression.type", "uncompressed")],
            sizes(now),
        ),
        ("compression.type=zstd: records", &[("compression.type", "zstd")], contents(now)),
    ]
}

fn two(now: i64) -> Bytes {
    batch_with(&["a", "b"], now, |_| {})
}

/// The same batch with its records compressed, whatever they are.
fn recompressed(batch: &Bytes, compression: CompressionType, bits: u8) -> Bytes {
    let records = compress(compression, &batch[HEADER_BYTES..]);
    let mut bytes = batch[..HEADER_BYTES].to_vec();
    bytes.extend_from_slice(&records);
    let length = (bytes.len() - 12) as u32;
    bytes[LENGTH_AT..LEADER_EPOCH_AT].copy_from_slice(&length.to_be_bytes());
    patched(&bytes.into(), ATTRIBUTES_AT + 1, &[bits], true)
}

fn gzip(batch: &Bytes) -> Bytes {
    recompressed(batch, CompressionType::Gzip, 1)
}

fn framing(now: i64) -> Vec<Case> {
    let one = two(now);
    let and = |rest: &[u8]| [&one[..], rest].concat();
    let with = |at, bytes: &[u8]| patched(&one, at, bytes, true);
    let mut cases = vec![
        Case { records: None, ..case("null records", Bytes::new()) },
        Case { records: None, version: 9, ..case("null records, version 9", Bytes::new()) },
        case("no bytes", Bytes::new()),
        case("two batches", and(&one)),
        case("a batch and a cut one", and(&one[..one.len() - 1])),
        case("a batch and three bytes", and(&[1, 2, 3])),
        case("a batch and twenty zeroes", and(&[0; 20])),
        case("less than a length field", one.slice(..11)),
        case("a cut batch", one.slice(..one.len() - 1)),
        case("a length below a header", with(LENGTH_AT, &20_i32.to_be_bytes())),
        case("a length below any format", with(LENGTH_AT, &13_i32.to_be_bytes())),
        case("a negative length", with(LENGTH_AT, &(-1_i32).to_be_bytes())),
        case("a length of 2^31-1", with(LENGTH_AT, &i32::MAX.to_be_bytes())),
    ];
    for magic in [0, 1, 3, 0xff] {
        cases.push(case(&format!("format {}", magic as i8), with(MAGIC_AT, &[magic])));
    }
    for version in [3, 7, 9, 12] {
        cases.push(Case { version, ..case(&format!("no bytes, version {version}"), Bytes::new()) });
        cases.push(Case { version, ..case(&format!("format 1, version {version}"), with(MAGIC_AT, &[1])) });
    }
    for acks in [2, -2] {
        cases.push(Case { acks, ..case(&format!("acks {acks}"), one.clone()) });
    }
    cases
}

fn headers(now: i64) -> Vec<Case> {
    let one = two(now);
    let with = |at, bytes: &[u8]| patched(&one, at, bytes, true);
    let zstd = recompressed(&one, CompressionType::Zstd, 4);
    let mut cases = vec![
        case("a wrong checksum", patched(&one, 17, &[1, 2], false)),
        case("base offset 5", with(0, &5_i64.to_be_bytes())),
        case("base offset -1", with(0, &(-1_i64).to_be_bytes())),
        case("leader epoch 77", with(LEADER_EPOCH_AT, &77_i32.to_be_bytes())),
        case("no records", BatchBuilder::new().build()),
        case("count 0", with(COUNT_AT, &0_i32.to_be_bytes())),
        case("a negative count", with(COUNT_AT, &(-1_i32).to_be_bytes())),
        case("count 1 of 2", with(COUNT_AT, &1_i32.to_be_bytes())),
        case("last offset delta 0 of 2", with(LAST_OFFSET_DELTA_AT, &0_i32.to_be_bytes())),
        case("last offset delta 5 of 2", with(LAST_OFFSET_DELTA_AT, &5_i32.to_be_bytes())),
        case("a negative last offset delta", with(LAST_OFFSET_DELTA_AT, &(-1_i32).to_be_bytes())),
        case("count and offsets 1 of 2", patched(&with(23, &[0; 4]), COUNT_AT, &1_i32.to_be_bytes(), true)),
        case(
            "count and offsets 3 of 2",
            patched(&with(23, &2_i32.to_be_bytes()), COUNT_AT, &3_i32.to_be_bytes(), true),
        ),
        case("a control batch", batch_with(&["a"], now, |builder| builder.is_control = true)),
        case("the delete horizon bit", with(ATTRIBUTES_AT + 1, &[1 << 6])),
        case("an undefined attribute bit", with(ATTRIBUTES_AT, &[1])),
        Case { version: 3, ..case("an ordinary batch, version 3", one.clone()) },
        Case { version: 6, ..case("zstd, version 6", zstd.clone()) },
        Case { version: 7, ..case("zstd, version 7", zstd) },
    ];
    for codec in 5..=7 {
        for version in [6, VERSION] {
            let name = format!("codec {codec}, version {version}");
            cases.push(Case { version, ..case(&name, with(ATTRIBUTES_AT + 1, &[codec])) });
        }
    }
    cases
}

fn contents(now: i64) -> Vec<Case> {
    let one = two(now);
    // A record: length, attributes, timestamp and offset deltas, key length, value length, value, headers.
    let second = HEADER_BYTES + 8;
    let with = |at, byte: u8| patched(&one, at, &[byte], true);
    let mut cases = vec![case("ordinary", one.clone()), case("ordinary, gzip", gzip(&one))];
    for (name, at, byte) in [
        ("offsets 0, 5", second + 3, 10),
        ("offsets 0, 0", second + 3, 0),
        ("offsets 0, -3", second + 3, 5),
        ("attributes of a record", second + 1, 1),
        ("a key length of -2", second + 4, 3),
        ("a value length of -2", second + 5, 3),
        ("a record longer than the batch", second, 0x7e),
        ("a record shorter than its fields", second, 8),
        ("a negative record length", second, 1),
        ("a negative header count", second + 7, 1),
        ("more headers than bytes", second + 7, 20),
    ] {
        cases.push(case(name, with(at, byte)));
        cases.push(case(&format!("{name}, gzip"), gzip(&with(at, byte))));
    }
    cases
}

fn producers(now: i64) -> Vec<Case> {
    let by = |producer_id, producer_epoch, base_sequence, is_transactional| {
        batch_with(&["a", "b"], now, |builder| {
            builder.producer_id = ProducerId(producer_id);
            builder.producer_epoch = ProducerEpoch(producer_epoch);
            builder.base_sequence = base_sequence;
            builder.is_transactional = is_transactional;
        })
    };
    [
        ("a sequence without producer", by(-1, -1, 4, false)),
        ("an epoch without producer", by(-1, 3, -1, false)),
        ("producer -2", by(-2, 0, 0, false)),
        ("a producer without epoch", by(5000, -1, 0, false)),
        ("a producer without sequence", by(5001, 0, -1, false)),
        ("a producer with sequence -5", by(5001, 0, -5, false)),
        ("an unknown producer at sequence 7", by(5002, 0, 7, false)),
        ("the same again", by(5002, 0, 7, false)),
        ("with a gap", by(5002, 0, 20, false)),
        ("going on", by(5002, 0, 9, false)),
        ("a new epoch at sequence 3", by(5002, 1, 3, false)),
        ("a new epoch at sequence 0", by(5002, 1, 0, false)),
        ("an old epoch", by(5002, 0, 11, false)),
    ]
    .into_iter()
    .map(|(name, batch)| case(name, batch))
    .collect()
}

fn times(now: i64) -> Vec<Case> {
    let at = |timestamp| batch_with(&["a", "b"], timestamp, |_| {});
    let far = now + 10 * HOUR_MS;
    let own = batch_with(&["a", "b"], now, |builder| builder.timestamp_type = TimestampType::LogAppendTime);
    let mut cases = Vec::new();
    for (name, batch) in [
        ("now", at(now)),
        ("ten hours ahead", at(far)),
        ("ten hours ago", at(now - 10 * HOUR_MS)),
        ("without time", batch_with(&["a"], -1, |_| {})),
        ("a false maximum", patched(&at(now), 35, &far.to_be_bytes(), true)),
        ("the broker's time claimed", own),
    ] {
        let compressed = gzip(&batch);
        let bits = compressed[ATTRIBUTES_AT + 1] | batch[ATTRIBUTES_AT + 1];
        let compressed = patched(&compressed, ATTRIBUTES_AT + 1, &[bits], true);
        cases.push(case(name, batch));
        cases.push(case(&format!("{name}, gzip"), compressed));
    }
    cases
}

fn keys(now: i64) -> Vec<Case> {
    let keyless = two(now);
    let tombstone = keyed(&[("k", Some("v")), ("k", None)]);
    let ahead = batch_with(&["a", "b"], now + 10 * HOUR_MS, |_| {});
    vec![
        case("no keys", keyless.clone()),
        case("no keys, gzip", gzip(&keyless)),
        case("no keys, and a time ahead", ahead),
        Case { version: 7, ..case("no keys, version 7", keyless.clone()) },
        Case { version: 9, ..case("no keys, version 9", keyless) },
        case("keys and a tombstone", tombstone.clone()),
        case("keys and a tombstone, gzip", gzip(&tombstone)),
    ]
}

fn sizes(now: i64) -> Vec<Case> {
    let of = |length: usize| batch_with(&["x".repeat(length).as_str()], now, |_| {});
    let mut cases = Vec::new();
    for (name, length) in [("100 bytes", 100), ("300 bytes", 300), ("3000 bytes", 3000)] {
        cases.push(case(name, of(length)));
        cases.push(case(&format!("{name}, gzip"), gzip(&of(length))));
    }
    cases.push(Case { version: 7, ..case("3000 bytes, version 7", of(3000)) });
    cases
}

fn answer(bench: &Bench, topic: &Topic, case: &Case) -> Result<String> {
    let request = produce_of(case.version, topic, case.acks, vec![(case.index, case.records.clone())]);
    bench.client()?.exchange(case.version, &request)
}

fn shown(answer: &PartitionProduceResponse) -> String {
    let code = ErrorCode::from_code(answer.error_code).map_or("unknown", ErrorCode::name);
    let time =
        if answer.log_append_time_ms > 0 { "set".to_owned() } else { answer.log_append_time_ms.to_string() };
    let mut text = format!(
        "{} {code} at {}, time {time}, start {}",
        answer.index, answer.base_offset, answer.log_start_offset
    );
    if !answer.record_errors.is_empty() {
        let indexes: Vec<_> = answer.record_errors.iter().map(|error| error.batch_index).collect();
        text += &format!(", records {indexes:?}");
    }
    text
}

/// What the topic holds in the end: offsets as consumers get them, codec, whose time.
fn stored(bench: &Bench, topic: &Topic, now: i64) -> Result<Vec<String>> {
    let fetched = bench.client()?.fetch(topic, 0)?.records.unwrap_or_default();
    let mut lines = Vec::new();
    for (header, batch) in split(&fetched)? {
        let Ok(set) = records(&batch, &Default::default()) else {
            lines.push("stored: records that cannot be read".to_owned());
            continue;
        };
        let mut offsets = Vec::new();
        for record in set.iter() {
            match record {
                Ok(record) => offsets.push(header.base_offset.0 + i64::from(record.offset_delta)),
                Err(_) => offsets.push(i64::MIN),
            }
        }
        let (attributes, time) = (header.attributes.0, header.max_timestamp.0 - now);
        let time = match time {
            time if time.abs() < HOUR_MS => "about now".to_owned(),
            time if time.abs() > 100 * HOUR_MS => "of no day".to_owned(),
            time => format!("{} hours on", time / HOUR_MS),
        };
        let (offset, last) = (header.base_offset, header.last_offset());
        lines.push(format!("stored: {offset} to {last}, attributes {attributes}, {time}, {offsets:?}"));
    }
    Ok(lines)
}

fn named_twice(bench: &mut Bench, now: i64) -> Result<Vec<String>> {
    let topic = bench.topic(2)?;
    let absent = Topic { name: bench.name()?, id: Uuid::from_u128(99) };
    let zero = Topic { name: String::new(), id: Uuid::nil() };
    let sent = Some(two(now));
    let mut lines = Vec::new();
    for version in [VERSION, 12, 13] {
        let of = |topic: &Topic, indexes: &[i32]| {
            let batches = indexes.iter().map(|index| (*index, sent.clone())).collect();
            produce_of(version, topic, -1, batches)
        };
        let mut twice = of(&topic, &[0]);
        twice.topic_data.extend(of(&topic, &[0, 1]).topic_data);
        let mut requests = vec![
            ("a partition twice", of(&topic, &[0, 0])),
            ("a topic twice", twice),
            ("partitions -1, 2, 1", of(&topic, &[-1, 2, 1])),
            ("an absent topic", of(&absent, &[0])),
            ("no topic", ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000)),
            ("no partition", of(&topic, &[])),
        ];
        if version < 13 {
            let odd = Topic { name: "a b".to_owned(), ..absent.clone() };
            requests.extend([("a name that cannot be", of(&odd, &[0])), ("an empty name", of(&zero, &[0]))]);
        } else {
            requests.push(("a zero id", of(&zero, &[0])));
        }
        for (name, request) in requests {
            let answers = bench.client()?.exchange(version, &request)?;
            lines.push(format!("{name}, version {version}: {answers}"));
        }
    }
    Ok(lines)
}

impl Client {
    /// Sends a request, and tells the answers of all its partitions, or what came instead.
    fn exchange(&mut self, version: i16, request: &ProduceRequest) -> Result<String> {
        self.send(version, request)?;
        let frame = match self.hear(PATIENCE)? {
            Heard::Frame(frame) => frame,
            Heard::Closed => return Ok("the connection is closed".to_owned()),
            Heard::Silence => return Ok("no answer".to_owned()),
        };
        let (_, response) =
            decode_response::<ProduceRequest>(version, frame).context("a Produce response")?;
        let answers = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        // Kafka answers in the order of a hash.
        let mut answers: Vec<_> = answers.collect();
        answers.sort_by_key(|answer| answer.index);
        Ok(answers.into_iter().map(shown).collect::<Vec<_>>().join("; "))
    }
}
