//! A shard that counts: its total is what its records add up to.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use crate::coordinator::{InTransaction, Moment, Output, Shard, TransactionPass};
use crate::model::{ProducerId, TransactionResult};

/// Records that one call of `expire` gives: together more than a batch may hold.
pub(super) const EXPIRED_MAX: u64 = 2000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    /// Writes a number, and tells the total with it.
    Add(u64),
    /// Tells the total.
    Get,
    /// Tells the total once so much time has passed.
    Wait(Duration),
    /// Puts off all that waits, as a heartbeat does.
    PutOff(Duration),
    /// Writes that many bytes of key.
    Bulk(usize),
    /// Fails the machine after it has lost count.
    Panic,
    /// Writes records of these sizes; those of the range may go into batches of their own.
    Sizes(Vec<usize>, Range<usize>),
    /// Fails where it is told of a marker.
    FailAtEnds,
    /// Has so many records expire.
    Expire(u64),
    /// Tells what was forgotten, as a sum of tickets.
    Forgotten,
    /// Writes a number, and has it done in the world.
    Do(u64),
    /// Writes a number in a producer's transaction.
    InTransaction(u64, TransactionPass),
}

/// The total; for a record, a number and padding.
#[derive(Debug, Default)]
pub(super) struct Toy {
    total: u64,
    /// What transactions will add.
    pending: HashMap<ProducerId, u64>,
    fails_at_ends: bool,
    forgotten: u64,
    waiting: Vec<(Duration, u64)>,
    /// Records that were too large for the log.
    pub(super) unwritten: usize,
    pub(super) expired: u64,
    /// Records that expiry has yet to give.
    pub(super) expiring: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Added(pub u64, pub usize);

fn replies(replies: Vec<(u64, u64)>) -> Output<Toy> {
    Output { replies, ..Output::default() }
}

impl Shard for Toy {
    type Request = Ask;
    type Reply = u64;
    type Record = Added;
    /// Has a total be counted down to 0, in steps.
    type Notice = u64;
    type Effect = u64;
    type Settings = ();

    fn request(&mut self, moment: Moment<'_, ()>, ticket: u64, request: Ask) -> Output<Toy> {
        match request {
            Ask::Add(number) => {
                let replies = replies(vec![(ticket, self.total + number)]);
                Output { records: vec![Added(number, 0)], counted: 1, ..replies }
            }
            Ask::Bulk(bytes) => {
                Output { records: vec![Added(1, bytes)], counted: 1, ..replies(vec![(ticket, 0)]) }
            }
            Ask::Do(number) => Output {
                records: vec![Added(number, 0)],
                effects: vec![number],
                ..replies(vec![(ticket, 0)])
            },
            Ask::InTransaction(number, pass) => Output {
                in_transaction: Some(InTransaction { pass, records: vec![Added(number, 0)] }),
                ..replies(vec![(ticket, self.total)])
            },
            Ask::Get => replies(vec![(ticket, self.total)]),
            Ask::Expire(count) => {
                self.expiring = count;
                replies(vec![(ticket, count)])
            }
            Ask::Sizes(sizes, divisible) => Output {
                records: sizes.into_iter().map(|bytes| Added(1, bytes)).collect(),
                divisible,
                ..replies(vec![(ticket, 0)])
            },
            Ask::FailAtEnds => {
                self.fails_at_ends = true;
                replies(vec![(ticket, self.total)])
            }
            Ask::Forgotten => replies(vec![(ticket, self.forgotten)]),
            Ask::PutOff(duration) => {
                self.waiting.iter_mut().for_each(|waiting| waiting.0 = moment.monotonic + duration);
                replies(vec![(ticket, self.total)])
            }
            Ask::Wait(duration) => {
                self.waiting.push((moment.monotonic + duration, ticket));
                replies(Vec::new())
            }
            Ask::Panic => {
                self.total = 666;
                panic!("as it was told");
            }
        }
    }

    fn may_write(request: &Ask) -> bool {
        !matches!(request, Ask::Get | Ask::PutOff(_) | Ask::Wait(_) | Ask::Forgotten | Ask::Expire(_))
    }

    fn forget(&mut self, ticket: u64) {
        self.forgotten += ticket;
        self.waiting.retain(|(_, waiting)| *waiting != ticket);
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.waiting.iter().map(|(deadline, _)| *deadline).min()
    }

    fn advance(&mut self, moment: Moment<'_, ()>) -> Output<Toy> {
        let (due, waiting): (Vec<_>, Vec<_>) =
            self.waiting.drain(..).partition(|(deadline, _)| *deadline <= moment.monotonic);
        self.waiting = waiting;
        replies(due.into_iter().map(|(_, ticket)| (ticket, self.total)).collect())
    }

    fn expire(&mut self, _: Moment<'_, ()>) -> Output<Toy> {
        self.expired += 1;
        let some = self.expiring.min(EXPIRED_MAX);
        self.expiring -= some;
        let records = (0..some).map(|_| Added(1, 1000)).collect();
        Output { records, may_be_divided: true, ..Output::default() }
    }

    fn notice(&mut self, _: Moment<'_, ()>, step: &u64) -> Output<Toy> {
        let records = if self.total == 0 { Vec::new() } else { vec![Added(step.wrapping_neg(), 0)] };
        Output { records, ..Output::default() }
    }

    fn unwritten(&mut self, _: Moment<'_, ()>, records: &[Added]) -> Output<Toy> {
        self.unwritten += records.len();
        Output::default()
    }

    fn replay(&mut self, Added(number, _): Added) {
        self.total = self.total.wrapping_add(number);
    }

    fn replay_in_transaction(&mut self, producer_id: ProducerId, record: Added) {
        *self.pending.entry(producer_id).or_default() += record.0;
    }

    fn end_transaction(&mut self, producer_id: ProducerId, result: TransactionResult) {
        assert!(!self.fails_at_ends, "as it was told");
        let pending = self.pending.remove(&producer_id).unwrap_or_default();
        if result == TransactionResult::Commit {
            self.total += pending;
        }
    }

    fn loaded(&mut self, _: Moment<'_, ()>) -> Output<Toy> {
        replies(Vec::new())
    }

    fn encode(Added(number, padding): &Added) -> (Vec<u8>, Option<Vec<u8>>) {
        (vec![b'k'; 1 + padding], Some(number.to_be_bytes().to_vec()))
    }

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Added>, String> {
        match (key.first(), value.and_then(|value| value.try_into().ok())) {
            (Some(b'k'), Some(number)) => Ok(Some(Added(u64::from_be_bytes(number), key.len() - 1))),
            (Some(b'n'), _) => Ok(None),
            _ => Err(format!("key {key:?}")),
        }
    }
}
