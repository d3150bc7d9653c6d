//! Groups that change their protocol, and members of both in one group.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use uuid::Uuid;

use super::driver::*;
use crate::group::*;
use crate::metadata::ClusterImage;
use crate::model::TopicId;

pub fn topic(driver: &mut Driver, name: &str, partitions: i32) -> TopicId {
    let topic_id = TopicId(Uuid::from_u128(0x77_u128 << 64 | name.len() as u128));
    let mut image = ClusterImage::clone(&driver.image);
    image.put_topic(name, topic_id, partitions);
    driver.image = Arc::new(image);
    topic_id
}

fn put_partitions(bytes: &mut Vec<u8>, topic: &str, partitions: &BTreeSet<i32>) {
    bytes.extend(1_i32.to_be_bytes());
    bytes.extend((topic.len() as i16).to_be_bytes());
    bytes.extend(topic.as_bytes());
    bytes.extend((partitions.len() as i32).to_be_bytes());
    partitions.iter().for_each(|partition| bytes.extend(partition.to_be_bytes()));
}

/// `ConsumerProtocolAssignment` of version 1: partitions of the topic `read`.
pub fn assignment(partitions: &[i32]) -> Bytes {
    let mut bytes = vec![0, 1];
    put_partitions(&mut bytes, "read", &partitions.iter().copied().collect());
    bytes.extend((-1_i32).to_be_bytes());
    bytes.into()
}

/// Partitions of an assignment, whatever their topic.
pub fn read_assignment(mut bytes: Bytes) -> BTreeSet<i32> {
    bytes.get_i16();
    let mut partitions = BTreeSet::new();
    for _ in 0..bytes.get_i32() {
        let length = bytes.get_i16();
        bytes.advance(length as usize);
        for _ in 0..bytes.get_i32() {
            partitions.insert(bytes.get_i32());
        }
    }
    assert_eq!(bytes.get_i32(), -1);
    partitions
}

/// A client of the classic protocol, cooperative: it keeps what it has while it joins.
#[derive(Debug, Clone)]
struct Classic {
    member_id: Arc<str>,
    instance_id: Option<Arc<str>>,
    generation_id: i32,
    owned: BTreeSet<i32>,
}

impl Classic {
    fn new(member_id: &Arc<str>) -> Classic {
        Classic { member_id: member_id.clone(), instance_id: None, generation_id: -1, owned: BTreeSet::new() }
    }

    fn join(&self) -> JoinGroup {
        let mut metadata = vec![0, 1];
        metadata.extend(&subscription(&["read"])[2..]);
        put_partitions(&mut metadata, "read", &self.owned);
        let protocol = GroupProtocol { name: "cooperative-sticky".into(), metadata: metadata.into() };
        JoinGroup {
            protocols: vec![protocol],
            group_instance_id: self.instance_id.clone(),
            ..join(&self.member_id)
        }
    }

    fn sync(&self, driver: &mut Driver) -> Result<SyncedGroup, GroupError> {
        let request = SyncGroup {
            group_id: GROUP.into(),
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
            generation_id: self.generation_id,
            protocol_type: Some("consumer".into()),
            protocol_name: Some("cooperative-sticky".into()),
            assignments: Vec::new(),
        };
        match driver.ask(GroupRequest::SyncGroup(request)) {
            GroupReply::SyncGroup(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn heartbeat(&self, driver: &mut Driver) -> Result<(), GroupError> {
        let request = Heartbeat {
            group_id: GROUP.into(),
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
            generation_id: self.generation_id,
        };
        match driver.ask(GroupRequest::Heartbeat(request)) {
            GroupReply::Heartbeat(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    /// A heartbeat, and if it is told so, a join and a sync in a consumer group.
    fn beat(&mut self, driver: &mut Driver) {
        match self.heartbeat(driver) {
            Ok(()) => {}
            Err(GroupError::RebalanceInProgress) => self.rejoin(driver),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn rejoin(&mut self, driver: &mut Driver) {
        let GroupReply::JoinGroup(reply) = driver.ask(GroupRequest::JoinGroup(self.join())) else { panic!() };
        assert_eq!(reply.error, None);
        assert_eq!(reply.protocol_name.as_deref(), Some("cooperative-sticky"));
        assert!(reply.members.is_empty() && reply.leader.is_empty(), "nobody leads");
        self.member_id = reply.member_id;
        self.generation_id = reply.generation_id;
        match self.sync(driver) {
            Ok(synced) => self.owned = read_assignment(synced.assignment),
            Err(GroupError::RebalanceInProgress) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

pub fn consumer(
    member_id: &str,
    member_epoch: i32,
    owned: Option<Vec<(TopicId, Vec<i32>)>>,
) -> ConsumerGroupHeartbeat {
    let joins = member_epoch == 0;
    ConsumerGroupHeartbeat {
        group_id: GROUP.into(),
        member_id: member_id.into(),
        member_epoch,
        instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: if joins { 60_000 } else { -1 },
        subscribed_topic_names: joins.then(|| vec!["read".into()]),
        subscribed_topic_regex: None,
        server_assignor: None,
        owned: if joins { Some(Vec::new()) } else { owned },
        client_makes_member_id: true,
    }
}

pub fn beat(
    driver: &mut Driver,
    request: ConsumerGroupHeartbeat,
) -> Result<ConsumerGroupHeartbeatReply, GroupError> {
    match driver.ask(GroupRequest::ConsumerGroupHeartbeat(request)) {
        GroupReply::ConsumerGroupHeartbeat(Err(GroupError::Worded(error, _))) => Err(*error),
        GroupReply::ConsumerGroupHeartbeat(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn described(driver: &mut Driver) -> Result<DescribedConsumerGroup, GroupError> {
    match driver.ask(GroupRequest::ConsumerGroupDescribe { group_id: GROUP.into() }) {
        GroupReply::ConsumerGroupDescribe(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn listed(driver: &mut Driver) -> (String, String) {
    match driver.ask(GroupRequest::ListGroups(ListGroups::default())) {
        GroupReply::ListGroups(groups) => (groups[0].group_type.to_owned(), groups[0].state.to_owned()),
        other => panic!("{other:?}"),
    }
}

/// A member of the consumer protocol that follows.
struct Modern {
    member_epoch: i32,
    owned: BTreeSet<i32>,
    topic_id: TopicId,
}

impl Modern {
    fn join(driver: &mut Driver, topic_id: TopicId) -> Modern {
        let mut modern = Modern { member_epoch: 0, owned: BTreeSet::new(), topic_id };
        modern.beat(driver);
        modern
    }

    fn beat(&mut self, driver: &mut Driver) {
        let owned = vec![(self.topic_id, self.owned.iter().copied().collect())];
        let reply = beat(driver, consumer("modern", self.member_epoch, Some(owned))).unwrap();
        self.member_epoch = reply.member_epoch;
        if let Some(assignment) = reply.assignment {
            self.owned = assignment.into_iter().flat_map(|(_, partitions)| partitions).collect();
        }
    }
}

/// A stable classic group of two that share four partitions of `read`.
fn classic_pair(driver: &mut Driver) -> [Classic; 2] {
    classic_pair_with(driver, [&[0, 1], &[2, 3]])
}

/// A stable classic group of two whose leader gave them these partitions of `read`.
fn classic_pair_with(driver: &mut Driver, given: [&[i32]; 2]) -> [Classic; 2] {
    let ids: Vec<(Arc<str>, Ticket)> = (0..2)
        .map(|_| {
            let GroupReply::JoinGroup(reply) =
                driver.ask(GroupRequest::JoinGroup(Classic::new(&"".into()).join()))
            else {
                panic!()
            };
            let ticket = driver.send(GroupRequest::JoinGroup(Classic::new(&reply.member_id).join()));
            (reply.member_id, ticket)
        })
        .collect();
    driver.advance(driver.settings.group_initial_rebalance_delay * 3);
    let joins: Vec<JoinGroupReply> = ids.iter().map(|(_, ticket)| driver.join_reply(*ticket)).collect();
    let given = given.map(assignment);
    let assignments: Vec<_> = ids.iter().map(|(id, _)| id.clone()).zip(given).collect();
    let tickets: Vec<Ticket> = joins
        .iter()
        .map(|join| {
            let is_leader = join.leader == join.member_id;
            driver.send(GroupRequest::SyncGroup(SyncGroup {
                group_id: GROUP.into(),
                member_id: join.member_id.clone(),
                group_instance_id: None,
                generation_id: join.generation_id,
                protocol_type: None,
                protocol_name: None,
                assignments: if is_leader { assignments.clone() } else { Vec::new() },
            }))
        })
        .collect();
    let mut classics = ids.into_iter().zip(tickets).map(|((member_id, _), ticket)| {
        let owned = read_assignment(driver.sync_reply(ticket).unwrap().assignment);
        Classic { generation_id: joins[0].generation_id, owned, ..Classic::new(&member_id) }
    });
    let pair = [classics.next().unwrap(), classics.next().unwrap()];
    assert_eq!(pair.each_ref().map(|classic| classic.owned.len()), [2, 2]);
    pair
}

/// Its members become three records each, which one batch must hold: half of them would be a group that has
/// forgotten who has what.
#[test]
fn a_group_that_no_batch_can_hold_stays_what_it_is() {
    let mut driver = Driver::without_delay();
    let topic_id = topic(&mut driver, "read", 4);
    let classics = classic_pair(&mut driver);
    let (written, whole) = (driver.log.len(), driver.batch_bytes_max);
    driver.batch_bytes_max = 600;
    let refused = beat(&mut driver, consumer("modern", 0, Some(Vec::new())));
    let Err(GroupError::GroupIdNotFound(words)) = refused else { panic!("{refused:?}") };
    assert!(words.ends_with("because its members are more than one batch holds."), "{words}");
    assert_eq!((driver.log.len(), driver.state()), (written, "Stable".to_owned()));
    for classic in &classics {
        assert_eq!(classic.heartbeat(&mut driver), Ok(()));
    }
    driver.batch_bytes_max = whole;
    let modern = Modern::join(&mut driver, topic_id);
    assert!(modern.member_epoch > 0);
}

/// A group of two members of the classic protocol and one of the new one, at rest; they read 4 partitions.
fn settled_group() -> (Driver, [Classic; 2], Modern) {
    let mut driver = Driver::without_delay();
    let topic_id = topic(&mut driver, "read", 4);
    let mut classics = classic_pair(&mut driver);
    let mut modern = Modern::join(&mut driver, topic_id);
    settle(&mut driver, &mut classics, &mut modern);
    (driver, classics, modern)
}

/// Nobody has a partition that another has; the group comes to rest.
fn settle(driver: &mut Driver, classics: &mut [Classic], modern: &mut Modern) {
    for _ in 0..8 {
        for classic in classics.iter_mut() {
            classic.beat(driver);
        }
        modern.beat(driver);
        let mut all = BTreeSet::new();
        for partition in classics.iter().flat_map(|classic| &classic.owned).chain(&modern.owned) {
            assert!(all.insert(*partition), "{partition} has two owners");
        }
        driver.advance(seconds(2));
    }
    assert_eq!(described(driver).unwrap().state, "Stable");
}

#[test]
fn trap_76_a_live_classic_group_is_upgraded_by_the_first_member_of_the_new_protocol() {
    let mut driver = Driver::new();
    let topic_id = topic(&mut driver, "read", 4);
    let mut classics = classic_pair(&mut driver);
    let generation_id = classics[0].generation_id;
    driver.commit(commit("read", 7)).unwrap_err();
    let mut modern = Modern::join(&mut driver, topic_id);
    assert_eq!(modern.member_epoch, generation_id + 1);
    assert!(modern.owned.is_empty(), "the others have everything yet");
    let group = described(&mut driver).unwrap();
    assert_eq!((group.state, group.members.len()), ("Reconciling", 3));
    assert_eq!(group.members.iter().filter(|member| member.is_classic).count(), 2);
    assert_eq!(listed(&mut driver), ("consumer".to_owned(), "Reconciling".to_owned()));
    driver.fail_over();
    settle(&mut driver, &mut classics, &mut modern);
    let mut counts = classics.iter().map(|classic| classic.owned.len()).collect::<Vec<_>>();
    counts.push(modern.owned.len());
    counts.sort_unstable();
    assert_eq!(counts, [1, 1, 2]);
    // A commit of a classic member is checked by its generation.
    let of = |generation_id: i32| OffsetCommit {
        member_id: classics[0].member_id.clone(),
        generation_id_or_member_epoch: generation_id,
        supports_member_epoch: false,
        ..commit("read", 9)
    };
    assert_eq!(driver.commit(of(classics[0].generation_id)), Ok(None));
    assert_eq!(driver.commit(of(99)), Err(GroupError::IllegalGeneration));
    driver.fail_over();
    assert_eq!(driver.fetch("read"), 9);
}

#[test]
fn who_waits_in_the_classic_group_is_told_to_join_again() {
    let mut driver = Driver::new();
    let topic_id = topic(&mut driver, "read", 4);
    let [one, other] = classic_pair(&mut driver);
    // One joins again and waits for the other.
    let mut again = one.join();
    again.protocols[0].metadata = {
        let mut metadata = vec![0, 1];
        metadata.extend(&subscription(&["read", "more"])[2..]);
        metadata.extend(0_i32.to_be_bytes());
        metadata.into()
    };
    let ticket = driver.send(GroupRequest::JoinGroup(again));
    assert_eq!(driver.reply(ticket), None);
    Modern::join(&mut driver, topic_id);
    assert_eq!(driver.join_reply(ticket).error, Some(GroupError::RebalanceInProgress));
    assert_eq!(other.heartbeat(&mut driver), Err(GroupError::RebalanceInProgress));
}

#[test]
fn groups_that_cannot_be_upgraded_stay_as_they_are() {
    type Prepare = fn(&mut Driver);
    let cases: [(Prepare, &str); 2] = [
        (
            |driver| driver.settings.migration_policy = MigrationPolicy::Downgrade,
            "online upgrade is disabled",
        ),
        (|driver| driver.settings.consumer_group_max_size = 1, "exceeds the consumer group maximum size"),
    ];
    for (prepare, words) in cases {
        let mut driver = Driver::new();
        topic(&mut driver, "read", 4);
        let [one, _] = classic_pair(&mut driver);
        prepare(&mut driver);
        let Err(GroupError::GroupIdNotFound(found)) = beat(&mut driver, consumer("modern", 0, None)) else {
            panic!()
        };
        assert!(found.contains(words), "{found}");
        assert_eq!(one.heartbeat(&mut driver), Ok(()));
    }
    let mut driver = Driver::new();
    driver.stable(1);
    // What the leader of this one gave is no assignment of consumers.
    let Err(GroupError::GroupIdNotFound(found)) = beat(&mut driver, consumer("modern", 0, None)) else {
        panic!()
    };
    assert!(found.contains("the embedded consumer protocol is malformed"), "{found}");
    assert_eq!(driver.state(), "Stable");
    let refused = beat(&mut driver, consumer("modern", 3, None));
    assert_eq!(refused, Err(GroupError::GroupIdNotFound("Group group is not a consumer group.".to_owned())));
}

#[test]
fn a_classic_group_in_which_two_have_one_partition_is_not_upgraded() {
    let mut driver = Driver::without_delay();
    topic(&mut driver, "read", 4);
    let classics = classic_pair_with(&mut driver, [&[0, 1], &[1, 2]]);
    let refused = beat(&mut driver, consumer("modern", 0, None));
    let words = "Cannot upgrade classic group group to consumer group because two of its members have one \
                 partition.";
    assert_eq!(refused, Err(GroupError::GroupIdNotFound(words.to_owned())));
    assert_eq!(listed(&mut driver).0, "classic");
    assert_eq!(classics[0].heartbeat(&mut driver), Ok(()));
}

#[test]
fn partitions_that_do_not_exist_are_lost_in_an_upgrade() {
    let mut driver = Driver::without_delay();
    let topic_id = topic(&mut driver, "read", 4);
    let mut classics = classic_pair_with(&mut driver, [&[0, 1], &[2, 7]]);
    let mut modern = Modern::join(&mut driver, topic_id);
    settle(&mut driver, &mut classics, &mut modern);
    let owned = classics.iter().flat_map(|classic| &classic.owned).chain(&modern.owned);
    assert_eq!(owned.copied().collect::<BTreeSet<_>>(), (0..4).collect());
}

#[test]
fn classic_members_are_not_told_to_join_while_the_next_target_is_put_off() {
    let mut driver = Driver::without_delay();
    driver.settings.consumer_group_assignment_interval = seconds(5);
    let topic_id = topic(&mut driver, "read", 4);
    let mut classics = classic_pair(&mut driver);
    let mut modern = Modern::join(&mut driver, topic_id);
    settle(&mut driver, &mut classics, &mut modern);
    beat(&mut driver, consumer("second", 0, None)).unwrap();
    // Its target has to wait.
    beat(&mut driver, consumer("third", 0, None)).unwrap();
    // What one has to give up takes it two joins.
    (0..2).for_each(|_| classics.iter_mut().for_each(|classic| classic.beat(&mut driver)));
    for classic in &classics {
        assert_eq!(classic.heartbeat(&mut driver), Ok(()));
        assert!(classic.sync(&mut driver).is_ok());
    }
    driver.advance(seconds(5));
    let generation_id = classics[0].generation_id;
    assert_eq!(classics[0].heartbeat(&mut driver), Err(GroupError::RebalanceInProgress));
    classics[0].rejoin(&mut driver);
    assert_eq!(classics[0].generation_id, generation_id + 1);
}

#[test]
fn a_downgraded_group_is_written_with_a_leader() {
    let (mut driver, classics, _) = settled_group();
    let start = driver.log.len();
    beat(&mut driver, consumer("modern", -1, None)).unwrap();
    let leader = driver.written_since(start).into_iter().find_map(|record| match record {
        GroupRecord::GroupMetadata { metadata, .. } => metadata?.leader.clone(),
        _ => None,
    });
    assert_eq!(leader, classics.iter().map(|classic| classic.member_id.clone()).min());
}

#[test]
fn trap_76_the_group_is_downgraded_when_its_last_member_of_the_new_protocol_leaves() {
    let (mut driver, mut classics, _) = settled_group();
    let group_epoch = described(&mut driver).unwrap().group_epoch;
    beat(&mut driver, consumer("modern", -1, None)).unwrap();
    assert_eq!(driver.state(), "PreparingRebalance");
    assert_eq!(listed(&mut driver).0, "classic");
    assert!(described(&mut driver).is_err());
    for classic in &mut classics {
        classic.generation_id = group_epoch;
        assert_eq!(classic.heartbeat(&mut driver), Err(GroupError::RebalanceInProgress));
    }
    let tickets = classics.each_ref().map(|classic| driver.send(GroupRequest::JoinGroup(classic.join())));
    let joins = tickets.map(|ticket| driver.join_reply(ticket));
    assert_eq!(joins.each_ref().map(|join| join.generation_id), [group_epoch + 1; 2]);
    assert_eq!(joins.iter().filter(|join| join.leader == join.member_id).count(), 1);
}

/// The group goes on with what its members speak, not only with what was chosen last.
#[test]
fn members_of_a_downgraded_group_keep_all_their_protocols() {
    let mut driver = Driver::without_delay();
    topic(&mut driver, "read", 4);
    beat(
        &mut driver,
        ConsumerGroupHeartbeat { instance_id: Some("i".into()), ..consumer("modern", 0, None) },
    )
    .unwrap();
    let speaks = |member: &Classic, names: [&str; 2]| {
        let metadata = member.join().protocols[0].metadata.clone();
        let protocol = |name: &str| GroupProtocol { name: name.into(), metadata: metadata.clone() };
        JoinGroup { protocols: names.map(protocol).to_vec(), ..member.join() }
    };
    let mut back = Classic { instance_id: Some("i".into()), ..Classic::new(&"".into()) };
    let request = speaks(&back, ["cooperative-sticky", "range"]);
    let GroupReply::JoinGroup(joined) = driver.ask(GroupRequest::JoinGroup(request)) else { panic!() };
    assert_eq!((joined.error, listed(&mut driver).0.as_str()), (None, "classic"));
    (back.member_id, back.generation_id) = (joined.member_id, joined.generation_id);
    assert_eq!(back.heartbeat(&mut driver), Ok(()));
    // Another one that knows only the second of them is taken.
    let other = JoinGroup { protocols: vec![speaks(&back, ["range", ""]).protocols.remove(0)], ..join("") };
    let GroupReply::JoinGroup(refused) = driver.ask(GroupRequest::JoinGroup(other.clone())) else { panic!() };
    let Some(GroupError::MemberIdRequired(member_id)) = refused.error else { panic!("{refused:?}") };
    let ticket = driver.send(GroupRequest::JoinGroup(JoinGroup { member_id, ..other }));
    let again = speaks(&back, ["cooperative-sticky", "range"]);
    let again = driver.send(GroupRequest::JoinGroup(again));
    for ticket in [ticket, again] {
        let reply = driver.join_reply(ticket);
        assert_eq!((reply.error, reply.protocol_name.as_deref()), (None, Some("range")));
    }
}

#[test]
fn a_downgraded_group_that_nobody_asked_for_yet_is_not_taken_for_empty() {
    let (mut driver, ..) = settled_group();
    beat(&mut driver, consumer("modern", -1, None)).unwrap();
    // A look at its offsets comes before anything else does.
    assert_eq!(driver.call(|shard, input| shard.expire(input)), 0);
    assert_eq!(driver.state(), "PreparingRebalance");
}

#[test]
fn a_downgraded_group_whose_broker_dies_at_once_has_its_members_and_their_partitions() {
    let (mut driver, mut classics, _) = settled_group();
    let group_epoch = described(&mut driver).unwrap().group_epoch;
    // The session of the last one ends: that is a leave too.
    for _ in 0..40 {
        classics.iter_mut().for_each(|classic| classic.beat(&mut driver));
        driver.advance(seconds(1));
    }
    driver.advance(seconds(5));
    driver.fail_over();
    assert_eq!(driver.state(), "Stable");
    for classic in &mut classics {
        classic.generation_id = group_epoch;
        assert_eq!(classic.heartbeat(&mut driver), Ok(()));
    }
}

#[test]
fn a_static_member_that_comes_back_with_the_classic_protocol_downgrades() {
    let mut driver = Driver::without_delay();
    topic(&mut driver, "read", 4);
    let mut joining = consumer("modern", 0, None);
    joining.instance_id = Some("instance".into());
    let reply = beat(&mut driver, joining).unwrap();
    let mut back = Classic { instance_id: Some("instance".into()), ..Classic::new(&"".into()) };
    let GroupReply::JoinGroup(join) = driver.ask(GroupRequest::JoinGroup(back.join())) else { panic!() };
    // It has what the one before had, and nobody rebalances.
    assert_eq!((join.error, join.generation_id), (None, reply.member_epoch));
    assert_eq!(listed(&mut driver), ("classic".to_owned(), "Stable".to_owned()));
    back.member_id = join.member_id;
    back.generation_id = join.generation_id;
    let synced = back.sync(&mut driver).unwrap();
    assert_eq!(read_assignment(synced.assignment), BTreeSet::from([0, 1, 2, 3]));
    assert_eq!(back.heartbeat(&mut driver), Ok(()));
    driver.fail_over();
    assert_eq!(back.heartbeat(&mut driver), Ok(()));
}

#[test]
fn empty_groups_change_freely_and_keep_their_offsets() {
    let mut driver = Driver::without_delay();
    driver.settings.migration_policy = MigrationPolicy::Disabled;
    let topic_id = topic(&mut driver, "read", 4);
    driver.commit(commit("read", 7)).unwrap();
    assert_eq!(listed(&mut driver), ("classic".to_owned(), "Empty".to_owned()));
    let modern = Modern::join(&mut driver, topic_id);
    assert_eq!((modern.owned.len(), driver.fetch("read")), (4, 7));
    // With members it stays what it is, and takes nobody of the other protocol.
    let GroupReply::JoinGroup(join) = driver.ask(GroupRequest::JoinGroup(Classic::new(&"".into()).join()))
    else {
        panic!()
    };
    assert_eq!(join.error, Some(GroupError::InconsistentGroupProtocol));
    beat(&mut driver, consumer("modern", -1, None)).unwrap();
    assert_eq!(listed(&mut driver), ("consumer".to_owned(), "Empty".to_owned()));
    driver.fail_over();
    let (member_id, ticket) = driver.join_dynamic();
    driver.advance(seconds(0));
    assert_eq!(driver.join_reply(ticket).member_id, member_id);
    assert_eq!((listed(&mut driver).0.as_str(), driver.fetch("read")), ("classic", 7));
    driver.fail_over();
}

#[test]
fn a_classic_member_that_does_not_join_or_sync_in_time_is_fenced() {
    for syncs in [false, true] {
        let mut driver = Driver::new();
        let topic_id = topic(&mut driver, "read", 4);
        let mut classics = classic_pair(&mut driver);
        let mut modern = Modern::join(&mut driver, topic_id);
        let [one, other] = &mut classics;
        if syncs {
            // It joins, and is not heard of again but by heartbeats.
            let GroupReply::JoinGroup(join) = driver.ask(GroupRequest::JoinGroup(one.join())) else {
                panic!()
            };
            one.generation_id = join.generation_id;
        }
        for second in 0..60 {
            assert!(described(&mut driver).unwrap().members.len() == 3, "second {second}");
            let _ = one.heartbeat(&mut driver);
            other.beat(&mut driver);
            modern.beat(&mut driver);
            driver.advance(seconds(1));
        }
        let members = described(&mut driver).unwrap().members;
        assert!(!members.iter().any(|member| member.member_id == one.member_id), "its 60 s are over");
        assert_eq!(one.heartbeat(&mut driver), Err(GroupError::UnknownMemberId));
    }
}

#[test]
fn a_member_that_changes_its_protocol_is_not_held_to_the_old_one() {
    let mut driver = Driver::new();
    let topic_id = topic(&mut driver, "read", 4);
    let mut classics = classic_pair(&mut driver);
    let mut modern = Modern::join(&mut driver, topic_id);
    let [one, other] = &mut classics;
    // It is told to join, and does, but with the other protocol.
    assert_eq!(one.heartbeat(&mut driver), Err(GroupError::RebalanceInProgress));
    let owned = vec![(topic_id, one.owned.iter().copied().collect())];
    let request = consumer(&one.member_id, one.generation_id, Some(owned));
    let mut member_epoch = beat(&mut driver, request).unwrap().member_epoch;
    for _ in 0..70 {
        other.beat(&mut driver);
        modern.beat(&mut driver);
        let request = consumer(&one.member_id, member_epoch, Some(Vec::new()));
        member_epoch = beat(&mut driver, request).unwrap().member_epoch;
        driver.advance(seconds(1));
    }
    let members = described(&mut driver).unwrap().members;
    assert_eq!(members.iter().filter(|member| member.is_classic).count(), 1);
    assert_eq!(members.len(), 3, "the time to join is over for nobody");
}

#[test]
fn classic_members_are_fenced_by_generation_session_and_protocol() {
    let mut driver = Driver::new();
    let topic_id = topic(&mut driver, "read", 4);
    let mut classics = classic_pair(&mut driver);
    let mut modern = Modern::join(&mut driver, topic_id);
    settle(&mut driver, &mut classics, &mut modern);
    let wrong = Classic { generation_id: 99, ..classics[0].clone() };
    assert_eq!(wrong.heartbeat(&mut driver), Err(GroupError::IllegalGeneration));
    assert_eq!(wrong.sync(&mut driver), Err(GroupError::IllegalGeneration));
    let unknown = Classic { member_id: "modern".into(), ..wrong };
    assert_eq!(
        unknown.heartbeat(&mut driver),
        Err(GroupError::UnknownMemberId),
        "it is of the other protocol"
    );
    let mut other = Classic::new(&"".into()).join();
    other.protocols[0].name = "range".into();
    let GroupReply::JoinGroup(join) = driver.ask(GroupRequest::JoinGroup(other)) else { panic!() };
    assert_eq!(join.error, Some(GroupError::InconsistentGroupProtocol));
    // One is silent for its session of 45 s; an administrator removes the member of the new protocol.
    for _ in 0..45 {
        classics[1].beat(&mut driver);
        modern.beat(&mut driver);
        driver.advance(seconds(1));
    }
    assert_eq!(described(&mut driver).unwrap().members.len(), 2);
    assert_eq!(
        driver.leave(&[("modern", None), ("nobody", None)]),
        [None, Some(GroupError::UnknownMemberId)]
    );
    assert_eq!(listed(&mut driver).0, "classic", "only members of the classic protocol are left");
}

#[test]
fn tools_see_consumer_groups_and_what_is_left_of_them_expires() {
    let mut driver = Driver::new();
    let topic_id = topic(&mut driver, "read", 4);
    Modern::join(&mut driver, topic_id);
    let of_member =
        OffsetCommit { member_id: "modern".into(), generation_id_or_member_epoch: 2, ..commit("read", 7) };
    assert_eq!(driver.commit(of_member.clone()), Ok(None));
    assert_eq!(driver.commit(OffsetCommit { topics: commit("other", 8).topics, ..of_member }), Ok(None));
    let GroupReply::DescribeGroup(Err(GroupError::GroupIdNotFound(words))) =
        driver.ask(GroupRequest::DescribeGroup { group_id: GROUP.into() })
    else {
        panic!()
    };
    assert_eq!(words, "Group group is not a classic group.");
    let delete = |driver: &mut Driver| match driver.ask(GroupRequest::DeleteGroup { group_id: GROUP.into() })
    {
        GroupReply::DeleteGroup(reply) => reply,
        other => panic!("{other:?}"),
    };
    assert_eq!(delete(&mut driver), Err(GroupError::NonEmptyGroup));
    let request = OffsetDelete { group_id: GROUP.into(), topics: vec![("read".into(), vec![0])] };
    let GroupReply::OffsetDelete(Ok(topics)) = driver.ask(GroupRequest::OffsetDelete(request)) else {
        panic!()
    };
    assert_eq!(topics[0].partitions, [(0, Some(GroupError::GroupSubscribedToTopic))]);
    // An offset of a topic that nobody reads goes after its retention, though the group has a member.
    for _ in 0..8 * 24 * 60 * 3 {
        beat(&mut driver, consumer("modern", 2, None)).unwrap();
        driver.advance(seconds(20));
    }
    driver.call(|shard, input| shard.expire(input));
    assert_eq!((driver.fetch("read"), driver.fetch("other")), (7, -1));
    beat(&mut driver, consumer("modern", -1, None)).unwrap();
    driver.call(|shard, input| shard.expire(input));
    let GroupReply::ListGroups(groups) = driver.ask(GroupRequest::ListGroups(ListGroups::default())) else {
        panic!()
    };
    assert!(groups.is_empty(), "{groups:?}");
    driver.fail_over();
    assert!(driver.log.iter().rev().take(4).all(Written::is_tombstone));
}

#[test]
fn a_fetch_of_a_member_is_checked_by_its_epoch() {
    let mut driver = Driver::new();
    let topic_id = topic(&mut driver, "read", 4);
    Modern::join(&mut driver, topic_id);
    for (member_epoch, error) in [(2, None), (1, Some(GroupError::StaleMemberEpoch))] {
        let request = OffsetFetch { member_id: Some("modern".into()), member_epoch, ..fetch(None) };
        let GroupReply::OffsetFetch(reply) = driver.ask(GroupRequest::OffsetFetch(request)) else { panic!() };
        assert_eq!(reply.err(), error);
    }
    assert_eq!(driver.fetch("read"), -1, "who says no member is believed");
}
