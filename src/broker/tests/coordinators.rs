//! The coordinators' runtime with a toy for a shard, on a simulated disk and clock: commits happen when the
//! test says so.

mod toy;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use self::toy::{Ask, EXPIRED_MAX, Toy};
use super::machine::{Machine, Model, ROOT, options};
use crate::broker::testing::{PATIENCE, eventually};
use crate::cluster::EmbeddedMetadata;
use crate::coordinator::{
    Asked, Beside, Coordinator, CoordinatorError, Surroundings, TransactionPass, World, WriteRules,
};
use crate::env::simulated::{CrashPlan, SimulatedWorld};
use crate::env::time;
use crate::metadata::ClusterImage;
use crate::model::{
    CoordinatorEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Timestamp, TopicPartition, TransactionResult,
};
use crate::partition::{
    AppendError, BrokerDirectory, Catalogue, CheckpointReach, LogConfig, MarkerOrigin, Partition, Purpose,
    Storage, StorageOptions, TransactionMarker, Verification,
};
use crate::protocol::batch::{
    BatchBuilder, BatchHeader, CompressionType, NewRecord, ProduceRules, validate_produced,
};
use crate::wal::SyncMode;

const SECOND: Duration = Duration::from_secs(1);

fn rules() -> WriteRules {
    WriteRules {
        compression: CompressionType::None,
        batch_bytes_max: 1 << 20,
        timeout: 5 * SECOND,
        load_bytes: 4096,
        expiry_interval: 600 * SECOND,
    }
}

/// A world whose rules a test may change, and which it may end.
#[derive(Clone, Default)]
struct Around {
    rules: Arc<Mutex<Option<WriteRules>>>,
    /// What shards had done.
    done: Arc<Mutex<Vec<u64>>>,
}

impl World<Toy> for Around {
    fn look(&self) -> Option<Surroundings<()>> {
        let rules = (*self.rules.lock())?;
        Some(Surroundings { settings: Arc::new(()), image: Arc::new(ClusterImage::default()), rules })
    }

    fn perform(&self, _: TopicPartition, effect: u64) {
        self.done.lock().push(effect);
    }
}

/// A WAL that holds a few of a coordinator's batches.
fn large() -> StorageOptions {
    let mut options = options(SyncMode::Fsync);
    options.wal.file_bytes = 8 << 20;
    options.wal.slot_bytes = 4 << 20;
    options.wal.group_bytes_max = 1 << 20;
    options.wal.capacity_bytes = 32 << 20;
    options.wal.free_bytes_target = 8 << 20;
    options.tail_bytes = 8 << 20;
    options.checkpoint_bytes = 16 << 20;
    options
}

fn open(world: SimulatedWorld, model: Model) -> Machine {
    let env = world.env();
    let directory = BrokerDirectory::open(&env, ROOT.as_ref(), NodeId(1), None).unwrap();
    let metadata = Arc::new(EmbeddedMetadata::new(Arc::new(|_, _| LogConfig::default())));
    let catalogue: Arc<dyn Catalogue> = metadata.clone();
    let storage = Arc::new(Storage::open(env, directory, large(), catalogue).unwrap());
    metadata.attach(&storage);
    Machine { world, storage, metadata, model, alone: true, compacts: false, tiers: false }
}

struct Stage {
    machine: Machine,
    around: Around,
    coordinator: Coordinator<Toy>,
    id: TopicPartition,
}

impl Stage {
    fn new() -> Stage {
        let mut machine = open(SimulatedWorld::new(7), Model::default());
        machine.create_topic("__toys", 1).unwrap();
        Stage::on(machine)
    }

    fn on(machine: Machine) -> Stage {
        let around = Around { rules: Arc::new(Mutex::new(Some(rules()))), ..Around::default() };
        let (env, storage) = (machine.world.env(), machine.storage.clone());
        let coordinator = Coordinator::new(env, storage, around.clone(), 2);
        let id = TopicPartition { topic_id: machine.model.topics[0].topic_id, partition: 0 };
        Stage { machine, around, coordinator, id }
    }

    fn partition(&self) -> Arc<Partition> {
        self.machine.storage.partition(self.id).unwrap()
    }

    /// Lets the shard be loaded and waits until it serves.
    async fn lead(&self) {
        self.coordinator.lead(&self.partition());
        eventually(|| self.ask(Ask::Get).ok()).await;
    }

    fn ask(&self, ask: Ask) -> Result<Asked<u64>, CoordinatorError> {
        self.coordinator.ask(self.id, ask)
    }

    fn asked(&self, ask: Ask) -> Asked<u64> {
        self.ask(ask).unwrap()
    }

    fn commit(&self) {
        while self.machine.storage.commit_step().unwrap() {}
        self.machine.storage.provision_step().unwrap();
    }

    /// Waits until so much is appended.
    async fn appended(&self, end: i64) {
        eventually(|| (self.partition().watermarks().log_end_offset == Offset(end)).then_some(())).await;
    }

    /// Asks and commits until it is answered.
    async fn answer(&self, ask: Ask) -> Result<u64, CoordinatorError> {
        let asked = eventually(|| match self.ask(ask.clone()) {
            Err(CoordinatorError::Loading) => {
                self.commit();
                None
            }
            asked => Some(asked),
        });
        let mut reply = Box::pin(asked.await?.reply());
        let committing = async {
            loop {
                self.commit();
                tokio::task::yield_now().await;
            }
        };
        let answered = async {
            tokio::select! {
                reply = &mut reply => reply,
                () = committing => unreachable!("it never ends"),
            }
        };
        time::timeout(PATIENCE, answered).await.expect("an answer")
    }

    async fn answer_after_lead(&self, ask: Ask) -> Result<u64, CoordinatorError> {
        self.coordinator.lead(&self.partition());
        self.answer(ask).await
    }

    /// The partition is found damaged.
    fn stop(&self) {
        let (path, what) = ("__toys-0/0.log".into(), "a test".to_owned());
        self.partition().stop(&crate::log::LogError::Corrupt { path, position: 7, what });
    }

    /// Pulls the plug and starts again.
    fn after(self, world: SimulatedWorld) -> Stage {
        let Stage { machine, coordinator, .. } = self;
        coordinator.close();
        let model = machine.model.clone();
        drop(machine);
        Stage::on(open(world, model))
    }
}

/// Lets tasks do what they can without a commit.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Whether a reply is there by now.
async fn is_answered(
    asked: &mut std::pin::Pin<Box<impl Future<Output = Result<u64, CoordinatorError>>>>,
) -> bool {
    settle().await;
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    asked.as_mut().poll(&mut context).is_ready()
}

#[tokio::test]
async fn no_reply_leaves_before_what_was_written_is_committed() {
    let stage = Stage::new();
    stage.lead().await;
    assert_eq!(stage.answer(Ask::Get).await, Ok(0), "nothing is written, nothing is waited for");
    let mut add = Box::pin(stage.asked(Ask::Add(5)).reply());
    let mut read = Box::pin(stage.asked(Ask::Get).reply());
    stage.appended(1).await;
    assert!(!is_answered(&mut add).await);
    assert!(!is_answered(&mut read).await, "what a read tells may be lost");
    // The next one is run, and appended, before the first is committed.
    let next = stage.asked(Ask::Add(6));
    stage.appended(2).await;
    assert!(!is_answered(&mut add).await);
    stage.commit();
    assert_eq!((add.await, read.await, next.reply().await), (Ok(5), Ok(5), Ok(11)));
}

#[tokio::test]
async fn what_is_to_be_done_in_the_world_waits_for_the_commit_and_for_nothing_else() {
    let stage = Stage::new();
    stage.lead().await;
    let done = || stage.around.done.lock().clone();
    let asked = stage.asked(Ask::Do(5));
    stage.appended(1).await;
    settle().await;
    assert!(done().is_empty());
    stage.commit();
    assert_eq!(asked.reply().await, Ok(0));
    assert_eq!(done(), [5]);
    // Who asked is told that nobody knows; it is done all the same once it is known.
    let impatient = stage.asked(Ask::Do(6));
    stage.appended(2).await;
    stage.machine.world.clock.advance(10 * SECOND);
    assert_eq!(impatient.reply().await, Err(CoordinatorError::NotAvailable));
    assert_eq!(done(), [5]);
    stage.commit();
    eventually(|| (done() == [5, 6]).then_some(())).await;
    // What may never be committed is not done.
    let lost = stage.asked(Ask::Do(7));
    stage.appended(3).await;
    stage.stop();
    assert_eq!(lost.reply().await, Err(CoordinatorError::NotCoordinator));
    stage.commit();
    settle().await;
    assert_eq!(done(), [5, 6]);
}

const PRODUCER: ProducerId = ProducerId(7);

impl Stage {
    /// As a coordinator of transactions lets it write.
    fn pass(&self, producer_epoch: i16) -> TransactionPass {
        let (producer_id, producer_epoch) = (PRODUCER, ProducerEpoch(producer_epoch));
        let producer = (producer_id, producer_epoch);
        let guard = self.partition().begin_verification(producer, -1, true, Timestamp(0)).unwrap();
        let verification = guard.map_or(Verification::Ongoing, Verification::Verified);
        TransactionPass { producer_id, producer_epoch, verification }
    }

    fn marker(&self, producer_epoch: i16, result: TransactionResult) -> TransactionMarker {
        TransactionMarker {
            origin: MarkerOrigin::Client,
            producer_id: PRODUCER,
            producer_epoch: ProducerEpoch(producer_epoch),
            coordinator_epoch: CoordinatorEpoch(1),
            result,
            transaction_version: 2,
        }
    }

    async fn end(&self, producer_epoch: i16, result: TransactionResult) -> Result<Offset, AppendError> {
        let marker = self.marker(producer_epoch, result);
        self.coordinator.end_transaction(self.id, marker, Beside::nothing()).unwrap().await.unwrap().remove(0)
    }
}

/// Who asked may have been overtaken by the time it is the shard's turn.
#[tokio::test]
async fn markers_beside_a_shards_own_are_written_with_it_or_not_at_all() {
    let mut machine = open(SimulatedWorld::new(7), Model::default());
    machine.create_topic("__toys", 2).unwrap();
    let stage = Stage::on(machine);
    stage.lead().await;
    let other = TopicPartition { partition: 1, ..stage.id };
    let other = stage.machine.storage.partition(other).unwrap();
    let asked = stage.answer(Ask::InTransaction(5, stage.pass(0))).await;
    assert_eq!(asked, Ok(0));
    for (is_owed, own_end, other_end) in [(false, 1, 0), (true, 2, 1)] {
        let marker = stage.marker(1, TransactionResult::Commit);
        let while_owed = Box::new(move |append: &mut dyn FnMut()| {
            if is_owed {
                append()
            }
        });
        let beside = Beside { markers: vec![(other.clone(), marker)], while_owed };
        let ended = stage.coordinator.end_transaction(stage.id, marker, beside).unwrap().await;
        match is_owed {
            false => assert_eq!(ended, Err(CoordinatorError::NotCoordinator)),
            true => assert_eq!(ended, Ok(vec![Ok(Offset(own_end)), Ok(Offset(other_end))])),
        }
        let ends = [stage.partition(), other.clone()].map(|it| it.watermarks().log_end_offset);
        assert_eq!(ends, [Offset(own_end), Offset(other_end)], "owed: {is_owed}");
    }
    assert_eq!(stage.answer(Ask::Get).await, Ok(5));
}

#[tokio::test]
async fn records_of_a_transaction_count_from_its_marker_on_also_after_a_power_cut() {
    let mut stage = Stage::new();
    stage.lead().await;
    for (producer_epoch, result, expected) in [
        (1, TransactionResult::Commit, 5),
        (2, TransactionResult::Abort, 5),
        (3, TransactionResult::Commit, 10),
    ] {
        let in_transaction = stage.answer(Ask::InTransaction(5, stage.pass(producer_epoch - 1))).await;
        let before = stage.answer(Ask::Get).await;
        assert_eq!(in_transaction, before, "nothing counts yet");
        let world = stage.machine.world.after_crash(CrashPlan::DropUnsynced);
        stage = stage.after(world);
        assert_eq!(stage.answer_after_lead(Ask::Get).await, before);
        let end = stage.end(producer_epoch, result).await.unwrap();
        assert_eq!(stage.answer(Ask::Get).await, Ok(expected));
        assert_eq!(
            stage.end(producer_epoch, result).await,
            Ok(end),
            "one that comes again is not written again"
        );
        let world = stage.machine.world.after_crash(CrashPlan::DropUnsynced);
        stage = stage.after(world);
        assert_eq!(stage.answer_after_lead(Ask::Get).await, Ok(expected));
    }
}

#[tokio::test]
async fn who_has_no_transaction_open_writes_nothing_and_costs_nobody_else_anything() {
    let stage = Stage::new();
    stage.lead().await;
    assert_eq!(stage.answer(Ask::Add(1)).await, Ok(1));
    let late = stage.pass(0);
    // A marker comes between the look at the transaction and the write.
    stage.end(1, TransactionResult::Abort).await.unwrap();
    let refused = stage.answer(Ask::InTransaction(5, late)).await;
    assert_eq!(refused, Err(CoordinatorError::InvalidProducerEpoch));
    let stranger = TransactionPass {
        producer_id: ProducerId(8),
        producer_epoch: ProducerEpoch(0),
        verification: Verification::Ongoing,
    };
    let refused = stage.answer(Ask::InTransaction(5, stranger)).await;
    assert_eq!(refused, Err(CoordinatorError::InvalidTransactionState));
    assert!(matches!(
        stage.end(0, TransactionResult::Commit).await,
        Err(AppendError::InvalidProducerEpoch(_))
    ));
    assert_eq!(stage.answer(Ask::Add(1)).await, Ok(2), "it was not unloaded");
}

#[tokio::test]
async fn what_waits_is_written_together() {
    let stage = Stage::new();
    stage.lead().await;
    let asked: Vec<_> = (0..100).map(|_| stage.asked(Ask::Add(1))).collect();
    stage.appended(100).await;
    stage.commit();
    for (index, asked) in asked.into_iter().enumerate() {
        assert_eq!(asked.reply().await, Ok(index as u64 + 1));
    }
    let batches = stage.partition().tail_batches(|_| true);
    assert_eq!(batches.len(), 1, "one batch for all that waited");
}

#[tokio::test]
async fn what_was_answered_outlives_a_power_cut() {
    let stage = Stage::new();
    stage.lead().await;
    assert_eq!(stage.answer(Ask::Add(5)).await, Ok(5));
    assert_eq!(stage.answer(Ask::Add(6)).await, Ok(11));
    let unanswered = stage.asked(Ask::Add(100));
    stage.appended(3).await;
    let world = stage.machine.world.after_crash(CrashPlan::DropUnsynced);
    let stage = stage.after(world);
    assert_eq!(unanswered.reply().await, Err(CoordinatorError::NotCoordinator));
    assert_eq!(stage.answer_after_lead(Ask::Get).await, Ok(11));
    assert_eq!(stage.answer(Ask::Add(1)).await, Ok(12));
}

#[tokio::test]
async fn a_partition_that_stops_fails_all_who_wait_and_come() {
    let stage = Stage::new();
    stage.lead().await;
    let parked = stage.asked(Ask::Add(5));
    let waiting = stage.asked(Ask::Wait(SECOND));
    stage.appended(1).await;
    stage.stop();
    assert_eq!(parked.reply().await, Err(CoordinatorError::NotCoordinator));
    assert_eq!(waiting.reply().await, Err(CoordinatorError::NotCoordinator));
    eventually(|| (stage.ask(Ask::Get).err() == Some(CoordinatorError::NotCoordinator)).then_some(())).await;
    assert_eq!(stage.coordinator.look(stage.id, |_| ()), None, "its memory is not kept");
}

#[tokio::test]
async fn a_shard_that_panics_is_loaded_again() {
    let stage = Stage::new();
    stage.lead().await;
    assert_eq!(stage.answer(Ask::Add(5)).await, Ok(5));
    let parked = stage.asked(Ask::Add(6));
    stage.appended(2).await;
    let fault = stage.asked(Ask::Panic);
    let behind = stage.asked(Ask::Add(100));
    assert_eq!(fault.reply().await, Err(CoordinatorError::NotCoordinator));
    assert_eq!(parked.reply().await, Err(CoordinatorError::NotCoordinator));
    assert_eq!(behind.reply().await, Err(CoordinatorError::NotCoordinator));
    // What was written when it failed counts: nobody was told that it does not.
    assert_eq!(stage.answer(Ask::Get).await, Ok(11));
}

/// A counter that falls is taken for a restart by those who read it.
#[tokio::test]
async fn what_is_counted_outlives_the_shard_and_what_is_not_written_is_not_counted() {
    let stage = Stage::new();
    stage.lead().await;
    assert_eq!(stage.answer(Ask::Add(5)).await, Ok(5));
    assert_eq!(stage.answer(Ask::Bulk(2 << 20)).await, Err(CoordinatorError::TooLarge));
    assert_eq!(stage.coordinator.counted(), 1);
    assert_eq!(stage.answer(Ask::Panic).await, Err(CoordinatorError::NotCoordinator));
    assert_eq!(stage.coordinator.counted(), 1);
    assert_eq!(stage.answer(Ask::Add(1)).await, Ok(6));
    assert_eq!(stage.coordinator.counted(), 2);
}

#[tokio::test]
async fn more_than_a_batch_may_hold_is_refused_and_forgotten() {
    let stage = Stage::new();
    stage.lead().await;
    assert_eq!(stage.answer(Ask::Add(5)).await, Ok(5));
    // Those beside it, in the same turn, are done; who waits goes on waiting.
    let mut waits = Box::pin(stage.asked(Ask::Wait(SECOND)).reply());
    let before = stage.asked(Ask::Add(1));
    let bulk = stage.asked(Ask::Bulk(2 << 20));
    let behind = stage.asked(Ask::Add(1));
    stage.appended(3).await;
    stage.commit();
    assert_eq!((before.reply().await, behind.reply().await), (Ok(6), Ok(7)));
    assert_eq!(bulk.reply().await, Err(CoordinatorError::TooLarge));
    assert!(!is_answered(&mut waits).await);
    assert_eq!(stage.coordinator.look(stage.id, |toy| toy.unwritten), Some(1), "the shard is told");
    assert_eq!(stage.answer(Ask::Get).await, Ok(7));
    // More than a turn has room for is written all the same.
    assert_eq!(stage.answer(Ask::Bulk(700_000)).await, Ok(0));
    assert_eq!(stage.answer(Ask::Get).await, Ok(8));
}

/// As the assignment of a group with very many members: pieces between which it may be divided go into as few
/// batches as hold them.
#[tokio::test]
async fn what_is_more_than_a_batch_may_hold_is_divided_where_it_may_be() {
    const KIB: usize = 1 << 10;
    let (small, large) = (10 * KIB, 400 * KIB);
    for (sizes, divisible, expected) in [
        // It fits: all in one.
        (vec![small; 8], 2..6, Some(vec![8])),
        (vec![large, large, large], 0..0, None),
        (vec![small, large, large, large, small, small], 1..4, Some(vec![3, 3])),
        // The two in front and the two behind stay together.
        (vec![large, large, large, large, large, large], 2..4, Some(vec![2, 2, 2])),
        (vec![large, small, large, large, large, small], 2..3, Some(vec![3, 3])),
        (vec![large, large, large], 0..3, Some(vec![2, 1])),
        // One piece is too large: nothing of it is written.
        (vec![small, 2 << 20, small], 1..2, None),
        (vec![large, large, large, small, small], 3..4, None),
        (vec![small, small, large, large, large], 0..2, None),
    ] {
        let stage = Stage::new();
        stage.lead().await;
        let count = sizes.len() as u64;
        let answer = stage.answer(Ask::Sizes(sizes.clone(), divisible.clone())).await;
        let batches = stage.partition().tail_batches(|_| true);
        let counts = batches.iter().map(|batch| BatchHeader::parse(batch).unwrap().records_count);
        let what = format!("{sizes:?} {divisible:?}");
        match expected {
            Some(expected) => {
                assert_eq!((answer, counts.collect::<Vec<_>>()), (Ok(0), expected), "{what}");
                let world = stage.machine.world.after_crash(CrashPlan::DropUnsynced);
                assert_eq!(stage.after(world).answer_after_lead(Ask::Get).await, Ok(count), "{what}");
            }
            None => {
                assert_eq!((answer, counts.len()), (Err(CoordinatorError::TooLarge), 0), "{what}");
                let unwritten = stage.coordinator.look(stage.id, |toy| toy.unwritten as u64);
                assert_eq!(unwritten, Some(count), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn who_goes_away_is_forgotten_but_done() {
    let stage = Stage::new();
    stage.lead().await;
    let waits = stage.asked(Ask::Wait(SECOND));
    settle().await;
    drop(waits);
    settle().await;
    let waited = stage.answer(Ask::Forgotten).await.unwrap();
    assert!(waited > 0);
    // Gone before it was run: done, and then forgotten if it waits.
    drop(stage.asked(Ask::Add(3)));
    drop(stage.asked(Ask::Wait(SECOND)));
    assert_eq!(stage.answer(Ask::Get).await, Ok(3));
    assert!(stage.answer(Ask::Forgotten).await.unwrap() > waited);
    assert_eq!(stage.coordinator.look(stage.id, crate::coordinator::Shard::next_deadline), Some(None));
}

#[tokio::test]
async fn deadlines_are_kept_by_the_monotonic_clock() {
    let stage = Stage::new();
    stage.lead().await;
    let mut waits = Box::pin(stage.asked(Ask::Wait(3 * SECOND)).reply());
    assert!(!is_answered(&mut waits).await);
    stage.machine.world.clock.set(crate::model::Timestamp(i64::MAX / 2));
    assert_eq!(stage.answer(Ask::Get).await, Ok(0));
    assert!(!is_answered(&mut waits).await, "the wall clock moves nothing");
    stage.machine.world.clock.advance(3 * SECOND);
    // The simulated clock wakes nobody: a request does.
    assert_eq!(stage.answer(Ask::Add(1)).await, Ok(1));
    assert_eq!(waits.await, Ok(1), "what is due comes behind the requests that waited");
}

#[tokio::test]
async fn time_in_which_nobody_was_heard_does_not_count() {
    let stage = Stage::new();
    stage.lead().await;
    let mut waits = Box::pin(stage.asked(Ask::Wait(3 * SECOND)).reply());
    assert!(!is_answered(&mut waits).await);
    stage.machine.world.clock.advance(500 * SECOND);
    assert_eq!(stage.answer(Ask::Get).await, Ok(0));
    assert!(!is_answered(&mut waits).await, "the process stood still");
    stage.machine.world.clock.advance(5 * SECOND);
    assert_eq!(stage.answer(Ask::Get).await, Ok(0));
    assert_eq!(waits.await, Ok(0));
}

#[tokio::test]
async fn after_a_pause_all_that_is_queued_is_heard_before_what_is_due() {
    // Longer than a session by little, and by much.
    for pause in [3 * SECOND + SECOND / 2, 500 * SECOND] {
        let stage = Stage::new();
        stage.lead().await;
        let mut waits = Box::pin(stage.asked(Ask::Wait(3 * SECOND)).reply());
        assert!(!is_answered(&mut waits).await);
        // The task has no turn between these: more than it takes or writes at a time lies in its queue.
        stage.machine.world.clock.advance(pause);
        let before: Vec<_> = (0..5).map(|_| stage.asked(Ask::Bulk(100_000))).collect();
        let more: Vec<_> = (0..2000).map(|_| stage.asked(Ask::Get)).collect();
        let heartbeat = stage.asked(Ask::PutOff(3 * SECOND));
        stage.answer(Ask::Get).await.unwrap();
        assert!(!is_answered(&mut waits).await, "it was heard of, {pause:?}");
        drop((before, more, heartbeat));
        stage.machine.world.clock.advance(3 * SECOND);
        stage.answer(Ask::Get).await.unwrap();
        stage.machine.world.clock.advance(SECOND);
        stage.answer(Ask::Get).await.unwrap();
        assert_eq!(waits.await, Ok(5), "and then it was not");
    }
}

#[tokio::test]
async fn expiry_comes_at_its_interval() {
    let stage = Stage::new();
    stage.lead().await;
    let expired = || stage.coordinator.look(stage.id, |toy| toy.expired).unwrap();
    assert_eq!(expired(), 0);
    for round in 1..3 {
        stage.machine.world.clock.advance(600 * SECOND);
        stage.answer(Ask::Get).await.unwrap();
        assert_eq!(expired(), round);
        stage.answer(Ask::Get).await.unwrap();
        assert_eq!(expired(), round);
    }
}

#[tokio::test]
async fn expiry_goes_on_until_all_is_gone_and_its_records_are_divided() {
    let stage = Stage::new();
    stage.lead().await;
    let count = 2 * EXPIRED_MAX + 5;
    assert_eq!(stage.answer(Ask::Expire(count)).await, Ok(count));
    stage.machine.world.clock.advance(600 * SECOND);
    stage.answer(Ask::Get).await.unwrap();
    let all = async { while stage.answer(Ask::Get).await != Ok(count) {} };
    time::timeout(PATIENCE, all).await.expect("all of it");
    assert_eq!(stage.coordinator.look(stage.id, |toy| toy.expired), Some(4), "the last found nothing");
}

#[tokio::test]
async fn what_it_is_told_is_heard_to_the_end_also_by_one_that_loads() {
    let stage = Stage::new();
    stage.coordinator.lead(&stage.partition());
    stage.coordinator.notify(&5);
    assert_eq!(stage.answer(Ask::Add(20)).await, Ok(20));
    stage.coordinator.notify(&4);
    let down = async { while stage.answer(Ask::Get).await != Ok(0) {} };
    time::timeout(PATIENCE, down).await.expect("all of it");
    stage.appended(6).await;
}

#[tokio::test]
async fn a_commit_that_takes_too_long_is_given_up() {
    let stage = Stage::new();
    stage.lead().await;
    let add = stage.asked(Ask::Add(5));
    stage.appended(1).await;
    stage.machine.world.clock.advance(5 * SECOND);
    let read = stage.asked(Ask::Get);
    assert_eq!(add.reply().await, Err(CoordinatorError::NotAvailable));
    stage.commit();
    assert_eq!(read.reply().await, Ok(5), "it was written for all that");
}

#[tokio::test]
async fn beyond_the_queue_requests_are_refused() {
    let stage = Stage::new();
    stage.lead().await;
    let mut asked = Vec::new();
    let refused = loop {
        match stage.ask(Ask::Get) {
            Ok(one) => asked.push(one),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, CoordinatorError::NotAvailable);
    assert!(asked.len() >= 1000);
    for asked in asked {
        assert_eq!(asked.reply().await, Ok(0));
    }
    assert_eq!(stage.answer(Ask::Add(1)).await, Ok(1));
}

#[tokio::test]
async fn a_log_without_room_refuses_what_writes_and_answers_what_reads() {
    let stage = Stage::new();
    stage.around.rules.lock().as_mut().unwrap().timeout = SECOND / 10;
    stage.lead().await;
    assert_eq!(stage.answer(Ask::Add(5)).await, Ok(5));
    let storage = &stage.machine.storage;
    let mut all = Vec::new();
    while let Ok(Some(credits)) = storage.try_admit(Purpose::Records, &[100 << 10]) {
        all.push(credits);
    }
    let refused = stage.asked(Ask::Add(1));
    assert_eq!(refused.reply().await, Err(CoordinatorError::NotAvailable));
    assert_eq!(stage.answer(Ask::Get).await, Ok(5));
    drop(all);
    assert_eq!(stage.answer(Ask::Add(1)).await, Ok(6), "nothing was unloaded");
}

/// They are written some at a time, and each lot would wait for room in its turn: others' last stable offsets
/// with the last.
#[tokio::test]
async fn a_log_without_room_refuses_all_markers_that_wait_after_one_patience() {
    let stage = Stage::new();
    stage.lead().await;
    assert_eq!(stage.answer(Ask::Get).await, Ok(0));
    let limit = |timeout| stage.around.rules.lock().as_mut().unwrap().timeout = timeout;
    let mut all = Vec::new();
    for payload in [100 << 10, TransactionMarker::PAYLOAD_BYTES] {
        while let Ok(Some(credits)) = stage.machine.storage.try_admit(Purpose::Records, &[payload]) {
            all.push(credits);
        }
    }
    limit(SECOND / 10);
    let marker = stage.marker(1, TransactionResult::Commit);
    let end = || stage.coordinator.end_transaction(stage.id, marker, Beside::nothing()).unwrap();
    let endings: Vec<_> = (0..200).map(|_| end()).collect();
    let read = stage.asked(Ask::Get);
    settle().await;
    limit(1000 * PATIENCE);
    for ending in endings {
        let ended = time::timeout(PATIENCE, ending).await.expect("no second wait");
        assert_eq!(ended, Err(CoordinatorError::NotAvailable));
    }
    assert_eq!(read.reply().await, Ok(0));
    drop(all);
    assert_eq!(stage.end(1, TransactionResult::Commit).await, Ok(Offset(1)), "nothing was unloaded");
}

#[tokio::test]
async fn a_deleted_topic_keeps_no_task() {
    let mut stage = Stage::new();
    stage.lead().await;
    let waits = stage.asked(Ask::Wait(SECOND));
    settle().await;
    stage.machine.delete_topic(0).unwrap();
    assert_eq!(waits.reply().await, Err(CoordinatorError::NotCoordinator));
    eventually(|| stage.coordinator.partitions().is_empty().then_some(())).await;
    assert_eq!(stage.ask(Ask::Get).err(), Some(CoordinatorError::NotCoordinator));
}

/// Whatever its task has come to when the partition serves again: on threads of their own, so that it comes
/// to anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_fails_leaves_the_shard_or_brings_it_back() {
    let stage = Stage::new();
    stage.lead().await;
    assert_eq!(stage.answer(Ask::Add(5)).await, Ok(5));
    let ids = || std::iter::once(stage.id);
    for turns in 0..400 {
        stage.machine.storage.take_offline(stage.id.topic_id, ids());
        for _ in 0..turns % 40 {
            std::thread::yield_now();
        }
        stage.machine.storage.bring_back(stage.id.topic_id, ids());
        stage.coordinator.lead(&stage.partition());
        eventually(|| stage.ask(Ask::Get).ok()).await;
    }
    assert_eq!(stage.answer(Ask::Get).await, Ok(5));
}

/// Also one outside of the shard's own calls: as it is loaded from the log, what was written counts.
#[tokio::test]
async fn a_task_that_panics_is_followed_by_another_one() {
    let stage = Stage::new();
    stage.lead().await;
    assert_eq!(stage.answer(Ask::InTransaction(5, stage.pass(0))).await, Ok(0));
    assert_eq!(stage.answer(Ask::FailAtEnds).await, Ok(0));
    let marker = stage.marker(1, TransactionResult::Commit);
    let ended = stage.coordinator.end_transaction(stage.id, marker, Beside::nothing()).unwrap().await;
    assert_eq!(ended, Err(CoordinatorError::NotCoordinator));
    // It has not heard of this.
    stage.coordinator.notify(&1);
    stage.commit();
    eventually(|| stage.ask(Ask::Get).ok()).await;
    let down = async { while stage.answer(Ask::Get).await != Ok(0) {} };
    time::timeout(PATIENCE, down).await.expect("it hears of it");
    stage.appended(2 + 5).await;
}

#[tokio::test]
async fn a_broker_that_is_gone_keeps_no_task() {
    let stage = Stage::new();
    stage.lead().await;
    *stage.around.rules.lock() = None;
    let last = stage.asked(Ask::Get);
    assert_eq!(last.reply().await, Err(CoordinatorError::NotCoordinator));
    eventually(|| stage.coordinator.partitions().is_empty().then_some(())).await;
    stage.coordinator.close();
    stage.coordinator.lead(&stage.partition());
    assert_eq!(stage.coordinator.partitions(), []);
}

/// A broker that ends while its tasks look at it.
#[derive(Clone, Default)]
struct Ending {
    around: Around,
    /// What the broker holds, and who looks at it last.
    coordinator: Arc<Mutex<Option<Coordinator<Toy>>>>,
}

impl World<Toy> for Ending {
    fn look(&self) -> Option<Surroundings<()>> {
        let surroundings = self.around.look();
        if surroundings.is_none() {
            // The task is told that the broker is gone by its first look; the next one has it at its end.
            let looks = self.around.done.lock().len();
            let held = self.coordinator.lock().take_if(|_| looks == 1);
            drop(held);
            self.around.done.lock().push(0);
        }
        surroundings
    }

    fn perform(&self, _: TopicPartition, _: u64) {}
}

/// Whoever holds the broker last ends it, and with it its coordinator, which takes all seats for that.
#[test]
fn who_looks_at_the_broker_last_is_not_locked_out() {
    let (told, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Stage { machine, around, id, .. } = Stage::new();
            let world = Ending { around, ..Ending::default() };
            let coordinator =
                Coordinator::new(machine.world.env(), machine.storage.clone(), world.clone(), 2);
            coordinator.lead(&machine.storage.partition(id).unwrap());
            eventually(|| coordinator.ask(id, Ask::Get).ok()).await;
            let last = coordinator.ask(id, Ask::Get).unwrap();
            *world.coordinator.lock() = Some(coordinator);
            *world.around.rules.lock() = None;
            assert_eq!(last.reply().await, Err(CoordinatorError::NotCoordinator));
            eventually(|| (world.around.done.lock().len() == 2).then_some(())).await;
        });
        told.send(()).unwrap();
    });
    heard.recv_timeout(PATIENCE).expect("it ends");
}

/// Appends a batch of these numbers, and commits it.
fn append(stage: &Stage, keys: &[(u8, u64)], adjust: impl FnOnce(&mut BatchBuilder)) {
    let mut builder = BatchBuilder::new();
    adjust(&mut builder);
    for (key, number) in keys {
        let (key, value) = ([*key], number.to_be_bytes());
        builder.push(NewRecord { key: Some(&key), value: Some(&value), ..NewRecord::default() });
    }
    let rules = ProduceRules { api_version: 13, batch_bytes_max: 1 << 20, ..ProduceRules::lenient() };
    let is_control = std::mem::take(&mut builder.is_control);
    let mut batch = builder.build();
    let mut checked = validate_produced(&batch.clone().into(), crate::model::Timestamp(0), &rules).unwrap();
    if is_control {
        // No client may write these, so that the check would refuse it: the bit is set behind its back.
        batch[22] |= 1 << 5;
        let crc = crc32c::crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        checked.bytes = batch.into();
    }
    let storage = &stage.machine.storage;
    let mut credits = storage.try_admit(Purpose::Records, &[checked.bytes.len()]).unwrap().unwrap();
    storage.append(&stage.partition(), &mut credits, &checked).unwrap();
    stage.commit();
}

#[tokio::test]
async fn loading_reads_segments_and_tail_of_every_codec_and_skips_what_is_not_the_shards() {
    let stage = Stage::new();
    let codecs = CompressionType::ALL;
    let mut expected = 0;
    for round in 0..200_u64 {
        let codec = codecs[round as usize % codecs.len()];
        append(&stage, &[(b'k', round), (b'k', 1), (b'n', 7)], |batch| batch.compression = codec);
        expected += round + 1;
        append(&stage, &[(b'c', 1_000_000)], |batch| batch.is_control = true);
        if round == 150 {
            stage.machine.storage.flush_step(0).unwrap();
            stage.machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
        }
    }
    let log = stage.partition();
    assert!(log.log().written_end_offset() < log.watermarks().high_watermark, "some of it is in memory only");
    assert_eq!(stage.answer_after_lead(Ask::Get).await, Ok(expected));
    // Below the log start nothing counts, not even of a batch that reaches over it.
    let world = stage.machine.world.after_kill();
    let stage = stage.after(world);
    stage.partition().set_log_start_offset(Offset(4 * 100 + 1));
    let below: u64 = (0..100).map(|round| round + 1).sum();
    assert_eq!(stage.answer_after_lead(Ask::Get).await, Ok(expected - below - 100));
}

#[tokio::test]
async fn what_a_shard_cannot_read_is_left_alone() {
    let stage = Stage::new();
    append(&stage, &[(b'k', 1)], |_| {});
    append(&stage, &[(b'?', 1)], |_| {});
    stage.coordinator.lead(&stage.partition());
    eventually(|| (stage.ask(Ask::Get).err() == Some(CoordinatorError::NotCoordinator)).then_some(())).await;
    assert_eq!(stage.partition().watermarks().log_end_offset, Offset(2));
}

/// As many as may load at a time, so that a place which is kept is one that nobody gets.
#[tokio::test]
async fn shards_that_cannot_be_read_keep_no_others_from_loading() {
    let mut machine = open(SimulatedWorld::new(7), Model::default());
    machine.create_topic("__toys", 3).unwrap();
    let mut stage = Stage::on(machine);
    for partition in [0, 1] {
        stage.id.partition = partition;
        append(&stage, &[(b'?', 1)], |_| {});
        stage.coordinator.lead(&stage.partition());
        let is_failed = || stage.ask(Ask::Get).err() == Some(CoordinatorError::NotCoordinator);
        eventually(|| is_failed().then_some(())).await;
    }
    stage.id.partition = 2;
    assert_eq!(stage.answer_after_lead(Ask::Get).await, Ok(0));
}

/// In a topic that was just made nobody is told that its coordinators load: kafkajs gives up at that.
#[tokio::test]
async fn a_shard_without_records_serves_without_waiting_for_a_thread() {
    let stage = Stage::new();
    stage.coordinator.lead(&stage.partition());
    // One turn of its task, in which no other thread has a part.
    tokio::task::yield_now().await;
    assert!(stage.ask(Ask::Get).is_ok());
}
