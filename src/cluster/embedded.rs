use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Bound;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::encoding::{self, Entry};
use super::{Applied, Change, Compare, MetadataError, MetadataStore, Transaction, Versioned};

use crate::metadata::{BrokerConfigs, ClusterImage, MetadataChange, TopicImage, keys};
use crate::model::{TopicId, TopicPartition};
use crate::partition::{
    Catalogue, CatalogueError, CatalogueSnapshot, LogConfig, Lookup, PartitionSpec, Purpose, Storage,
    StorageFailed,
};
use crate::wal::Lsn;

/// How long a transaction waits for room in the log before it is refused.
const ADMISSION_PATIENCE: Duration = Duration::from_secs(10);

/// Effective log settings of a topic, from the configurations that were set on it and on brokers.
pub type LogConfigs = Arc<dyn Fn(&TopicImage, &Arc<BrokerConfigs>) -> LogConfig + Send + Sync>;

/// The metadata store of a node without etcd: an ordered map whose changes are entries of the WAL and whose
/// snapshots stand in the checkpoint. There is one order of durability for data and metadata.
pub struct EmbeddedMetadata {
    state: Mutex<State>,
    log_configs: LogConfigs,
    storage: OnceLock<Weak<Storage>>,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<String, Versioned>,
    revision: u64,
    image: Arc<ClusterImage>,
    /// First LSN that no applied change reaches.
    end_lsn: Lsn,
}

impl State {
    fn apply(&mut self, entry: &Entry) -> Result<(), CatalogueError> {
        self.revision = entry.revision;
        let image = Arc::make_mut(&mut self.image);
        for change in &entry.changes {
            let (key, value) = match change {
                Change::Put(key, value) => {
                    let versioned = Versioned { value: value.clone(), revision: entry.revision };
                    self.entries.insert(key.clone(), versioned);
                    (key, Some(value.as_slice()))
                }
                Change::Delete(key) => {
                    self.entries.remove(key);
                    (key, None)
                }
            };
            image.apply(MetadataChange { key, value }).map_err(|error| CatalogueError(error.to_string()))?;
        }
        Ok(())
    }

    fn check(&self, compares: &[Compare]) -> Result<(), MetadataError> {
        for compare in compares {
            let (key, holds) = match compare {
                Compare::Absent(key) => (key, !self.entries.contains_key(key)),
                Compare::Unchanged(key, revision) => {
                    (key, self.entries.get(key).is_some_and(|found| found.revision == *revision))
                }
            };
            if !holds {
                return Err(MetadataError::Conflict(key.clone()));
            }
        }
        Ok(())
    }

    fn boot(&self) -> i32 {
        let value = self.entries.get(keys::BOOT).and_then(|boot| keys::parse_number(&boot.value));
        value.and_then(|boot| i32::try_from(boot).ok()).unwrap_or(0)
    }
}

impl EmbeddedMetadata {
    /// An empty store. The storage that will carry it is attached after it was opened with this as its
    /// catalogue.
    pub fn new(log_configs: LogConfigs) -> EmbeddedMetadata {
        EmbeddedMetadata { state: Mutex::default(), log_configs, storage: OnceLock::new() }
    }

    /// Names the storage whose WAL carries the changes.
    pub fn attach(&self, storage: &Arc<Storage>) {
        self.storage.set(Arc::downgrade(storage)).expect("a store is attached once, by who opened it");
    }

    /// The catalogue with every change applied.
    pub fn image(&self) -> Arc<ClusterImage> {
        self.state.lock().image.clone()
    }

    /// Keys above `after`, or from the first on, and their values: at most `count`, in order. Changes that
    /// are not durable yet are among them.
    pub fn entries_after(&self, after: Option<&str>, count: usize) -> Vec<(String, Vec<u8>)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state.lock();
        let entries = state.entries.range::<str, _>((from, Bound::Unbounded)).take(count);
        entries.map(|(key, versioned)| (key.clone(), versioned.value.clone())).collect()
    }

    /// How often this broker has started, this time included.
    pub fn boot(&self) -> i32 {
        self.state.lock().boot()
    }

    /// How to open a partition of a topic.
    pub fn partition_spec(&self, topic: &TopicImage, topic_partition: TopicPartition) -> PartitionSpec {
        let state = self.state.lock();
        self.spec(&state, topic, topic_partition)
    }

    fn spec(&self, state: &State, topic: &TopicImage, topic_partition: TopicPartition) -> PartitionSpec {
        PartitionSpec {
            name: topic.name.clone(),
            log_config: (self.log_configs)(topic, state.image.broker_configs()),
            leader_epoch: topic.leader_epoch(topic_partition.partition, state.boot()),
            log_start_offset: state.image.log_start(topic_partition),
            local_log_start_offset: state.image.local_log_start(topic_partition),
        }
    }

    fn storage(&self) -> Result<Arc<Storage>, MetadataError> {
        let storage = self.storage.get().and_then(Weak::upgrade);
        storage.ok_or_else(|| StorageFailed("the storage is closed".to_owned()).into())
    }

    /// Applies a transaction to memory and puts it into the WAL. It holds when the returned LSN is committed.
    pub fn begin(&self, transaction: &Transaction) -> Result<Option<(Lsn, Applied)>, MetadataError> {
        let storage = self.storage()?;
        let mut state = self.state.lock();
        state.check(&transaction.compares)?;
        let entry = Entry { revision: state.revision + 1, changes: transaction.changes.clone() };
        let bytes = entry.encode();
        // Credits come before the change, so that nothing has to be taken back. Under the lock nobody waits.
        let Some(mut credits) = storage.try_admit(Purpose::Metadata, &[bytes.len()])? else {
            return Ok(None);
        };
        let lsn = storage.append_metadata(&mut credits, &bytes);
        state.end_lsn = Lsn(lsn.0 + 1);
        state.apply(&entry).map_err(|error| StorageFailed(error.to_string()))?;
        Ok(Some((lsn, Applied { revision: entry.revision, image: state.image.clone() })))
    }

    async fn transact_durably(&self, transaction: Transaction) -> Result<Applied, MetadataError> {
        let storage = self.storage()?;
        let bytes = Entry { revision: 0, changes: transaction.changes.clone() }.encode().len();
        let (lsn, applied) = loop {
            if let Some(begun) = self.begin(&transaction)? {
                break begun;
            }
            // Room for it was not there under the lock: wait for room outside, then try again.
            drop(storage.admit(Purpose::Metadata, &[bytes], ADMISSION_PATIENCE).await?);
        };
        // Also with `wal.sync=os`, which promises nothing of the kind for records: files are unlinked, and
        // objects put and deleted, on the strength of what is written here. A power cut takes none of that
        // back.
        storage.synced(lsn).await?;
        Ok(applied)
    }
}

impl MetadataStore for EmbeddedMetadata {
    fn get(&self, key: &str) -> Option<Versioned> {
        self.state.lock().entries.get(key).cloned()
    }

    fn transact(
        &self,
        transaction: Transaction,
    ) -> Pin<Box<dyn Future<Output = Result<Applied, MetadataError>> + Send + '_>> {
        Box::pin(self.transact_durably(transaction))
    }
}

impl Catalogue for EmbeddedMetadata {
    fn restore(&self, snapshot: &[u8]) -> Result<(), CatalogueError> {
        let (revision, entries) = encoding::decode_snapshot(snapshot)?;
        let mut image = ClusterImage::default();
        for (key, versioned) in &entries {
            let change = MetadataChange { key, value: Some(&versioned.value) };
            image.apply(change).map_err(|error| CatalogueError(error.to_string()))?;
        }
        let mut state = self.state.lock();
        *state = State { entries, revision, image: Arc::new(image), end_lsn: Lsn(0) };
        Ok(())
    }

    fn replay(&self, bytes: &[u8]) -> Result<(), CatalogueError> {
        let entry = Entry::decode(bytes)?;
        let mut state = self.state.lock();
        match entry.revision {
            // The snapshot of the checkpoint is younger than the point from which the WAL is replayed.
            revision if revision <= state.revision => Ok(()),
            revision if revision == state.revision + 1 => state.apply(&entry),
            revision => {
                let known = state.revision;
                Err(CatalogueError(format!(
                    "the WAL goes on with metadata revision {revision} after {known}"
                )))
            }
        }
    }

    fn begin_boot(&self) {
        let mut state = self.state.lock();
        let (revision, boot) = (state.revision + 1, state.boot() + 1);
        let change = Change::Put(keys::BOOT.to_owned(), boot.to_string().into_bytes());
        state.apply(&Entry { revision, changes: vec![change] }).expect("the image does not hold this key");
    }

    fn snapshot(&self) -> CatalogueSnapshot {
        let state = self.state.lock();
        let bytes = encoding::encode_snapshot(state.revision, &state.entries);
        let image = state.image.clone();
        let is_live = move |id: TopicPartition| {
            image.topic_by_id(id.topic_id).is_some_and(|topic| id.partition < topic.partitions)
        };
        CatalogueSnapshot { bytes, end_lsn: state.end_lsn, is_live: Box::new(is_live) }
    }

    fn lookup(&self, topic_partition: TopicPartition) -> Lookup {
        let state = self.state.lock();
        match state.image.topic_by_id(topic_partition.topic_id) {
            Some(topic) if topic_partition.partition < topic.partitions => {
                Lookup::Live(Box::new(self.spec(&state, topic, topic_partition)))
            }
            Some(_) => Lookup::Unknown,
            None if state.image.tombstone(topic_partition.topic_id).is_some() => Lookup::Deleted,
            None => Lookup::Unknown,
        }
    }

    fn tombstones(&self) -> Vec<(TopicId, Arc<str>, i32)> {
        let image = self.image();
        let tombstones = image.tombstones();
        tombstones.map(|(id, tombstone)| (id, tombstone.name.as_str().into(), tombstone.partitions)).collect()
    }

    fn partitions(&self) -> Vec<(TopicPartition, PartitionSpec)> {
        let state = self.state.lock();
        let mut partitions = Vec::new();
        for topic in state.image.topics() {
            let specs = topic.topic_partitions().map(|id| (id, self.spec(&state, topic, id)));
            partitions.extend(specs);
        }
        partitions
    }
}
