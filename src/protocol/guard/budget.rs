//! Budgets: how many bytes requests may hold at once, per connection and for the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A bound on bytes in use, shared by all that take from it.
#[derive(Debug)]
pub struct Budget {
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

impl Budget {
    /// A budget of `limit_bytes`, all of it free.
    pub fn new(limit_bytes: u64) -> Arc<Budget> {
        Arc::new(Budget { limit_bytes, used_bytes: AtomicU64::new(0) })
    }

    /// Takes `bytes` if they are free; they come back when the charge is dropped.
    ///
    /// A charge larger than the whole budget is granted when nothing else is charged: a single large request
    /// waits for the others, but not for ever.
    pub fn try_charge(self: &Arc<Budget>, bytes: u64) -> Option<Charge> {
        let take = |used: u64| {
            let sum = used.checked_add(bytes)?;
            (sum <= self.limit_bytes || used == 0).then_some(sum)
        };
        self.used_bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).ok()?;
        Some(Charge { budget: Arc::clone(self), bytes })
    }

    /// Bytes in use now.
    pub fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Acquire)
    }

    /// The bound.
    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }
}

/// Bytes taken from a [`Budget`] until this is dropped.
#[derive(Debug)]
#[must_use = "dropping a charge gives its bytes back"]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Charge {
    /// Bytes taken.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.used_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_come_back_and_never_exceed_the_limit() {
        let budget = Budget::new(100);
        let first = budget.try_charge(60).expect("free");
        assert!(budget.try_charge(41).is_none());
        let second = budget.try_charge(40).expect("exactly what is left");
        assert_eq!(budget.used_bytes(), 100);
        drop(first);
        assert_eq!(budget.used_bytes(), 40);
        assert!(budget.try_charge(u64::MAX).is_none());
        drop(second);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn a_charge_above_the_limit_waits_until_it_is_alone() {
        let budget = Budget::new(100);
        let small = budget.try_charge(1).expect("free");
        assert!(budget.try_charge(101).is_none());
        drop(small);
        let large = budget.try_charge(101).expect("alone");
        assert!(budget.try_charge(1).is_none());
        drop(large);
        assert_eq!(budget.used_bytes(), 0);
    }
}
