//! Producers that contest transactional ids, lose answers, send late and twice, while markers are slow and
//! the process dies between any two records. What must hold, holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::driver::{Driver, TIMEOUT, partition};
use crate::transaction::TransactionResult::{Abort, Commit};
use crate::transaction::{
    AddPartitions, EndTransaction, InitProducerId, NamedPartition, ProducerIdAndEpoch, TransactionError,
    TransactionMetadata, TransactionRecord, TransactionReply, TransactionRequest, TransactionResult,
    TransactionState, TransactionVersion, WriteMarkers,
};

/// Names the seed of one run, to repeat it.
const SEED: &str = "HIGHWATER_TRANSACTION_SEED";
const RUNS: u64 = 200;
const STEPS: usize = 600;
const CLIENTS: usize = 4;
const IDS: [&str; 2] = ["transfers", "salaries"];
const PARTITIONS: i32 = 4;
/// Requests that lie about in the network.
const LATE_MAX: usize = 12;

/// xorshift: the same for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// A producer: what it was told last.
struct Client {
    id: &'static str,
    version: TransactionVersion,
    producer: Option<ProducerIdAndEpoch>,
}

/// What waits for a commit.
enum Waits {
    Reply(usize, TransactionRequest, TransactionReply),
    Markers(WriteMarkers),
}

/// One transaction of an id: the place of its decision in the log.
type Decision = (String, usize);

struct Run {
    driver: Driver,
    random: Random,
    clients: Vec<Client>,
    late: Vec<(usize, TransactionRequest)>,
    /// What is committed.
    committed: usize,
    /// In order, each with the end of the log that it waits for.
    waiting: Vec<(usize, Waits)>,
    /// Markers that are to be written.
    owed: Vec<(Decision, WriteMarkers)>,
    /// Markers as they lie in partitions.
    written: BTreeMap<Decision, (TransactionResult, BTreeSet<NamedPartition>)>,
    /// What a client was told last by InitProducerId, by id.
    granted: BTreeMap<&'static str, ProducerIdAndEpoch>,
    /// Commits that a client was told of, by id and place of the decision.
    told: BTreeMap<Decision, TransactionResult>,
}

fn transactional_id(request: &TransactionRequest) -> &str {
    match request {
        TransactionRequest::InitProducerId(request) => &request.transactional_id,
        TransactionRequest::AddPartitions(request) => &request.transactional_id,
        TransactionRequest::EndTransaction(request) => &request.transactional_id,
        _ => unreachable!("not sent here"),
    }
}

/// Who acts, unless it comes without an epoch.
fn actor(request: &TransactionRequest) -> Option<ProducerIdAndEpoch> {
    match request {
        TransactionRequest::InitProducerId(request) => request.expected,
        TransactionRequest::AddPartitions(request) => Some(request.producer),
        TransactionRequest::EndTransaction(request) => Some(request.producer),
        _ => unreachable!("not sent here"),
    }
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut client = |at: usize| Client {
            id: IDS[at % IDS.len()],
            version: if random.one_in(3) { TransactionVersion::V0 } else { TransactionVersion::V2 },
            producer: None,
        };
        let clients = (0..CLIENTS).map(&mut client).collect();
        Run {
            driver: Driver::default(),
            random,
            clients,
            late: Vec::new(),
            committed: 0,
            waiting: Vec::new(),
            owed: Vec::new(),
            written: BTreeMap::new(),
            granted: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..45 => self.act(),
            45..55 => self.deliver_late(),
            55..75 => self.commit(),
            75..90 => self.write_some_markers(),
            90..95 => self.pass(),
            95..97 => self.near_the_last_epoch(),
            97 => self.expire(),
            _ => self.crash(),
        }
    }

    /// The last record of an id, and its place.
    fn last(&self, id: &str, end: usize) -> Option<(usize, TransactionMetadata)> {
        let records = &self.driver.records;
        let at = records[..end].iter().rposition(|record| &*record.transactional_id == id)?;
        Some((at, records[at].metadata.clone()?))
    }

    /// The last decision about an id.
    fn decision(&self, id: &str, end: usize) -> Option<(Decision, TransactionMetadata)> {
        let records = &self.driver.records;
        let is_decision = |record: &TransactionRecord| {
            let state = record.metadata.as_ref().map(|metadata| metadata.state);
            &*record.transactional_id == id && state.is_some_and(TransactionState::is_decided)
        };
        let at = records[..end].iter().rposition(is_decision)?;
        Some(((id.to_owned(), at), records[at].metadata.clone()?))
    }

    fn act(&mut self) {
        let at = self.random.below(CLIENTS);
        let is_answer = |(_, waits): &(usize, Waits)| matches!(waits, Waits::Reply(of, ..) if *of == at);
        // Most wait for an answer before they go on.
        if self.waiting.iter().any(is_answer) && !self.random.one_in(8) {
            self.commit();
        }
        let Client { id, version, producer } = self.clients[at];
        let transactional_id = id.into();
        let request = match (producer, self.random.below(10)) {
            (None, _) | (_, 0) => TransactionRequest::InitProducerId(InitProducerId {
                transactional_id,
                transaction_timeout: TIMEOUT,
                expected: producer.filter(|_| !self.random.one_in(3)),
                fresh_producer_id: None,
            }),
            (Some(producer), 1..6) => {
                let one = partition("debits", self.random.below(PARTITIONS as usize) as i32);
                TransactionRequest::AddPartitions(AddPartitions {
                    transactional_id,
                    producer,
                    partitions: vec![one],
                    transaction_version: version,
                })
            }
            (Some(producer), _) => TransactionRequest::EndTransaction(EndTransaction {
                transactional_id,
                producer,
                result: if self.random.one_in(2) { Commit } else { Abort },
                transaction_version: version,
                fresh_producer_id: None,
            }),
        };
        if self.random.one_in(6) && self.late.len() < LATE_MAX {
            self.late.push((at, request.clone()));
            if self.random.one_in(2) {
                return;
            }
        }
        self.ask(at, request);
    }

    fn deliver_late(&mut self) {
        if self.late.is_empty() {
            return;
        }
        let (at, request) = self.late.swap_remove(self.random.below(self.late.len()));
        self.ask(at, request);
    }

    fn ask(&mut self, at: usize, request: TransactionRequest) {
        let before = self.driver.log.len();
        let id = transactional_id(&request).to_owned();
        let was = self.last(&id, before).map(|(_, metadata)| metadata);
        let mut reply = self.driver.request(request.clone());
        if reply == TransactionReply::NeedsProducerId {
            assert_eq!(self.driver.log.len(), before);
            let fresh = self.driver.fresh();
            let mut again = request.clone();
            match &mut again {
                TransactionRequest::InitProducerId(request) => request.fresh_producer_id = fresh,
                TransactionRequest::EndTransaction(request) => request.fresh_producer_id = fresh,
                _ => panic!("{again:?}"),
            }
            reply = self.driver.request(again);
        }
        self.check_fence(&request, was.as_ref(), before);
        self.check_answer(&request, &reply);
        self.gather();
        self.waiting.push((self.driver.log.len(), Waits::Reply(at, request, reply)));
    }

    /// Nobody acts with less than what a client was told.
    fn check_fence(&self, request: &TransactionRequest, was: Option<&TransactionMetadata>, before: usize) {
        let Some(actor) = actor(request) else { return };
        let Some((_, granted)) = self.granted.iter().find(|(id, _)| **id == transactional_id(request)) else {
            return;
        };
        let written = &self.driver.records[before..];
        if actor >= *granted || written.is_empty() {
            return;
        }
        // A client that did not hear of its epoch asks again, and is told the same: nothing else changes.
        // If the id expired, there is nothing to fence.
        let Some(was) = was else { return };
        assert!(matches!(request, TransactionRequest::InitProducerId(_)), "{request:?} after {granted:?}");
        assert!(was.state.is_at_rest(), "{request:?} in {was:?}");
        let [TransactionRecord { metadata: Some(now), .. }] = written else { panic!("{written:?}") };
        let is_same = now.producer() == was.producer();
        assert!(is_same || was.producer_epoch.0 == i16::MAX, "{request:?}: {was:?} {now:?}");
    }

    /// What a client is told is so.
    fn check_answer(&self, request: &TransactionRequest, reply: &TransactionReply) {
        let end = self.driver.log.len();
        let last = self.last(transactional_id(request), end);
        match (request, reply) {
            (_, TransactionReply::InitProducerId(Ok(producer))) => {
                let (_, metadata) = last.unwrap();
                assert_eq!((metadata.state, metadata.producer()), (TransactionState::Empty, *producer));
            }
            (TransactionRequest::AddPartitions(request), TransactionReply::AddPartitions(Ok(()))) => {
                let (_, metadata) = last.unwrap();
                assert_eq!(
                    (metadata.state, metadata.producer()),
                    (TransactionState::Ongoing, request.producer)
                );
                let mut partitions = request.partitions.iter();
                assert!(partitions.all(|partition| metadata.partitions.contains(partition)));
            }
            (TransactionRequest::EndTransaction(request), TransactionReply::EndTransaction(Ok(told))) => {
                let (_, decided) = self.decision(&request.transactional_id, end).unwrap();
                assert_eq!(decided.state == TransactionState::PrepareCommit, request.result == Commit);
                if request.transaction_version == TransactionVersion::V2 {
                    let epochs = [decided.producer_epoch.0, request.producer.producer_epoch.0];
                    assert_eq!(epochs[0], epochs[1] + 1, "another transaction");
                    assert_eq!(decided.producer_id, request.producer.producer_id);
                    assert!(*told > request.producer);
                }
            }
            _ => {}
        }
    }

    /// Effects wait, as replies do.
    fn gather(&mut self) {
        let end = self.driver.log.len();
        let owed = std::mem::take(&mut self.driver.owed);
        self.waiting.extend(owed.into_iter().map(|markers| (end, Waits::Markers(markers))));
    }

    fn commit(&mut self) {
        self.committed = self.driver.log.len();
        for (end, waits) in std::mem::take(&mut self.waiting) {
            match waits {
                Waits::Reply(at, request, reply) => self.told(at, &request, &reply, end),
                Waits::Markers(markers) => {
                    let (decision, decided) = self.decision(&markers.transactional_id, end).unwrap();
                    assert_eq!(markers.producer, decided.producer());
                    assert!(markers.partitions.iter().eq(&decided.partitions));
                    let is_commit = decided.state == TransactionState::PrepareCommit;
                    assert_eq!(markers.result == Commit, is_commit);
                    self.owed.push((decision, markers));
                }
            }
        }
    }

    /// A client hears, or not; in both cases it may have.
    fn told(&mut self, at: usize, request: &TransactionRequest, reply: &TransactionReply, end: usize) {
        let id = self.clients[at].id;
        let producer = match reply {
            TransactionReply::InitProducerId(Ok(producer)) => {
                let granted = self.granted.entry(id).or_insert(*producer);
                *granted = (*granted).max(*producer);
                Some(*producer)
            }
            TransactionReply::EndTransaction(Ok(producer)) => {
                if let TransactionRequest::EndTransaction(request) = request {
                    let (decision, _) = self.decision(id, end).unwrap();
                    let told = *self.told.entry(decision).or_insert(request.result);
                    assert_eq!(told, request.result, "told that it is committed, and that it is aborted");
                }
                Some(*producer).filter(|producer| *producer != ProducerIdAndEpoch::NONE)
            }
            _ => None,
        };
        let is_fenced = matches!(
            reply,
            TransactionReply::InitProducerId(Err(TransactionError::ProducerFenced))
                | TransactionReply::AddPartitions(Err(TransactionError::ProducerFenced))
                | TransactionReply::EndTransaction(Err(TransactionError::ProducerFenced))
        );
        // Some go on as if nothing had been said.
        if !self.random.one_in(5) && (producer.is_some() || is_fenced) {
            self.clients[at].producer = producer;
        }
    }

    fn write_some_markers(&mut self) {
        if self.owed.is_empty() {
            return;
        }
        let at = self.random.below(self.owed.len());
        let (decision, markers) = self.owed[at].clone();
        let count = markers.partitions.len();
        let some = if self.random.one_in(2) { 0..count } else { 0..self.random.below(count + 1) };
        let partitions = markers.partitions[some].to_vec();
        self.put_markers(&decision, &markers, &partitions);
        // It may not come to tell.
        if self.random.one_in(4) {
            return;
        }
        let before = self.driver.log.len();
        let is_complete = self.driver.tell(&markers, &partitions);
        // Or it is told once more, when there may be another decision.
        if is_complete && self.random.one_in(2) {
            self.owed.swap_remove(at);
        }
        if self.driver.log.len() > before {
            let (latest, decided) = self.decision(&decision.0, before).unwrap();
            assert_eq!(latest, decision);
            let (_, marked) = &self.written[&decision];
            assert!(decided.partitions.is_subset(marked), "complete before all markers are written");
        }
    }

    /// A transaction has one result, everywhere.
    fn put_markers(&mut self, decision: &Decision, markers: &WriteMarkers, partitions: &[NamedPartition]) {
        let new = || (markers.result, BTreeSet::new());
        let (result, marked) = self.written.entry(decision.clone()).or_insert_with(new);
        assert_eq!(*result, markers.result, "committed and aborted: {decision:?}");
        marked.extend(partitions.iter().cloned());
    }

    fn pass(&mut self) {
        let seconds = self.random.below(40) as u64;
        self.driver.pass(Duration::from_secs(seconds));
        self.gather();
    }

    /// An id that nobody uses ran for long: its epochs come to their end.
    fn near_the_last_epoch(&mut self) {
        let id = IDS[self.random.below(IDS.len())];
        let end = self.driver.log.len();
        let Some((_, metadata)) = self.last(id, end) else { return };
        let is_low = metadata.producer_epoch.0 < 1000;
        if is_low && metadata.state == TransactionState::CompleteCommit && self.random.one_in(2) {
            let mut metadata = metadata;
            metadata.producer_epoch.0 = i16::MAX - 4;
            metadata.previous_producer_id = metadata.producer_id;
            self.driver.write(TransactionRecord { transactional_id: id.into(), metadata: Some(metadata) });
        }
    }

    fn expire(&mut self) {
        if self.random.one_in(4) {
            self.driver.wall.0 += self.driver.settings.transactional_id_expiration.as_millis() as i64 / 2;
            self.driver.expire();
        }
    }

    /// The process dies: what is not committed is there, or not, up to any record.
    fn crash(&mut self) {
        let end = self.driver.log.len();
        let left = self.committed + self.random.below(end - self.committed + 1);
        self.waiting.clear();
        self.owed.clear();
        self.driver.restart_with(left);
        self.committed = self.driver.log.len();
        self.gather();
    }

    /// Each record may follow the one before.
    fn check_log(&self) {
        let mut last: BTreeMap<String, TransactionMetadata> = BTreeMap::new();
        for record in &self.driver.records {
            let id = record.transactional_id.to_string();
            let Some(now) = record.metadata.clone() else {
                assert!(last.remove(&id).is_some_and(|was| was.state.is_at_rest()));
                continue;
            };
            if let Some(was) = last.get(&id) {
                let is_set_by_us = now.producer_epoch.0 == i16::MAX - 4;
                assert!(was.state.may_become(now.state) || is_set_by_us, "{was:?} {now:?}");
                let is_new_id = now.producer_id > was.producer_id && now.producer_epoch.0 == 0;
                let is_same_id = now.producer_id == was.producer_id;
                let is_next = now.producer_epoch.0 - was.producer_epoch.0 <= 1 || is_set_by_us;
                let grows = is_same_id && now.producer_epoch >= was.producer_epoch && is_next;
                assert!(is_new_id || grows, "{was:?} {now:?}");
            }
            last.insert(id, now);
        }
    }

    /// All is written that was decided, and nothing is left open.
    fn settle(&mut self) {
        for crash in [false, true] {
            if crash {
                self.crash();
            }
            self.driver.pass(TIMEOUT);
            self.gather();
            self.commit();
            for (decision, markers) in std::mem::take(&mut self.owed) {
                self.put_markers(&decision, &markers, &markers.partitions);
                assert!(self.driver.tell(&markers, &markers.partitions));
            }
            self.commit();
        }
        for id in IDS {
            let Some((_, metadata)) = self.last(id, self.driver.log.len()) else { continue };
            assert!(metadata.state.is_at_rest(), "{metadata:?}");
        }
        // What a client was told is what the log says.
        let records = &self.driver.records;
        for ((id, at), result) in &self.told {
            let decided = records[*at].metadata.as_ref().unwrap();
            assert_eq!(&*records[*at].transactional_id, id);
            assert_eq!(decided.state == TransactionState::PrepareCommit, *result == Commit);
            if !decided.partitions.is_empty() {
                let (marked_result, marked) = &self.written[&(id.clone(), *at)];
                assert_eq!(marked_result, result);
                assert_eq!(marked, &decided.partitions);
            }
        }
    }
}

#[test]
fn what_must_hold_holds() {
    let seeds = match std::env::var(SEED) {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..RUNS).collect(),
    };
    let mut ended = 0;
    for seed in &seeds {
        let seed = *seed;
        let ran = std::panic::catch_unwind(|| {
            let mut run = Run::new(seed);
            for _ in 0..STEPS {
                run.step();
            }
            run.settle();
            run.check_log();
            run.told.len()
        });
        ended += ran.unwrap_or_else(|_| panic!("again with {SEED}={seed}"));
    }
    // One run alone may end few.
    assert!(seeds.len() == 1 || ended > 5 * seeds.len(), "hardly any transaction ended: {ended}");
}
