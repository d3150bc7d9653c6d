use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::model::{LeaderEpoch, Offset, TopicId};

/// A topic as a fetch names it: by name, or from version 13 on by id (KIP-516).
#[derive(Clone, Debug)]
pub enum FetchTopic {
    /// By name.
    Named(Arc<str>),
    /// By id; with the name that it had when it was first found, if it was.
    WithId(TopicId, Option<Arc<str>>),
}

impl FetchTopic {
    /// Its name, as far as it is known.
    pub fn name(&self) -> Option<&Arc<str>> {
        match self {
            FetchTopic::Named(name) => Some(name),
            FetchTopic::WithId(_, name) => name.as_ref(),
        }
    }

    /// Its id, zero for one that is named.
    pub fn topic_id(&self) -> TopicId {
        match self {
            FetchTopic::Named(_) => TopicId::ZERO,
            FetchTopic::WithId(topic_id, _) => *topic_id,
        }
    }

    /// Bytes of a name that may be nobody else's: a client can make up long ones.
    fn own_bytes(&self) -> usize {
        match self {
            FetchTopic::Named(name) => name.len(),
            FetchTopic::WithId(..) => 0,
        }
    }
}

/// An id is the topic whether or not its name is known.
impl PartialEq for FetchTopic {
    fn eq(&self, other: &FetchTopic) -> bool {
        match (self, other) {
            (FetchTopic::Named(one), FetchTopic::Named(other)) => one == other,
            (FetchTopic::WithId(one, _), FetchTopic::WithId(other, _)) => one == other,
            (FetchTopic::Named(_), FetchTopic::WithId(..))
            | (FetchTopic::WithId(..), FetchTopic::Named(_)) => false,
        }
    }
}

impl Eq for FetchTopic {}

impl Hash for FetchTopic {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            FetchTopic::Named(name) => name.hash(state),
            FetchTopic::WithId(topic_id, _) => topic_id.hash(state),
        }
    }
}

/// One partition of a topic as a fetch names it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FetchKey {
    /// The topic.
    pub topic: FetchTopic,
    /// Partition index, whatever the client wrote.
    pub partition: i32,
}

/// What a client wants of a partition, as it wrote it. A session remembers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartitionAsk {
    /// From this offset on.
    pub offset: Offset,
    /// `partition_max_bytes`, which may be negative.
    pub bytes_max: i32,
    /// The leader epoch that the client believes in, or -1.
    pub current_leader_epoch: LeaderEpoch,
    /// Leader epoch of the record before `offset`, or -1 (12 and later).
    pub last_fetched_epoch: LeaderEpoch,
}

/// A partition, what is wanted of it and what the client knows of it.
pub(super) struct CachedPartition {
    pub key: FetchKey,
    pub ask: PartitionAsk,
    pub high_watermark: Offset,
    pub log_start_offset: Offset,
}

/// Partitions in the order in which they are served; each is there once.
#[derive(Default)]
pub(super) struct Partitions {
    by_place: BTreeMap<u64, CachedPartition>,
    places: HashMap<FetchKey, u64>,
    next_place: u64,
    name_bytes: usize,
}

impl Partitions {
    /// Asks for a partition: at the end if it is new, else where it is, with its new wishes.
    pub fn ask(&mut self, key: FetchKey, ask: PartitionAsk) {
        match self.get_mut(&key) {
            Some(known) => known.ask = ask,
            None => self.push(CachedPartition {
                key,
                ask,
                high_watermark: Offset::NONE,
                log_start_offset: Offset::NONE,
            }),
        }
    }

    /// Puts a partition that is not there at the end.
    pub fn push(&mut self, partition: CachedPartition) {
        self.name_bytes += partition.key.topic.own_bytes();
        let before = self.places.insert(partition.key.clone(), self.next_place);
        debug_assert!(before.is_none(), "{:?} is there twice", partition.key);
        self.by_place.insert(self.next_place, partition);
        self.next_place += 1;
    }

    /// Takes a partition out.
    pub fn remove(&mut self, key: &FetchKey) -> Option<CachedPartition> {
        let place = self.places.remove(key)?;
        let removed = self.by_place.remove(&place)?;
        self.name_bytes -= removed.key.topic.own_bytes();
        Some(removed)
    }

    /// Puts a partition behind all others.
    pub fn move_to_back(&mut self, key: &FetchKey) {
        if let Some(partition) = self.remove(key) {
            self.push(partition);
        }
    }

    pub fn get_mut(&mut self, key: &FetchKey) -> Option<&mut CachedPartition> {
        let place = self.places.get(key)?;
        self.by_place.get_mut(place)
    }

    pub fn iter(&self) -> impl Iterator<Item = &CachedPartition> {
        self.by_place.values()
    }

    /// All of them in their order. Their keys must stay equal to what they were.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut CachedPartition> {
        self.by_place.values_mut()
    }

    pub fn size(&self) -> Size {
        let partitions = self.by_place.len();
        Size { partitions, bytes: partitions * PARTITION_BYTES + self.name_bytes }
    }
}

/// Memory that one partition of a session takes, about: what it is, its key once more, and the room that map
/// and tree leave empty.
pub(super) const PARTITION_BYTES: usize = 256;

/// How big a session is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Size {
    pub partitions: usize,
    /// At least what it takes in memory.
    pub bytes: usize,
}

impl Size {
    /// Of a session of these partitions.
    pub fn of<'a>(keys: impl Iterator<Item = &'a FetchKey>) -> Size {
        keys.fold(Size::default(), |size, key| Size {
            partitions: size.partitions + 1,
            bytes: size.bytes + PARTITION_BYTES + key.topic.own_bytes(),
        })
    }
}
