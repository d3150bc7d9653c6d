use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use uuid::Uuid;

use super::credit::{Credit, Space};
use super::error::NoCredit;
use super::frame::{ENTRY_HEADER_BYTES, FRAME_ALIGNMENT};
use super::group::pool::Pool;
use super::group::{Group, GroupSlice, PlacedGroup};
use super::options::{EntryHeader, Lsn, ReplayStart};
use super::ring::{Placement, Ring, WalStatus};

/// Where an entry went.
#[derive(Clone, Debug)]
pub struct Appended {
    /// Position of the entry; grows with every append.
    pub lsn: Lsn,
    /// Its payload, once the group is sealed.
    pub slice: GroupSlice,
}

/// Why `WalWriter::wait` returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// There is a group to write.
    Work,
    /// Nothing came in time: a good moment for `idle`.
    TimedOut,
    /// `shut_down` was called and nothing is left to write.
    ShutDown,
}

struct Filling<M> {
    group: Group<M>,
    /// LSN at which the filling group's frame will begin.
    start: Lsn,
    /// Groups that are full and wait for the writer. Bounded by credits.
    closed: VecDeque<PlacedGroup<M>>,
    /// How many hold the group that fills open: see [`WalAppender::together`].
    held: u32,
    shut_down: bool,
    failed: bool,
}

/// What appenders and the writer share.
pub(super) struct Shared<M> {
    filling: Mutex<Filling<M>>,
    work: Condvar,
    pub(super) space: Arc<Space>,
    durable_lsn: AtomicU64,
    pub(super) wal_id: Uuid,
    pub(super) incarnation: u64,
    pub(super) pool: Arc<Pool>,
    group_bytes_max: usize,
}

impl<M> Shared<M> {
    pub(super) fn new(space: Arc<Space>, start: ReplayStart, group_bytes_max: usize) -> Shared<M> {
        let pool = Arc::new(Pool::default());
        let filling = Filling {
            group: Group::new(0, &pool),
            start: start.lsn,
            closed: VecDeque::new(),
            held: 0,
            shut_down: false,
            failed: false,
        };
        Shared {
            filling: Mutex::new(filling),
            work: Condvar::new(),
            space,
            durable_lsn: AtomicU64::new(start.lsn.0),
            wal_id: start.wal_id,
            incarnation: start.incarnation,
            pool,
            group_bytes_max,
        }
    }

    pub(super) fn durable_lsn(&self) -> Lsn {
        Lsn(self.durable_lsn.load(Ordering::Acquire))
    }

    pub(super) fn set_durable_lsn(&self, lsn: Lsn) {
        self.durable_lsn.store(lsn.0, Ordering::Release);
    }

    /// The next group to write, in order of LSN; the one that fills is closed if no other waits.
    pub(super) fn take_group(&self) -> Option<PlacedGroup<M>> {
        let mut filling = self.filling.lock();
        if filling.closed.is_empty() && filling.held == 0 {
            filling.close(&self.space, &self.pool);
        }
        filling.closed.pop_front()
    }

    /// The place of an empty frame, unless there are entries to write or no space to spare.
    pub(super) fn take_idle(&self) -> Option<(Lsn, Placement)> {
        let mut filling = self.filling.lock();
        if !filling.closed.is_empty() || !filling.group.is_empty() {
            return None;
        }
        let lsn = filling.start;
        let end = lsn.plus(FRAME_ALIGNMENT);
        let placement = self.space.ring().place_unreserved(FRAME_ALIGNMENT, end)?;
        filling.start = end;
        Some((lsn, placement))
    }

    /// Drops what waits, and from now on everything that is appended: nothing will be committed any more.
    pub(super) fn fail(&self) {
        self.space.fail();
        let mut filling = self.filling.lock();
        filling.failed = true;
        let lost = std::mem::take(&mut filling.closed);
        let group = std::mem::replace(&mut filling.group, Group::new(0, &self.pool));
        drop(filling);
        // Outside the lock: dropping a member may run its owner's code.
        drop((lost, group));
    }

    pub(super) fn wait(&self, timeout: Duration) -> Wake {
        let mut filling = self.filling.lock();
        let idle = |filling: &mut Filling<M>| !filling.has_work() && !filling.shut_down;
        self.work.wait_while_for(&mut filling, idle, timeout);
        if filling.has_work() {
            Wake::Work
        } else if filling.shut_down {
            Wake::ShutDown
        } else {
            Wake::TimedOut
        }
    }
}

impl<M> Filling<M> {
    fn has_work(&self) -> bool {
        !self.closed.is_empty() || (!self.group.is_empty() && self.held == 0)
    }

    /// Remembers the member, or gives it back if nothing will be committed any more.
    fn accept(&mut self, member: M) -> Option<M> {
        if self.failed {
            return Some(member);
        }
        self.group.remember(member);
        None
    }

    /// Gives the filling group its place, and opens the next one.
    fn close(&mut self, space: &Space, pool: &Pool) {
        if self.group.is_empty() {
            return;
        }
        // The next buffer starts at this one's size: small groups must not pin large buffers.
        let next = Group::new(self.group.len(), pool);
        let group = std::mem::replace(&mut self.group, next);
        let lsn = self.start;
        let padded = group.padded_bytes();
        self.start = lsn.plus(padded);
        let placement = match group.dedicated() {
            Some(number) => space.ring().place_dedicated(number, padded, self.start),
            None => space.ring().place(padded, self.start),
        };
        self.closed.push_back(PlacedGroup { group, lsn, placement });
    }
}

/// The log as those see it who append. Any number of threads; `append` takes about a microsecond.
pub struct WalAppender<M> {
    pub(super) shared: Arc<Shared<M>>,
}

impl<M: Send> WalAppender<M> {
    /// Reserves pre-written space for one entry with a payload of `bytes`.
    pub fn try_reserve(&self, bytes: u64) -> Result<Credit, NoCredit> {
        self.try_reserve_all([usize::try_from(bytes).map_err(|_| NoCredit::TooLarge)?])
    }

    /// Reserves pre-written space for entries with payloads of these lengths: for all or none.
    pub fn try_reserve_all(&self, payloads: impl IntoIterator<Item = usize>) -> Result<Credit, NoCredit> {
        self.shared.space.reserve(payloads)
    }

    /// Completes when credit may have grown since the call. Take it *before* `try_reserve` is tried again,
    /// then await it if that fails, and bound the wait.
    pub fn credit_available(&self) -> impl Future<Output = ()> + Send + '_ {
        self.shared.space.grown()
    }

    /// Copies an entry into the filling group, lets `patch` change the copy, and remembers `member`, which
    /// the writer hands back with the commit. If the log has failed, the member is dropped instead.
    ///
    /// # Panics
    /// If the credit was not reserved for this entry.
    pub fn append(
        &self,
        credit: &mut Credit,
        header: EntryHeader,
        payload: &[u8],
        patch: impl FnOnce(&mut [u8]),
        member: M,
    ) -> Appended {
        let oversized = credit.is_oversized(payload.len());
        let mut filling = self.shared.filling.lock();
        let full = filling.group.len() + ENTRY_HEADER_BYTES + payload.len() > self.shared.group_bytes_max;
        if full || oversized {
            filling.close(&self.shared.space, &self.shared.pool);
        }
        let was_empty = filling.group.is_empty();
        let before = filling.group.padded_bytes();
        let (offset, slice) = filling.group.push(&header, payload, patch, &self.shared.pool);
        if oversized {
            filling.group.dedicate(credit.take_file(payload.len()));
        } else {
            // Entries share a frame's padding, so this is mostly less than what was reserved.
            credit.pay(filling.group.padded_bytes() - before);
        }
        let lsn = filling.start.plus(offset as u64);
        let rejected = filling.accept(member);
        if oversized {
            filling.close(&self.shared.space, &self.shared.pool);
        }
        drop(filling);
        drop(rejected);
        if was_empty {
            self.shared.work.notify_one();
        }
        Appended { lsn, slice }
    }

    /// Keeps the writer from taking the group that fills until this is dropped, so that entries which are
    /// appended meanwhile, as many and as large as told, share it: one commit for all. Not to be held over a
    /// wait: everybody's commits wait for it.
    pub fn together(&self, entries: usize, payload_bytes: usize) -> Together<'_, M> {
        let mut filling = self.shared.filling.lock();
        let bytes = entries.saturating_mul(ENTRY_HEADER_BYTES + payload_bytes);
        if filling.group.len().saturating_add(bytes) > self.shared.group_bytes_max {
            filling.close(&self.shared.space, &self.shared.pool);
        }
        filling.held += 1;
        Together { shared: &self.shared }
    }

    /// Blocks until nobody holds the group that fills; whether somebody did.
    pub fn wait_until_let_go(&self) -> bool {
        let mut filling = self.shared.filling.lock();
        let was_held = filling.held > 0;
        self.shared.work.wait_while(&mut filling, |filling| filling.held > 0);
        was_held
    }

    /// Exclusive end of what `fdatasync` has returned for, in either mode.
    pub fn durable_lsn(&self) -> Lsn {
        self.shared.durable_lsn()
    }

    /// Exclusive end of the last append, before padding.
    pub fn appended_lsn(&self) -> Lsn {
        let filling = self.shared.filling.lock();
        if filling.group.is_empty() { filling.start } else { filling.start.plus(filling.group.len() as u64) }
    }

    /// Where replay has to begin to see everything at and above `below`: kept in the checkpoint.
    pub fn replay_start(&self, below: Lsn) -> ReplayStart {
        let mark = self.shared.space.ring().mark_below(below);
        Ring::replay_start(mark, self.shared.wal_id, self.shared.incarnation)
    }

    /// Frees the files that lie wholly below. Call it once a checkpoint with `replay_start(below)` is
    /// durable.
    pub fn trim(&self, below: Lsn) {
        let grown = self.shared.space.ring().trim(below);
        self.shared.space.call_provisioner();
        if grown {
            self.shared.space.announce();
        }
    }

    /// How full the log is.
    pub fn status(&self) -> WalStatus {
        self.shared.space.ring().status()
    }

    /// Blocks until there is a group to write, the time is over, or the log is shut down.
    pub fn wait(&self, timeout: Duration) -> Wake {
        self.shared.wait(timeout)
    }

    /// No more credit; the writer's `wait` says so once everything appended is written.
    pub fn shut_down(&self) {
        self.shared.space.stop();
        self.shared.filling.lock().shut_down = true;
        self.shared.work.notify_all();
    }
}

/// Entries that are to share a group, as long as it lives; see [`WalAppender::together`].
pub struct Together<'a, M> {
    shared: &'a Shared<M>,
}

impl<M> Drop for Together<'_, M> {
    fn drop(&mut self) {
        self.shared.filling.lock().held -= 1;
        // The writer, and who waits for this.
        self.shared.work.notify_all();
    }
}
