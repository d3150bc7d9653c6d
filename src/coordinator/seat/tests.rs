use std::sync::atomic::AtomicBool;

use super::*;
use crate::transaction::{TransactionRequest, TransactionShard};

const ROUNDS: usize = 20_000;
const ASKING: usize = 3;

/// What comes into the queue later waits through the next load, and for ever where that finds what it cannot
/// read.
#[test]
fn nothing_is_queued_once_the_shard_does_not_serve_any_more() {
    let (seat, mut events) = Seat::<TransactionShard>::new();
    let ends = AtomicBool::new(false);
    let accepted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..ASKING {
            scope.spawn(|| {
                while !ends.load(Ordering::Relaxed) {
                    let asked = seat.ask(TransactionRequest::ListTransactions(Default::default()));
                    accepted.fetch_add(asked.is_ok().into(), Ordering::Relaxed);
                    std::thread::yield_now();
                }
            });
        }
        let mut late = 0;
        for _ in 0..ROUNDS {
            let before = accepted.load(Ordering::Relaxed);
            seat.set_phase(Phase::Serving);
            while accepted.load(Ordering::Relaxed) == before {
                std::thread::yield_now();
            }
            seat.set_phase(Phase::Loading);
            while events.try_recv().is_ok() {}
            for _ in 0..ASKING {
                std::thread::yield_now();
            }
            late += usize::from(events.try_recv().is_ok());
        }
        ends.store(true, Ordering::Relaxed);
        assert_eq!(late, 0);
    });
}
