//! The shards of one topic, and who asks them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

#[cfg(doc)]
use super::Output;
use super::seat::{Asked, Beside, Event, Seat};
use super::task::{LOAD_AGAIN, Task};
use super::{CoordinatorError, Shard, World};
use crate::env::{Env, time};
use crate::model::{Offset, TopicPartition};
use crate::partition::{AppendError, Partition, PartitionStatus, Storage, TransactionMarker};

/// The seats, by the partitions that hold their shards' records.
pub(super) type Seats<S> = Arc<RwLock<HashMap<TopicPartition, Taken<S>>>>;

/// A seat whose task runs.
pub(super) struct Taken<S: Shard> {
    pub(super) seat: Arc<Seat<S>>,
    task: AbortHandle,
}

/// What the tasks of all shards share.
pub(super) struct Shared<S: Shard> {
    pub(super) env: Env,
    pub(super) storage: Arc<Storage>,
    pub(super) world: Box<dyn World<S>>,
    /// Shards that load at a time.
    pub(super) loading: Semaphore,
    pub(super) stopping: AtomicBool,
    /// See [`Output::counted`].
    pub(super) counted: AtomicU64,
}

/// How it went to end a transaction: for each marker, the shard's own first, the end of what is to be
/// committed, or why its partition refuses.
pub type EndedTransaction = Result<Vec<Result<Offset, AppendError>>, CoordinatorError>;

/// Runs the shards of one kind.
pub struct Coordinator<S: Shard> {
    shared: Arc<Shared<S>>,
    seats: Seats<S>,
    /// One seat is taken at a time, and none after the end.
    leading: Mutex<()>,
}

impl<S: Shard> Coordinator<S> {
    /// A coordinator without shards, which loads so many of them at a time.
    pub fn new(env: Env, storage: Arc<Storage>, world: impl World<S>, lanes: usize) -> Coordinator<S> {
        let shared = Shared {
            env,
            storage,
            world: Box::new(world),
            loading: Semaphore::new(lanes.max(1)),
            stopping: AtomicBool::new(false),
            counted: AtomicU64::new(0),
        };
        Coordinator { shared: Arc::new(shared), seats: Seats::default(), leading: Mutex::default() }
    }

    /// Runs the shard of a partition, unless it runs: it is loaded in the background, and ends when the
    /// partition is deleted. Needs a tokio runtime.
    pub fn lead(&self, partition: &Arc<Partition>) {
        let _one_at_a_time = self.leading.lock();
        let id = partition.topic_partition();
        if self.shared.stopping.load(Ordering::Acquire) || self.seats.read().contains_key(&id) {
            return;
        }
        let (seat, events) = Seat::new();
        let (shared, seats) = (self.shared.clone(), self.seats.clone());
        let life = Life { shared, seats, partition: partition.clone() };
        // Held over the start, so that a task that ends at once finds its seat to give up.
        let mut taken = self.seats.write();
        let task = tokio::spawn(life.live(seat.clone(), events));
        taken.insert(id, Taken { seat, task: task.abort_handle() });
    }

    /// Hands a request to the shard of a partition. Requests of one caller reach it in the order of these
    /// calls.
    pub fn ask(
        &self,
        partition: TopicPartition,
        request: S::Request,
    ) -> Result<Asked<S::Reply>, CoordinatorError> {
        match self.seats.read().get(&partition) {
            Some(taken) => taken.seat.ask(request),
            None => Err(CoordinatorError::NotCoordinator),
        }
    }

    /// Ends a producer's transaction in the partition of a shard, and in those beside it, in one commit:
    /// writes the markers, and applies the shard's. It has its place in the shard's queue when this returns.
    /// NOT_COORDINATOR, and no marker, when they are not owed any more once it is its turn. May be repeated.
    pub fn end_transaction(
        &self,
        partition: TopicPartition,
        marker: TransactionMarker,
        beside: Beside,
    ) -> Result<impl Future<Output = EndedTransaction> + use<S>, CoordinatorError> {
        let seat = self.seats.read().get(&partition).map(|taken| taken.seat.clone());
        let reply = seat.ok_or(CoordinatorError::NotCoordinator)?.end_transaction(marker, beside)?;
        Ok(async { reply.await.unwrap_or(Err(CoordinatorError::NotCoordinator)) })
    }

    /// Tells every shard that runs.
    pub fn notify(&self, notice: &S::Notice) {
        self.seats.read().values().for_each(|taken| taken.seat.notify(notice.clone()));
    }

    /// Partitions whose shards run, in order.
    pub fn partitions(&self) -> Vec<TopicPartition> {
        let mut partitions: Vec<TopicPartition> = self.seats.read().keys().copied().collect();
        partitions.sort_unstable();
        partitions
    }

    /// Shows a shard as it is, committed or not; `None` while it is not loaded. It is held up meanwhile.
    pub fn look<R>(&self, partition: TopicPartition, look: impl FnOnce(&S) -> R) -> Option<R> {
        let seat = self.seats.read().get(&partition)?.seat.clone();
        let shard = seat.shard.lock();
        shard.as_ref().map(look)
    }

    /// Shows each shard as [`Coordinator::look`] does; none of those that are loading.
    pub fn look_at_all(&self, mut look: impl FnMut(&S)) {
        for partition in self.partitions() {
            self.look(partition, &mut look);
        }
    }

    /// What all shards have counted, by [`Output::counted`]: also those that were unloaded since.
    pub fn counted(&self) -> u64 {
        self.shared.counted.load(Ordering::Relaxed)
    }

    /// Hands a request to every shard that runs, in the order of their partitions.
    pub fn ask_all(
        &self,
        request: impl Fn() -> S::Request,
    ) -> Vec<Result<Asked<S::Reply>, CoordinatorError>> {
        self.partitions().into_iter().map(|partition| self.ask(partition, request())).collect()
    }

    /// Ends all tasks. Who waits for a reply hears that this is not the coordinator any more.
    pub fn close(&self) {
        let _none_after_this = self.leading.lock();
        self.shared.stopping.store(true, Ordering::Release);
        self.seats.write().drain().for_each(|(_, taken)| taken.task.abort());
    }
}

/// The tasks of one partition's shards, one after the other.
struct Life<S: Shard> {
    shared: Arc<Shared<S>>,
    seats: Seats<S>,
    partition: Arc<Partition>,
}

impl<S: Shard> Life<S> {
    /// Until the partition is deleted, the broker gone, or this aborted. A task that panics is followed by
    /// another one, which loads its shard from the log; and so is one that ended for a deletion which did not
    /// come about.
    async fn live(self, mut seat: Arc<Seat<S>>, mut events: mpsc::Receiver<Event<S>>) {
        let id = self.partition.topic_partition();
        loop {
            // Aborted when this is.
            let mut running = JoinSet::new();
            let (shared, partition) = (self.shared.clone(), self.partition.clone());
            running.spawn(Task::new(shared, partition, seat.clone(), events).run());
            if let Some(Err(error)) = running.join_next().await {
                let topic = self.partition.topic();
                tracing::error!(%topic, partition = id.partition, %error, "a coordinator's task ended");
                time::sleep(LOAD_AGAIN).await;
            }
            // Before the lock: a look may turn out to hold the broker last, whose end takes all seats.
            let has_world = self.shared.world.look().is_some();
            let mut seats = self.seats.write();
            // Under the lock: whoever brings the partition back leads it after that, and finds the seat
            // either given up or taken for good.
            if !(has_world && self.goes_on()) {
                seats.remove(&id);
                return;
            }
            (seat, events) = seat.successor();
            if let Some(taken) = seats.get_mut(&id) {
                taken.seat = seat.clone();
            }
        }
    }

    fn goes_on(&self) -> bool {
        self.partition.status() != PartitionStatus::Deleted && !self.shared.stopping.load(Ordering::Acquire)
    }
}

impl<S: Shard> Drop for Coordinator<S> {
    fn drop(&mut self) {
        self.close();
    }
}
