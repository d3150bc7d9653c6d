//! Tiered storage as stock clients see it: what has left the disk is read from a bucket as it was written,
//! and Kafka's tools move, empty and delete what lies there.
//!
//! **Owns** the story of topics without transactions, and waiting for the tier. **Does not own** the bucket.

mod compacted;
mod leaving;
pub mod restoring;
mod transactional;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{CLIENT_DEADLINE, Context, create_topics, kcat_command};
use crate::broker::Broker;
use crate::bucket::faults::{Fault, Faults, READS, Strike};
use crate::bucket::{Bucket, Kind};
use crate::feeding::{Feeding, Input, digest_of_output, digest_of_rest};
use crate::process::run as run_program;
use crate::stream::Digest;
use crate::wait::eventually;

const OFFSETS_TOOL: &str = "org.apache.kafka.tools.GetOffsetShell";
const DELETE_TOOL: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
const TOPICS_TOOL: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS_TOOL: &str = "kafka.admin.ConfigCommand";
/// Written by kcat with snappy, by kcat as it is, and two by Java with lz4.
const STREAM: &str = "stream";
const PARTITIONS: u32 = 4;
/// Its segments are too large for one request.
const PARTS: &str = "parts";
const PARTS_SEGMENT_BYTES: u64 = 24 << 20;
/// The broker copies, and removes what is copied, within a second where nothing is in the way; what was left
/// behind while the store was away takes longer.
const TIER_DEADLINE: Duration = Duration::from_secs(600);

/// What a broker may take under load, what `highwater.tier.memory.bytes` allows the tier of these tests
/// (`Bucket::settings`), and what is outside of that: a summary of each partition, and the hashes
/// of a look for objects that nothing names.
const MEMORY_MIB_MAX: u64 = 150 + 32 + 16;
/// The least that may be configured.
const DISK_CACHE_BYTES: u64 = 64 << 20;
/// Reads of everything after which something must have come from there.
const READS_MAX: u32 = 20;
const DISK_HITS: &str = "highwater_tier_cache_hits_total{in=\"disk\"}";

/// One answer of so many.
const HINDERED_EVERY: u64 = 3;

/// How much goes into the tier.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Of the topic without transactions: keys and values, before compression.
    pub stream_bytes: u64,
    /// Of a segment.
    pub segment_bytes: u64,
    /// `local.retention.bytes`.
    pub local_bytes: u64,
    /// Of each of two clients.
    pub transactions: u32,
}

/// In a bucket on an S3 server.
pub fn run(context: &mut Context, kind: Kind) -> Result<()> {
    let plan = context.scale.tiered;
    let (bucket, faults) = Bucket::behind_faults(kind, context.tools, &context.folder)?;
    let mut broker = context.start_with(&bucket.settings().with("log.cleaner.backoff.ms", "300"))?;
    let topics = [
        compacted::topic(),
        format!("{STREAM} {PARTITIONS} {}", tiered_topic(plan.segment_bytes, plan.local_bytes)),
        format!("{PARTS} 1 {}", tiered_topic(PARTS_SEGMENT_BYTES, 1 << 20)),
        format!("{} {} {}", transactional::TOPIC, transactional::PARTITIONS, tiered_topic(1 << 20, 1 << 20)),
        format!("{} 1 {}", leaving::TOPIC, tiered_topic(1 << 20, 1 << 20)),
    ];
    create_topics(context, &broker, &topics.join(" , "))?;
    let sent = produce(context, &broker, plan.stream_bytes)?;
    let parts = feed(kcat_words(PARTS, 0, "none"), &broker, PARTITIONS.into(), 2 * PARTS_SEGMENT_BYTES)?;
    let parts = parts.finish()?.remove(0);
    let told = transactional::produce(context, &broker, plan.transactions, Vec::new())?;
    compacted::produce(context, &broker)?;
    await_tier(&broker, &bucket, context, STREAM, PARTITIONS)?;
    await_tier(&broker, &bucket, context, PARTS, 1)?;
    await_tier(&broker, &bucket, context, transactional::TOPIC, transactional::PARTITIONS)?;
    let local = see_offsets(context, &broker, &sent)?;
    context.transcript.add("kafka-get-offsets tells where the disk and the tier end");
    compacted::await_compaction(context, &broker)?;
    context.transcript.add("a compacted topic is compacted in the tier, too");

    see_memory(&broker, "copying")?;
    broker.kill()?;
    broker.restart()?;
    compare(context, &broker, &sent)?;
    let read = digest_of_output(kcat_reader(&broker, PARTS, 0))?;
    ensure!(read == parts, "{PARTS}: sent {parts:?}, read {read:?}");
    transactional::compare(context, &broker, &told)?;
    compacted::compare(context, &broker)?;
    context.transcript.add("consumers read everything, and of transactions what they should");
    // Nothing is in memory any more.
    broker.kill()?;
    broker.restart()?;
    hindered(&faults, Fault::Refused(503, "SlowDown"), || compare(context, &broker, &sent))?;
    hindered(&faults, Fault::CutAnswer, || transactional::compare(context, &broker, &told))?;
    hindered(&faults, Fault::Corrupted, || compacted::compare(context, &broker))?;
    context.transcript.add("and the same of a store that fails now and then");
    seek_by_time(context, &broker, local[1])?;
    context.transcript.add("a time is found in the tier");

    alter(context, &broker, STREAM, &format!("local.retention.bytes={}", plan.segment_bytes))?;
    let settled = || Ok((local_bytes(&broker, STREAM, 1)? <= 3 * plan.segment_bytes).then_some(()));
    eventually(TIER_DEADLINE, "the disk to lose more", settled)?;
    delete_records(context, &broker, &bucket, local[0] / 2, sent[0].records)?;
    context.transcript.add("what kafka-delete-records takes away is gone from the bucket");
    leaving::play(context, &broker, &bucket)?;

    let topics = [STREAM, PARTS, compacted::TOPIC, transactional::TOPIC, leaving::TOPIC, leaving::CLOCK];
    delete_topics(context, &broker, &bucket, &topics)?;
    context.transcript.add("of deleted topics nothing is left in the bucket");
    see_memory(&broker, "reading")?;
    broker.stop()
}

/// Has some of the store's answers fail meanwhile.
fn hindered(faults: &Faults, fault: Fault, work: impl FnOnce() -> Result<()>) -> Result<()> {
    faults.strike(Some(Strike { fault, methods: READS, every: HINDERED_EVERY }));
    let done = work().with_context(|| format!("{fault:?}"));
    let struck = faults.struck();
    faults.strike(None);
    ensure!(struck > 0, "no request met {fault:?}");
    done
}

/// Fails if the process took more than it may: whatever was read, copied, cached and waited for.
pub fn see_memory(broker: &Broker, while_what: &str) -> Result<()> {
    let peak = broker.memory_peak_mib()?;
    eprintln!("{peak} MiB at most while {while_what}");
    ensure!(peak <= MEMORY_MIB_MAX, "{peak} MiB while {while_what}: more than {MEMORY_MIB_MAX}");
    Ok(())
}

/// In a directory, and with a cache on disk: the same without transactions and without what tools do.
pub fn run_directory(context: &mut Context) -> Result<()> {
    let plan = context.scale.tiered;
    let bucket = Bucket::in_directory(&context.folder)?;
    let settings = bucket.settings().with("highwater.tier.cache.bytes", &DISK_CACHE_BYTES.to_string());
    let mut broker = context.start_with(&settings)?;
    let topic = tiered_topic(plan.segment_bytes, plan.local_bytes);
    create_topics(context, &broker, &format!("{STREAM} {PARTITIONS} {topic}"))?;
    let sent = produce(context, &broker, plan.stream_bytes / 2)?;
    await_tier(&broker, &bucket, context, STREAM, PARTITIONS)?;
    broker.kill()?;
    broker.restart()?;
    // What is fetched again goes to the disk when it leaves memory, unless the disk is busy just then.
    let mut reads = 0;
    while cached_on_disk(&broker)? == 0 {
        ensure!(reads < READS_MAX, "nothing came from the cache on disk in {reads} reads of everything");
        compare_with_kcat(&broker, &sent)?;
        reads += 1;
    }
    see_memory(&broker, "reading with a cache on disk")?;
    context.transcript.add("what is read again comes from the cache on disk");
    delete_topics(context, &broker, &bucket, &[STREAM])?;
    context.transcript.add("as it was sent, and of the deleted topic nothing is left");
    broker.stop()
}

/// Blocks that were found in the cache on disk, by the broker's metrics.
fn cached_on_disk(broker: &Broker) -> Result<u64> {
    let metrics = broker.metrics()?;
    let hits = metrics.lines().find_map(|line| line.strip_prefix(DISK_HITS));
    Ok(hits.context("no metric of the cache on disk")?.trim().parse()?)
}

/// Configurations of a tiered topic, as `create_topics` takes them.
pub fn tiered_topic(segment_bytes: u64, local_bytes: u64) -> String {
    format!("remote.storage.enable=true segment.bytes={segment_bytes} local.retention.bytes={local_bytes}")
}

fn kcat_words(topic: &str, partition: u32, codec: &str) -> String {
    format!(
        r"-P -E -q -t {topic} -p {partition} -K \t -z {codec} -X enable.idempotence=true
          -X queue.buffering.max.kbytes=4096"
    )
}

fn feed(words: String, broker: &Broker, stream: u64, bytes_each: u64) -> Result<Feeding> {
    let input = Input { partitions: vec![stream], named: false, bytes_each };
    Feeding::start(kcat_command(broker, &words), input, |_| Ok(()))
}

/// What was sent to each partition.
fn produce(context: &Context, broker: &Broker, bytes: u64) -> Result<Vec<Digest>> {
    let bytes_each = bytes / u64::from(PARTITIONS);
    let snappy = feed(kcat_words(STREAM, 0, "snappy"), broker, 0, bytes_each)?;
    let plain = feed(kcat_words(STREAM, 1, "none"), broker, 1, bytes_each)?;
    let mut java = context.tools.java("LogProducer");
    java.args(["--bootstrap-server", broker.bootstrap(), STREAM]);
    let input = Input { partitions: vec![2, 3], named: true, bytes_each };
    let java = Feeding::start(java, input, |_| Ok(()))?;
    let sent = [snappy.finish()?, plain.finish()?, java.finish()?];
    Ok(sent.concat())
}

fn kcat_reader(broker: &Broker, topic: &str, partition: u32) -> std::process::Command {
    let words = format!(r"-C -t {topic} -p {partition} -o beginning -e -q -X check.crcs=true -f %k\t%s\n");
    kcat_command(broker, &words)
}

/// Every partition by librdkafka alone.
fn compare_with_kcat(broker: &Broker, sent: &[Digest]) -> Result<()> {
    for (partition, sent) in (0..).zip(sent) {
        let read = digest_of_output(kcat_reader(broker, STREAM, partition))?;
        ensure!(read == *sent, "partition {partition} once more: sent {sent:?}, read {read:?}");
    }
    Ok(())
}

/// Every partition by both kinds of clients.
fn compare(context: &Context, broker: &Broker, sent: &[Digest]) -> Result<()> {
    for (partition, sent) in (0..).zip(sent) {
        let mut java = context.tools.java("LogConsumer");
        java.args(["--bootstrap-server", broker.bootstrap(), STREAM, &partition.to_string()]);
        for (client, command) in [("Java", java), ("kcat", kcat_reader(broker, STREAM, partition))] {
            let read = digest_of_output(command)?;
            ensure!(read == *sent, "{client}, partition {partition}: sent {sent:?}, read {read:?}");
        }
    }
    Ok(())
}

/// Waits until each partition has lost its first segments, and every closed one that is left has a copy.
pub fn await_tier(
    broker: &Broker,
    bucket: &Bucket,
    context: &Context,
    topic: &str,
    partitions: u32,
) -> Result<()> {
    let topic_id = topic_id(context, broker, topic)?;
    eventually(TIER_DEADLINE, &format!("the tier to have {topic}"), || {
        let objects = bucket.objects()?;
        let copied = objects.of_topic(&topic_id);
        for partition in 0..partitions {
            let local = local_segments(broker.log_dir(), topic, partition)?;
            let Some(((active, _), closed)) = local.split_last() else { return Ok(None) };
            let first = closed.first().map_or(*active, |(base_offset, _)| *base_offset);
            let Some(kinds) = copied.get(&partition).filter(|_| first > 0) else { return Ok(None) };
            if closed.iter().any(|(base_offset, _)| !kinds.segments.contains(base_offset)) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
}

/// Base offset and bytes of each segment on the disk.
pub fn local_segments(log_dir: &Path, topic: &str, partition: u32) -> Result<Vec<(i64, u64)>> {
    let mut segments = Vec::new();
    let entries = match fs::read_dir(log_dir.join(format!("{topic}-{partition}"))) {
        // It is made when the first records leave the write-ahead log.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(segments),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(base_offset) = name.strip_suffix(".log") {
            // It may go at any time.
            segments.push((base_offset.parse()?, entry.metadata().map_or(0, |metadata| metadata.len())));
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

fn local_bytes(broker: &Broker, topic: &str, partition: u32) -> Result<u64> {
    Ok(local_segments(broker.log_dir(), topic, partition)?.iter().map(|(_, bytes)| bytes).sum())
}

/// The topic's id, as keys in the bucket have it.
pub fn topic_id(context: &Context, broker: &Broker, topic: &str) -> Result<String> {
    let mut command = context.tools.python("topic_id.py");
    command.args([broker.bootstrap(), topic]);
    Ok(run_program(command, b"", CLIENT_DEADLINE)?.success()?.stdout.trim().to_owned())
}

/// What kafka-get-offsets says of each partition of a topic.
pub fn offsets(context: &Context, broker: &Broker, topic: &str, time: &str) -> Result<Vec<i64>> {
    let words = format!("--topic {topic} --time {time}");
    let said = context.java(broker, OFFSETS_TOOL, &words, "")?.success()?.stdout;
    let offset = |line: &str| -> Result<i64> {
        line.rsplit(':').next().context("a line").and_then(|offset| Ok(offset.trim().parse()?))
    };
    said.lines().map(|line| offset(line).with_context(|| format!("--time {time}: {said}"))).collect()
}

/// Both ends of both tiers; where the disk begins, by partition.
fn see_offsets(context: &Context, broker: &Broker, sent: &[Digest]) -> Result<Vec<i64>> {
    let [earliest, latest, local, remote] = ["-2", "-1", "-4", "-5"];
    let [earliest, latest] = [earliest, latest].map(|time| offsets(context, broker, STREAM, time));
    let [local, remote] = [local, remote].map(|time| offsets(context, broker, STREAM, time));
    let (earliest, latest, local, remote) = (earliest?, latest?, local?, remote?);
    for (partition, sent) in sent.iter().enumerate() {
        let end = i64::try_from(sent.records)?;
        let (local, remote) = (local[partition], remote[partition]);
        ensure!(earliest[partition] == 0 && latest[partition] == end, "{earliest:?} {latest:?}, {end} sent");
        ensure!(0 < local && local <= remote + 1 && remote < end, "disk from {local}, tier to {remote}");
    }
    Ok(local)
}

/// The first record of a time or later, where that lies in the tier.
fn seek_by_time(context: &Context, broker: &Broker, local_start: i64) -> Result<()> {
    let listed = context.kcat(broker, &format!(r"-C -t {STREAM} -p 1 -o beginning -e -q -f %T\n"), "")?;
    let times: Vec<i64> = listed.success()?.stdout.lines().map(str::parse).collect::<Result<_, _>>()?;
    for quarter in [1, 2, 3] {
        let time = times[usize::try_from(local_start)? * quarter / 4];
        let expected = times.iter().position(|other| *other >= time).context("a time")?;
        let words = format!(r"-C -t {STREAM} -p 1 -o s@{time} -c 1 -q -f %o");
        let found = context.kcat(broker, &words, "")?.success()?.stdout;
        ensure!(found == expected.to_string(), "kcat at {time}: {found}, not {expected}");
        if quarter == 2 {
            let found = offsets(context, broker, STREAM, &time.to_string())?[1];
            ensure!(found == i64::try_from(expected)?, "kafka-get-offsets at {time}: {found}");
        }
    }
    Ok(())
}

fn alter(context: &Context, broker: &Broker, topic: &str, configs: &str) -> Result<()> {
    let words = format!("--entity-type topics --entity-name {topic} --alter --add-config {configs}");
    context.java(broker, CONFIGS_TOOL, &words, "")?.success()?;
    Ok(())
}

/// Partition 0 begins in the middle of the tier from now on.
fn delete_records(
    context: &Context,
    broker: &Broker,
    bucket: &Bucket,
    offset: i64,
    records: u64,
) -> Result<()> {
    let path = context.folder.join("offsets.json");
    let entry = format!(r#"{{"topic": "{STREAM}", "partition": 0, "offset": {offset}}}"#);
    fs::write(&path, format!(r#"{{"partitions": [{entry}], "version": 1}}"#))?;
    let words = format!("--offset-json-file {}", path.display());
    let said = context.java(broker, DELETE_TOOL, &words, "")?.success()?.stdout;
    ensure!(said.contains(&format!("low_watermark: {offset}")), "{said}");
    let read = digest_of_output(kcat_reader(broker, STREAM, 0))?;
    let rest = digest_of_rest(0, records, u64::try_from(offset)?);
    ensure!(read == rest, "left {rest:?}, read {read:?}");
    let topic_id = topic_id(context, broker, STREAM)?;
    eventually(TIER_DEADLINE, "segments below the log start to go", || {
        let objects = bucket.objects()?;
        let copied = objects.of_topic(&topic_id);
        let below = copied
            .get(&0)
            .map_or(0, |kinds| kinds.segments.iter().filter(|base_offset| **base_offset < offset).count());
        // The one in which the log begins.
        Ok((below <= 1).then_some(()))
    })
}

/// Deletes topics; nothing of them stays in the bucket.
fn delete_topics(context: &Context, broker: &Broker, bucket: &Bucket, topics: &[&str]) -> Result<()> {
    context.java(broker, TOPICS_TOOL, &format!("--delete --topic {}", topics.join("|")), "")?.success()?;
    await_empty(bucket)
}

/// Waits until nothing of any topic is left.
pub fn await_empty(bucket: &Bucket) -> Result<()> {
    let mut left = String::new();
    let emptied = eventually(TIER_DEADLINE, "an empty bucket", || {
        let objects = bucket.objects()?;
        left = format!("{objects:?}");
        Ok(objects.partitions.is_empty().then_some(()))
    });
    emptied.with_context(|| format!("left: {left}"))
}
