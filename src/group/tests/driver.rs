//! Drives a shard as the coordinator does: records go through their bytes, replies are kept by ticket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::group::{
    Caller, GroupError, GroupProtocol, GroupRecord, GroupReply, GroupRequest, GroupSettings, GroupShard,
    Heartbeat, Input, JoinGroup, JoinGroupReply, LeaveGroup, LeavingMember, OffsetCommit,
    OffsetCommitPartition, OffsetCommitTopic, OffsetFetch, OffsetFetchTopic, Outcome, SyncGroup, SyncedGroup,
    Ticket,
};
use crate::metadata::ClusterImage;
use crate::model::{LeaderEpoch, Offset, ProducerId, Timestamp, TopicId, TransactionResult};

pub const GROUP: &str = "group";

pub struct Driver {
    pub shard: GroupShard,
    pub settings: GroupSettings,
    pub batch_bytes_max: usize,
    pub image: Arc<ClusterImage>,
    pub monotonic: Duration,
    pub wall: Timestamp,
    /// Behind it while the clock is behind.
    pub believed: Option<Timestamp>,
    pub caller: Caller,
    /// Everything that was written.
    pub log: Vec<Written>,
    /// The producer whose transaction is asked for.
    producer_id: ProducerId,
    pub replies: BTreeMap<Ticket, GroupReply>,
    /// Tickets that nobody has answered yet.
    pub waiting: BTreeSet<Ticket>,
    /// As metrics count them.
    pub rebalances: u64,
    tickets: u64,
    ids: u128,
}

/// One thing in the log: a record and its transaction, or a marker.
pub enum Written {
    Record(Option<ProducerId>, Bytes, Option<Bytes>),
    Marker(ProducerId, TransactionResult),
}

impl Written {
    fn record(&self) -> Option<GroupRecord> {
        let Written::Record(_, key, value) = self else { return None };
        Some(GroupRecord::decode(key, value.as_deref()).unwrap().expect("a known type"))
    }

    pub fn is_tombstone(&self) -> bool {
        matches!(self, Written::Record(_, _, None))
    }

    /// Of key and value.
    pub fn bytes(&self) -> usize {
        let Written::Record(_, key, value) = self else { return 0 };
        key.len() + value.as_ref().map_or(0, Bytes::len)
    }

    fn replay(&self, shard: &mut GroupShard) {
        match (self, self.record()) {
            (Written::Record(None, ..), Some(record)) => shard.replay(record),
            (Written::Record(Some(id), ..), Some(record)) => shard.replay_in_transaction(*id, record),
            (Written::Marker(id, result), _) => shard.end_transaction(*id, *result),
            (_, None) => unreachable!("a record is one"),
        }
    }
}

pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Driver {
    pub fn new() -> Driver {
        Driver {
            shard: GroupShard::default(),
            settings: GroupSettings::default(),
            batch_bytes_max: 1 << 20,
            image: Arc::default(),
            monotonic: seconds(1000),
            wall: Timestamp(1_700_000_000_000),
            believed: None,
            caller: Caller { client_id: "client".into(), client_host: "/127.0.0.1".into() },
            log: Vec::new(),
            producer_id: ProducerId::NONE,
            replies: BTreeMap::new(),
            waiting: BTreeSet::new(),
            rebalances: 0,
            tickets: 0,
            ids: 0,
        }
    }

    /// Groups form as soon as somebody is there.
    pub fn without_delay() -> Driver {
        let mut driver = Driver::new();
        driver.settings.group_initial_rebalance_delay = Duration::ZERO;
        driver
    }

    pub fn call(&mut self, call: impl FnOnce(&mut GroupShard, Input<'_>) -> Outcome) -> usize {
        self.ids += 1;
        let input = Input {
            monotonic: self.monotonic,
            wall: self.wall,
            believed: self.believed.unwrap_or(self.wall),
            settings: &self.settings,
            batch_bytes_max: self.batch_bytes_max,
            image: &self.image,
            fresh_id: uuid::Uuid::from_u128(self.ids),
        };
        let outcome = call(&mut self.shard, input);
        self.rebalances += outcome.completed_rebalances;
        let records = outcome.records.len();
        let in_transaction =
            outcome.in_transaction.into_iter().map(|record| (Some(self.producer_id), record));
        let all = outcome.records.into_iter().map(|record| (None, record)).chain(in_transaction);
        for (producer_id, record) in all {
            let (key, value) = record.encode();
            let written = Written::Record(producer_id, key.into(), value.map(Bytes::from));
            assert_eq!(written.record(), Some(record));
            written.replay(&mut self.shard);
            self.log.push(written);
        }
        for (ticket, reply) in outcome.replies {
            assert!(self.waiting.remove(&ticket), "{ticket:?} is answered twice: {reply:?}");
            self.replies.insert(ticket, reply);
        }
        records
    }

    pub fn send(&mut self, request: GroupRequest) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.waiting.insert(ticket);
        let caller = self.caller.clone();
        if let GroupRequest::OffsetCommit(OffsetCommit { transaction: Some(producer_id), .. }) = &request {
            self.producer_id = *producer_id;
        }
        self.call(|shard, input| shard.request(input, ticket, &caller, request));
        ticket
    }

    /// A marker comes.
    pub fn end_transaction(&mut self, producer_id: ProducerId, result: TransactionResult) {
        let written = Written::Marker(producer_id, result);
        written.replay(&mut self.shard);
        self.log.push(written);
    }

    pub fn reply(&mut self, ticket: Ticket) -> Option<GroupReply> {
        self.replies.remove(&ticket)
    }

    /// A request that is answered at once.
    pub fn ask(&mut self, request: GroupRequest) -> GroupReply {
        let ticket = self.send(request);
        self.reply(ticket).expect("an answer at once")
    }

    pub fn forget(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
        self.replies.remove(&ticket);
        self.shard.forget(ticket);
    }

    /// Time passes: the shard is called at each of its deadlines.
    pub fn advance(&mut self, by: Duration) {
        let end = self.monotonic + by;
        let wall_end = Timestamp(self.wall.0 + by.as_millis() as i64);
        while let Some(due) = self.shard.next_deadline().filter(|due| *due <= end) {
            let due = due.max(self.monotonic);
            self.wall.0 += (due - self.monotonic).as_millis() as i64;
            self.monotonic = due;
            self.call(|shard, input| shard.advance(input));
        }
        self.monotonic = end;
        self.wall = wall_end;
    }

    /// The process ends and another reads the log.
    pub fn fail_over(&mut self) {
        let mut shard = GroupShard::default();
        self.log.iter().for_each(|written| written.replay(&mut shard));
        assert_eq!(shard.durable, self.shard.durable);
        self.shard = shard;
        self.waiting.clear();
        self.call(|shard, input| shard.loaded(input));
    }

    /// The tombstones and all other records since some moment.
    pub fn written_since(&self, start: usize) -> Vec<GroupRecord> {
        self.log[start..].iter().filter_map(Written::record).collect()
    }

    pub fn state(&mut self) -> String {
        match self.ask(GroupRequest::DescribeGroup { group_id: GROUP.into() }) {
            GroupReply::DescribeGroup(Ok(group)) => group.state.to_owned(),
            GroupReply::DescribeGroup(Err(GroupError::GroupIdNotFound(_))) => "none".to_owned(),
            other => panic!("{other:?}"),
        }
    }

    pub fn join_reply(&mut self, ticket: Ticket) -> JoinGroupReply {
        match self.reply(ticket) {
            Some(GroupReply::JoinGroup(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    pub fn sync_reply(&mut self, ticket: Ticket) -> Result<SyncedGroup, GroupError> {
        match self.reply(ticket) {
            Some(GroupReply::SyncGroup(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    /// A dynamic member learns its id and joins under it.
    pub fn join_dynamic(&mut self) -> (Arc<str>, Ticket) {
        let reply = self.ask(GroupRequest::JoinGroup(join("")));
        let GroupReply::JoinGroup(JoinGroupReply { member_id, error, .. }) = reply else { panic!() };
        assert_eq!(error, Some(GroupError::MemberIdRequired(member_id.clone())));
        let ticket = self.send(GroupRequest::JoinGroup(join(&member_id)));
        (member_id, ticket)
    }

    /// Members that joined sync; the leader assigns to each its own id.
    pub fn sync_all(&mut self, joins: &[JoinGroupReply]) -> Vec<Result<SyncedGroup, GroupError>> {
        let tickets: Vec<Ticket> = joins.iter().map(|join| self.send(sync(join))).collect();
        tickets.into_iter().map(|ticket| self.sync_reply(ticket)).collect()
    }

    /// A stable group of new members, the leader first.
    pub fn stable(&mut self, count: usize) -> Vec<JoinGroupReply> {
        let members: Vec<(Arc<str>, Ticket)> = (0..count).map(|_| self.join_dynamic()).collect();
        self.advance(self.settings.group_initial_rebalance_delay * 3);
        let joins: Vec<JoinGroupReply> = members.iter().map(|(_, ticket)| self.join_reply(*ticket)).collect();
        for synced in self.sync_all(&joins) {
            synced.unwrap();
        }
        assert_eq!(self.state(), "Stable");
        joins
    }

    pub fn heartbeat(&mut self, member: &JoinGroupReply) -> Result<(), GroupError> {
        let request = Heartbeat {
            group_id: GROUP.into(),
            member_id: member.member_id.clone(),
            group_instance_id: None,
            generation_id: member.generation_id,
        };
        match self.ask(GroupRequest::Heartbeat(request)) {
            GroupReply::Heartbeat(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    /// Errors of those that leave, by member id.
    pub fn leave(&mut self, members: &[(&str, Option<&str>)]) -> Vec<Option<GroupError>> {
        let leaving = |(member_id, group_instance_id): &(&str, Option<&str>)| LeavingMember {
            member_id: (*member_id).into(),
            group_instance_id: group_instance_id.map(Into::into),
            reason: None,
        };
        let members = members.iter().map(leaving).collect();
        match self.ask(GroupRequest::LeaveGroup(LeaveGroup { group_id: GROUP.into(), members })) {
            GroupReply::LeaveGroup(Ok(left)) => left.into_iter().map(|member| member.error).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// Commits an offset of partition 0 of a topic.
    pub fn commit(&mut self, commit: OffsetCommit) -> Result<Option<GroupError>, GroupError> {
        match self.ask(GroupRequest::OffsetCommit(commit)) {
            GroupReply::OffsetCommit(Ok(topics)) => Ok(topics[0].partitions[0].1.clone()),
            GroupReply::OffsetCommit(Err(error)) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    /// The offset of partition 0 of a topic; -1 for none.
    pub fn fetch(&mut self, topic: &str) -> i64 {
        let topic = OffsetFetchTopic { topic_id: TopicId::ZERO, name: topic.into(), partitions: vec![0] };
        match self.ask(GroupRequest::OffsetFetch(fetch(Some(vec![topic])))) {
            GroupReply::OffsetFetch(Ok(topics)) => topics[0].partitions[0].offset.0,
            other => panic!("{other:?}"),
        }
    }
}

pub fn fetch(topics: Option<Vec<OffsetFetchTopic>>) -> OffsetFetch {
    OffsetFetch { group_id: GROUP.into(), member_id: None, member_epoch: -1, topics, require_stable: true }
}

/// `ConsumerProtocolSubscription` of version 0.
pub fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = vec![0, 0];
    bytes.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        bytes.extend((topic.len() as i16).to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend((-1_i32).to_be_bytes());
    bytes.into()
}

pub fn protocols(names: &[&str]) -> Vec<GroupProtocol> {
    let protocol = |name: &&str| GroupProtocol { name: (*name).into(), metadata: subscription(&["read"]) };
    names.iter().map(protocol).collect()
}

/// Of a member that has no id yet, if the id is empty.
pub fn join(member_id: &str) -> JoinGroup {
    JoinGroup {
        group_id: GROUP.into(),
        member_id: member_id.into(),
        group_instance_id: None,
        protocol_type: "consumer".into(),
        protocols: protocols(&["range", "roundrobin"]),
        session_timeout: seconds(45),
        rebalance_timeout: seconds(60),
        requires_known_member_id: true,
        supports_skip_assignment: true,
        reason: None,
    }
}

pub fn join_static(member_id: &str, group_instance_id: &str) -> JoinGroup {
    JoinGroup { group_instance_id: Some(group_instance_id.into()), ..join(member_id) }
}

/// The leader assigns to each member its own id.
pub fn sync(join: &JoinGroupReply) -> GroupRequest {
    let assignment = |member_id: &Arc<str>| (member_id.clone(), Bytes::copy_from_slice(member_id.as_bytes()));
    GroupRequest::SyncGroup(SyncGroup {
        group_id: GROUP.into(),
        member_id: join.member_id.clone(),
        group_instance_id: None,
        generation_id: join.generation_id,
        protocol_type: join.protocol_type.clone(),
        protocol_name: join.protocol_name.clone(),
        assignments: join.members.iter().map(|member| assignment(&member.member_id)).collect(),
    })
}

/// Of one without group management.
pub fn commit(topic: &str, offset: i64) -> OffsetCommit {
    OffsetCommit {
        group_id: GROUP.into(),
        member_id: "".into(),
        group_instance_id: None,
        generation_id_or_member_epoch: -1,
        retention: None,
        supports_member_epoch: true,
        transaction: None,
        topics: vec![OffsetCommitTopic {
            topic_id: TopicId::ZERO,
            name: topic.into(),
            partitions: vec![OffsetCommitPartition {
                partition: 0,
                offset: Offset(offset),
                leader_epoch: LeaderEpoch::NONE,
                metadata: "".into(),
            }],
        }],
    }
}

pub fn commit_of(member: &JoinGroupReply, topic: &str, offset: i64) -> OffsetCommit {
    OffsetCommit {
        member_id: member.member_id.clone(),
        generation_id_or_member_epoch: member.generation_id,
        ..commit(topic, offset)
    }
}
