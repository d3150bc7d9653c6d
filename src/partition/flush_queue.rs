//! Which partitions have something that is not in a synced segment, and which tail is the oldest.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use super::Partition;
use crate::model::TopicPartition;
use crate::wal::Lsn;

/// Changed under the lock of the partition concerned, so that what it says of a partition is never behind: a
/// batch that is committed is in here until it is synced. Lock order: partition, then this.
#[derive(Default)]
pub(super) struct FlushQueue(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    /// Tails by the LSN at which they begin.
    tails: BTreeMap<(Lsn, TopicPartition), Arc<Partition>>,
    /// Where each partition stands in `tails`.
    begins: HashMap<TopicPartition, Lsn>,
    /// Partitions with a batch that is not in a synced segment.
    dirty: HashMap<TopicPartition, Arc<Partition>>,
}

impl FlushQueue {
    /// Notes where a partition's tail begins now, and whether anything of it is not in a synced segment.
    pub(super) fn place(&self, partition: &Arc<Partition>, tail_from: Option<Lsn>, is_dirty: bool) {
        let id = partition.topic_partition();
        let mut entries = self.0.lock();
        if let Some(begin) = entries.begins.remove(&id) {
            entries.tails.remove(&(begin, id));
        }
        if let Some(begin) = tail_from {
            entries.begins.insert(id, begin);
            entries.tails.insert((begin, id), partition.clone());
        }
        if is_dirty {
            entries.dirty.insert(id, partition.clone());
        } else {
            entries.dirty.remove(&id);
        }
    }

    /// LSN of the oldest batch in memory.
    pub(super) fn oldest(&self) -> Option<Lsn> {
        self.0.lock().tails.keys().next().map(|(lsn, _)| *lsn)
    }

    /// Partitions whose tail begins below `lsn`, oldest first.
    pub(super) fn older_than(&self, lsn: Lsn) -> Vec<Arc<Partition>> {
        let entries = self.0.lock();
        let older = entries.tails.iter().take_while(|((begin, _), _)| *begin < lsn);
        older.map(|(_, partition)| partition.clone()).collect()
    }

    /// Partitions with something unsynced, and the LSN where that begins; oldest first.
    pub(super) fn dirty(&self) -> Vec<(Lsn, Arc<Partition>)> {
        let partitions: Vec<_> = self.0.lock().dirty.values().cloned().collect();
        let mut dirty: Vec<_> = partitions
            .into_iter()
            .filter_map(|partition| Some((partition.dirty_from()?, partition)))
            .collect();
        dirty.sort_by_key(|(lsn, _)| *lsn);
        dirty
    }
}
