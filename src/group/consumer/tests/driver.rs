//! One group with its log, its clock and its catalogue.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::group::consumer::{ConsumerGroup, Soft, advance, check, describe, heartbeat};
use crate::group::reply::{ConsumerGroupHeartbeatReply, DescribedConsumerGroup};
use crate::group::request::ConsumerGroupHeartbeat;
use crate::group::{Caller, GroupError, GroupRecord, GroupSettings, Input};
use crate::metadata::{ClusterImage, MetadataChange, keys};
use crate::model::{Timestamp, TopicId};

pub type Reply = Result<ConsumerGroupHeartbeatReply, GroupError>;

/// A group named `group`, and the world around it.
pub struct Driver {
    pub group: Option<ConsumerGroup>,
    pub soft: Soft,
    pub settings: GroupSettings,
    pub image: Arc<ClusterImage>,
    pub monotonic: Duration,
    pub wall: i64,
    ids: u128,
    /// What compaction would leave: the last value of each key, in the order in which they were written.
    log: Vec<(Bytes, Option<Bytes>)>,
    /// Records of the last call.
    pub written: Vec<GroupRecord>,
    /// No more records of a heartbeat are written: the process dies then.
    pub written_max: usize,
}

impl Driver {
    /// Without topics and members. No time has to pass between two assignments.
    pub fn new() -> Driver {
        Driver {
            group: None,
            soft: Soft::default(),
            settings: GroupSettings {
                consumer_group_assignment_interval: Duration::ZERO,
                ..GroupSettings::default()
            },
            image: Arc::default(),
            monotonic: Duration::from_secs(1),
            wall: 1_700_000_000_000,
            ids: 0,
            log: Vec::new(),
            written: Vec::new(),
            written_max: usize::MAX,
        }
    }

    /// Creates a topic, or gives it more partitions.
    pub fn topic(&mut self, name: &str, partitions: i32) -> TopicId {
        let known = self.image.topic(name).map(|topic| topic.topic_id);
        self.ids += 1;
        let topic_id = known.unwrap_or_else(|| self.fresh_topic_id());
        let mut image = ClusterImage::clone(&self.image);
        image.put_topic(name, topic_id, partitions);
        self.image = Arc::new(image);
        topic_id
    }

    /// Creates many topics of one partition.
    pub fn topics(&mut self, names: &[String]) {
        let mut image = ClusterImage::clone(&self.image);
        for name in names {
            self.ids += 1;
            image.put_topic(name, self.fresh_topic_id(), 1);
        }
        self.image = Arc::new(image);
    }

    /// Deletes a topic.
    pub fn delete_topic(&mut self, name: &str) {
        let mut image = ClusterImage::clone(&self.image);
        let gone = MetadataChange { key: &keys::topic(name), value: None };
        image.apply(gone).expect("a readable change");
        self.image = Arc::new(image);
    }

    fn fresh_topic_id(&self) -> TopicId {
        TopicId(Uuid::from_u128(self.ids << 64 | 7))
    }

    fn input<'a>(&'a self, image: &'a Arc<ClusterImage>, settings: &'a GroupSettings) -> Input<'a> {
        Input {
            monotonic: self.monotonic,
            wall: Timestamp(self.wall),
            believed: Timestamp(self.wall),
            settings,
            batch_bytes_max: 1 << 20,
            image,
            fresh_id: Uuid::from_u128(self.ids << 64 | 1),
        }
    }

    /// One heartbeat, and what it writes.
    /// Without the words of a refusal.
    pub fn heartbeat(&mut self, request: &ConsumerGroupHeartbeat) -> Reply {
        self.heartbeat_in_words(request).map_err(|error| match error {
            GroupError::Worded(error, _) => *error,
            error => error,
        })
    }

    pub fn heartbeat_in_words(&mut self, request: &ConsumerGroupHeartbeat) -> Reply {
        self.ids += 1;
        check(&self.settings, request)?;
        let (image, settings) = (self.image.clone(), self.settings.clone());
        let mut soft = std::mem::take(&mut self.soft);
        let fresh = ConsumerGroup::new("group".into());
        let group = match &self.group {
            Some(group) => group,
            None if request.member_epoch == 0 => &fresh,
            None => return Err(GroupError::GroupIdNotFound("Consumer group group not found.".to_owned())),
        };
        let caller = Caller { client_id: "client".into(), client_host: "/127.0.0.1".into() };
        let input = self.input(&image, &settings);
        let (mut records, reply) = heartbeat(input, &mut soft, group, &caller, request);
        records.truncate(self.written_max);
        self.soft = soft;
        self.write(records);
        reply
    }

    /// Lets time pass, and does what is due.
    pub fn advance(&mut self, by: Duration) {
        self.monotonic += by;
        self.wall += by.as_millis() as i64;
        self.written.clear();
        // Bounded: a call that finds nothing due ends it.
        for _ in 0..100 {
            let due = self.soft.next_deadline().is_some_and(|at| at <= self.monotonic);
            if !due {
                return;
            }
            let before = std::mem::take(&mut self.written);
            self.advance_once();
            self.written.splice(0..0, before);
        }
        panic!("something stays due");
    }

    /// One call of what is due.
    pub fn advance_once(&mut self) {
        let (image, settings) = (self.image.clone(), self.settings.clone());
        let mut soft = std::mem::take(&mut self.soft);
        let records = advance(self.input(&image, &settings), &mut soft, |_| self.group.as_ref());
        self.soft = soft;
        self.write(records);
    }

    fn write(&mut self, records: Vec<GroupRecord>) {
        for record in &records {
            let (key, value) = record.encode();
            let (key, value) = (Bytes::from(key), value.map(Bytes::from));
            self.log.retain(|(known, _)| *known != key);
            self.log.push((key.clone(), value.clone()));
            let read = GroupRecord::decode(&key, value.as_deref());
            assert_eq!(read, Ok(Some(record.clone())), "a record is read as it was written");
            replay(&mut self.group, record.clone());
        }
        self.written = records;
    }

    /// The process dies, and another loads what was written.
    pub fn fail_over(&mut self) {
        let mut group = None;
        for (key, value) in &self.log {
            let record = GroupRecord::decode(key, value.as_deref()).expect("readable").expect("known");
            replay(&mut group, record);
        }
        assert_eq!(group, self.group, "what is loaded is what there was");
        self.soft = Soft::default();
        self.monotonic = Duration::from_secs(self.ids as u64);
        if let Some(group) = &self.group {
            let (image, settings) = (self.image.clone(), self.settings.clone());
            let mut soft = Soft::default();
            soft.loaded(self.input(&image, &settings), group);
            self.soft = soft;
        }
    }

    pub fn group(&self) -> &ConsumerGroup {
        self.group.as_ref().expect("a group")
    }

    pub fn state(&self) -> &'static str {
        self.group().state_name()
    }

    pub fn describe(&self) -> DescribedConsumerGroup {
        describe(self.group(), &self.settings, &self.image)
    }
}

fn replay(group: &mut Option<ConsumerGroup>, record: GroupRecord) {
    let GroupRecord::ConsumerGroup { group_id, change } = record else { panic!("not of a consumer group") };
    let stays = group.get_or_insert_with(|| ConsumerGroup::new(group_id)).replay(change);
    if !stays {
        *group = None;
    }
}
