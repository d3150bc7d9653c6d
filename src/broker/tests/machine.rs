//! A storage with its catalogue on a simulated disk, driven step by step by one thread, and the record of
//! what it promised.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::cluster::{Change, EmbeddedMetadata, MetadataError, Transaction};
use crate::config::ServerConfig;
use crate::env::simulated::SimulatedWorld;
use crate::env::{Env, Files, RealFiles};
use crate::log::{Compaction, LogConfig, Tiering};
use crate::metadata::{BrokerConfigs, TierRecord, Tombstone, TopicImage, TopicRecord, keys};
use crate::model::{NodeId, Offset, ProducerEpoch, ProducerId, Timestamp, TopicId, TopicPartition};
use crate::partition::{
    Admission, BrokerDirectory, Catalogue, CheckpointReach, Credits, OpenError, Partition, PartitionRead,
    Purpose, Storage, StorageFailed, StorageOptions,
};
use crate::protocol::batch::{
    BatchBuilder, BatchHeader, NewRecord, ProduceRules, ProducedBatch, validate_produced, verify_crc,
};
use crate::wal::{SyncMode, WalOptions};

use super::bucket::{Copied, TIERED_KEY};
use super::compaction::{key_of, verify_compacted};
use super::transactions;

pub(super) const ROOT: &str = "/data";
/// What an alteration sets on a topic, all to one number: a half of it would be seen.
const ALTERED_KEYS: [&str; 2] = ["segment.bytes", "retention.ms"];
/// Set on topics that are compacted.
const POLICY_KEY: &str = "cleanup.policy";
/// What the same transaction sets on the broker.
const ALTERED_BROKER_KEY: &str = "message.max.bytes";
/// How often room is made for one entry: enough to pre-write what a healthy disk has room for.
const ADMISSION_ATTEMPTS: usize = 32;

/// Small enough that a few dozen batches roll segments, recycle WAL files and fill the window.
pub(crate) fn options(sync: SyncMode) -> StorageOptions {
    StorageOptions {
        wal: WalOptions {
            sync,
            file_bytes: 64 << 10,
            slot_bytes: 16 << 10,
            group_bytes_max: 4 << 10,
            capacity_bytes: 256 << 10,
            free_bytes_target: 32 << 10,
        },
        tail_bytes: 64 << 10,
        checkpoint_bytes: 96 << 10,
        checkpoint_interval: Duration::from_secs(60),
        write_back_bytes: 3000,
        disk_reserve_bytes: 0,
        handles_max: 8,
    }
}

/// Of a whole broker on a simulated disk.
pub(crate) fn broker_config(settings: &[(&str, &str)]) -> ServerConfig {
    let all = [("log.dirs", ROOT), ("highwater.segment.disk.reserve.bytes", "0")];
    let all = all.iter().chain(settings);
    let flags: Vec<_> = all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let mut config = ServerConfig::load(&RealFiles, None, std::iter::empty(), &flags).unwrap().0;
    // Less than may be configured: it is copied at each crash.
    (config.wal.file_bytes, config.wal.capacity_bytes) = (4 << 20, 8 << 20);
    config
}

/// Small segments; those that clients alter are some bytes larger, so that one can tell what a log follows.
fn log_config(overrides: &BTreeMap<String, String>) -> LogConfig {
    let altered: u32 = overrides.get(ALTERED_KEYS[0]).map_or(0, |value| value.parse().unwrap());
    // A tombstone goes with the second cleaning that meets it.
    let compaction = Compaction { delete_retention: Duration::ZERO, ..Compaction::default() };
    let is_compacted = overrides.contains_key(POLICY_KEY);
    let is_tiered = overrides.contains_key(TIERED_KEY);
    LogConfig {
        // The active segment is never cleaned: there are to be others.
        segment_bytes: altered
            + match (is_compacted, is_tiered) {
                (true, _) => 1 << 10,
                (_, true) => 400,
                _ => 4 << 10,
            },
        index_interval_bytes: 512,
        compaction: is_compacted.then_some(compaction),
        tiering: is_tiered.then_some(Tiering {
            copies: true,
            local_retention_age_max: Some(Duration::ZERO),
            local_retention_bytes: None,
        }),
        ..LogConfig::default()
    }
}

/// What was asked of one partition, in order, and how much of it was promised.
#[derive(Default, Clone, Debug)]
pub(super) struct Promised {
    /// Values of the batches in the order of their offsets, one record each... a batch has `records` records.
    pub batches: Vec<Batch>,
    /// Everything below was acknowledged.
    pub acknowledged: Offset,
    /// Log start that was acknowledged, and the largest that was asked for.
    pub log_start: Offset,
    pub log_start_asked: Offset,
    /// The boot in which it was asked for.
    pub made_at_boot: i32,
    /// No cleaning was to touch what lies at or above it.
    pub cleaned_to: Offset,
    /// What of it is in the bucket.
    pub copied: Copied,
}

impl Promised {
    /// The last batch that is of no transaction.
    fn last_plain(&self) -> Option<&Batch> {
        self.batches.iter().rev().find(|batch| !transactions::is_part(batch))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub base_offset: Offset,
    pub end_offset: Offset,
    pub bytes: Bytes,
    pub sequence: i32,
}

/// State of a topic as its clients may believe it to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Life {
    /// Asked for, not confirmed.
    Creating,
    Created,
    /// Asked to go, not confirmed.
    Deleting,
    Deleted,
}

#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub name: String,
    pub topic_id: TopicId,
    pub life: Life,
    /// Its records have keys, and the log is compacted.
    pub is_compacted: bool,
    /// All that were asked for.
    pub partitions: Vec<Promised>,
    /// How many of them were confirmed.
    pub partitions_confirmed: usize,
    pub configs: Altered,
}

/// Number of an alteration: the last one that was confirmed, and the last one that was asked for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Altered {
    pub confirmed: u32,
    pub asked: u32,
}

impl Altered {
    /// Checks what was found; what it is from now on.
    fn verify(self, found: u32, whose: &str) -> Altered {
        let expected = [self.confirmed, self.asked];
        assert!(expected.contains(&found), "settings of {whose}: {found} and not {self:?}");
        Altered { confirmed: found, asked: found }
    }
}

/// The memory of a perfect client: what it was told, and what it had asked for.
#[derive(Default, Clone, Debug)]
pub(super) struct Model {
    pub topics: Vec<Topic>,
    /// The broker's own settings, altered together with each topic's.
    pub configs: Altered,
}

pub(super) struct Machine {
    pub world: SimulatedWorld,
    pub storage: Arc<Storage>,
    pub metadata: Arc<EmbeddedMetadata>,
    pub model: Model,
    /// Whether it makes room itself; else other threads do.
    pub alone: bool,
    /// Whether new topics are compacted.
    pub compacts: bool,
    /// Whether new topics are tiered.
    pub tiers: bool,
}

/// Every way in which a step may end early: the crash that the test planned, or the storage's own word.
#[derive(Debug)]
pub(super) struct Ended;

impl From<StorageFailed> for Ended {
    fn from(_: StorageFailed) -> Ended {
        Ended
    }
}

impl From<MetadataError> for Ended {
    fn from(_: MetadataError) -> Ended {
        Ended
    }
}

impl Machine {
    pub(super) fn open(world: SimulatedWorld, model: Model, sync: SyncMode) -> Result<Machine, OpenError> {
        Machine::open_with(world, model, options(sync))
    }

    pub(super) fn open_with(
        world: SimulatedWorld,
        model: Model,
        options: StorageOptions,
    ) -> Result<Machine, OpenError> {
        let env: Env = world.env();
        let directory = BrokerDirectory::open(&env, Path::new(ROOT), NodeId(1), None)?;
        let metadata =
            Arc::new(EmbeddedMetadata::new(Arc::new(|topic: &TopicImage, _: &Arc<BrokerConfigs>| {
                log_config(&topic.configs)
            })));
        let catalogue: Arc<dyn Catalogue> = metadata.clone();
        let storage = Arc::new(Storage::open(env, directory, options, catalogue)?);
        metadata.attach(&storage);
        Ok(Machine { world, storage, metadata, model, alone: true, compacts: false, tiers: false })
    }

    pub(super) fn admit(&self, bytes: usize) -> Result<Credits, Ended> {
        for _ in 0..self.attempts() {
            match self.storage.try_admit(Purpose::Records, &[bytes]) {
                Ok(Some(credits)) => return Ok(credits),
                Ok(None) => self.make_room()?,
                Err(_) => return Err(Ended),
            }
        }
        Err(Ended)
    }

    pub(super) fn transact(&self, changes: Vec<Change>) -> Result<(), Ended> {
        let transaction = Transaction { compares: Vec::new(), changes };
        for _ in 0..self.attempts() {
            if let Some((lsn, _)) = self.metadata.begin(&transaction)? {
                while !self.storage.is_committed(lsn)? {
                    if self.alone {
                        self.storage.commit_step()?;
                    }
                    std::thread::yield_now();
                }
                return Ok(());
            }
            self.make_room()?;
        }
        Err(Ended)
    }

    fn attempts(&self) -> usize {
        if self.alone { ADMISSION_ATTEMPTS } else { usize::MAX }
    }

    fn make_room(&self) -> Result<(), Ended> {
        if !self.alone {
            self.storage.check()?;
            std::thread::yield_now();
            return Ok(());
        }
        while self.storage.commit_step()? {}
        if self.storage.provision_step()? {
            return Ok(());
        }
        self.storage.disk_step();
        self.storage.flush_step(0)?;
        self.storage.checkpoint_step(CheckpointReach::All)?;
        Ok(())
    }

    pub(super) fn create_topic(&mut self, name: &str, partitions: i32) -> Result<(), Ended> {
        let topic_id = self.storage_env().random.topic_id();
        let partitions_confirmed = usize::try_from(partitions).unwrap();
        let promised = vec![self.new_partition(); partitions_confirmed];
        let topic = Topic {
            name: name.to_owned(),
            topic_id,
            life: Life::Creating,
            is_compacted: self.compacts,
            partitions: promised,
            partitions_confirmed,
            configs: Altered::default(),
        };
        self.model.topics.push(topic);
        let record = TopicRecord {
            topic_id: topic_id.0,
            partitions,
            replication_factor: 1,
            configs: self.configs_of_a_new_topic(),
            created_at_boot: self.metadata.boot(),
            growths: Vec::new(),
        };
        self.transact(vec![Change::Put(keys::topic(name), serde_json::to_vec(&record).unwrap())])?;
        let image = self.metadata.image();
        let topic: &TopicImage = image.topic(name).unwrap();
        for id in topic.topic_partitions() {
            let spec = self.metadata.partition_spec(topic, id);
            self.storage.open_partition(id, &spec).map_err(|_| Ended)?;
        }
        self.model.topics.last_mut().unwrap().life = Life::Created;
        Ok(())
    }

    fn configs_of_a_new_topic(&self) -> BTreeMap<String, String> {
        let set = [(self.compacts, POLICY_KEY, "compact"), (self.tiers, TIERED_KEY, "true")];
        let set = set.into_iter().filter(|(is_set, ..)| *is_set);
        set.map(|(_, key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn new_partition(&self) -> Promised {
        Promised { made_at_boot: self.metadata.boot(), ..Promised::default() }
    }

    /// As the broker does: durable in the catalogue first, then opened.
    pub(super) fn grow_topic(&mut self, index: usize, added: usize) -> Result<(), Ended> {
        self.grow(index, added)?;
        let topic = &mut self.model.topics[index];
        topic.partitions_confirmed = topic.partitions.len();
        Ok(())
    }

    /// As the broker does when the new partitions cannot be opened: the catalogue first again.
    pub(super) fn grow_topic_in_vain(&mut self, index: usize, added: usize) -> Result<(), Ended> {
        let before = self.metadata.image().topic(&self.model.topics[index].name).unwrap().record();
        self.grow(index, added)?;
        let topic = self.model.topics[index].clone();
        self.transact(vec![Change::Put(keys::topic(&topic.name), serde_json::to_vec(&before).unwrap())])?;
        let new = topic.partitions_confirmed as i32..topic.partitions.len() as i32;
        self.storage.withdraw_partitions(new.map(|partition| id(&topic, partition)));
        self.model.topics[index].partitions.truncate(topic.partitions_confirmed);
        Ok(())
    }

    fn grow(&mut self, index: usize, added: usize) -> Result<(), Ended> {
        let new = vec![self.new_partition(); added];
        let topic = &mut self.model.topics[index];
        topic.partitions.extend(new);
        let (name, first) = (topic.name.clone(), topic.partitions_confirmed as i32);
        let mut record = self.metadata.image().topic(&name).unwrap().record();
        record.grow(topic.partitions.len() as i32, self.metadata.boot());
        self.transact(vec![Change::Put(keys::topic(&name), serde_json::to_vec(&record).unwrap())])?;
        let image = self.metadata.image();
        let topic: &TopicImage = image.topic(&name).unwrap();
        for id in topic.topic_partitions().filter(|id| id.partition >= first) {
            let spec = self.metadata.partition_spec(topic, id);
            self.storage.open_partition(id, &spec).map_err(|_| Ended)?;
        }
        Ok(())
    }

    pub(super) fn delete_topic(&mut self, index: usize) -> Result<(), Ended> {
        let topic = self.model.topics[index].clone();
        self.model.topics[index].life = Life::Deleting;
        let count = topic.partitions.len() as i32;
        let ids = || (0..count).map(|partition| id(&topic, partition));
        self.storage.take_offline(topic.topic_id, ids());
        let tombstone = Tombstone { name: topic.name.clone(), partitions: topic.partitions.len() as i32 };
        let mut changes = vec![
            Change::Delete(keys::topic(&topic.name)),
            Change::Put(keys::tombstone(topic.topic_id), serde_json::to_vec(&tombstone).unwrap()),
        ];
        changes.extend(ids().map(|id| Change::Delete(keys::tier(id))));
        self.transact(changes)?;
        self.model.topics[index].life = Life::Deleted;
        let directories = self.storage.delete_partitions(&topic.name, ids())?;
        self.storage.unlink(topic.topic_id, &directories);
        Ok(())
    }

    /// As AlterConfigs does: a topic's and the broker's settings in one transaction, then the logs follow.
    pub(super) fn alter_configs(&mut self, index: usize) -> Result<(), Ended> {
        let number = self.model.configs.asked + 1;
        self.model.configs.asked = number;
        self.model.topics[index].configs.asked = number;
        let image = self.metadata.image();
        let topic = image.topic_by_id(self.model.topics[index].topic_id).unwrap();
        let mut record = topic.record();
        record.configs.extend(ALTERED_KEYS.map(|key| (key.to_owned(), number.to_string())));
        let broker = BTreeMap::from([(ALTERED_BROKER_KEY, number.to_string())]);
        self.transact(vec![
            Change::Put(keys::topic(&topic.name), serde_json::to_vec(&record).unwrap()),
            Change::Put(keys::broker_configs(Some(NodeId(1))), serde_json::to_vec(&broker).unwrap()),
        ])?;
        self.model.configs.confirmed = number;
        self.model.topics[index].configs.confirmed = number;
        let config = log_config(&record.configs);
        for open in topic.topic_partitions().filter_map(|id| self.storage.partition(id)) {
            open.log().set_config(config);
        }
        Ok(())
    }

    /// As an idempotent producer would: sequences go on, and now and then the last batch comes twice.
    pub(super) fn append(
        &mut self,
        index: usize,
        partition: i32,
        value: &[u8],
        records: i32,
    ) -> Result<(), Ended> {
        let topic_partition = id(&self.model.topics[index], partition);
        let Some(open) = self.storage.partition(topic_partition) else { return Err(Ended) };
        let promised = &mut self.model.topics[index].partitions[partition as usize];
        let sequence = promised
            .last_plain()
            .map_or(0, |batch| batch.sequence + (batch.end_offset.0 - batch.base_offset.0) as i32);
        let batch = produced(sequence, value, records, self.model.topics[index].is_compacted);
        let mut credits = self.admit(batch.bytes.len())?;
        match self.storage.append(&open, &mut credits, &batch).map_err(|_| Ended)? {
            Admission::Appended { base_offset, end_offset, .. } => {
                let promised = &mut self.model.topics[index].partitions[partition as usize];
                promised.batches.push(Batch { base_offset, end_offset, bytes: batch.bytes, sequence });
            }
            Admission::Duplicate { .. } => panic!("a new sequence was taken for a duplicate"),
        }
        Ok(())
    }

    /// Sends the last batch again: it must be known.
    pub(super) fn resend(&mut self, index: usize, partition: i32) -> Result<(), Ended> {
        let topic_partition = id(&self.model.topics[index], partition);
        let Some(open) = self.storage.partition(topic_partition) else { return Err(Ended) };
        let promised = &self.model.topics[index].partitions[partition as usize];
        let Some(last) = promised.last_plain() else { return Ok(()) };
        let batch = rules_checked(last.bytes.clone());
        let mut credits = self.admit(batch.bytes.len())?;
        match self.storage.append(&open, &mut credits, &batch).map_err(|_| Ended)? {
            Admission::Duplicate { base_offset, end_offset, .. } => {
                assert_eq!((base_offset, end_offset), (last.base_offset, last.end_offset));
            }
            Admission::Appended { base_offset, .. } => panic!("a duplicate was appended at {base_offset}"),
        }
        Ok(())
    }

    /// Commits, and notes what clients were told.
    pub(super) fn commit(&mut self) -> Result<(), Ended> {
        while self.storage.commit_step()? {}
        for topic in &mut self.model.topics {
            for partition in 0..topic.partitions.len() as i32 {
                if let Some(open) = self.storage.partition(id(topic, partition)) {
                    let promised = &mut topic.partitions[partition as usize];
                    promised.acknowledged = promised.acknowledged.max(open.watermarks().high_watermark);
                }
            }
        }
        Ok(())
    }

    /// As retention does: durable first, then hidden, then unlinked.
    pub(super) fn move_log_start(&mut self, index: usize, partition: i32) -> Result<(), Ended> {
        let topic_partition = id(&self.model.topics[index], partition);
        let Some(open) = self.storage.partition(topic_partition) else { return Err(Ended) };
        let promised = &mut self.model.topics[index].partitions[partition as usize];
        let below = |batch: &&Batch| batch.end_offset <= open.log().written_end_offset();
        let Some(middle) = promised.batches.iter().filter(below).map(|batch| batch.end_offset).nth(3) else {
            return Ok(());
        };
        let start = middle.max(promised.log_start);
        promised.log_start_asked = promised.log_start_asked.max(start);
        self.transact(vec![Change::Put(keys::log_start(topic_partition), keys::offset_value(start))])?;
        open.set_log_start_offset(start);
        let promised = &mut self.model.topics[index].partitions[partition as usize];
        promised.log_start = start;
        open.log().delete_old_segments().map_err(|_| Ended)?;
        Ok(())
    }

    /// As a client's DeleteRecords does: up to any committed offset, which may lie in the middle of a batch,
    /// in memory yet, or at the end. Nothing is unlinked: that is left to [`Machine::remove_old_segments`].
    pub(super) fn delete_records(&mut self, index: usize, partition: i32, draw: u64) -> Result<(), Ended> {
        let topic_partition = id(&self.model.topics[index], partition);
        let Some(open) = self.storage.partition(topic_partition) else { return Err(Ended) };
        let watermarks = open.watermarks();
        let committed = watermarks.high_watermark.0 - watermarks.log_start_offset.0;
        // Every third one deletes all.
        let deleted = if draw.is_multiple_of(3) { committed } else { (draw % 61) as i64 % (committed + 1) };
        if deleted == 0 {
            return Ok(());
        }
        let start = watermarks.log_start_offset.plus(deleted);
        let promised = &mut self.model.topics[index].partitions[partition as usize];
        promised.log_start_asked = promised.log_start_asked.max(start);
        self.transact(vec![Change::Put(keys::log_start(topic_partition), keys::offset_value(start))])?;
        open.set_log_start_offset(start);
        self.model.topics[index].partitions[partition as usize].log_start = start;
        Ok(())
    }

    /// As the background does after a deletion of records, and retention at every look.
    pub(super) fn remove_old_segments(&mut self, index: usize, partition: i32) -> Result<(), Ended> {
        let Some(open) = self.storage.partition(id(&self.model.topics[index], partition)) else {
            return Err(Ended);
        };
        open.log().delete_old_segments().map(|_| ()).map_err(|_| Ended)
    }

    pub(super) fn storage_env(&self) -> Env {
        self.world.env()
    }

    /// Checks everything that was promised, and that nothing else is there.
    pub(super) fn verify(&self) -> Model {
        let image = self.metadata.image();
        let mut survivors = Vec::new();
        for topic in &self.model.topics {
            let found = image.topic_by_id(topic.topic_id);
            match topic.life {
                Life::Created => assert!(found.is_some(), "topic {} was confirmed and is gone", topic.name),
                Life::Deleted => assert!(found.is_none(), "topic {} was deleted and is back", topic.name),
                Life::Creating | Life::Deleting => {}
            }
            if let Some(found) = found {
                survivors.push(self.verify_topic(topic, found.partitions as usize));
            }
        }
        assert_eq!(image.topics_count(), survivors.len(), "a topic that nobody asked for");
        let altered = image.broker_configs().get(&Some(NodeId(1)));
        let found = altered.map_or(0, |configs| configs[ALTERED_BROKER_KEY].parse().unwrap());
        let configs = self.model.configs.verify(found, "the broker");
        // The last alteration holds for the topic if and only if it holds for the broker.
        let last = self.model.topics.iter().find(|topic| topic.configs.asked == self.model.configs.asked);
        if let Some(last) = last.filter(|_| self.model.configs.asked > 0)
            && let Some(survivor) = survivors.iter().find(|topic| topic.topic_id == last.topic_id)
        {
            assert_eq!(
                survivor.configs.confirmed == last.configs.asked,
                found == last.configs.asked,
                "a half"
            );
        }
        Model { topics: survivors, configs }
    }

    fn verify_topic(&self, topic: &Topic, found: usize) -> Topic {
        let (name, confirmed, asked) = (&topic.name, topic.partitions_confirmed, topic.partitions.len());
        assert!(confirmed <= found && found <= asked, "{name}: {found} partitions of {confirmed} to {asked}");
        let beyond = self.storage.partition(id(topic, found as i32));
        assert!(beyond.is_none(), "{name}-{found} is open and not in the catalogue");
        let image = self.metadata.image();
        let stored = &image.topic_by_id(topic.topic_id).unwrap().configs;
        let [first, second] = ALTERED_KEYS.map(|key| stored.get(key).map_or(0, |text| text.parse().unwrap()));
        assert_eq!(first, second, "a half of an alteration");
        let configs = topic.configs.verify(first, name);
        let log_config = log_config(stored);
        let partitions = (0..found as i32).map(|partition| {
            let promised = &topic.partitions[partition as usize];
            let open = self.storage.partition(id(topic, partition)).unwrap_or_else(|| {
                panic!("{name}-{partition}: {:?}", self.storage.stopped_reason(id(topic, partition)))
            });
            let leader_epoch = self.metadata.boot() - promised.made_at_boot;
            assert_eq!(open.leader_epoch().0, leader_epoch, "{name}-{partition}");
            assert_eq!(open.log().config(), log_config, "the log follows what is stored");
            let name = format!("{name}-{partition}");
            if let Some(record) = image.tier(id(topic, partition)) {
                verify_tier(&name, &open, promised, record, topic.is_compacted);
            }
            verify_partition(&name, &open, promised, topic.is_compacted)
        });
        let partitions = partitions.collect();
        Topic { life: Life::Created, partitions, partitions_confirmed: found, configs, ..topic.clone() }
    }

    /// Content of every file that a second recovery must leave as it is. A directory that was made for a
    /// partition that was taken back is nobody's: it need not survive, and nothing is in it.
    pub(super) fn durable_files(&self) -> HashMap<String, Vec<u8>> {
        let files = &self.world.files;
        let mut contents = HashMap::new();
        for partition in self.storage.all_partitions() {
            let directory = format!("{}-{}", partition.topic(), partition.topic_partition().partition);
            let path = Path::new(ROOT).join(&directory);
            for name in files.list(&path).unwrap_or_default() {
                if [".log", ".index", ".timeindex", ".txnindex", ".state"]
                    .iter()
                    .any(|kind| name.ends_with(kind))
                {
                    let bytes = files.read(&path.join(&name), 1 << 24).unwrap();
                    contents.insert(format!("{directory}/{name}"), bytes);
                }
            }
        }
        contents
    }
}

pub(super) fn id(topic: &Topic, partition: i32) -> TopicPartition {
    TopicPartition { topic_id: topic.topic_id, partition }
}

fn produced(sequence: i32, value: &[u8], records: i32, has_keys: bool) -> ProducedBatch {
    let mut builder = BatchBuilder::new();
    builder.producer_id = ProducerId(7);
    builder.producer_epoch = ProducerEpoch(0);
    builder.base_sequence = sequence;
    for place in 0..records {
        let (key, is_tombstone) = key_of(value, place);
        let key = [key];
        let key = has_keys.then_some(&key[..]);
        let value = Some(value).filter(|_| !(has_keys && is_tombstone));
        builder.push(NewRecord { timestamp: Timestamp(1_000), key, value, ..NewRecord::default() });
    }
    rules_checked(builder.build().into())
}

fn rules_checked(bytes: Bytes) -> ProducedBatch {
    let rules = ProduceRules { api_version: 11, batch_bytes_max: 1 << 20, ..ProduceRules::lenient() };
    validate_produced(&bytes, Timestamp(1_000), &rules).unwrap()
}

/// The log is a prefix of what was sent that contains all that was acknowledged, batch by batch.
fn verify_partition(name: &str, open: &Partition, promised: &Promised, is_compacted: bool) -> Promised {
    let watermarks = open.watermarks();
    let (start, end) = (watermarks.log_start_offset, watermarks.high_watermark);
    assert_eq!(end, watermarks.log_end_offset, "{name}: after recovery everything is committed");
    assert!(end >= promised.acknowledged, "{name}: ends at {end}, acknowledged {}", promised.acknowledged);
    assert!(start <= end, "{name}: starts at {start}, ends at {end}");
    assert!(
        promised.log_start <= start && start <= promised.log_start_asked.max(promised.log_start),
        "{name}: starts at {start}, confirmed {}, asked {}",
        promised.log_start,
        promised.log_start_asked
    );
    let mut expected = promised.batches.iter().filter(|batch| batch.end_offset > start);
    let mut at = start;
    let mut found = Vec::new();
    promised.copied.verify(name, start, watermarks.local_log_start_offset);
    for bytes in read_both(open, promised, start, end) {
        let header = BatchHeader::parse(&bytes).unwrap();
        verify_crc(&bytes).unwrap();
        if is_compacted {
            at = header.next_offset();
            found.push((header.base_offset, bytes));
            continue;
        }
        let batch = expected.next().unwrap_or_else(|| panic!("{name}: a batch that nobody sent at {at}"));
        assert_eq!(header.base_offset, batch.base_offset, "{name}");
        // Offset and leader epoch are the broker's; the rest is what was sent.
        assert_eq!(bytes[16..], batch.bytes[16..], "{name}: another batch at {}", batch.base_offset);
        at = header.next_offset();
    }
    assert_eq!(at, end.max(start), "{name}: the log has a hole");
    if is_compacted {
        verify_compacted(name, open, &found, promised, [start, end]);
    } else {
        transactions::verify(name, open, promised);
    }
    let batches: Vec<_> = promised.batches.iter().filter(|batch| batch.end_offset <= end).cloned().collect();
    let (made_at_boot, cleaned_to) = (promised.made_at_boot, promised.cleaned_to);
    Promised {
        batches,
        acknowledged: end,
        log_start: start,
        log_start_asked: start,
        made_at_boot,
        cleaned_to,
        copied: promised.copied.found(watermarks.local_log_start_offset),
    }
}

/// The bucket holds all that the record says, as it was sent.
fn verify_tier(name: &str, open: &Partition, promised: &Promised, record: TierRecord, is_compacted: bool) {
    let watermarks = open.watermarks();
    let (start, end) = (watermarks.log_start_offset, record.remote_end_offset);
    if start >= end {
        return;
    }
    assert!(watermarks.local_log_start_offset <= end.max(start), "{name}: nobody has what lies between");
    // What was cleaned is looked at together with what is on the disk.
    if is_compacted {
        return;
    }
    let base = |bytes: &Bytes| BatchHeader::parse(bytes).unwrap().base_offset;
    let found: Vec<Offset> = promised.copied.batches(start, end).iter().map(base).collect();
    let sent = promised.batches.iter().filter(|batch| batch.end_offset > start && batch.base_offset < end);
    assert_eq!(found, sent.map(|batch| batch.base_offset).collect::<Vec<_>>(), "{name}: in the bucket");
}

/// All batches from the one that contains `from`: what has left the disk, out of the bucket.
fn read_both(open: &Partition, promised: &Promised, from: Offset, end: Offset) -> Vec<Bytes> {
    let local_start = open.watermarks().local_log_start_offset;
    let mut batches = promised.copied.batches(from, local_start);
    batches.extend(read_all(open, from.max(local_start), end));
    batches
}

/// All batches from the one that contains `from`, as a consumer would get them.
pub(super) fn read_all(open: &Partition, from: Offset, end: Offset) -> Vec<Bytes> {
    let (mut batches, mut at) = (Vec::new(), from);
    while at < end {
        let mut bytes = Vec::new();
        match open.read(at, 1 << 20, true).unwrap() {
            PartitionRead::Empty(_) => break,
            PartitionRead::Remote(watermarks) => panic!("{at} has left the disk: {watermarks:?}"),
            PartitionRead::Tail(pieces, _) => pieces.iter().for_each(|piece| bytes.extend_from_slice(piece)),
            PartitionRead::Segments(_) => {
                for extent in open.read_segments(at, 1 << 20, true).unwrap() {
                    let mut piece = vec![0; extent.length as usize];
                    extent.file.read_exact_at(&mut piece, extent.offset).unwrap();
                    bytes.extend_from_slice(&piece);
                }
            }
        }
        let mut rest = Bytes::from(bytes);
        assert!(!rest.is_empty(), "nothing at {at}, below the high watermark {end}");
        while !rest.is_empty() {
            let header = BatchHeader::parse(&rest).unwrap();
            batches.push(rest.split_to(header.size_bytes()));
            at = header.next_offset();
        }
    }
    batches
}
