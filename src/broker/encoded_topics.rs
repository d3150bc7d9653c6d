//! How topics are described on the wire, encoded once and kept until what is described changes.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::Broker;
use crate::metadata::TopicImage;
use crate::model::{TopicId, TopicPartition};
use crate::partition::PartitionStatus;

/// Bytes that encodings may take together. One partition takes some thirty of them in each form that clients
/// ask for; beyond the bound all are dropped, and those that are asked for come back.
pub(super) const BYTES_MAX: usize = 32 << 20;

/// What an encoding takes beside its bytes, about.
const OVERHEAD_BYTES: usize = 256;

/// What an encoding depends on, beside the topic and the state of its partitions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TopicForm {
    /// Version of the API.
    pub api_version: i16,
    /// Whether it tells what the client may do.
    pub tells_operations: bool,
}

/// The encodings of one topic.
struct Entry {
    topic: Arc<TopicImage>,
    /// Partitions that do not serve, ascending, and the count of changes from before they were looked at.
    offline: Vec<i32>,
    status_changes: u64,
    forms: Vec<(TopicForm, Bytes)>,
}

impl Entry {
    fn form(&self, form: TopicForm) -> Option<Bytes> {
        self.forms.iter().find(|(known, _)| *known == form).map(|(_, bytes)| bytes.clone())
    }

    fn says_the_same(&self, other: &Entry) -> bool {
        Arc::ptr_eq(&self.topic, &other.topic) && self.offline == other.offline
    }

    fn size_bytes(&self) -> usize {
        self.forms.iter().map(|(_, bytes)| bytes.len() + OVERHEAD_BYTES).sum()
    }
}

#[derive(Default)]
struct Entries {
    topics: HashMap<TopicId, Entry>,
    bytes: usize,
}

impl Entries {
    fn remove(&mut self, topic_id: TopicId) {
        let removed = self.topics.remove(&topic_id);
        self.bytes -= removed.map_or(0, |entry| entry.size_bytes());
    }

    /// Adds a form to an entry that says the same of the topic, or begins a new one.
    fn insert(&mut self, form: TopicForm, bytes: Bytes, seen: Entry) {
        let size = bytes.len() + OVERHEAD_BYTES;
        if size > BYTES_MAX {
            return;
        }
        if self.bytes + size > BYTES_MAX {
            *self = Entries::default();
        }
        let topic_id = seen.topic.topic_id;
        let known = self.topics.get(&topic_id);
        if !known.is_some_and(|known| known.says_the_same(&seen)) {
            self.remove(topic_id);
        }
        let entry = self.topics.entry(topic_id).or_insert(seen);
        if entry.form(form).is_none() {
            entry.forms.push((form, bytes));
            self.bytes += size;
        }
    }
}

/// The encodings of all topics; bounded.
#[derive(Default)]
pub(super) struct EncodedTopics(RwLock<Entries>);

impl EncodedTopics {
    pub(super) fn forget(&self, topic_id: TopicId) {
        self.0.write().remove(topic_id);
    }

    /// Bytes taken, as they are counted, and topics described.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        let entries = self.0.read();
        let counted: usize = entries.topics.values().map(Entry::size_bytes).sum();
        assert_eq!(counted, entries.bytes);
        (entries.bytes, entries.topics.len())
    }

    /// The form, if nothing has changed since it was made.
    fn current(&self, topic: &Arc<TopicImage>, form: TopicForm, status_changes: u64) -> Option<Bytes> {
        let entries = self.0.read();
        let entry = entries.topics.get(&topic.topic_id)?;
        let same = Arc::ptr_eq(&entry.topic, topic) && entry.status_changes == status_changes;
        if same { entry.form(form) } else { None }
    }

    /// The form, if what was seen now is what it says. Partitions of other topics may have changed.
    fn confirm(&self, seen: &Entry, form: TopicForm) -> Option<Bytes> {
        let mut entries = self.0.write();
        let entry = entries.topics.get_mut(&seen.topic.topic_id)?;
        if !entry.says_the_same(seen) {
            return None;
        }
        entry.status_changes = seen.status_changes;
        entry.form(form)
    }
}

impl Broker {
    /// A topic in a form: from the cache, unless the topic or the state of a partition has changed since;
    /// else from `encode`, which is told the partitions that do not serve, ascending.
    pub fn encoded_topic<E>(
        &self,
        topic: &Arc<TopicImage>,
        form: TopicForm,
        encode: impl FnOnce(&[i32]) -> Result<Bytes, E>,
    ) -> Result<Bytes, E> {
        // Counted before the partitions are looked at: a change in between is found by the next who asks.
        let status_changes = self.storage.status_changes();
        if let Some(bytes) = self.encoded_topics.current(topic, form, status_changes) {
            return Ok(bytes);
        }
        let offline = self.offline_partitions(topic);
        let seen = Entry { topic: topic.clone(), offline, status_changes, forms: Vec::new() };
        if let Some(bytes) = self.encoded_topics.confirm(&seen, form) {
            return Ok(bytes);
        }
        let bytes = encode(&seen.offline)?;
        self.encoded_topics.0.write().insert(form, bytes.clone(), seen);
        // A deletion publishes the image first and then forgets what is kept: whichever of both comes last
        // sees the other.
        if !self.is_current(topic) {
            self.encoded_topics.forget(topic.topic_id);
        }
        Ok(bytes)
    }

    fn offline_partitions(&self, topic: &TopicImage) -> Vec<i32> {
        let serves = |partition: &i32| {
            let open = self.partition(TopicPartition { topic_id: topic.topic_id, partition: *partition });
            open.is_some_and(|open| open.status() == PartitionStatus::Online)
        };
        (0..topic.partitions).filter(|partition| !serves(partition)).collect()
    }
}
