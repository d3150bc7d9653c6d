//! Transactions on a disk that crashes at any operation: the whole broker, with its coordinators of
//! transactions and groups and those who write the markers. What was decided comes about in all partitions
//! and in the group's offsets, what was not in none, and the transactional ids go on.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::crash_points::{crash_points, tasks_crash_at_every_operation};
use super::machine::{Batch, Ended, broker_config, read_all};
use super::transactions::settled;
use crate::broker::{Broker, BrokerError, NewTopic, OFFSETS_TOPIC, TransactionCheck, TransactionRefused};
use crate::config::ServerConfig;
use crate::coordinator::TransactionPass;
use crate::env::simulated::{CrashPlan, SeededRandom, SimulatedWorld};
use crate::env::{Random, time};
use crate::group::{
    Caller, GroupReply, GroupRequest, OffsetCommit, OffsetCommitPartition, OffsetCommitTopic, OffsetFetch,
    OffsetFetchTopic,
};
use crate::model::{LeaderEpoch, Offset, ProducerId, Timestamp, TopicId, TransactionResult};
use crate::partition::{Admission, Appender, CheckpointReach, Partition, Purpose, Verification};
use crate::protocol::batch::{
    BatchBuilder, BatchHeader, DecompressionCaps, NewRecord, ProduceRules, ProducedBatch, records,
    validate_produced,
};
use crate::telemetry::Metrics;
use crate::transaction::{
    AddPartitions, EndTransaction, InitProducerId, NamedPartition, ProducerIdAndEpoch, TransactionError,
    TransactionReply, TransactionRequest, TransactionState, TransactionVersion,
};

/// Longest wait for something that tasks do.
const PATIENCE: Duration = Duration::from_secs(20);
/// Turns in which tasks do all that they can without a commit.
const TURNS: usize = 30;
/// Times without an answer after which room is made in the log.
const ROUNDS_BEFORE_ROOM: usize = 50;
const STEPS: usize = 28;
const TOPIC: &str = "accounts";
const ACCOUNTS: i32 = 3;
const GROUP: &str = "transfers";
/// One of version 1, and one of version 2.
const CLIENTS: [(&str, TransactionVersion); 2] =
    [("older", TransactionVersion::V0), ("newer", TransactionVersion::V2)];
/// A crash point of this kind takes much longer than one of records alone: one is tried for so many of those.
const POINTS_SHARE: u64 = 20;
/// A recovery is interrupted at one of its first operations.
const RECOVERY_OPERATIONS: u64 = 24;

/// What a client knows of one of its transactions.
#[derive(Clone, Copy, Default, Debug)]
struct Told {
    /// How it was to end, once that was asked for.
    asked: Option<TransactionResult>,
    is_answered: bool,
}

/// A transactional id as its client has it. The number of a transaction is its place in `told`.
#[derive(Clone)]
struct Client {
    producer: Option<ProducerIdAndEpoch>,
    sequences: [i32; ACCOUNTS as usize],
    told: Vec<Told>,
    /// Of the transaction that is open: steps done, and what is not committed yet.
    steps: i32,
    unwritten: Vec<(i32, Offset)>,
}

struct Stage {
    world: SimulatedWorld,
    broker: Arc<Broker>,
    clients: [Client; 2],
}

fn config() -> ServerConfig {
    broker_config(&[
        ("transaction.state.log.num.partitions", "1"),
        ("offsets.topic.num.partitions", "1"),
        ("log.cleaner.enable", "false"),
    ])
}

fn try_open(world: &SimulatedWorld) -> Result<Arc<Broker>, BrokerError> {
    Broker::open_without_threads(world.env(), config(), Metrics::new(Timestamp(0), 100), None)
}

fn open(world: &SimulatedWorld) -> Arc<Broker> {
    try_open(world).expect("the broker opens")
}

impl Stage {
    /// A broker with the topics, all of it durable.
    async fn new(seed: u64) -> Stage {
        let world = SimulatedWorld::new(seed);
        let new = Client {
            producer: None,
            sequences: [0; ACCOUNTS as usize],
            told: Vec::new(),
            steps: 0,
            unwritten: Vec::new(),
        };
        let stage = Stage { broker: open(&world), world, clients: [new.clone(), new] };
        let configs = BTreeMap::new();
        let topic = NewTopic { name: TOPIC.to_owned(), partitions: ACCOUNTS, replication_factor: 1, configs };
        let created = stage.drive(stage.broker.create_topics(vec![topic], false)).await.unwrap();
        created.into_iter().for_each(|created| drop(created.unwrap()));
        stage.drive(stage.broker.ensure_offsets_topic()).await.unwrap().unwrap();
        stage.drive(stage.broker.ensure_transactions_topic()).await.unwrap().unwrap();
        stage.loaded().await.unwrap();
        stage
    }

    /// Comes again on another disk.
    async fn after(self, world: SimulatedWorld) -> Stage {
        let Stage { broker, clients, .. } = self;
        broker.close().await.expect("there are no threads to stop");
        drop(broker);
        Stage { broker: open(&world), world, clients }
    }

    /// Ends early if the disk has crashed, which nothing else may be mistaken for.
    fn ended(&self, why: impl std::fmt::Debug) -> Ended {
        assert!(self.world.files.crashed(), "refused, and the disk is well: {why:?}");
        Ended
    }

    /// Lets tasks run, and commits.
    async fn step(&self) -> Result<(), Ended> {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        while self.broker.storage().commit_step()? {}
        self.broker.storage().provision_step()?;
        Ok(())
    }

    fn make_room(&self) -> Result<(), Ended> {
        self.broker.storage().flush_step(0)?;
        self.broker.storage().checkpoint_step(CheckpointReach::All)?;
        Ok(())
    }

    /// Takes the storage's steps until there is an answer.
    async fn drive<F: Future>(&self, future: F) -> Result<F::Output, Ended> {
        let mut future = pin!(future);
        let mut rounds = 0;
        let answered = async {
            loop {
                for _ in 0..TURNS {
                    if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
                    {
                        return Ok(answer);
                    }
                    tokio::task::yield_now().await;
                }
                self.step().await?;
                rounds += 1;
                if rounds % ROUNDS_BEFORE_ROOM == 0 {
                    self.make_room()?;
                }
            }
        };
        time::timeout(PATIENCE, answered).await.expect("nothing hangs")
    }

    /// Until both coordinators serve, which threads of their own see to.
    async fn loaded(&self) -> Result<(), Ended> {
        let is_loaded = || {
            let mut shards = 0;
            self.broker.look_at_transactions(|_| shards += 1);
            self.broker.look_at_groups(|_| shards += 1);
            shards == 2
        };
        let serving = async {
            while !is_loaded() {
                tokio::task::yield_now().await;
            }
        };
        self.drive(serving).await
    }

    fn account(&self, index: i32) -> Arc<Partition> {
        let image = self.broker.image();
        let id = image.topic(TOPIC).unwrap().topic_partitions().nth(index as usize).unwrap();
        self.broker.partition(id).expect("it is open")
    }

    fn offsets(&self) -> Arc<Partition> {
        self.broker.partition(self.broker.group_partition(GROUP).unwrap()).expect("it is open")
    }

    /// Asks the coordinator, again while it ends the transaction before.
    async fn ask(&self, id: &str, request: TransactionRequest) -> Result<TransactionReply, Ended> {
        self.until(async || {
            let asked = self.broker.ask_transaction(id, request.clone());
            let reply = self.broker.transaction_reply(id, asked, request.clone(), with_id);
            match self.drive(reply).await? {
                Err(error) => Err(self.ended(error)),
                Ok(reply) => Ok(Some(reply).filter(|reply| !is_early(reply))),
            }
        })
        .await
    }

    /// Looks, with a commit between, until there is something.
    async fn until<T>(&self, mut look: impl AsyncFnMut() -> Result<Option<T>, Ended>) -> Result<T, Ended> {
        let found = async {
            loop {
                if let Some(found) = look().await? {
                    return Ok(found);
                }
                self.step().await?;
            }
        };
        time::timeout(PATIENCE, found).await.expect("nothing is held up for ever")
    }

    /// The next step of a client.
    async fn go_on(&mut self, at: usize, draw: u64) -> Result<(), Ended> {
        match self.clients[at].steps {
            _ if self.clients[at].producer.is_none() => self.begin(at).await,
            account @ 0..ACCOUNTS => self.write(at, account).await,
            ACCOUNTS => self.commit_offset(at).await,
            _ => self.end(at, draw).await,
        }
    }

    /// Another producer takes the transactional id over.
    async fn begin(&mut self, at: usize) -> Result<(), Ended> {
        let (id, _) = CLIENTS[at];
        let request = TransactionRequest::InitProducerId(InitProducerId {
            transactional_id: id.into(),
            transaction_timeout: Duration::from_secs(60),
            expected: None,
            fresh_producer_id: None,
        });
        let TransactionReply::InitProducerId(Ok(producer)) = self.ask(id, request).await? else {
            panic!("{id} gets no producer id");
        };
        let client = &mut self.clients[at];
        client.sequences = [0; ACCOUNTS as usize];
        (client.steps, client.unwritten) = (0, Vec::new());
        let before = client.producer.replace(producer);
        if let Some(before) = before {
            assert!(self.add(at, before).await?.is_err(), "the producer before may still write");
        }
        Ok(())
    }

    /// AddPartitionsToTxn and AddOffsetsToTxn, as clients of version 1 send them.
    async fn add(
        &self,
        at: usize,
        producer: ProducerIdAndEpoch,
    ) -> Result<Result<(), TransactionError>, Ended> {
        let (id, transaction_version) = CLIENTS[at];
        let accounts = (0..ACCOUNTS).map(|partition| NamedPartition { topic: TOPIC.into(), partition });
        let offsets = NamedPartition { topic: OFFSETS_TOPIC.into(), partition: 0 };
        let request = AddPartitions {
            transactional_id: id.into(),
            producer,
            partitions: accounts.chain([offsets]).collect(),
            transaction_version,
        };
        match self.ask(id, TransactionRequest::AddPartitions(request)).await? {
            TransactionReply::AddPartitions(added) => Ok(added),
            other => panic!("{other:?}"),
        }
    }

    /// As the leader of a partition does before the first write of a transaction.
    async fn verify(&self, at: usize, partition: &Partition, sequence: i32) -> Result<Verification, Ended> {
        let (id, version) = CLIENTS[at];
        let producer = self.clients[at].producer.expect("it has begun");
        let adds = version.bumps_epoch();
        self.until(async || {
            let now = self.broker.storage().believed_now();
            let identity = (producer.producer_id, producer.producer_epoch);
            let guard = match partition.begin_verification(identity, sequence, adds, now) {
                Ok(Some(guard)) => guard,
                Ok(None) => return Ok(Some(Verification::Ongoing)),
                Err(error) => return Err(self.ended(error)),
            };
            let named = NamedPartition {
                topic: partition.topic().clone(),
                partition: partition.topic_partition().partition,
            };
            let check =
                TransactionCheck { transactional_id: id.into(), producer, partitions: vec![named], adds };
            match self.drive(self.broker.verify_transaction(check)).await?.remove(0) {
                Ok(()) => Ok(Some(Verification::Verified(guard))),
                Err(TransactionRefused::Transaction(TransactionError::ConcurrentTransactions)) => Ok(None),
                Err(refused) => Err(self.ended(refused)),
            }
        })
        .await
    }

    /// A record of the client's transaction, which the first one begins.
    async fn write(&mut self, at: usize, account: i32) -> Result<(), Ended> {
        let (_, version) = CLIENTS[at];
        let producer = self.clients[at].producer.expect("it has begun");
        if account == 0 {
            self.clients[at].told.push(Told::default());
            if !version.bumps_epoch() {
                self.add(at, producer).await?.expect("its own producer may");
            }
        }
        let partition = self.account(account);
        let sequence = self.clients[at].sequences[account as usize];
        let verification = self.verify(at, &partition, sequence).await?;
        let number = self.clients[at].told.len() - 1;
        let batch = record(producer, sequence, [at as u8, number as u8]);
        let storage = self.broker.storage();
        let payload = [batch.bytes.len()];
        let admitted = self.drive(storage.admit(Purpose::Records, &payload, PATIENCE)).await?;
        let mut credits = admitted.map_err(|error| self.ended(error))?;
        let appender = Appender { is_client: true, verification };
        let appended = storage.append_by(appender, &partition, &mut credits, &batch);
        let Admission::Appended { end_offset, .. } = appended.map_err(|error| self.ended(error))? else {
            panic!("it was taken for a duplicate");
        };
        let client = &mut self.clients[at];
        client.unwritten.push((account, end_offset));
        client.sequences[account as usize] += 1;
        client.steps += 1;
        Ok(())
    }

    /// TxnOffsetCommit: the offset is the number of the transaction and one.
    async fn commit_offset(&mut self, at: usize) -> Result<(), Ended> {
        let verification = self.verify(at, &self.offsets(), -1).await?;
        let producer = self.clients[at].producer.expect("it has begun");
        let (producer_id, producer_epoch) = (producer.producer_id, producer.producer_epoch);
        let pass = TransactionPass { producer_id, producer_epoch, verification };
        let committed = OffsetCommitPartition {
            partition: at as i32,
            offset: Offset(self.clients[at].told.len() as i64),
            leader_epoch: LeaderEpoch(-1),
            metadata: "".into(),
        };
        let topic =
            OffsetCommitTopic { topic_id: TopicId::ZERO, name: TOPIC.into(), partitions: vec![committed] };
        let request = GroupRequest::OffsetCommit(OffsetCommit {
            group_id: GROUP.into(),
            member_id: "".into(),
            group_instance_id: None,
            generation_id_or_member_epoch: -1,
            retention: None,
            supports_member_epoch: false,
            transaction: Some(producer_id),
            topics: vec![topic],
        });
        let id = self.offsets().topic_partition();
        let asked = self.broker.ask_group_in_transaction(id, Caller::default(), request, pass);
        match self.drive(async { asked?.reply().await }).await? {
            Ok(GroupReply::OffsetCommit(Ok(topics))) => assert_eq!(topics[0].partitions[0].1, None),
            other => return Err(self.ended(other)),
        }
        self.clients[at].steps += 1;
        Ok(())
    }

    /// EndTxn, once all records are acknowledged. The markers are written behind the answer.
    async fn end(&mut self, at: usize, draw: u64) -> Result<(), Ended> {
        for (account, end_offset) in std::mem::take(&mut self.clients[at].unwritten) {
            let committed = self.drive(self.account(account).committed(end_offset)).await?;
            committed.map_err(|error| self.ended(error))?;
        }
        let (id, transaction_version) = CLIENTS[at];
        let result =
            if draw.is_multiple_of(3) { TransactionResult::Abort } else { TransactionResult::Commit };
        self.clients[at].told.last_mut().expect("it has begun").asked = Some(result);
        let end = EndTransaction {
            transactional_id: id.into(),
            producer: self.clients[at].producer.expect("it has begun"),
            result,
            transaction_version,
            fresh_producer_id: None,
        };
        let reply = self.ask(id, TransactionRequest::EndTransaction(end)).await?;
        let TransactionReply::EndTransaction(Ok(next)) = reply else { panic!("{id}: {reply:?}") };
        let client = &mut self.clients[at];
        client.told.last_mut().expect("it has begun").is_answered = true;
        client.steps = 0;
        if transaction_version.bumps_epoch() {
            (client.producer, client.sequences) = (Some(next), [0; ACCOUNTS as usize]);
        }
        Ok(())
    }
}

/// What is found in the logs of one transaction: of each account whether its record counts.
type Found = [Option<bool>; ACCOUNTS as usize];

impl Stage {
    async fn state(&self, at: usize) -> Result<Option<TransactionState>, Ended> {
        let (id, _) = CLIENTS[at];
        let request = TransactionRequest::DescribeTransaction { transactional_id: id.into() };
        match self.ask(id, request).await? {
            TransactionReply::DescribeTransaction(Ok(described)) => Ok(Some(described.state)),
            TransactionReply::DescribeTransaction(Err(TransactionError::TransactionalIdNotFound)) => Ok(None),
            other => panic!("{other:?}"),
        }
    }

    /// After a start: what is decided comes about by itself, other producers take over, and all is settled.
    /// Everything is as it was told, or as the coordinator's log has it; from now on as if it had been told.
    /// Gives the states in which the transactions were found.
    async fn settle(&mut self) -> Result<[Option<TransactionState>; 2], Ended> {
        self.loaded().await?;
        let states = [self.state(0).await?, self.state(1).await?];
        for at in 0..CLIENTS.len() {
            let is_decided = |state: TransactionState| state.is_decided();
            self.until(async || Ok((!self.state(at).await?.is_some_and(is_decided)).then_some(()))).await?;
        }
        for at in 0..CLIENTS.len() {
            self.begin(at).await?;
        }
        let accounts: Vec<_> = (0..ACCOUNTS).map(|index| self.account(index)).collect();
        let all: Vec<_> = accounts.iter().cloned().chain([self.offsets()]).collect();
        let is_stable = |partition: &Arc<Partition>| {
            let watermarks = partition.watermarks();
            watermarks.last_stable_offset == watermarks.log_end_offset
        };
        self.until(async || Ok(all.iter().all(is_stable).then_some(()))).await?;
        let found = found(&accounts);
        let offsets = self.committed_offsets().await?;
        for (at, state) in states.into_iter().enumerate() {
            self.check(at, state, &found, offsets[at]);
        }
        Ok(states)
    }

    /// Of each client, -1 for none; none of them unstable.
    async fn committed_offsets(&self) -> Result<Vec<i64>, Ended> {
        let partitions = (0..CLIENTS.len() as i32).collect();
        let topic = OffsetFetchTopic { topic_id: TopicId::ZERO, name: TOPIC.into(), partitions };
        let request = GroupRequest::OffsetFetch(OffsetFetch {
            group_id: GROUP.into(),
            member_id: None,
            member_epoch: -1,
            topics: Some(vec![topic]),
            require_stable: true,
        });
        let asked = self.broker.ask_group(GROUP, Caller::default(), request);
        match self.drive(async { asked?.reply().await }).await? {
            Ok(GroupReply::OffsetFetch(Ok(topics))) => {
                let fetched = &topics[0].partitions;
                assert!(fetched.iter().all(|fetched| fetched.error.is_none()), "{fetched:?}");
                Ok(fetched.iter().map(|fetched| fetched.offset.0).collect())
            }
            other => Err(self.ended(other)),
        }
    }

    /// Of each transaction of a client all counts, or nothing.
    fn check(
        &mut self,
        at: usize,
        state: Option<TransactionState>,
        found: &BTreeMap<(usize, usize), Found>,
        committed_offset: i64,
    ) {
        let told = &mut self.clients[at].told;
        let (last, mut last_committed) = (told.len().saturating_sub(1), -1);
        for (number, told) in told.iter_mut().enumerate() {
            let whole = format!("transaction {number} of {}, {told:?}, then {state:?}", CLIENTS[at].0);
            let found = found.get(&(at, number)).copied().unwrap_or_default();
            let counts = found == [Some(true); ACCOUNTS as usize];
            assert!(counts || !found.contains(&Some(true)), "{whole}: torn: {found:?}");
            let asked_to_commit = told.asked == Some(TransactionResult::Commit);
            assert!(!counts || asked_to_commit, "{whole}: it counts, and nobody asked for that");
            assert!(
                counts || !(asked_to_commit && told.is_answered),
                "{whole}: it does not count: {found:?}"
            );
            if number == last && !told.is_answered {
                match state {
                    // Else it is of the one before.
                    Some(TransactionState::PrepareCommit) if told.asked.is_some() => {
                        assert!(counts, "{whole}: it was decided");
                    }
                    Some(TransactionState::Ongoing | TransactionState::PrepareAbort) => {
                        assert!(!counts, "{whole}: it was not decided so");
                    }
                    _ => {}
                }
            }
            if counts {
                last_committed = number as i64 + 1;
            }
            let result = if counts { TransactionResult::Commit } else { TransactionResult::Abort };
            *told = Told { asked: Some(result), is_answered: true };
        }
        assert_eq!(committed_offset, last_committed, "the offset of {}: {told:?}", CLIENTS[at].0);
    }
}

fn record(producer: ProducerIdAndEpoch, sequence: i32, value: [u8; 2]) -> ProducedBatch {
    let mut builder = BatchBuilder::new();
    (builder.producer_id, builder.producer_epoch) = (producer.producer_id, producer.producer_epoch);
    (builder.base_sequence, builder.is_transactional) = (sequence, true);
    builder.push(NewRecord { timestamp: Timestamp(1_000), value: Some(&value), ..NewRecord::default() });
    validate_produced(&builder.build().into(), Timestamp(1_000), &ProduceRules::lenient()).unwrap()
}

fn with_id(request: &mut TransactionRequest, id: ProducerId) -> TransactionRequest {
    match request {
        TransactionRequest::InitProducerId(request) => request.fresh_producer_id = Some(id),
        TransactionRequest::EndTransaction(request) => request.fresh_producer_id = Some(id),
        other => panic!("it needs no id: {other:?}"),
    }
    request.clone()
}

/// Whether the client is to come again.
fn is_early(reply: &TransactionReply) -> bool {
    let early = Some(&TransactionError::ConcurrentTransactions);
    match reply {
        TransactionReply::InitProducerId(result) | TransactionReply::EndTransaction(result) => {
            result.as_ref().err() == early
        }
        TransactionReply::AddPartitions(result) => result.as_ref().err() == early,
        _ => false,
    }
}

/// By client and number: what the markers say of the records, each of which is there once at most.
fn found(accounts: &[Arc<Partition>]) -> BTreeMap<(usize, usize), Found> {
    let mut found: BTreeMap<(usize, usize), Found> = BTreeMap::new();
    for (account, partition) in accounts.iter().enumerate() {
        let watermarks = partition.watermarks();
        let batches = read_all(partition, watermarks.log_start_offset, watermarks.high_watermark);
        let batches: Vec<_> = batches.into_iter().map(batch).collect();
        let (counting, aborted) = settled(&batches);
        for (batches, counts) in [(counting, true), (aborted, false)] {
            for batch in batches {
                let (at, number) = value_of(&batch);
                let before = found.entry((at, number)).or_default()[account].replace(counts);
                assert_eq!(before, None, "transaction {number} of {} twice", CLIENTS[at].0);
            }
        }
    }
    found
}

fn batch(bytes: bytes::Bytes) -> Batch {
    let header = BatchHeader::parse(&bytes).unwrap();
    Batch { base_offset: header.base_offset, end_offset: header.next_offset(), bytes, sequence: -1 }
}

fn value_of(batch: &Batch) -> (usize, usize) {
    let set = records(&batch.bytes, &DecompressionCaps::default()).unwrap();
    let value = set.iter().next().unwrap().unwrap().value.unwrap();
    (value[0].into(), value[1].into())
}

/// A seeded workload of both clients. Ends early when the disk crashes.
async fn work(stage: &mut Stage, seed: u64) -> Result<(), Ended> {
    let random = SeededRandom::new(seed);
    for _ in 0..STEPS {
        match random.next_u64() % 16 {
            0 => stage.make_room()?,
            1 => drop(stage.broker.storage().checkpoint_step(CheckpointReach::Older)?),
            2 => drop(stage.broker.storage().idle_step()?),
            3 => stage.step().await?,
            draw => stage.go_on(draw as usize % CLIENTS.len(), random.next_u64()).await?,
        }
    }
    for at in 0..CLIENTS.len() {
        while stage.clients[at].producer.is_none() || stage.clients[at].steps > 0 {
            stage.go_on(at, random.next_u64()).await?;
        }
    }
    Ok(())
}

/// Works until the disk crashes at operation `point`, then recovers, now and then with another crash on the
/// way, and goes on. `None`: it never came so far. Else the states in which the transactions were found.
async fn crash_at(seed: u64, point: u64, plan: CrashPlan) -> Option<[Option<TransactionState>; 2]> {
    let mut stage = Stage::new(seed).await;
    let world = stage.world.clone();
    world.files.crash_at(world.files.operations() + point);
    if work(&mut stage, seed).await.is_ok() {
        return None;
    }
    let mut found = if point.is_multiple_of(5) { world.after_kill() } else { world.after_crash(plan) };
    if point.is_multiple_of(3) {
        found.files.crash_at(found.files.operations() + 1 + point % RECOVERY_OPERATIONS);
        if let Ok(broker) = try_open(&found) {
            stage.broker.close().await.expect("there are no threads to stop");
            stage = Stage { broker, world: found.clone(), clients: stage.clients };
            let _ = stage.settle().await;
        }
        found = found.after_crash(plan);
    }
    let mut stage = stage.after(found.clone()).await;
    let states = stage.settle().await.expect("the disk is well");
    let mut stage = stage.after(found.after_crash(CrashPlan::DropUnsynced)).await;
    stage.settle().await.expect("the disk is well");
    work(&mut stage, seed ^ 1).await.expect("work after recovery");
    stage.settle().await.expect("the disk is well");
    Some(states)
}

#[tokio::test]
async fn a_transaction_ends_as_it_was_decided_after_a_crash_at_any_operation() {
    let points = crash_points() / POINTS_SHARE;
    let mut met = BTreeSet::new();
    // Of one client or the other: a single workload need not decide each way in both versions.
    let missing = |met: &BTreeSet<(&str, &str)>| {
        let wanted = ["Ongoing", "PrepareCommit", "PrepareAbort"].into_iter();
        wanted.filter(|state| !met.iter().any(|(_, met)| met == state)).collect::<Vec<_>>()
    };
    let (tried, seed) = tasks_crash_at_every_operation(points, crash_at, |states| {
        let states = states.into_iter().enumerate();
        met.extend(states.filter_map(|(at, state)| Some((CLIENTS[at].0, state?.name()))));
        missing(&met).is_empty()
    })
    .await;
    println!("{tried} crash points of {seed} workloads; found after a start: {met:?}");
    assert_eq!(missing(&met), Vec::<&str>::new(), "in which no crash left a transaction");
}
