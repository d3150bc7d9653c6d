//! The object store fails in every way that stores and networks do, under load: producers and consumers of
//! new records do not notice, readers of old ones get the right bytes or wait, and what was left behind is
//! copied afterwards.

mod follower;
pub mod latency;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use self::follower::Follower;
use super::tiered::{await_tier, see_memory, tiered_topic};
use super::{Context, create_topics, kcat_command};
use crate::broker::{Broker, Settings};
use crate::bucket::faults::{ALL, Fault, Faults, READS, Strike, WRITES};
use crate::bucket::{Bucket, Kind};
use crate::numbered::{self, Numbered};
use crate::process::Process;
use crate::wait::eventually;

const TOPIC: &str = "faults";
const PARTITIONS: u32 = 2;
const SEGMENT_BYTES: u64 = 1 << 20;
/// Some seconds of the load: who reads new records does not read the tier.
const LOCAL_BYTES: u64 = 12 << 20;
/// How long the broker waits for the store.
const REQUEST_TIMEOUT_MS: &str = "1000";
/// Longer than that, and than the five seconds besides that a segment's body earns; and shorter, so that
/// requests succeed late.
const LATE: Duration = Duration::from_secs(7);
const SLOW: Duration = Duration::from_millis(300);
const DEADLINE: Duration = Duration::from_secs(120);
/// What a reader of the tier reads at most, some 55 segments: the load goes on, and a slow machine would have
/// ever more to read.
const COLD_RECORDS_MAX: i64 = 250_000;

/// How long it fails, and under which load.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Records a second: 9,000 are some 1 MiB a second into each partition.
    pub per_second: u32,
    /// In each way.
    pub each: Duration,
    /// How long it is away.
    pub away: Duration,
}

/// Faults of all requests that change something or of all requests, and words of the broker's log that a
/// person who reads it knows them by.
const STANDSTILLS: &[(Fault, &[&str], &str)] = &[
    (Fault::Refused(503, "SlowDown"), WRITES, "503 SlowDown"),
    (Fault::Refused(500, "InternalError"), WRITES, "500 InternalError"),
    (Fault::CutRequest, WRITES, "the object store is not available"),
    (Fault::LostAnswer, WRITES, "the object store is not available"),
    (Fault::Late(LATE), ALL, "the object store is not available: no answer in "),
    (Fault::Refused(403, "ExpiredToken"), ALL, "the object store refuses: 403 ExpiredToken"),
    (Fault::Refused(404, "NoSuchBucket"), ALL, "there is no such bucket"),
];

/// Faults of some requests, with which everything goes on.
const HINDRANCES: &[(Fault, &[&str])] = &[
    (Fault::Refused(503, "SlowDown"), ALL),
    (Fault::CutAnswer, READS),
    (Fault::Truncated, READS),
    (Fault::Corrupted, READS),
    (Fault::LostAnswer, WRITES),
    (Fault::Late(SLOW), ALL),
];
/// One request of so many meets a hindrance.
const HINDERED_EVERY: u64 = 3;

/// One fault after the other.
pub fn run(context: &mut Context) -> Result<()> {
    let plan = context.scale.tiered_faults;
    let (bucket, faults) = Bucket::behind_faults(Kind::Moto, context.tools, &context.folder)?;
    let mut broker = context.start_with(&hasty(&bucket))?;
    let topic = tiered_topic(SEGMENT_BYTES, LOCAL_BYTES);
    create_topics(context, &broker, &format!("{} {} {topic}", TOPIC, PARTITIONS))?;
    let load = Numbered::start(
        context.tools,
        &broker,
        numbered::Plan { topic: TOPIC, partitions: PARTITIONS, per_second: plan.per_second },
    )?;
    let hot = Follower::start(&broker, TOPIC, PARTITIONS)?;
    let mut stage = Stage { faults: &faults, per_second: plan.per_second, load, hot };
    for (fault, methods, words) in STANDSTILLS {
        stage.stand_still(&mut broker, Strike { fault: *fault, methods, every: 1 }, plan.each, words)?;
    }
    let away = Strike { fault: Fault::Away, methods: ALL, every: 1 };
    stage.stand_still(&mut broker, away, plan.away, "the object store is not available")?;
    context
        .transcript
        .add("produce and hot reads go on whatever the store does, and the log says what it does");

    await_tier(&broker, &bucket, context, TOPIC, PARTITIONS)?;
    for (fault, methods) in HINDRANCES {
        let strike = Strike { fault: *fault, methods, every: HINDERED_EVERY };
        stage.hinder(&mut broker, strike).with_context(|| format!("{fault:?}"))?;
    }
    stage.all_is_corrupt(&mut broker, plan.each)?;
    context.transcript.add("who reads the tier gets the right bytes, or waits for them");

    let Stage { load, hot, .. } = stage;
    let acknowledged = load.finish()?;
    await_tier(&broker, &bucket, context, TOPIC, PARTITIONS)?;
    hot.finish(&acknowledged)?;
    for (partition, acknowledged) in acknowledged.iter().enumerate() {
        numbered::compare(&broker, (TOPIC, partition), 0, acknowledged)?;
    }
    context
        .transcript
        .add("all acknowledged records are there, in order, once, and what is closed is copied");
    see_memory(&broker, "the store failed")?;
    broker.stop()
}

/// Settings of a broker that soon takes its store for away, and soon asks again.
pub fn hasty(bucket: &Bucket) -> Settings {
    bucket
        .settings()
        .with("highwater.tier.request.timeout.ms", REQUEST_TIMEOUT_MS)
        .with("highwater.tier.request.retries", "1")
        .with("highwater.tier.retry.backoff.ms", "20")
        .with("highwater.tier.retry.backoff.max.ms", "200")
}

/// The store's network, and who must not notice.
struct Stage<'a> {
    faults: &'a Faults,
    per_second: u32,
    load: Numbered,
    hot: Follower,
}

impl Stage<'_> {
    /// All requests of a kind fail for a time: the load goes on, and the log says of the topic what is wrong.
    fn stand_still(
        &mut self,
        broker: &mut Broker,
        strike: Strike,
        time: Duration,
        words: &str,
    ) -> Result<()> {
        let logged = broker.log_text()?.len();
        let (produced, consumed) = (self.load.count()?, self.hot.count());
        let expected = u64::from(self.per_second) * time.as_secs() / 4;
        let start = Instant::now();
        self.faults.strike(Some(strike));
        let mut seen = String::new();
        let stood = eventually(time + DEADLINE, "what is to go on while the store fails", || {
            broker.check_alive()?;
            let says = says(&broker.log_text()?[logged..], words);
            let (produced, consumed) = (self.load.count()? - produced, self.hot.count() - consumed);
            let struck = self.faults.struck();
            seen = format!("{produced} produced, {consumed} consumed, {struck} struck, said: {says}");
            let goes_on = produced > expected && consumed > expected && struck > 0 && says;
            Ok((goes_on && start.elapsed() >= time).then_some(()))
        });
        self.faults.strike(None);
        stood.with_context(|| format!("{:?}, to be told as {words:?}: {seen}", strike.fault))
    }

    /// Some requests fail while a consumer reads what is in the tier.
    fn hinder(&mut self, broker: &mut Broker, strike: Strike) -> Result<()> {
        let count = self.load.newest(0).min(COLD_RECORDS_MAX);
        self.faults.strike(Some(strike));
        let mut reader = Cold::start(broker, count)?;
        eventually(DEADLINE, "a consumer to read everything", || {
            broker.check_alive()?;
            self.load.count()?;
            reader.ended()
        })?;
        let struck = self.faults.struck();
        self.faults.strike(None);
        ensure!(struck > 0, "no request met it");
        reader.check(count)
    }

    /// No object comes as it is: nobody is given one, and once they come right, everybody is.
    fn all_is_corrupt(&mut self, broker: &mut Broker, time: Duration) -> Result<()> {
        let logged = broker.log_text()?.len();
        let count = self.load.newest(0).min(COLD_RECORDS_MAX);
        let start = Instant::now();
        self.faults.strike(Some(Strike { fault: Fault::Corrupted, methods: READS, every: 1 }));
        let mut reader = Cold::start(broker, count)?;
        eventually(DEADLINE, "a word on corruption", || {
            broker.check_alive()?;
            ensure!(reader.ended()?.is_none(), "a consumer read to the end what the store never gave");
            let log = &broker.log_text()?[logged..];
            let says =
                says(log, "records in the tier cannot be read") && log.contains("is damaged in the store");
            Ok((says && self.faults.struck() > 0 && start.elapsed() >= time).then_some(()))
        })?;
        self.faults.strike(None);
        eventually(DEADLINE, "a consumer to go on", || reader.ended())?;
        reader.check(count)
    }
}

/// Whether a line of a log says that of the topic.
fn says(log: &str, words: &str) -> bool {
    let topic = format!("\"topic\":\"{TOPIC}\"");
    log.lines().any(|line| line.contains(words) && line.contains(&topic))
}

/// A consumer of partition 0 from its beginning, which is in the tier.
struct Cold {
    process: Process,
    output: std::thread::JoinHandle<std::io::Result<String>>,
}

impl Cold {
    fn start(broker: &Broker, count: i64) -> Result<Cold> {
        let words = format!(
            r"-C -t {TOPIC} -p 0 -o beginning -c {count} -q -X check.crcs=true -X fetch.error.backoff.ms=100
              -f %s\x20%o\n"
        );
        let mut command: Command = kcat_command(broker, &words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::spawn(command)?;
        let output = process.take_stdout()?;
        let output = std::thread::spawn(move || std::io::read_to_string(output));
        Ok(Cold { process, output })
    }

    fn ended(&mut self) -> Result<Option<()>> {
        let Some(status) = self.process.exited()? else { return Ok(None) };
        ensure!(status.success(), "a consumer ended with {status}");
        Ok(Some(()))
    }

    /// The load's numbers are its offsets.
    fn check(self, count: i64) -> Result<()> {
        let Ok(output) = self.output.join() else { bail!("a reader panicked") };
        let output = output?;
        for (place, line) in output.lines().enumerate() {
            let words: Vec<&str> = line.split(' ').collect();
            let place = place.to_string();
            ensure!(words.len() == 3 && words[0] == place && words[2] == place, "at {place}: {line}");
        }
        ensure!(output.lines().count() == usize::try_from(count)?, "{} of {count}", output.lines().count());
        Ok(())
    }
}
