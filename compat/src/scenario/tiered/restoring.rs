//! A lost node's place is taken from its bucket alone: what was in the tier is read as it was sent, the gap
//! behind it is stepped over, and producers, transactions, groups and copies go on. The lost node stops when
//! it comes back.

mod groups;
mod told;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use self::groups::Groups;
use self::told::{Told, told};
use super::{
    PARTITIONS, STREAM, compacted, compare, kcat_words, offsets, produce, tiered_topic, transactional,
};
use crate::broker::{self, Broker, Flavor, Settings};
use crate::bucket::{Bucket, Kind};
use crate::feeding::{Feeding, Input, digest_of};
use crate::process::run as run_program;
use crate::scenario::{Context, create_topics, kcat_command};
use crate::wait::eventually;

/// What is written to a partition of the stream after the restore has a seed of its own.
const LATER: u64 = 100;
/// It fills small segments, which are copied.
const LATER_BYTES: u64 = 3 << 20;
/// Rounds of transactions after the restore: one of them is open over most.
const LATER_TRANSACTIONS: u32 = 24;
/// Partitions of all topics here.
const ALL_PARTITIONS: u32 = PARTITIONS + transactional::PARTITIONS + groups::PARTITIONS + 1;
/// The restore waits four minutes for what an old node may still have on its way.
const RESTORE_DEADLINE: Duration = Duration::from_secs(600);
const END_DEADLINE: Duration = Duration::from_secs(30);
/// As `highwater restore` ends where a bucket has another owner.
const TAKEN_OVER: i32 = 78;

/// How much is lost, and restored.
#[derive(Clone, Copy)]
pub struct Plan {
    /// What was in the tier.
    pub content: super::Plan,
    /// `--old-node-is-dead`: the restore does not wait.
    pub old_node_is_dead: bool,
}

/// One node after another on the same bucket.
pub fn run(context: &mut Context) -> Result<()> {
    let Plan { content, old_node_is_dead } = context.scale.tiered_restore;
    let bucket = Bucket::on(Kind::Moto, context.tools, &context.folder)?;
    let mut broker = context.start_with(&bucket.settings().with("log.cleaner.backoff.ms", "300"))?;
    let topic = tiered_topic(1 << 20, 1 << 20);
    let topics = [
        format!("{STREAM} {PARTITIONS} {}", tiered_topic(content.segment_bytes, content.local_bytes)),
        format!("{} {} {topic}", transactional::TOPIC, transactional::PARTITIONS),
        format!("{} {} {topic}", groups::TOPIC, groups::PARTITIONS),
        compacted::topic(),
    ];
    create_topics(context, &broker, &topics.join(" , "))?;
    produce(context, &broker, content.stream_bytes)?;
    let sent = transactional::produce(context, &broker, content.transactions, Vec::new())?;
    compacted::produce(context, &broker)?;
    let mut groups = Groups::start(context, &broker)?;
    for (topic, partitions) in kept_whole() {
        super::await_tier(&broker, &bucket, context, topic, partitions)?;
    }
    compacted::await_compaction(context, &broker)?;
    let newest = newest(context, &broker)?;
    let values = compacted::values_up_to(context, &broker, newest[newest.len() - 1])?;
    let before = transactional::told_up_to(&broker, &sent, &newest[PARTITIONS as usize..])?;
    await_catalogue(&bucket, &broker, &newest)?;
    broker.kill()?;

    let lost = context.folder.join("lost");
    fs::rename(broker.log_dir(), &lost)?;
    fs::create_dir(broker.log_dir())?;
    let told = take_over(&bucket, &broker, old_node_is_dead, &newest)?;
    context.transcript.add("an empty node takes over, and says of each partition what it has");
    broker.restart()?;
    // One of its partitions is enough where nothing lies behind the gap yet.
    compare(context, &broker, &[digest_of(&[(0, newest[0].cast_unsigned() + 1)])])?;
    go_on(context, &broker, &told)?;
    compacted::compare_restored(context, &broker, &values)?;
    compacted::produce(context, &broker)?;
    compacted::compare(context, &broker)?;
    let after = transactional::produce(context, &broker, LATER_TRANSACTIONS, before)?;
    transactional::compare(context, &broker, &after)?;
    let of_groups = (PARTITIONS + transactional::PARTITIONS) as usize;
    groups.go_on(context, &broker, &told[of_groups..][..groups::PARTITIONS as usize])?;
    context
        .transcript
        .add("producers, transactions and groups go on behind the gap, and consumers step over it");
    broker.stop()?;
    stays_away(context, &bucket, lost)?;
    broker.restart()?;
    context.transcript.add("the lost node stops when it comes back, and writes nothing");
    // Of the compacted one what is not dirty enough to be cleaned stays on the disk.
    for (topic, partitions) in kept_whole() {
        super::await_tier(&broker, &bucket, context, topic, partitions)?;
    }
    run_program(bucket.command(&["tier", "verify"])?, b"", RESTORE_DEADLINE)?.success()?;
    let topics: Vec<&str> = topics_here().map(|(topic, _)| topic).collect();
    super::delete_topics(context, &broker, &bucket, &topics)?;
    context.transcript.add("copies go on, the bucket is whole, and of deleted topics nothing is left");
    broker.stop()
}

/// In the order in which offsets stand here.
fn topics_here() -> impl Iterator<Item = (&'static str, u32)> {
    [
        (STREAM, PARTITIONS),
        (transactional::TOPIC, transactional::PARTITIONS),
        (groups::TOPIC, groups::PARTITIONS),
        (compacted::TOPIC, 1),
    ]
    .into_iter()
}

/// Those whose copies are known by their names: all but the compacted one.
fn kept_whole() -> impl Iterator<Item = (&'static str, u32)> {
    topics_here().filter(|(topic, _)| *topic != compacted::TOPIC)
}

/// The last offset in the tier, of each partition.
fn newest(context: &Context, broker: &Broker) -> Result<Vec<i64>> {
    let mut newest = Vec::new();
    for (topic, _) in topics_here() {
        newest.extend(offsets(context, broker, topic, "-5")?);
    }
    Ok(newest)
}

/// Waits until a restore would find all that is in the tier, and what the groups have committed.
fn await_catalogue(bucket: &Bucket, broker: &Broker, newest: &[i64]) -> Result<()> {
    let mut said = String::new();
    let known = eventually(super::TIER_DEADLINE, "the catalogue", || {
        let empty = broker.log_dir().with_extension("empty");
        let url = bucket.url();
        let words = ["restore", "--from", &url, "--data-dir", &empty.display().to_string()];
        said = run_program(bucket.command(&words)?, b"", RESTORE_DEADLINE)?.stdout;
        let all = format!(" {} committed offsets;", groups::COMMITTED);
        let knows = told(&said)?.iter().map(|told| told.newest).eq(newest.iter().copied());
        Ok((knows && said.contains(&all) && said.contains("nothing was changed")).then_some(()))
    });
    known.with_context(|| format!("{newest:?} are in the tier; {said}"))
}

/// Restores into the broker's directory, before the eyes of somebody at a terminal.
fn take_over(bucket: &Bucket, broker: &Broker, dead: bool, newest: &[i64]) -> Result<Vec<Told>> {
    let (url, directory) = (bucket.url(), broker.log_dir().display().to_string());
    let mut words = vec!["restore", "--from", &url, "--data-dir", &directory, "--take-over"];
    if dead {
        words.push("--old-node-is-dead");
    }
    let outcome = run_program(on_a_terminal(&bucket.command(&words)?), b"", RESTORE_DEADLINE)?.success()?;
    let said = outcome.stdout;
    fs::write(directory + "-restored.txt", &said)?;
    let told = told(&said)?;
    let found: Vec<i64> = told.iter().map(|told| told.newest).collect();
    ensure!(found == newest, "{newest:?} were in the tier; {said}");
    ensure!(told.iter().all(|told| told.goes_on > told.newest + 1), "no gap: {said}");
    let torn = said.lines().filter(|line| line.trim_start().starts_with("torn: ")).count();
    for words in [
        "the bucket belongs to this node from now on: ",
        if dead { "" } else { "s, until nothing of the old node is on its way" },
        &format!("[##..................] 1 of {ALL_PARTITIONS} partitions"),
        &format!("[####################] {ALL_PARTITIONS} of {ALL_PARTITIONS} partitions"),
        " as owner 2 of the store: ",
        &format!(" {} committed offsets; {torn} transactions were torn.", groups::COMMITTED),
    ] {
        ensure!(said.contains(words), "not said: {words:?}; {said}");
    }
    ensure!(torn > 0, "no transaction was torn: {said}");
    Ok(told)
}

/// The same program where it believes that somebody looks on. Its words have no spaces.
fn on_a_terminal(command: &Command) -> Command {
    let program = command.get_program().to_string_lossy();
    let words = command.get_args().map(|word| word.to_string_lossy());
    let line: Vec<_> = std::iter::once(program).chain(words).collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"]);
    script.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    script
}

/// The stream goes on behind the gap; both kinds of clients read it from its beginning.
fn go_on(context: &Context, broker: &Broker, told: &[Told]) -> Result<()> {
    let mut all = Vec::new();
    for (partition, told) in (0..PARTITIONS).zip(told) {
        let input =
            Input { partitions: vec![LATER + u64::from(partition)], named: false, bytes_each: LATER_BYTES };
        let words = kcat_words(STREAM, partition, "none");
        let sent = Feeding::start(kcat_command(broker, &words), input, |_| Ok(()))?.finish()?.remove(0);
        let parts = [
            (u64::from(partition), told.newest + 1),
            (LATER + u64::from(partition), sent.records.cast_signed()),
        ];
        all.push(digest_of(&parts.map(|(stream, records)| (stream, records.cast_unsigned()))));
        let words = format!(r"-C -t {STREAM} -p {partition} -o {} -c 3 -q -f %o\x20", told.newest - 1);
        let seen = context.kcat(broker, &words, "")?.success()?.stdout;
        let expected = format!("{} {} {} ", told.newest - 1, told.newest, told.goes_on);
        ensure!(seen == expected, "partition {partition}: {seen}, not {expected}");
    }
    compare(context, broker, &all)
}

/// The lost node, on what it had: it stops, and leaves the bucket as it is.
fn stays_away(context: &Context, bucket: &Bucket, lost: PathBuf) -> Result<()> {
    let folder = context.folder.join("old-node");
    fs::create_dir(&folder)?;
    let before = bucket.keys()?;
    let settings = Settings { log_dir: Some(lost), ..bucket.settings() };
    let mut node = broker::prepare(Flavor::Highwater, context.tools, &folder, &settings)?.start()?;
    let status = node.ended(END_DEADLINE)?;
    let log = node.log_text()?;
    ensure!(status.code() == Some(TAKEN_OVER), "the lost node ended with {status}: {log}");
    ensure!(log.contains("was taken over"), "it does not say why it ended: {log}");
    // No object ever changes, so that keys tell all.
    let after = bucket.keys()?;
    ensure!(before == after, "the lost node wrote: {before:?}, then {after:?}");
    Ok(())
}
