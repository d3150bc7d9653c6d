//! The process's budget for request memory (`queued.max.request.bytes`).
//!
//! A request is charged before memory is taken for it: a first piece before its socket is read, more as its
//! buffer grows, and what the guard foresees for its decoded form. While the budget is exhausted no request
//! is begun. Requests that were begun could then wait for each other for ever, so that *one* of them at a
//! time may go beyond the budget.
//!
//! A part of the budget is for small requests alone: who sends many big ones slowly cannot keep others from
//! beginning. A request that outgrows that part gives back what it took of it.
//!
//! Long polls wait for what may never happen. What they keep is counted beside the budget, so that they keep
//! no request from beginning; those that find no room there do not wait.
//!
//! So the process never holds more than the budget, the part of it more for long polls, and one request.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::telemetry::Metrics;

/// Bytes of one permit.
const UNIT_BYTES: u64 = 1024;

/// Charged for a request before its first byte is read; also how much is read at once while its length is
/// unknown.
pub(super) const FIRST_CHARGE_BYTES: usize = 4096;

/// A request may take from the part for small ones as long as it is charged no more than this.
const SMALL_BYTES: u64 = 64 * 1024;

/// The part for small requests is the budget's size divided by this; none if it would not hold one of them.
const SMALL_DIVISOR: u64 = 8;

/// What long polls may keep is the budget's size divided by this.
const LONG_POLLS_DIVISOR: u64 = 4;

/// Memory that requests may take.
pub(super) struct MemoryBudget {
    /// Units that are free, without those for small requests.
    free: Semaphore,
    /// Units that are free for small requests alone.
    small: Semaphore,
    /// Units that long polls may take beside.
    long_polls: Semaphore,
    /// One permit: the right to go beyond.
    overdraft: Semaphore,
    metrics: Arc<Metrics>,
}

impl MemoryBudget {
    /// A budget of `bytes_max`, but at least of a first charge. What is in use is told to `metrics`.
    pub(super) fn new(bytes_max: u64, metrics: Arc<Metrics>) -> Arc<MemoryBudget> {
        let bytes_max = bytes_max.max(FIRST_CHARGE_BYTES as u64);
        let semaphore = |bytes| Semaphore::new(units(bytes) as usize);
        let small = Some(bytes_max / SMALL_DIVISOR).filter(|bytes| *bytes >= SMALL_BYTES).unwrap_or(0);
        Arc::new(MemoryBudget {
            free: semaphore(bytes_max - small),
            small: semaphore(small),
            long_polls: semaphore(bytes_max / LONG_POLLS_DIVISOR),
            overdraft: Semaphore::new(1),
            metrics,
        })
    }

    /// Waits until a request may be begun.
    pub(super) async fn begin(self: &Arc<MemoryBudget>) -> Charge {
        let mut charge = Charge::nothing(self);
        let units = units(FIRST_CHARGE_BYTES as u64);
        tokio::select! {
            biased;
            () = take(&self.free, units) => charge.took(units),
            () = take(&self.small, units) => charge.took_small(units),
        }
        charge
    }

    /// The same without waiting, if there is room.
    pub(super) fn try_begin(self: &Arc<MemoryBudget>) -> Option<Charge> {
        let mut charge = Charge::nothing(self);
        let units = units(FIRST_CHARGE_BYTES as u64);
        if try_take(&self.free, units) {
            charge.took(units);
        } else if try_take(&self.small, units) {
            charge.took_small(units);
        } else {
            return None;
        }
        Some(charge)
    }

    /// Bytes that are not charged to anybody.
    #[cfg(test)]
    pub(super) fn free_bytes(&self) -> u64 {
        (self.free.available_permits() + self.small.available_permits()) as u64 * UNIT_BYTES
    }
}

/// Units that hold `bytes`. A request has at most 2 GiB, so the number fits.
fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

/// Waits for permits and keeps them.
async fn take(semaphore: &Semaphore, permits: u32) {
    semaphore.acquire_many(permits).await.expect("the semaphore is never closed").forget();
}

/// Keeps permits if they are free.
fn try_take(semaphore: &Semaphore, permits: u32) -> bool {
    semaphore.try_acquire_many(permits).map(SemaphorePermit::forget).is_ok()
}

/// What one request, or one buffer of requests, holds of the budget; given back on drop.
pub(super) struct Charge {
    budget: Arc<MemoryBudget>,
    /// Units taken from `free`.
    units: u32,
    /// Units taken from `small`.
    small_units: u32,
    /// Whether the request holds the overdraft: what it takes further is not counted.
    overdrawn: bool,
    /// The charge of the buffer in which the request lies with others.
    buffer: Option<Arc<Charge>>,
}

impl Charge {
    fn nothing(budget: &Arc<MemoryBudget>) -> Charge {
        Charge { budget: budget.clone(), units: 0, small_units: 0, overdrawn: false, buffer: None }
    }

    /// Nothing beyond what is charged for the buffer, which is held as long as this.
    pub(super) fn within(buffer: Arc<Charge>) -> Charge {
        let mut charge = Charge::nothing(&buffer.budget);
        charge.buffer = Some(buffer);
        charge
    }

    /// Holds the buffer's charge no longer.
    pub(super) fn leave_buffer(&mut self) {
        self.buffer = None;
    }

    /// Whether this or its buffer is the one that may go beyond the budget.
    fn goes_beyond(&self) -> bool {
        self.overdrawn || self.buffer.as_ref().is_some_and(|buffer| buffer.overdrawn)
    }

    /// Raises the charge to `bytes`, the buffer's not counted, if it is lower; waits as `grow` does.
    pub(super) async fn grow_to(&mut self, bytes: u64) {
        let charged = u64::from(self.units + self.small_units) * UNIT_BYTES;
        self.grow(bytes.saturating_sub(charged)).await;
    }

    /// Raises the charge by `bytes` if they are free; takes nothing of the part for small requests.
    pub(super) fn try_grow(&mut self, bytes: u64) -> bool {
        let more = units(bytes);
        let taken = try_take(&self.budget.free, more);
        if taken {
            self.took(more);
        }
        taken
    }

    /// Raises the charge by `bytes`; waits until they, or the overdraft, are free.
    pub(super) async fn grow(&mut self, bytes: u64) {
        let more = units(bytes);
        if more == 0 || self.goes_beyond() {
            return;
        }
        let budget = self.budget.clone();
        let all = more.saturating_add(self.units + self.small_units);
        let is_small = u64::from(all) * UNIT_BYTES <= SMALL_BYTES;
        // What was small is not any more: all of it comes from the rest of the budget.
        let from_free = if is_small { more } else { more.saturating_add(self.small_units) };
        tokio::select! {
            biased;
            () = take(&budget.free, from_free) => {
                self.took(from_free);
                if !is_small {
                    self.release_small(self.small_units);
                }
            }
            () = take(&budget.small, more), if is_small => self.took_small(more),
            () = take(&budget.overdraft, 1) => self.overdrawn = true,
        }
    }

    /// Exchanges the charge for that of a long poll that keeps `bytes`. Gives the charge back if long polls
    /// keep too much already: then this one may not wait.
    pub(super) fn into_long_poll(self, bytes: u64) -> Result<LongPollCharge, Charge> {
        let (budget, units) = (self.budget.clone(), units(bytes));
        let Ok(permits) = budget.long_polls.try_acquire_many(units) else { return Err(self) };
        permits.forget();
        budget.metrics.request_memory_taken(u64::from(units) * UNIT_BYTES);
        Ok(LongPollCharge { budget, units })
    }

    fn took(&mut self, units: u32) {
        self.units += units;
        self.budget.metrics.request_memory_taken(u64::from(units) * UNIT_BYTES);
    }

    fn took_small(&mut self, units: u32) {
        self.small_units += units;
        self.budget.metrics.request_memory_taken(u64::from(units) * UNIT_BYTES);
    }

    fn release_small(&mut self, units: u32) {
        self.small_units -= units;
        self.budget.small.add_permits(units as usize);
        self.released(units);
    }

    fn released(&self, units: u32) {
        self.budget.metrics.request_memory_released(u64::from(units) * UNIT_BYTES);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.release_small(self.small_units);
        self.budget.free.add_permits(self.units as usize);
        self.released(self.units);
        if self.overdrawn {
            self.budget.overdraft.add_permits(1);
        }
    }
}

/// What one long poll holds beside the budget; given back on drop.
pub(super) struct LongPollCharge {
    budget: Arc<MemoryBudget>,
    units: u32,
}

impl Drop for LongPollCharge {
    fn drop(&mut self) {
        self.budget.long_polls.add_permits(self.units as usize);
        self.budget.metrics.request_memory_released(u64::from(self.units) * UNIT_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::model::Timestamp;

    fn budget(bytes_max: u64) -> Arc<MemoryBudget> {
        MemoryBudget::new(bytes_max, Metrics::new(Timestamp(0), 0))
    }

    fn now<F: Future>(future: F) -> Option<F::Output> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[test]
    fn one_request_at_a_time_goes_beyond_the_budget() {
        let budget = budget(10 * 1024);
        let mut first = now(budget.begin()).unwrap();
        let mut second = now(budget.begin()).unwrap();
        assert!(now(budget.begin()).is_none(), "2 KiB are free, 4 KiB are needed");
        now(first.grow(1 << 20)).expect("the overdraft is free");
        assert!(now(second.grow(1 << 20)).is_none(), "the overdraft is taken");
        now(first.grow(1 << 20)).expect("who has the overdraft goes on");
        drop(first);
        now(second.grow(1 << 20)).expect("the overdraft is free again");
        drop(second);
        assert_eq!(budget.free_bytes(), 10 * 1024);
    }

    #[test]
    fn requests_in_one_buffer_hold_its_charge_together() {
        let budget = budget(64 * 1024);
        let mut buffer = budget.try_begin().unwrap();
        assert!(buffer.try_grow(20 * 1024));
        assert!(!buffer.try_grow(60 * 1024), "the rest is less");
        let buffer = Arc::new(buffer);
        let mut first = Charge::within(buffer.clone());
        let second = Charge::within(buffer);
        now(first.grow_to(2 * 1024)).unwrap();
        now(first.grow_to(1024)).unwrap();
        assert_eq!(budget.free_bytes(), 38 * 1024);
        drop(second);
        first.leave_buffer();
        assert_eq!(budget.free_bytes(), 62 * 1024);
        drop(first);
        assert_eq!(budget.free_bytes(), 64 * 1024);
        let mut big = now(budget.begin()).unwrap();
        now(big.grow(1 << 20)).expect("the overdraft");
        let mut inside = Charge::within(Arc::new(big));
        now(inside.grow(1 << 20)).expect("a request whose buffer has the overdraft does not wait for it");
    }

    #[test]
    fn small_requests_begin_while_big_ones_hold_the_rest() {
        let budget = budget(1 << 20);
        let mut big = now(budget.begin()).unwrap();
        now(big.grow(892 * 1024)).expect("all but the part for small ones");
        assert_eq!(budget.free.available_permits(), 0);
        let mut overdrawn = now(budget.begin()).expect("the part for small ones");
        now(overdrawn.grow(61 * 1024)).expect("the overdraft");
        let mut growing = now(budget.begin()).unwrap();
        assert!(now(growing.grow(61 * 1024)).is_none(), "not small any more");
        let mut small = now(budget.begin()).unwrap();
        now(small.grow(60 * 1024)).expect("it is still small");
        assert_eq!(budget.free_bytes(), 56 * 1024);
        drop(big);
        now(growing.grow(61 * 1024)).expect("the rest has room");
        assert_eq!(growing.small_units, 0, "what it took as a small one is given back");
        drop((small, growing, overdrawn));
        assert_eq!(budget.free_bytes(), 1 << 20);
    }

    #[test]
    fn long_polls_have_room_of_their_own() {
        let budget = budget(64 * 1024);
        let begin = || now(budget.begin()).unwrap();
        let first = begin().into_long_poll(10 * 1024);
        assert_eq!(budget.free_bytes(), 64 * 1024, "a long poll is not in the budget");
        assert!(first.is_ok() && begin().into_long_poll(6 * 1024 + 1).is_err(), "a quarter of it is theirs");
        assert!(begin().into_long_poll(6 * 1024).is_ok());
        drop(first);
        assert!(begin().into_long_poll(16 * 1024).is_ok());
    }

    #[test]
    fn a_budget_below_the_first_charge_lets_one_request_begin() {
        let budget = budget(1);
        let charge = now(budget.begin());
        assert!(charge.is_some() && now(budget.begin()).is_none());
    }
}
