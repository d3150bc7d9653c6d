//! `kill -9` and power cuts, at every operation on the disk and at every request to the bucket, of a whole
//! broker that copies, lets go of what is on disk and of what is in the bucket, compacts there, collects what
//! nothing names, and puts catalogues: no record is in neither place, and none is there twice.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use super::compacted::{batch, cleanable};
use super::*;
use crate::broker::cleaning::limits;
use crate::broker::testing::{append_batch, append_in_transaction};
use crate::broker::tests::machine::broker_config;
use crate::broker::tiering::removing::named;
use crate::config::ServerConfig;
use crate::env::simulated::{CrashPlan, SimulatedWorld};
use crate::model::{CoordinatorEpoch, ProducerEpoch, ProducerId, TransactionResult};
use crate::partition::{CleanStep, MarkerOrigin, TransactionMarker};
use crate::protocol::batch::{BatchBuilder, DecompressionCaps, records};
use crate::tier::topic_folder;
use crate::transaction::NamedPartition;

/// One that loses records by retention alone, and one that is compacted.
const TOPICS: [&str; 2] = ["plain", "compacted"];
const GRACE: Duration = Duration::from_secs(1);
/// Names of records of the compacted topic: each comes several times.
const KEYS: i64 = 3;
/// Looks after which nothing is left to do, at the latest: a removal, its time of grace, and one more.
const LOOKS_TO_SETTLE: usize = 4;

/// The process is gone.
#[derive(Debug)]
struct Killed;

/// What was promised of a partition.
#[derive(Clone, Default, Debug)]
struct Promised {
    /// Key and value of each record that was acknowledged, and may be read.
    written: BTreeMap<i64, (String, String)>,
    /// The last one, as long as it is not acknowledged.
    in_doubt: Option<i64>,
    /// Where the log starts: confirmed, and asked for.
    start: (i64, i64),
}

struct Stage {
    world: SimulatedWorld,
    bucket: SimulatedBucket,
    broker: Arc<Broker>,
    promised: [Promised; 2],
    /// Who began the last transaction in the plain topic.
    producer: ProducerId,
}

fn config() -> ServerConfig {
    broker_config(&[
        ("highwater.tier.store", "file:///simulated"),
        ("highwater.tier.grace.ms", "1000"),
        ("log.cleaner.dedupe.buffer.size", "2097152"),
    ])
}

async fn open_at(world: &SimulatedWorld, bucket: &SimulatedBucket) -> Arc<Broker> {
    let tier = bucket_tier_at(bucket, &world.env()).await;
    let metrics = Metrics::new(Timestamp(0), 100);
    Broker::open_without_threads(world.env(), config(), metrics, Some(tier)).expect("the broker opens")
}

impl Stage {
    /// A broker with both topics, some closed segments in each, and nothing in the tier.
    async fn new(seed: u64) -> Stage {
        let world = SimulatedWorld::new(seed);
        let bucket = SimulatedBucket::new(world.clock.clone(), seed);
        let broker = open_at(&world, &bucket).await;
        let mut stage =
            Stage { world, bucket, broker, promised: Default::default(), producer: ProducerId::NONE };
        stage.drive(stage.broker.own_tier()).await.unwrap().unwrap();
        for name in TOPICS {
            let configs = [
                ("cleanup.policy", if name == "plain" { "delete" } else { "compact" }),
                ("segment.ms", "1000"),
                ("min.cleanable.dirty.ratio", "0.01"),
                ("remote.storage.enable", "true"),
                ("local.retention.bytes", "0"),
                ("retention.ms", "-1"),
            ];
            let configs = configs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
            let new = NewTopic { name: name.to_owned(), partitions: 1, replication_factor: 1, configs };
            stage.drive(stage.broker.create_topics(vec![new], false)).await.unwrap().remove(0).unwrap();
        }
        stage.write(3).await.unwrap();
        stage
    }

    fn partition(&self, topic: usize) -> Arc<Partition> {
        let id = self.broker.image().topic(TOPICS[topic]).unwrap().topic_partitions().next().unwrap();
        self.broker.partition(id).expect("it is open")
    }

    fn is_killed(&self) -> bool {
        self.world.files.crashed()
    }

    /// Commits what is asked for until there is an answer, or the process is gone.
    async fn drive<F: Future>(&self, future: F) -> Result<F::Output, Killed> {
        let mut future = pin!(future);
        let commits = async {
            let storage = self.broker.storage();
            while !self.is_killed() {
                tokio::task::yield_now().await;
                let step = || {
                    while storage.commit_step()? {}
                    storage.provision_step()
                };
                let step: Result<_, crate::partition::StorageFailed> = step();
                assert!(step.is_ok() || self.is_killed(), "the disk is well, and the storage fails");
            }
        };
        let answer = tokio::select! {
            biased;
            answer = &mut future => answer,
            () = commits => return Err(Killed),
        };
        // What a process is told in the moment of its end nobody hears.
        if self.is_killed() { Err(Killed) } else { Ok(answer) }
    }

    /// What the process did, if it was not gone by then.
    fn done<T, E: std::fmt::Debug>(&self, result: Result<T, E>) -> Result<T, Killed> {
        match result {
            Ok(done) => Ok(done),
            Err(_) if self.is_killed() => Err(Killed),
            Err(error) => panic!("refused, and the disk is well: {error:?}"),
        }
    }

    /// Closed segments of both topics, as far as they may be copied. The plain one has transactions, each
    /// with its marker in another segment.
    async fn write(&mut self, rounds: i64) -> Result<(), Killed> {
        for _ in 0..rounds {
            for topic in 0..TOPICS.len() {
                for _ in 0..KEYS {
                    self.append(topic).await?;
                }
            }
            self.producer = ProducerId(self.partition(0).watermarks().log_end_offset.0);
            let producer = (self.producer, ProducerEpoch(0));
            let taken_back = batch(&[("taken back", Some("by nobody"))]);
            let plain = self.partition(0);
            self.drive(append_in_transaction(&self.broker, &plain, producer, taken_back)).await?;
            self.close_segments()?;
            self.abort().await?;
        }
        self.close_segments()?;
        self.clean()
    }

    /// Of the compacted topic only what is clean may be copied.
    fn clean(&self) -> Result<(), Killed> {
        let (partition, storage) = (self.partition(1), self.broker.storage());
        let limits = limits(&self.broker.config().cleaner, self.broker.cleaners());
        let waits_below = self.broker.tier_clean_end(&partition);
        let begun = storage.begin_cleaning(&partition, &cleanable(&partition), limits, waits_below);
        let Some(mut cleaning) = begun else { return self.done(Err("no cleaning begins")) };
        loop {
            match storage.clean_step(&partition, &mut cleaning, 1 << 20) {
                CleanStep::Went(_) => {}
                CleanStep::Done(..) => break,
                other => self.done(Err(other))?,
            }
        }
        self.done(storage.checkpoint_step(CheckpointReach::All)).map(drop)
    }

    async fn abort(&self) -> Result<(), Killed> {
        let marker = TransactionMarker {
            origin: MarkerOrigin::Client,
            producer_id: self.producer,
            producer_epoch: ProducerEpoch(0),
            coordinator_epoch: CoordinatorEpoch(0),
            result: TransactionResult::Abort,
            transaction_version: 0,
        };
        let named = NamedPartition { topic: TOPICS[0].into(), partition: 0 };
        let ended = self.drive(self.broker.end_transactions(std::iter::once((&named, marker)))).await?;
        ended.into_iter().try_for_each(|ended| self.done(ended))
    }

    async fn append(&mut self, topic: usize) -> Result<(), Killed> {
        let partition = self.partition(topic);
        let offset = partition.watermarks().log_end_offset.0;
        let (key, value) = ((offset % KEYS).to_string(), format!("value of {offset}"));
        let record: BatchBuilder = batch(&[(&key, Some(&value))]);
        self.promised[topic].in_doubt = Some(offset);
        self.promised[topic].written.insert(offset, (key.clone(), value.clone()));
        self.drive(append_batch(&self.broker, &partition, record)).await?;
        self.promised[topic].in_doubt = None;
        Ok(())
    }

    fn close_segments(&self) -> Result<(), Killed> {
        let storage = self.broker.storage();
        self.done(storage.flush_step(0))?;
        self.world.clock.advance(Duration::from_secs(2));
        for topic in 0..TOPICS.len() {
            self.done(self.partition(topic).log().roll_if_due())?;
        }
        self.done(storage.checkpoint_step(CheckpointReach::All)).map(drop)
    }

    async fn look(&self) -> Result<(), Killed> {
        self.drive(self.broker.see_to_the_tier()).await
    }

    async fn retain(&self) -> Result<(), Killed> {
        let retained = self.drive(self.broker.retain()).await?;
        self.done(retained)
    }

    async fn delete_records(&mut self, before: i64) -> Result<(), Killed> {
        let deletion = RecordDeletion { partition: self.partition(0), before: Some(Offset(before)) };
        let start = &mut self.promised[0].start;
        start.1 = start.1.max(before);
        let deleted = self.drive(self.broker.delete_records(&[deletion])).await?.remove(0);
        self.done(deleted)?;
        let start = &mut self.promised[0].start;
        start.0 = start.0.max(before);
        Ok(())
    }

    /// All that is cut off somewhere.
    async fn work(&mut self) -> Result<(), Killed> {
        self.look().await?;
        self.retain().await?;
        self.write(2).await?;
        self.look().await?;
        self.retain().await?;
        self.drive(self.broker.compact_tier()).await?;
        self.delete_records(7).await?;
        self.look().await?;
        let put = self.drive(self.broker.put_catalogue()).await?;
        self.done(put)?;
        self.world.clock.advance(2 * GRACE);
        self.look().await
    }

    /// Comes again on another disk, with the bucket as it is.
    async fn after(&self, world: SimulatedWorld) -> Stage {
        self.bucket.clear_faults();
        let broker = open_at(&world, &self.bucket).await;
        let (bucket, promised) = (self.bucket.clone(), self.promised.clone());
        let stage = Stage { world, broker, bucket, promised, producer: self.producer };
        stage.drive(stage.broker.own_tier()).await.unwrap().expect("the bucket is still its own");
        // As its coordinator does.
        let watermarks = stage.partition(0).watermarks();
        if watermarks.last_stable_offset < watermarks.high_watermark {
            stage.abort().await.unwrap();
        }
        stage
    }

    /// Everything from the log start on, as a consumer of what is committed is given it.
    async fn read(&self, topic: usize) -> BTreeMap<i64, (String, String)> {
        let partition = self.partition(topic);
        let watermarks = partition.watermarks();
        assert_eq!(watermarks.last_stable_offset, watermarks.high_watermark, "nothing is undecided");
        let limits = FetchLimits { bytes_max: 300, read_committed: true, wait: Duration::ZERO, ..ALL };
        let (mut found, mut at) = (BTreeMap::new(), watermarks.log_start_offset.0);
        while at < watermarks.high_watermark.0 {
            let fetch = [from_offset(&partition, at, 300)];
            let fetched = self.drive(self.broker.fetch(&fetch, limits)).await.unwrap().remove(0);
            let fetched = fetched.result.unwrap();
            let aborted = fetched.aborted.clone();
            let batches = batches_of(fetched);
            assert!(!batches.is_empty(), "{}: nothing from {at} on", TOPICS[topic]);
            for batch in batches {
                let header = BatchHeader::parse(&batch).unwrap();
                at = header.next_offset().0;
                let is_aborted = header.attributes.is_transactional()
                    && aborted.iter().any(|aborted| aborted.producer_id == header.producer_id);
                if header.attributes.is_control() || is_aborted {
                    continue;
                }
                for record in &records(&batch, &DecompressionCaps::default()).unwrap() {
                    let record = record.unwrap();
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    let offset = header.base_offset.0 + i64::from(record.offset_delta);
                    let read = (text(record.key.unwrap()), text(record.value.unwrap()));
                    assert_eq!(found.insert(offset, read), None, "{}: {offset} comes twice", TOPICS[topic]);
                }
            }
        }
        found
    }

    /// Nothing that was acknowledged is missing, and nothing else is there.
    async fn verify(&self) {
        for (topic, promised) in self.promised.iter().enumerate() {
            let (found, start) =
                (self.read(topic).await, self.partition(topic).watermarks().log_start_offset.0);
            let (confirmed, asked) = promised.start;
            assert!((confirmed..=asked).contains(&start), "starts at {start}: {confirmed} to {asked}");
            let mut written = promised.written.clone();
            written.retain(|offset, _| {
                *offset >= start && (promised.in_doubt != Some(*offset) || found.contains_key(offset))
            });
            if TOPICS[topic] == "plain" {
                assert_eq!(found, written);
                continue;
            }
            assert!(found.iter().all(|(offset, record)| written.get(offset) == Some(record)), "{found:?}");
            let newest = |all: &BTreeMap<i64, (String, String)>| -> BTreeMap<String, String> {
                all.values().cloned().collect()
            };
            assert_eq!(newest(&found), newest(&written));
        }
    }

    /// What was cut off is done again, and in the end the bucket has what its manifests name, and nothing
    /// else.
    async fn settle(&self) {
        for _ in 0..LOOKS_TO_SETTLE {
            self.close_segments().unwrap();
            self.clean().unwrap();
            self.look().await.unwrap();
            self.retain().await.unwrap();
            self.drive(self.broker.compact_tier()).await.unwrap();
            self.world.clock.advance(2 * GRACE);
        }
        self.look().await.unwrap();
        let tiering = self.broker.tiering.as_ref().unwrap();
        let (keys, mut kept) = (self.bucket.keys(), BTreeSet::new());
        for topic in 0..TOPICS.len() {
            let partition = self.partition(topic);
            let (id, record) = (partition.topic_partition(), record(&self.broker, &partition));
            let watermarks = partition.watermarks();
            assert_eq!(remote_end(&self.broker, &partition), Some(watermarks.high_watermark.0));
            assert_eq!(watermarks.local_log_start_offset, watermarks.high_watermark, "all has left the disk");
            let root = tiering.partition(id).root(tiering.reader(), record).await.unwrap();
            named(tiering, &root, |key| kept.extend([key])).await.unwrap();
            let log = RemoteLog::new(tiering.reader().clone(), root.clone());
            let mut next = watermarks.log_start_offset;
            while let Some(entry) = log.segment_of(next).await.unwrap() {
                let bytes = self.bucket.object(&entry.key(id)).expect("what is named is there").len();
                assert_eq!(bytes as u64, entry.bytes());
                next = entry.end_offset;
            }
            let folder = topic_folder(id.topic_id);
            let orphans: Vec<_> =
                keys.iter().filter(|key| key.starts_with(&folder) && !kept.contains(*key)).collect();
            assert_eq!(orphans, Vec::<&String>::new(), "nothing names them");
        }
    }
}

/// Where a process ends.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// At that operation on the disk.
    Disk(u64),
    /// At that request to the bucket, which is carried out or not.
    Bucket(u64, bool),
}

/// Has a process end at a point of its work, and another take its place: on the disk as it was killed, or as
/// a power cut leaves it. Whether it came to that point.
async fn ends_at(point: Point) -> bool {
    let mut stage = Stage::new(1).await;
    let files = stage.world.files.clone();
    match point {
        Point::Disk(operation) => files.crash_at(files.operations() + operation),
        Point::Bucket(request, is_done) => {
            let files = files.clone();
            stage.bucket.kill_at(request, is_done, move || files.crash_now());
        }
    }
    let worked = stage.work().await;
    assert_eq!(worked.is_err(), stage.is_killed(), "{point:?}");
    if worked.is_ok() {
        // It comes later than all of the work.
        files.crash_at(u64::MAX);
        stage.bucket.clear_faults();
        stage.verify().await;
        stage.settle().await;
        stage.verify().await;
        return false;
    }
    let number = match point {
        Point::Disk(number) | Point::Bucket(number, _) => number,
    };
    stage.broker.close().await.expect("there are no threads to stop");
    // One of the two at each point: the bucket goes on from there.
    let world = match number % 2 {
        0 => stage.world.after_kill(),
        _ => stage.world.after_crash(CrashPlan::all(number, 1)[0]),
    };
    let after = stage.after(world).await;
    after.verify().await;
    after.settle().await;
    after.verify().await;
    after.broker.close().await.unwrap();
    true
}

#[tokio::test]
async fn a_process_may_end_at_any_operation_on_its_disk() {
    let mut points = 0;
    while ends_at(Point::Disk(points)).await {
        points += 1;
    }
    assert!(points > 50, "{points}");
}

#[tokio::test]
async fn a_process_may_end_at_any_request_to_its_bucket() {
    for is_done in [false, true] {
        let mut points = 0;
        while ends_at(Point::Bucket(points, is_done)).await {
            points += 1;
        }
        assert!(points > 20, "{points}");
    }
}
