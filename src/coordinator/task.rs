//! The life of a shard: loaded, fed, unloaded when its log fails it, loaded again.

mod endings;

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;

use super::batches::{BATCH_BYTES, Batches, Encoded, Write};
use super::loading::{LoadError, load_aside};
use super::parking::{Addressed, Parking, ReplyTo};
use super::runtime::Shared;
use super::seat::{Event, Phase, QUEUE_MAX, Requested, Seat};
use super::shard_clock::ShardClock;
use super::{CoordinatorError, InTransaction, Moment, Output, Shard, Surroundings};
use crate::env::time::{self, Deadline};
use crate::model::Offset;
use crate::partition::{
    Admission, AdmissionError, AppendError, Credits, FetchWaiter, Partition, PartitionStatus, Purpose,
};

/// Requests that are taken from the queue at a time.
const EVENTS_MAX: usize = 512;
/// Replies that may wait for a commit. Beyond it no further request is taken, but one queue full of those
/// that are heard before something that is due.
const PARKED_MAX: usize = 16_384;
/// Batches for which there is room before a turn is run: one that is closed, and the one behind it.
const BATCHES_RESERVED: usize = 2;
/// Records that may be divided go into batches of so much.
const PART_BYTES: usize = BATCH_BYTES / 2;
/// Pause before a shard is loaded again whose log could not be read, or whose task panicked.
pub(super) const LOAD_AGAIN: Duration = Duration::from_secs(1);
/// Longest sleep: what stands for "no deadline".
const IDLE: Duration = Duration::from_secs(24 * 3600);

/// Why a shard is unloaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Unload {
    /// Its partition was deleted, or the broker is gone: the task ends.
    #[error("its partition is gone")]
    Gone,
    /// Its partition does not take or commit what it writes.
    #[error("its partition does not write: {0}")]
    Unwritten(String),
    /// Its state is not to be trusted any more.
    #[error("a fault of its own: {0}")]
    Fault(&'static str),
}

impl From<AppendError> for Unload {
    fn from(error: AppendError) -> Unload {
        match error {
            AppendError::Deleted => Unload::Gone,
            error => Unload::Unwritten(error.to_string()),
        }
    }
}

/// One shard's task.
pub(super) struct Task<S: Shard> {
    shared: Arc<Shared<S>>,
    partition: Arc<Partition>,
    seat: Arc<Seat<S>>,
    events: mpsc::Receiver<Event<S>>,
    /// Woken when the high watermark moves, and when the partition stops or is deleted.
    waiter: Arc<FetchWaiter>,
    /// Taken from the queue, not yet run.
    taken: VecDeque<Event<S>>,
    /// Who awaits a reply that the shard has not given yet.
    waiting: HashMap<u64, ReplyTo<S::Reply>>,
    parking: Parking<S::Reply>,
    clock: ShardClock,
    /// What it asks for, and the high watermark at which it is done. Bounded by the shard: it asks for one
    /// thing of each kind at a time of what it holds.
    effects: VecDeque<(Offset, S::Effect)>,
    /// End of what the shard wrote last.
    written_end: Offset,
    /// Whether the shard was told that it is loaded.
    is_told: bool,
    /// What is due waits only for what was taken from the queue by now.
    has_heard: bool,
    next_expiry: Duration,
}

/// What one turn came to.
struct Turn<S: Shard> {
    batches: Batches,
    replies: Vec<Addressed<S::Reply>>,
    effects: Vec<S::Effect>,
}

impl<S: Shard> Task<S> {
    pub(super) fn new(
        shared: Arc<Shared<S>>,
        partition: Arc<Partition>,
        seat: Arc<Seat<S>>,
        events: mpsc::Receiver<Event<S>>,
    ) -> Task<S> {
        let waiter = FetchWaiter::new();
        partition.register(&waiter);
        let clock = ShardClock::new(shared.env.clock.clone());
        Task {
            shared,
            partition,
            seat,
            events,
            waiter,
            taken: VecDeque::new(),
            waiting: HashMap::new(),
            parking: Parking::default(),
            effects: VecDeque::new(),
            clock,
            written_end: Offset::default(),
            is_told: false,
            has_heard: false,
            next_expiry: Duration::MAX,
        }
    }

    /// Runs until the partition is deleted or the broker is gone.
    pub(super) async fn run(mut self) {
        loop {
            match self.load().await {
                Ok(()) => {}
                Err(Unload::Gone) => return self.unload(CoordinatorError::NotCoordinator),
                Err(reason) => {
                    self.seat.set_phase(Phase::Failed);
                    self.report(&reason);
                    self.unload(CoordinatorError::NotCoordinator);
                    if self.wait_for_change().await == Err(Unload::Gone) {
                        return;
                    }
                    continue;
                }
            }
            self.seat.set_phase(Phase::Serving);
            let reason = self.serve().await;
            self.seat.set_phase(Phase::Loading);
            self.unload(CoordinatorError::NotCoordinator);
            if reason == Unload::Gone {
                return;
            }
            self.report(&reason);
            // What panicked will do so again: not as fast as the log can be read.
            if matches!(reason, Unload::Fault(_)) {
                time::sleep(LOAD_AGAIN).await;
            }
        }
    }

    fn report(&self, reason: &Unload) {
        let (topic, partition) = (self.partition.topic(), self.partition.topic_partition().partition);
        tracing::error!(%topic, partition, %reason, "a coordinator's shard is unloaded");
    }

    /// Tells everybody who waits, and forgets the shard.
    fn unload(&mut self, error: CoordinatorError) {
        *self.seat.shard.lock() = None;
        self.parking.fail_all(error);
        self.effects.clear();
        while let Ok(event) = self.events.try_recv() {
            self.taken.push_back(event);
        }
        self.taken.drain(..).for_each(|event| event.fail(error));
        self.waiting.drain().for_each(|(_, reply_to)| drop(reply_to.send(Err(error))));
    }

    /// A partition that stopped may serve again, or go.
    async fn wait_for_change(&mut self) -> Result<(), Unload> {
        loop {
            match self.partition.status() {
                PartitionStatus::Deleted => return Err(Unload::Gone),
                PartitionStatus::Online => {
                    time::sleep(LOAD_AGAIN).await;
                    return Ok(());
                }
                PartitionStatus::Stopped(_) => self.waiter.woken().await,
            }
        }
    }

    async fn load(&mut self) -> Result<(), Unload> {
        let shared = self.shared.clone();
        let lane = shared.loading.acquire().await.map_err(|_| Unload::Gone)?;
        // What was appended by a shard that is unloaded since is in the log: it counts.
        let end = self.partition.watermarks().log_end_offset;
        self.partition.committed(end).await?;
        let load_bytes = self.look()?.rules.load_bytes;
        let began = self.shared.env.clock.monotonic();
        let loaded = load_aside::<S>(&self.partition, load_bytes, &shared).await;
        // Before one that cannot be read waits for its end: the others have to load.
        drop(lane);
        let (shard, loaded) = match loaded {
            Ok(loaded) => loaded,
            Err(LoadError::Stopping) => return Err(Unload::Gone),
            Err(error) if error.may_pass() => return Err(Unload::Unwritten(error.to_string())),
            Err(error) => return self.unreadable(&error.to_string()).await,
        };
        let took_ms = self.shared.env.clock.monotonic().saturating_sub(began).as_millis();
        let (topic, partition) = (self.partition.topic(), self.partition.topic_partition().partition);
        let (records, bytes) = (loaded.records, loaded.bytes);
        tracing::debug!(%topic, partition, records, bytes, took_ms, "a coordinator's shard is loaded");
        *self.seat.shard.lock() = Some(shard);
        self.written_end = end;
        self.is_told = false;
        self.clock = ShardClock::new(self.shared.env.clock.clone());
        Ok(())
    }

    /// Trying again would find the same: the log stays as it is, for somebody to look at.
    async fn unreadable(&mut self, reason: &str) -> Result<(), Unload> {
        let (topic, partition) = (self.partition.topic(), self.partition.topic_partition().partition);
        tracing::error!(%topic, partition, reason, "a coordinator's shard cannot be loaded; others go on");
        self.seat.set_phase(Phase::Failed);
        while self.partition.status() != PartitionStatus::Deleted {
            self.waiter.woken().await;
        }
        Err(Unload::Gone)
    }

    fn look(&self) -> Result<Surroundings<S::Settings>, Unload> {
        self.shared.world.look().ok_or(Unload::Gone)
    }

    async fn serve(&mut self) -> Unload {
        loop {
            if let Err(reason) = self.step().await {
                return reason;
            }
        }
    }

    /// Waits for something to do and does it.
    async fn step(&mut self) -> Result<(), Unload> {
        if self.is_told && self.taken.is_empty() {
            self.wait().await;
        }
        self.release()?;
        let world = self.look()?;
        if self.is_told && matches!(self.taken.front(), Some(Event::End(_))) {
            return self.end_transactions(world.rules.timeout).await;
        }
        let is_due = self.is_due();
        if is_due {
            self.hear();
        }
        let writes = is_due || !self.is_told || self.taken.iter().any(Event::may_write);
        let credits = match writes {
            true => self.admit(&[BATCH_BYTES; BATCHES_RESERVED], world.rules.timeout).await?,
            false => None,
        };
        let may_write = credits.is_some();
        if writes && !may_write {
            self.refuse_writes();
        }
        if may_write || self.is_told {
            let turn = catch_unwind(AssertUnwindSafe(|| self.turn(&world, may_write)));
            let turn = turn.map_err(|_| Unload::Fault("a panic"))??;
            self.write(turn, credits, &world).await?;
        }
        Ok(())
    }

    /// Something is due: all that lies in the queue by now is run before it, so that nobody is taken for dead
    /// who was not listened to. Once, or what is due would wait for as long as somebody asks.
    fn hear(&mut self) {
        if !std::mem::replace(&mut self.has_heard, true) {
            for _ in 0..QUEUE_MAX {
                let Ok(event) = self.events.try_recv() else { break };
                self.taken.push_back(event);
            }
        }
    }

    /// Waits until there may be something to do.
    async fn wait(&mut self) {
        let wait = self.wait_max();
        let mut deadline = Deadline::after(wait);
        let has_room = self.parking.len() < PARKED_MAX;
        let mut taken = Vec::new();
        tokio::select! {
            () = self.waiter.woken() => {}
            () = deadline.passed() => {}
            () = self.seat.forgotten.some() => {}
            count = self.events.recv_many(&mut taken, EVENTS_MAX), if has_room => {
                if count == 0 {
                    // The seat is ours, and with it the queue's other end.
                    pending::<()>().await;
                }
            }
        }
        self.taken.extend(taken);
        // Also when it was woken for something else: what is due again and again must not hold up requests.
        while has_room
            && self.taken.len() < EVENTS_MAX
            && let Ok(event) = self.events.try_recv()
        {
            self.taken.push_back(event);
        }
    }

    fn wait_max(&self) -> Duration {
        let monotonic = self.shared.env.clock.monotonic();
        let shard = self.next_deadline().map(|deadline| self.clock.wait(deadline));
        let parked = self.parking.first_until().map(|until| until.saturating_sub(monotonic));
        let expiry = self.next_expiry.saturating_sub(monotonic);
        if self.seat.first_notice().is_some() {
            return Duration::ZERO;
        }
        [shard, parked, Some(expiry)].into_iter().flatten().min().unwrap_or(IDLE).min(IDLE)
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.seat.shard.lock().as_ref().and_then(S::next_deadline)
    }

    fn is_due(&mut self) -> bool {
        let planned = self.next_deadline();
        let now = self.clock.now(planned);
        planned.is_some_and(|deadline| deadline <= now)
            || self.seat.first_notice().is_some()
            || self.next_expiry <= self.shared.env.clock.monotonic()
    }

    /// Lets go the replies whose time has come, one way or the other.
    fn release(&mut self) -> Result<(), Unload> {
        match self.partition.status() {
            PartitionStatus::Online => {}
            PartitionStatus::Stopped(reason) => return Err(Unload::Unwritten(reason.to_string())),
            PartitionStatus::Deleted => return Err(Unload::Gone),
        }
        let high_watermark = self.partition.watermarks().high_watermark;
        self.parking.release(high_watermark);
        while let Some((_, effect)) = self.effects.pop_front_if(|(end, _)| *end <= high_watermark) {
            self.shared.world.perform(self.partition.topic_partition(), effect);
        }
        self.parking.give_up(self.shared.env.clock.monotonic());
        let forgotten = self.seat.forgotten.take();
        if let Some(shard) = self.seat.shard.lock().as_mut() {
            for ticket in forgotten {
                // One that is not here is answered, or still in the queue: then it is run all the same, as
                // a member may say that it leaves and not listen to the answer.
                if self.waiting.remove(&ticket).is_some() {
                    shard.forget(ticket);
                }
            }
        }
        Ok(())
    }

    /// Room for what a turn writes, before it is run: so that a full disk costs no state. Replies leave while
    /// it waits.
    async fn admit(&mut self, payloads: &[usize], patience: Duration) -> Result<Option<Credits>, Unload> {
        let shared = self.shared.clone();
        let mut admission = std::pin::pin!(shared.storage.admit(Purpose::Records, payloads, patience));
        loop {
            let waiter = self.waiter.clone();
            tokio::select! {
                biased;
                admitted = &mut admission => return match admitted {
                    Ok(credits) => Ok(Some(credits)),
                    Err(AdmissionError::Failed(error)) => Err(Unload::Unwritten(error.to_string())),
                    Err(error) => {
                        let topic = self.partition.topic();
                        tracing::warn!(%topic, %error, "a coordinator cannot write");
                        Ok(None)
                    }
                },
                () = waiter.woken() => self.release()?,
            }
        }
    }

    /// The log has no room: requests that would write must come again.
    fn refuse_writes(&mut self) {
        let is_told = self.is_told;
        let (refused, left): (VecDeque<_>, VecDeque<_>) =
            self.taken.drain(..).partition(|event| !is_told || event.may_write());
        self.taken = left;
        refused.into_iter().for_each(|event| event.fail(CoordinatorError::NotAvailable));
    }

    /// Runs what is due and what was taken, until its records fill a batch. Waits for nothing.
    fn turn(&mut self, world: &Surroundings<S::Settings>, may_write: bool) -> Result<Turn<S>, Unload> {
        let seat = self.seat.clone();
        let mut shard = seat.shard.lock();
        let shard = shard.as_mut().ok_or(Unload::Fault("it is not loaded"))?;
        let random = self.shared.env.random.clone();
        let times = self.shared.storage.times();
        let moment = Moment {
            monotonic: self.clock.now(shard.next_deadline()),
            wall: times.stamp,
            believed: times.believed,
            settings: world.settings.as_ref(),
            batch_bytes_max: world.rules.batch_bytes_max,
            image: &world.image,
            leader_epoch: self.partition.leader_epoch(),
            random: random.as_ref(),
        };
        let batches = Batches::new(world.rules.compression, moment.wall);
        let mut turn = Turn { batches, replies: Vec::new(), effects: Vec::new() };
        if may_write {
            self.tell(shard, &mut turn, moment, world.rules.expiry_interval);
        }
        while !turn.batches.are_full()
            && let Some(Event::Request(requested)) =
                self.taken.pop_front_if(|event| matches!(event, Event::Request(_)))
        {
            let Requested { ticket, request, reply_to } = requested;
            self.waiting.insert(ticket, reply_to);
            let output = shard.request(moment, ticket, request);
            self.take(shard, output, &mut turn, moment);
            if self.waiting.get(&ticket).is_some_and(ReplyTo::is_closed) {
                self.waiting.remove(&ticket);
                shard.forget(ticket);
            }
        }
        // A member whose heartbeat waits is not dead.
        if may_write && self.taken.is_empty() {
            self.has_heard = false;
            self.run_due(shard, &mut turn, moment, world.rules.expiry_interval);
        }
        Ok(turn)
    }

    /// A shard that was loaded hears of it before anything else.
    fn tell(
        &mut self,
        shard: &mut S,
        turn: &mut Turn<S>,
        moment: Moment<'_, S::Settings>,
        expiry_interval: Duration,
    ) {
        if !std::mem::replace(&mut self.is_told, true) {
            self.next_expiry = self.shared.env.clock.monotonic().saturating_add(expiry_interval);
            let output = shard.loaded(moment);
            self.take(shard, output, turn, moment);
        }
    }

    /// Runs what nobody asks for.
    fn run_due(
        &mut self,
        shard: &mut S,
        turn: &mut Turn<S>,
        moment: Moment<'_, S::Settings>,
        expiry_interval: Duration,
    ) {
        let now = self.shared.env.clock.monotonic();
        if shard.next_deadline().is_some_and(|deadline| deadline <= moment.monotonic) {
            let output = shard.advance(moment);
            self.take(shard, output, turn, moment);
        }
        if self.next_expiry <= now {
            let output = shard.expire(moment);
            // Where there was something there may be more.
            let wait = if output.records.is_empty() { expiry_interval } else { Duration::ZERO };
            self.next_expiry = now.saturating_add(wait);
            self.take(shard, output, turn, moment);
        }
        if let Some(notice) = self.seat.first_notice() {
            let output = shard.notice(moment, &notice);
            if output.records.is_empty() {
                self.seat.heard();
            }
            self.take(shard, output, turn, moment);
        }
    }

    /// Applies and gathers what one call of the shard gave. What is too large for the log fails by itself:
    /// none of it was applied.
    fn take(
        &mut self,
        shard: &mut S,
        output: Output<S>,
        turn: &mut Turn<S>,
        moment: Moment<'_, S::Settings>,
    ) {
        let Output { records, may_be_divided, divisible, in_transaction, replies, effects, counted } = output;
        let bytes_max = moment.batch_bytes_max;
        let parts = match may_be_divided {
            true => divided::<S>(records, PART_BYTES.min(bytes_max), |_| true),
            false => divided_if_too_large::<S>(records, bytes_max, &divisible),
        };
        let mut is_too_large = false;
        for Part { records, encoded, bytes } in parts {
            if bytes > bytes_max {
                is_too_large = true;
                self.refuse(shard, &records, turn, moment);
                continue;
            }
            turn.batches.add(&encoded);
            records.into_iter().for_each(|record| shard.replay(record));
        }
        let mut written = if is_too_large { Err(CoordinatorError::TooLarge) } else { Ok(()) };
        if let Some(in_transaction) = in_transaction {
            written = written.and(self.take_in_transaction(shard, in_transaction, turn, bytes_max));
        }
        if written.is_ok() {
            turn.effects.extend(effects);
            self.shared.counted.fetch_add(counted, Ordering::Relaxed);
        }
        for (ticket, reply) in replies {
            if let Some(reply_to) = self.waiting.remove(&ticket) {
                turn.replies.push((reply_to, written.map(|()| reply)));
            }
        }
    }

    /// The same with records of a producer's transaction. They are refused where it is not open: before they
    /// are applied, as what is applied must be written. Nothing comes in between: only this task writes
    /// transactions and markers to the partition.
    fn take_in_transaction(
        &self,
        shard: &mut S,
        InTransaction { pass, records }: InTransaction<S::Record>,
        turn: &mut Turn<S>,
        bytes_max: usize,
    ) -> Result<(), CoordinatorError> {
        let encoded: Vec<Encoded> = records.iter().map(S::encode).collect();
        if Batches::bytes_of(&encoded) > bytes_max {
            return Err(CoordinatorError::TooLarge);
        }
        let write = turn.batches.in_transaction(&encoded, pass);
        self.partition.check_transaction(&write.batch, write.appender).map_err(|error| match error {
            AppendError::InvalidProducerEpoch(_) => CoordinatorError::InvalidProducerEpoch,
            AppendError::InvalidTransactionState(_) => CoordinatorError::InvalidTransactionState,
            _ => CoordinatorError::NotCoordinator,
        })?;
        turn.batches.add_write(write);
        records.into_iter().for_each(|record| shard.replay_in_transaction(pass.producer_id, record));
        Ok(())
    }

    fn refuse(
        &mut self,
        shard: &mut S,
        records: &[S::Record],
        turn: &mut Turn<S>,
        moment: Moment<'_, S::Settings>,
    ) {
        let (topic, partition) = (self.partition.topic(), self.partition.topic_partition().partition);
        let records_count = records.len();
        let reason = "more at once than max.message.bytes allows";
        tracing::error!(%topic, partition, records_count, reason, "records of a coordinator are not written");
        let output = shard.unwritten(moment, records);
        for (ticket, reply) in output.replies {
            turn.replies.extend(self.waiting.remove(&ticket).map(|reply_to| (reply_to, Ok(reply))));
        }
    }

    /// Appends what a turn gave, and parks its replies.
    async fn write(
        &mut self,
        turn: Turn<S>,
        credits: Option<Credits>,
        world: &Surroundings<S::Settings>,
    ) -> Result<(), Unload> {
        let Turn { batches, replies, effects } = turn;
        let until = self.shared.env.clock.monotonic().saturating_add(world.rules.timeout);
        let appended = self.append(batches.build(), credits, world.rules.timeout).await;
        // Before an error is looked at: they are told with all others then.
        if !replies.is_empty() {
            self.parking.park(self.written_end, until, replies);
        }
        appended?;
        self.effects.extend(effects.into_iter().map(|effect| (self.written_end, effect)));
        self.release()
    }

    async fn append(
        &mut self,
        writes: Vec<Write>,
        mut credits: Option<Credits>,
        patience: Duration,
    ) -> Result<(), Unload> {
        for (index, Write { batch, appender }) in writes.into_iter().enumerate() {
            let mut own;
            let credits = match &mut credits {
                Some(credits) if index < BATCHES_RESERVED && batch.bytes.len() <= BATCH_BYTES => credits,
                // More than a turn usually writes.
                _ => {
                    let payloads = [batch.bytes.len()];
                    let admitted = self.shared.storage.admit(Purpose::Records, &payloads, patience).await;
                    own = admitted.map_err(|error| Unload::Unwritten(error.to_string()))?;
                    &mut own
                }
            };
            match self.shared.storage.append_by(appender, &self.partition, credits, &batch)? {
                Admission::Appended { end_offset, .. } => self.written_end = end_offset,
                // Of a producer, which a shard is not.
                Admission::Duplicate { .. } => {
                    return Err(Unload::Fault("its batch was taken for a duplicate"));
                }
            }
        }
        Ok(())
    }
}

/// Records that go into one batch.
struct Part<S: Shard> {
    records: Vec<S::Record>,
    encoded: Vec<Encoded>,
    bytes: usize,
}

impl<S: Shard> Part<S> {
    fn append(&mut self, other: Part<S>) {
        self.records.extend(other.records);
        self.encoded.extend(other.encoded);
        self.bytes += other.bytes;
    }
}

/// Records in parts of no more than so many bytes, but for pieces that are larger by themselves: a piece
/// begins where `may_begin` says so.
fn divided<S: Shard>(
    records: Vec<S::Record>,
    part_bytes: usize,
    may_begin: impl Fn(usize) -> bool,
) -> Vec<Part<S>> {
    let mut pieces: Vec<Part<S>> = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        let encoded = S::encode(&record);
        let bytes = Batches::bytes_of(std::slice::from_ref(&encoded));
        let one = Part { records: vec![record], encoded: vec![encoded], bytes };
        match pieces.last_mut().filter(|_| !may_begin(index)) {
            Some(piece) => piece.append(one),
            None => pieces.push(one),
        }
    }
    let mut parts: Vec<Part<S>> = Vec::new();
    for piece in pieces {
        match parts.last_mut().filter(|part| part.bytes.saturating_add(piece.bytes) <= part_bytes) {
            Some(part) => part.append(piece),
            None => parts.push(piece),
        }
    }
    parts
}

/// All in one part, unless that is larger than a batch may be and parts that are not can be made of it.
fn divided_if_too_large<S: Shard>(
    records: Vec<S::Record>,
    bytes_max: usize,
    divisible: &Range<usize>,
) -> Vec<Part<S>> {
    let may_begin = |index| !divisible.is_empty() && (divisible.start..=divisible.end).contains(&index);
    let parts = divided::<S>(records, bytes_max, may_begin);
    if parts.iter().all(|part| part.bytes <= bytes_max) {
        return parts;
    }
    // Nothing of it is written: what stands behind the part that is not would say more than is so.
    let whole = parts.into_iter().reduce(|mut whole, part| {
        whole.append(part);
        whole
    });
    whole.into_iter().collect()
}
