//! By which a group knows that one of its topics has changed (KIP-1101): Kafka's own hash, so that a group
//! that moves between brokers of both kinds does not rebalance for nothing.

use std::collections::HashMap;
use std::sync::Arc;

use twox_hash::XxHash3_64;

use crate::metadata::{ClusterImage, TopicImage};

/// Version of the function, which is hashed with the rest.
const MAGIC: u8 = 0;

/// The hash of a topic: its id, name, number of partitions, and where these lie. All replicas are on this
/// broker, so each partition has its rack or, if the broker has none, no rack.
pub(super) fn topic_hash(topic: &TopicImage, broker_rack: Option<&str>) -> i64 {
    let (high, low) = topic.topic_id.0.as_u64_pair();
    let mut bytes = vec![MAGIC];
    bytes.extend(high.to_le_bytes());
    bytes.extend(low.to_le_bytes());
    put_string(&mut bytes, &topic.name);
    bytes.extend(topic.partitions.to_le_bytes());
    for partition in 0..topic.partitions {
        bytes.extend(partition.to_le_bytes());
        if let Some(rack) = broker_rack {
            bytes.extend((rack.encode_utf16().count() as i32).to_le_bytes());
            put_string(&mut bytes, rack);
        }
    }
    XxHash3_64::oneshot(&bytes) as i64
}

/// As the library that Kafka uses does: UTF-16, then the number of units.
fn put_string(bytes: &mut Vec<u8>, text: &str) {
    let mut units: i32 = 0;
    for unit in text.encode_utf16() {
        bytes.extend(unit.to_le_bytes());
        units += 1;
    }
    bytes.extend(units.to_le_bytes());
}

/// The hash of a group: of the hashes of its topics, in ascending order of names. 0 if there are none.
pub(super) fn group_hash(topic_hashes: impl Iterator<Item = i64>) -> i64 {
    let bytes: Vec<u8> = topic_hashes.flat_map(i64::to_le_bytes).collect();
    if bytes.is_empty() { 0 } else { XxHash3_64::oneshot(&bytes) as i64 }
}

/// The catalogue that was seen last, its number, and hashes of its topics.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    image: Arc<ClusterImage>,
    number: u64,
    /// At most one for each topic of the image.
    hashes: HashMap<Arc<str>, i64>,
    broker_rack: Option<Arc<str>>,
}

impl Catalogue {
    /// Number of the catalogue in force.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Takes note of the catalogue in force. Two have different numbers if they are not the same.
    pub(super) fn see(&mut self, image: &Arc<ClusterImage>, broker_rack: Option<&Arc<str>>) -> u64 {
        let is_same = Arc::ptr_eq(&self.image, image) && self.broker_rack.as_ref() == broker_rack;
        if !is_same || self.number == 0 {
            self.image = image.clone();
            self.broker_rack = broker_rack.cloned();
            self.number += 1;
            self.hashes.clear();
        }
        self.number
    }

    /// The hash of a group that subscribes to these topics, named in ascending order. Those that do not exist
    /// count for nothing.
    pub(super) fn group_hash<'a>(&mut self, topics: impl Iterator<Item = &'a Arc<str>>) -> i64 {
        let Catalogue { image, hashes, broker_rack, .. } = self;
        let hash = |name: &'a Arc<str>| {
            let topic = image.topic(name)?;
            if let Some(hash) = hashes.get(name) {
                return Some(*hash);
            }
            let hash = topic_hash(topic, broker_rack.as_deref());
            hashes.insert(topic.name.clone(), hash);
            Some(hash)
        };
        group_hash(topics.filter_map(hash))
    }
}
