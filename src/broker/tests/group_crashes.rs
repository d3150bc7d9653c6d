//! Coordinators of groups on a disk that crashes: whatever a client was told is there after the recovery,
//! with the log compacted on the way.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;

use super::crash_points::{crash_points, tasks_crash_at_every_operation};
use super::machine::{Altered, Ended, Machine, Model, id, options};
use crate::coordinator::{Coordinator, CoordinatorError, GroupAsk, Surroundings, World, WriteRules};
use crate::env::simulated::{CrashPlan, SeededRandom, SimulatedWorld};
use crate::env::{Random, time};
use crate::group::{
    Caller, GroupError, GroupProtocol, GroupReply, GroupRequest, GroupSettings, GroupShard, Heartbeat,
    JoinGroup, OffsetCommit, OffsetCommitPartition, OffsetCommitTopic, SyncGroup,
};
use crate::metadata::ClusterImage;
use crate::model::{LeaderEpoch, Offset, TopicId, TopicPartition};
use crate::partition::{CheckpointReach, StorageOptions};
use crate::protocol::batch::CompressionType;
use crate::wal::SyncMode;

/// Longest wait for something that a task does.
const PATIENCE: Duration = Duration::from_secs(20);
/// Turns in which a shard's task does all that it can without a commit.
const TURNS: usize = 30;
/// How often something is committed for one answer.
const ANSWER_COMMITS: usize = 50;
const STEPS: u64 = 70;
const GROUPS: usize = 3;
const PARTITIONS: usize = 4;
/// Its member commits as one of a generation.
const MEMBERS_GROUP: usize = 0;
/// A crash point of this kind takes much longer than one of records alone: one is tried for so many of those.
const POINTS_SHARE: u64 = 20;
const TOPIC: &str = "read";

/// What one client may believe.
#[derive(Clone, Default, Debug)]
struct Told {
    /// By group and partition: offsets only grow.
    offsets: BTreeMap<(usize, i32), Altered>,
    /// Of the one member; empty before it has one.
    member_id: Arc<str>,
    generation: Altered,
}

/// What is asked and not answered yet.
struct Pending {
    what: What,
    reply: Pin<Box<dyn Future<Output = Result<GroupReply, CoordinatorError>>>>,
}

enum What {
    /// Offsets by group and partition.
    Commit(Vec<((usize, i32), u32)>),
    /// A generation that is synced.
    Sync(u32),
}

/// Nothing changes but the groups.
struct Still;

impl World<GroupShard> for Still {
    fn look(&self) -> Option<Surroundings<GroupSettings>> {
        let settings =
            GroupSettings { group_initial_rebalance_delay: Duration::ZERO, ..GroupSettings::default() };
        let rules = WriteRules {
            compression: CompressionType::None,
            batch_bytes_max: 2048,
            timeout: Duration::from_secs(5),
            load_bytes: 4096,
            expiry_interval: Duration::from_secs(600),
        };
        Some(Surroundings { settings: Arc::new(settings), image: Arc::new(ClusterImage::default()), rules })
    }

    fn perform(&self, _: TopicPartition, effect: Infallible) {
        match effect {}
    }
}

/// A WAL with room for what a shard reserves for each of its turns.
fn roomy() -> StorageOptions {
    let mut options = options(SyncMode::Fsync);
    options.wal.file_bytes = 2 << 20;
    options.wal.slot_bytes = 1 << 20;
    options.wal.group_bytes_max = 512 << 10;
    options.wal.capacity_bytes = 16 << 20;
    options.wal.free_bytes_target = 2 << 20;
    options
}

struct Stage {
    machine: Machine,
    coordinator: Coordinator<GroupShard>,
    told: Told,
    pending: Vec<Pending>,
}

impl Stage {
    fn on(machine: Machine, told: Told) -> Stage {
        let coordinator = Coordinator::new(machine.world.env(), machine.storage.clone(), Still, 1);
        Stage { machine, coordinator, told, pending: Vec::new() }
    }

    fn id(&self) -> TopicPartition {
        id(&self.machine.model.topics[0], 0)
    }

    /// Lets the shard be loaded.
    async fn lead(&self) {
        let partition = self.machine.storage.partition(self.id()).expect("the coordinators' partition");
        self.coordinator.lead(&partition);
        let loaded = async {
            while self.coordinator.look(self.id(), |_| ()).is_none() {
                tokio::task::yield_now().await;
            }
        };
        time::timeout(PATIENCE, loaded).await.expect("it is loaded");
    }

    fn ask(&mut self, what: What, request: GroupRequest) {
        let asked =
            self.coordinator.ask(self.id(), GroupAsk { caller: Caller::default(), request, pass: None });
        if let Ok(asked) = asked {
            self.pending.push(Pending { what, reply: Box::pin(asked.reply()) });
        }
    }

    /// Commits, and hears what is answered before and after.
    async fn commit(&mut self) -> Result<(), Ended> {
        self.hear().await;
        while self.machine.storage.commit_step()? {}
        self.machine.storage.provision_step()?;
        self.hear().await;
        Ok(())
    }

    async fn hear(&mut self) {
        settle().await;
        let told = &mut self.told;
        let mut context = Context::from_waker(Waker::noop());
        self.pending.retain_mut(|pending| match pending.reply.as_mut().poll(&mut context) {
            Poll::Pending => true,
            Poll::Ready(reply) => {
                told.hear(&pending.what, reply);
                false
            }
        });
    }

    /// Asks and commits until it is answered.
    async fn answer(&mut self, request: GroupRequest) -> Result<GroupReply, Ended> {
        let ask = GroupAsk { caller: Caller::default(), request, pass: None };
        let Ok(asked) = self.coordinator.ask(self.id(), ask) else { return Err(Ended) };
        let mut reply = Box::pin(asked.reply());
        for _ in 0..ANSWER_COMMITS {
            self.commit().await?;
            if let Poll::Ready(reply) = reply.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return reply.map_err(|_| Ended);
            }
        }
        Err(Ended)
    }

    /// The one member joins, or joins again, and syncs: a generation more.
    async fn next_generation(&mut self) -> Result<(), Ended> {
        let GroupReply::JoinGroup(joined) = self.answer(join(&self.told.member_id)).await? else {
            panic!("not the answer to a join");
        };
        match joined.error {
            None => self.told.member_id = joined.member_id.clone(),
            // It joins with it the next time.
            Some(GroupError::MemberIdRequired(member_id)) => {
                self.told.member_id = member_id;
                return Ok(());
            }
            // It had an id, and no generation that anybody was told of.
            Some(GroupError::UnknownMemberId) if self.told.generation.confirmed == 0 => {
                self.told.member_id = Arc::default();
                return Ok(());
            }
            Some(error) => panic!("a join was refused: {error:?}"),
        }
        let generation = u32::try_from(joined.generation_id).expect("a generation");
        self.told.generation.asked = generation;
        self.ask(What::Sync(generation), sync(&joined.member_id, joined.generation_id));
        Ok(())
    }

    /// Some offsets of one group, each further than before.
    fn commit_offsets(&mut self, random: &dyn Random) {
        let group = random.next_u64() as usize % GROUPS;
        let first = random.next_u64() as usize % PARTITIONS;
        let count = 1 + random.next_u64() as usize % 2;
        let mut offsets = Vec::new();
        for partition in first..(first + count).min(PARTITIONS) {
            let key = (group, i32::try_from(partition).expect("a small number"));
            let altered = self.told.offsets.entry(key).or_default();
            altered.asked += 1;
            offsets.push((key, altered.asked));
        }
        let as_member = group == MEMBERS_GROUP && self.told.generation.confirmed > 0;
        let generation_id = if as_member { self.told.generation.confirmed as i32 } else { -1 };
        let member_id = if as_member { self.told.member_id.clone() } else { Arc::from("") };
        let request = commit(group, member_id, generation_id, &offsets);
        self.ask(What::Commit(offsets), request);
    }

    /// Everything that was told holds; what is found is from now on as if it had been told.
    async fn verify(&mut self) {
        let found = self.coordinator.look(self.id(), offsets_of).expect("it is loaded");
        for (key, altered) in &mut self.told.offsets {
            let found = found.get(key).copied().unwrap_or(0);
            let range = altered.confirmed..=altered.asked;
            assert!(range.contains(&found), "group and partition {key:?}: {found}, not {altered:?}");
            *altered = Altered { confirmed: found, asked: found };
        }
        let generation = self.told.generation;
        let mut known = None;
        for candidate in (generation.confirmed..=generation.asked).filter(|generation| *generation > 0) {
            let heartbeat = heartbeat(&self.told.member_id, candidate);
            let reply = self.answer(heartbeat).await.expect("an answer to a heartbeat");
            if matches!(reply, GroupReply::Heartbeat(Ok(()) | Err(GroupError::RebalanceInProgress))) {
                known = Some(candidate);
            }
        }
        assert!(known.is_some() || generation.confirmed == 0, "the member is not known: {:?}", self.told);
        let known = known.unwrap_or(0);
        self.told.generation = Altered { confirmed: known, asked: known };
    }

    /// Comes again on another disk.
    fn after(self, world: SimulatedWorld) -> Stage {
        let Stage { machine, coordinator, told, .. } = self;
        coordinator.close();
        let model = machine.model.clone();
        drop((coordinator, machine));
        Stage::on(Machine::open_with(world, model, roomy()).expect("a recovery"), told)
    }
}

impl Told {
    fn hear(&mut self, what: &What, reply: Result<GroupReply, CoordinatorError>) {
        match (what, reply) {
            (What::Commit(offsets), Ok(GroupReply::OffsetCommit(Ok(topics)))) => {
                let taken: Vec<i32> = topics[0].partitions.iter().map(|(index, _)| *index).collect();
                assert!(topics[0].partitions.iter().all(|(_, error)| error.is_none()), "{topics:?}");
                for (key, offset) in offsets.iter().filter(|((_, index), _)| taken.contains(index)) {
                    self.offsets.get_mut(key).expect("it was asked").confirmed = *offset;
                }
            }
            (What::Sync(generation), Ok(GroupReply::SyncGroup(Ok(_)))) => {
                self.generation.confirmed = *generation;
            }
            // Refused, or nobody knows.
            _ => {}
        }
    }
}

fn offsets_of(shard: &GroupShard) -> BTreeMap<(usize, i32), u32> {
    let mut found = BTreeMap::new();
    shard.visit(&mut |group| {
        let number = group.group_id.trim_start_matches("group-").parse().expect("one of our names");
        for at in &group.offsets {
            found.insert((number, at.partition), u32::try_from(at.offset.0).expect("a small offset"));
        }
    });
    found
}

fn group_id(group: usize) -> Arc<str> {
    format!("group-{group}").into()
}

fn commit(
    group: usize,
    member_id: Arc<str>,
    generation_id: i32,
    offsets: &[((usize, i32), u32)],
) -> GroupRequest {
    let partition = |((_, partition), offset): &((usize, i32), u32)| OffsetCommitPartition {
        partition: *partition,
        offset: Offset(i64::from(*offset)),
        leader_epoch: LeaderEpoch(-1),
        metadata: "".into(),
    };
    let partitions = offsets.iter().map(partition).collect();
    GroupRequest::OffsetCommit(OffsetCommit {
        group_id: group_id(group),
        member_id,
        group_instance_id: None,
        generation_id_or_member_epoch: generation_id,
        retention: None,
        supports_member_epoch: true,
        transaction: None,
        topics: vec![OffsetCommitTopic { topic_id: TopicId::ZERO, name: TOPIC.into(), partitions }],
    })
}

fn join(member_id: &Arc<str>) -> GroupRequest {
    GroupRequest::JoinGroup(JoinGroup {
        group_id: group_id(MEMBERS_GROUP),
        member_id: member_id.clone(),
        group_instance_id: None,
        protocol_type: "connect".into(),
        protocols: vec![GroupProtocol { name: "compatible".into(), metadata: Bytes::from_static(b"here") }],
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(10),
        requires_known_member_id: true,
        supports_skip_assignment: false,
        reason: None,
    })
}

fn sync(member_id: &Arc<str>, generation_id: i32) -> GroupRequest {
    GroupRequest::SyncGroup(SyncGroup {
        group_id: group_id(MEMBERS_GROUP),
        member_id: member_id.clone(),
        group_instance_id: None,
        generation_id,
        protocol_type: None,
        protocol_name: None,
        assignments: vec![(member_id.clone(), Bytes::from_static(b"everything"))],
    })
}

fn heartbeat(member_id: &Arc<str>, generation: u32) -> GroupRequest {
    GroupRequest::Heartbeat(Heartbeat {
        group_id: group_id(MEMBERS_GROUP),
        member_id: member_id.clone(),
        group_instance_id: None,
        generation_id: generation as i32,
    })
}

async fn settle() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

/// A seeded workload over some groups. Ends early when the disk crashes.
async fn work(stage: &mut Stage, seed: u64) -> Result<(), Ended> {
    let random = SeededRandom::new(seed);
    for _ in 0..STEPS {
        let storage = &stage.machine.storage;
        match random.next_u64() % 32 {
            0 => drop(storage.checkpoint_step(CheckpointReach::All)?),
            1 => drop(storage.checkpoint_step(CheckpointReach::Older)?),
            2 => storage.flush_step(0)?,
            3 => drop(storage.idle_step()?),
            4..=7 => drop(stage.machine.clean(0, 0, random.next_u64())?),
            8 | 9 => stage.next_generation().await?,
            10..=16 => stage.commit().await?,
            _ => stage.commit_offsets(&random),
        }
    }
    for _ in 0..ANSWER_COMMITS {
        if stage.pending.is_empty() {
            break;
        }
        stage.commit().await?;
    }
    Ok(())
}

/// Works until the disk crashes at operation `point`, then recovers twice and goes on. `None`: it never came
/// so far.
async fn crash_at(seed: u64, point: u64, plan: CrashPlan) -> Option<()> {
    let world = SimulatedWorld::new(seed);
    let mut machine = Machine::open_with(world.clone(), Model::default(), roomy()).expect("a first start");
    machine.compacts = true;
    assert!(machine.create_topic("coordinators", 1).is_ok());
    world.files.crash_at(world.files.operations() + point);
    let mut stage = Stage::on(machine, Told::default());
    stage.lead().await;
    let _ = work(&mut stage, seed).await;
    if !world.files.crashed() {
        return None;
    }
    let found = if point.is_multiple_of(5) { world.after_kill() } else { world.after_crash(plan) };
    let mut stage = stage.after(found.clone());
    stage.lead().await;
    stage.verify().await;
    let mut stage = stage.after(found.after_crash(CrashPlan::DropUnsynced));
    stage.lead().await;
    stage.verify().await;
    work(&mut stage, seed ^ 1).await.expect("work after recovery");
    assert!(stage.pending.is_empty(), "somebody is not answered");
    stage.verify().await;
    Some(())
}

#[tokio::test]
async fn what_a_group_was_told_outlives_a_crash_at_any_operation() {
    let points = crash_points() / POINTS_SHARE;
    let (tried, seed) = tasks_crash_at_every_operation(points, crash_at, |()| true).await;
    println!("{tried} crash points of {seed} workloads");
}

/// The workloads would prove little if nobody were told anything, or nothing were compacted.
#[tokio::test]
async fn workloads_tell_clients_something_and_compact() {
    let (mut commits, mut generations, mut cleaned) = (0, 0, 0);
    for seed in 1..10 {
        let mut machine = Machine::open_with(SimulatedWorld::new(seed), Model::default(), roomy()).unwrap();
        machine.compacts = true;
        machine.create_topic("coordinators", 1).unwrap();
        let mut stage = Stage::on(machine, Told::default());
        stage.lead().await;
        work(&mut stage, seed).await.unwrap();
        commits += stage.told.offsets.values().map(|altered| altered.confirmed).sum::<u32>();
        generations += stage.told.generation.confirmed;
        stage.machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
        cleaned += u32::from(stage.machine.clean(0, 0, 1).unwrap());
        let told = stage.told.offsets.clone();
        stage.verify().await;
        // A commit of no member is refused while the group has one.
        let mut others = told.iter().filter(|((group, _), _)| *group != MEMBERS_GROUP);
        assert!(others.all(|(_, altered)| altered.confirmed == altered.asked), "{told:?}");
    }
    assert!(commits > 200 && generations > 10 && cleaned > 3, "{commits}, {generations}, {cleaned}");
}
