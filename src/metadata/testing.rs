//! Topics for the tests of other rooms.

use std::collections::BTreeMap;

use super::{ClusterImage, MetadataChange, TopicRecord, keys};
use crate::model::TopicId;

impl TopicRecord {
    /// A topic of one replica, created at the first boot, with nothing set on it.
    pub fn plain(topic_id: TopicId, partitions: i32) -> TopicRecord {
        TopicRecord {
            topic_id: topic_id.0,
            partitions,
            replication_factor: 1,
            configs: BTreeMap::new(),
            created_at_boot: 1,
            growths: Vec::new(),
        }
    }
}

impl ClusterImage {
    /// Creates a topic, or changes the number of its partitions.
    pub fn put_topic(&mut self, name: &str, topic_id: TopicId, partitions: i32) {
        let value = serde_json::to_vec(&TopicRecord::plain(topic_id, partitions)).expect("a record");
        let change = MetadataChange { key: &keys::topic(name), value: Some(&value) };
        self.apply(change).expect("a readable change");
    }
}
