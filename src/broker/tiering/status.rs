//! What is told of the tier to whoever runs the broker: plain numbers and words, as the admin listener has
//! them in JSON and `highwater tier` reads them.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Tiering;
use super::manifest::RootSummary;
use super::progress::{DeleteLag, Failing};
use crate::broker::Broker;
use crate::log::CopyLag;
use crate::metadata::{ClusterImage, TierRecord, TopicImage};
use crate::model::{Offset, Timestamp, TopicId, TopicPartition};
use crate::partition::{Partition, Watermarks};
use crate::store::{Operation, Outcome};
use crate::telemetry::{TierPartitionSnapshot, TierSnapshot, TierVisitor};
use crate::tier::{ManifestEntry, TierError};

/// Partitions of one answer.
const PARTITIONS_MAX: usize = 5_000;
/// Topics with objects that are to go that one answer names.
const DELETED_TOPICS_MAX: usize = 1_000;

/// The tier of a broker, and some of its partitions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TierStatus {
    /// `highwater.tier.store`.
    pub store: String,
    /// The broker's time, in milliseconds.
    pub now_ms: i64,
    /// What failed last since the start, if anything did.
    pub last_failure: Option<TierFailure>,
    /// Topics that were deleted, or left the tier, and of which objects are left; beyond a thousand they are
    /// only counted.
    pub deleted_topics: Vec<String>,
    /// How many these are.
    pub deleted_topics_count: usize,
    /// Requests to the store since the start, of every kind and result that there were.
    pub requests: Vec<TierRequests>,
    /// By topic and index.
    pub partitions: Vec<TierPartition>,
    /// Whether there are others behind the last.
    pub has_more: bool,
}

/// Something that failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TierFailure {
    /// When, in milliseconds.
    pub at_ms: i64,
    /// In words.
    pub what: String,
}

/// Requests of one kind that ended alike.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TierRequests {
    /// Such as `put`.
    pub operation: String,
    /// Such as `done`.
    pub result: String,
    /// How many.
    pub count: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// What lies where of a partition. Times and ages are in milliseconds, ends of offsets are exclusive.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TierPartition {
    /// The topic's name.
    pub topic: String,
    /// Its id, as the keys of objects have it.
    pub topic_id: String,
    /// The partition's index.
    pub partition: i32,
    /// First offset that can be read.
    pub log_start_offset: i64,
    /// First offset that is on local disk.
    pub local_log_start_offset: i64,
    /// Where the copies end; 0 where there are none.
    pub remote_end_offset: i64,
    /// Below it every transaction is decided: no copy goes further.
    pub last_stable_offset: i64,
    /// Offset of the next record.
    pub log_end_offset: i64,
    /// Number of the manifest that holds; 0: there is none.
    pub manifest: u64,
    /// Whether new segments are copied (`remote.log.copy.disable`).
    pub copies: bool,
    /// Bytes of record batches in the tier; `null` while nobody has asked the store since the start.
    pub remote_bytes: Option<u64>,
    /// Segments there.
    pub remote_segments: Option<u64>,
    /// Replaced objects that are kept for a while.
    pub retired_objects: u64,
    /// Bytes of closed segments that are not copied yet.
    pub lag_bytes: u64,
    /// How many these are.
    pub lag_segments: u64,
    /// How old the newest records of the oldest of these are.
    pub lag_ms: u64,
    /// Segments below the log start that could not be removed.
    pub delete_lag_segments: u64,
    /// Bytes of these.
    pub delete_lag_bytes: u64,
    /// Since when every look at the partition has failed.
    pub failing_since_ms: Option<i64>,
    /// What the last one met.
    pub failure: Option<TierFailure>,
    /// Since when every compaction of what lies in the tier has failed.
    #[serde(default)]
    pub compaction_failing_since_ms: Option<i64>,
    /// What the last one met.
    #[serde(default)]
    pub compaction_failure: Option<TierFailure>,
    /// Why it is stopped, if it is: then nothing else is known of it but what the metadata store holds.
    #[serde(default)]
    pub stopped: Option<String>,
}

/// A segment in the tier.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TierSegment {
    /// Its first offset.
    pub base_offset: i64,
    /// Where the next one begins.
    pub end_offset: i64,
    /// Bytes of its record batches.
    pub log_bytes: u64,
    /// Bytes of its object, indexes included.
    pub bytes: u64,
    /// Largest timestamp of a batch, in milliseconds; -1: none.
    pub max_timestamp_ms: i64,
    /// When it was copied, in milliseconds.
    pub uploaded_at_ms: i64,
    /// Leader epoch of its first batch.
    pub first_leader_epoch: i32,
    /// Leader epoch of its last batch.
    pub last_leader_epoch: i32,
    /// Aborted transactions whose markers are in it.
    pub aborted: u32,
    /// Key of its object, below the store's prefix.
    pub object: String,
}

/// Some segments of a partition, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SegmentsPage {
    /// Number of the manifest that names them.
    pub manifest: u64,
    /// As many as one leaf of it names.
    pub segments: Vec<TierSegment>,
    /// From which offset on there are more.
    pub next: Option<i64>,
}

/// Why segments are not told.
#[derive(Debug, thiserror::Error)]
pub enum TierLookError {
    /// There is no such partition, or no tier.
    #[error("{0}")]
    Unknown(String),
    /// The manifest cannot be read.
    #[error(transparent)]
    Tier(#[from] TierError),
}

impl TierSegment {
    /// As a manifest has it.
    pub fn of(partition: TopicPartition, entry: &ManifestEntry) -> TierSegment {
        TierSegment {
            base_offset: entry.base_offset.0,
            end_offset: entry.end_offset.0,
            log_bytes: entry.log_bytes,
            bytes: entry.bytes(),
            max_timestamp_ms: entry.max_timestamp.0,
            uploaded_at_ms: entry.uploaded_at.0,
            first_leader_epoch: entry.first_leader_epoch.0,
            last_leader_epoch: entry.last_leader_epoch.0,
            aborted: entry.aborted,
            object: entry.key(partition),
        }
    }
}

impl Broker {
    /// The tier, and its partitions behind that of a topic's name and index, at most some thousand; `None`
    /// where there is no tier. Asks the store for nothing, and looks at no more segments than lag.
    pub fn tier_status(&self, after: Option<(&str, i32)>) -> Option<TierStatus> {
        let tiering = self.tiering.as_ref()?;
        let image = self.image();
        let mut partitions = Vec::new();
        let mut has_more = false;
        let topics = image.topics().skip_while(|topic| after.is_some_and(|(name, _)| *topic.name < *name));
        'all: for topic in topics {
            for id in topic.topic_partitions() {
                if after.is_some_and(|(name, index)| *topic.name == *name && id.partition <= index) {
                    continue;
                }
                let Some(told) = self.tier_partition(tiering, &image, topic, id) else { continue };
                if partitions.len() == PARTITIONS_MAX {
                    has_more = true;
                    break 'all;
                }
                partitions.push(told);
            }
        }
        let pending = tiering.pending_deletions(&image);
        let deleted = pending.iter().take(DELETED_TOPICS_MAX).map(TopicId::to_string);
        Some(TierStatus {
            store: self.config().tier.store.clone(),
            now_ms: self.storage.believed_now().0,
            last_failure: tiering.last_failure.lock().clone(),
            deleted_topics: deleted.collect(),
            deleted_topics_count: pending.len(),
            requests: self.tier_requests(),
            partitions,
            has_more,
        })
    }

    /// One partition by its topic's name and its index; `None`: it does not exist, or is not tiered.
    pub fn tier_partition_status(&self, topic: &str, partition: i32) -> Option<TierPartition> {
        let image = self.image();
        let topic = image.topic(topic)?;
        let id = TopicPartition { topic_id: topic.topic_id, partition };
        self.tier_partition(self.tiering.as_ref()?, &image, topic, id)
    }

    fn tier_requests(&self) -> Vec<TierRequests> {
        let mut requests = Vec::new();
        for operation in Operation::ALL.iter().map(|operation| operation.name()) {
            for result in Outcome::ALL.iter().map(|outcome| outcome.name()) {
                let (count, bytes) = self.metrics.tier().requests(operation, result);
                if count > 0 {
                    let (operation, result) = (operation.to_owned(), result.to_owned());
                    requests.push(TierRequests { operation, result, count, bytes });
                }
            }
        }
        requests
    }

    fn tier_partition(
        &self,
        tiering: &Tiering,
        image: &ClusterImage,
        topic: &TopicImage,
        id: TopicPartition,
    ) -> Option<TierPartition> {
        if self.partition(id).is_none() {
            return self.closed_tier_partition(image, topic, id);
        }
        let looked = self.look_at(tiering, image, id)?;
        let Looked { watermarks, record, copies, lag, stored, failing, compaction_failing, delete_lag } =
            looked;
        Some(TierPartition {
            topic: topic.name.to_string(),
            topic_id: id.topic_id.to_string(),
            partition: id.partition,
            log_start_offset: watermarks.log_start_offset.0,
            local_log_start_offset: watermarks.local_log_start_offset.0,
            remote_end_offset: record.map_or(0, |record| record.remote_end_offset.0),
            last_stable_offset: watermarks.last_stable_offset.0,
            log_end_offset: watermarks.log_end_offset.0,
            manifest: record.map_or(0, |record| record.manifest),
            copies,
            remote_bytes: stored.map(|stored| stored.bytes),
            remote_segments: stored.map(|stored| stored.segments),
            retired_objects: stored.map_or(0, |stored| stored.retired_objects),
            lag_bytes: lag.bytes,
            lag_segments: lag.segments,
            lag_ms: u64::try_from(lag.age.as_millis()).unwrap_or(u64::MAX),
            delete_lag_segments: delete_lag.segments,
            delete_lag_bytes: delete_lag.bytes,
            failing_since_ms: failing.as_ref().map(|failing| failing.since.0),
            failure: failing.map(|failing| failing.last),
            compaction_failing_since_ms: compaction_failing.as_ref().map(|failing| failing.since.0),
            compaction_failure: compaction_failing.map(|failing| failing.last),
            stopped: None,
        })
    }

    /// One that could not be opened, as far as the metadata store tells of it: what it has in the tier is as
    /// good as any other's. `None`: it has nothing there.
    fn closed_tier_partition(
        &self,
        image: &ClusterImage,
        topic: &TopicImage,
        id: TopicPartition,
    ) -> Option<TierPartition> {
        let record = image.tier(id)?;
        let reason = self.stopped_reason(id).unwrap_or_else(|| "it is not open".into());
        Some(TierPartition {
            topic: topic.name.to_string(),
            topic_id: id.topic_id.to_string(),
            partition: id.partition,
            log_start_offset: image.log_start(id).0,
            local_log_start_offset: image.local_log_start(id).0,
            remote_end_offset: record.remote_end_offset.0,
            // What lies above is not known while it is closed.
            last_stable_offset: record.remote_end_offset.0,
            log_end_offset: record.remote_end_offset.0,
            manifest: record.manifest,
            copies: false,
            remote_bytes: None,
            remote_segments: None,
            retired_objects: 0,
            lag_bytes: 0,
            lag_segments: 0,
            lag_ms: 0,
            delete_lag_segments: 0,
            delete_lag_bytes: 0,
            failing_since_ms: None,
            failure: None,
            compaction_failing_since_ms: None,
            compaction_failure: None,
            stopped: Some(reason.to_string()),
        })
    }

    /// `None`: the tier has nothing of it and is not to get anything, or it could not be opened.
    fn look_at(&self, tiering: &Tiering, image: &ClusterImage, id: TopicPartition) -> Option<Looked> {
        let partition: Arc<Partition> = self.partition(id)?;
        let record = image.tier(id);
        let settings = partition.log().config().tiering;
        if settings.is_none() && record.is_none() {
            return None;
        }
        let watermarks = partition.watermarks();
        let remote_end = record.map_or(Offset(0), |record| record.remote_end_offset);
        let copies = settings.is_some_and(|settings| settings.copies);
        let lag = match copies {
            true => partition.log().copy_lag(remote_end.max(watermarks.local_log_start_offset)),
            false => CopyLag::default(),
        };
        let known = tiering.partitions.get(&id).map(|remote| remote.value().clone());
        let now = self.storage.believed_now();
        let stored = match (record, &known) {
            (None, _) => Some(Stored::default()),
            // The newest one: the image may be older than a copy that is under way.
            (Some(_), Some(remote)) => {
                let summary = remote.summary();
                summary.map(|summary| Stored::of(&summary, now, tiering.config.grace))
            }
            (Some(_), None) => None,
        };
        let (failing, compaction_failing, delete_lag) =
            known.as_ref().map_or_else(Default::default, |remote| {
                let progress = remote.progress.lock();
                (progress.failing.clone(), progress.compaction.failing.clone(), progress.delete_lag)
            });
        Some(Looked { watermarks, record, copies, lag, stored, failing, compaction_failing, delete_lag })
    }

    /// The same for metrics, of all partitions.
    pub fn visit_tier(&self, visitor: &mut dyn TierVisitor) {
        let Some(tiering) = &self.tiering else { return };
        let image = self.image();
        let reads = tiering.reader().counters();
        let last_error = tiering.last_failure.lock().as_ref().map_or(0, |failure| failure.at_ms);
        let put = tiering.put.lock().clone();
        visitor.tier(TierSnapshot {
            memory_hits: reads.memory_hits,
            disk_hits: reads.disk_hits,
            misses: reads.misses,
            fetched_blocks: reads.blocks_fetched,
            damaged: reads.damaged,
            cached_bytes: tiering.reader().cached_bytes() as u64,
            topic_deletions: tiering.pending_deletions(&image).len() as u64,
            last_error: Timestamp(last_error),
            catalogue_at: put.taken_at,
            catalogue_stale: put.stale.len() as u64,
        });
        let now = self.storage.believed_now();
        for topic in image.topics() {
            for id in topic.topic_partitions() {
                if let Some(looked) = self.look_at(tiering, &image, id) {
                    visitor.partition(&topic.name, id.partition, looked.snapshot(now));
                }
            }
        }
    }

    /// Segments of a partition in the tier that end above `from`, one leaf's at a time. May ask the store for
    /// the root and that leaf.
    pub async fn tier_segments(
        &self,
        topic: &str,
        partition: i32,
        from: Offset,
    ) -> Result<SegmentsPage, TierLookError> {
        let unknown = |what: String| TierLookError::Unknown(what);
        let tiering = self.tiering.as_ref();
        let tiering = tiering.ok_or_else(|| unknown("no highwater.tier.store is configured".to_owned()))?;
        let image = self.image();
        let found = image.topic(topic).filter(|topic| (0..topic.partitions).contains(&partition));
        let found = found.ok_or_else(|| unknown(format!("there is no partition {topic}-{partition}")))?;
        let id = TopicPartition { topic_id: found.topic_id, partition };
        let Some(record) = image.tier(id) else {
            return Ok(SegmentsPage { manifest: 0, segments: Vec::new(), next: None });
        };
        let root = tiering.partition(id).root(tiering.reader(), Some(record)).await?;
        let manifest = root.number;
        let Some(reference) = root.leaf_of(from) else {
            return Ok(SegmentsPage { manifest, segments: Vec::new(), next: None });
        };
        let leaf = tiering.reader().leaf(&root, reference).await?;
        let live = leaf.live(reference).iter().filter(|entry| entry.end_offset > from);
        let segments = live.map(|entry| TierSegment::of(id, entry)).collect();
        let next = root.leaf_of(reference.end_offset).map(|_| reference.end_offset.0);
        Ok(SegmentsPage { manifest, segments, next })
    }
}

/// What is known of a partition.
struct Looked {
    watermarks: Watermarks,
    record: Option<TierRecord>,
    copies: bool,
    lag: CopyLag,
    /// `None` while nobody has asked the store since the start.
    stored: Option<Stored>,
    failing: Option<Failing>,
    compaction_failing: Option<Failing>,
    delete_lag: DeleteLag,
}

/// What its manifest says.
#[derive(Clone, Copy, Default)]
struct Stored {
    bytes: u64,
    segments: u64,
    retired_objects: u64,
}

impl Stored {
    fn of(summary: &RootSummary, now: Timestamp, grace: Duration) -> Stored {
        let RootSummary { log_bytes, segments, .. } = *summary;
        Stored { bytes: log_bytes, segments, retired_objects: summary.waiting(now, grace) }
    }
}

impl Looked {
    fn snapshot(&self, now: Timestamp) -> TierPartitionSnapshot {
        let stored = self.stored.unwrap_or_default();
        let failing_for = self.failing.as_ref().map(|failing| now.0.saturating_sub(failing.since.0));
        TierPartitionSnapshot {
            bytes: stored.bytes,
            segments: stored.segments,
            lag_bytes: self.lag.bytes,
            lag_segments: self.lag.segments,
            lag: self.lag.age,
            failing_for: failing_for.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0))),
            retired_objects: stored.retired_objects,
            delete_lag_bytes: self.delete_lag.bytes,
            delete_lag_segments: self.delete_lag.segments,
        }
    }
}
