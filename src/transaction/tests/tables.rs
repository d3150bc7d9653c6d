//! Each state and each request: the answers, as Kafka 4.3 gives them.
//!
//! The transaction has producer id 7 at epoch 5 (see [`in_state`]). Words of the tables:
//! `ok` done, `again` done before, `abortable`/`fenced`/`state`/`mapping`/`concurrent`/`fault` are
//! TRANSACTION_ABORTABLE, PRODUCER_FENCED, INVALID_TXN_STATE, INVALID_PRODUCER_ID_MAPPING,
//! CONCURRENT_TRANSACTIONS and UNKNOWN_SERVER_ERROR.

use std::collections::BTreeSet;

use super::driver::{Driver, START, TIMEOUT, partition, producer};
use crate::model::{ProducerEpoch, ProducerId, Timestamp};
use crate::transaction::TransactionResult::{Abort, Commit};
use crate::transaction::TransactionVersion::{V0, V2};
use crate::transaction::{
    ProducerIdAndEpoch, TransactionError, TransactionMetadata, TransactionRecord, TransactionResult,
    TransactionState, TransactionVersion,
};

const CURRENT: ProducerIdAndEpoch = producer(7, 5);
const BEFORE: ProducerIdAndEpoch = producer(7, 4);
const AFTER: ProducerIdAndEpoch = producer(7, 6);
const OTHER: ProducerIdAndEpoch = producer(8, 5);

/// A record of a transaction in a state, of a client of a version.
pub fn record(state: TransactionState, version: TransactionVersion) -> TransactionRecord {
    let has_partitions = matches!(
        state,
        TransactionState::Ongoing | TransactionState::PrepareCommit | TransactionState::PrepareAbort
    );
    let partitions = if has_partitions { [partition("debits", 0)].into() } else { BTreeSet::new() };
    let is_empty = state == TransactionState::Empty;
    let metadata = TransactionMetadata {
        producer_id: ProducerId(7),
        previous_producer_id: ProducerId(7),
        next_producer_id: ProducerId::NONE,
        producer_epoch: ProducerEpoch(5),
        transaction_timeout: TIMEOUT,
        state,
        partitions,
        last_update_timestamp: START,
        start_timestamp: if is_empty { Timestamp::NONE } else { START },
        client_transaction_version: version,
    };
    TransactionRecord { transactional_id: super::driver::ID.into(), metadata: Some(metadata) }
}

/// A shard that has read a transaction in a state.
fn in_state(state: TransactionState, version: TransactionVersion) -> Driver {
    let mut driver = Driver::default();
    driver.write(record(state, version));
    driver.restart();
    driver
}

fn word(error: &TransactionError) -> &'static str {
    match error {
        TransactionError::ProducerFenced => "fenced",
        TransactionError::InvalidTxnState => "state",
        TransactionError::InvalidProducerIdMapping => "mapping",
        TransactionError::ConcurrentTransactions => "concurrent",
        TransactionError::UnknownServerError(_) => "fault",
        error => panic!("{error:?}"),
    }
}

/// Rows of words: a state, and an answer for each column. Calls `answer` for each state and column.
fn check(table: &str, columns: usize, answer: impl Fn(TransactionState, usize) -> String) {
    let rows: Vec<Vec<&str>> = table.trim().lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), TransactionState::ALL.len());
    for (state, row) in TransactionState::ALL.into_iter().zip(rows) {
        assert_eq!(row[0], state.name());
        let given: Vec<String> = (0..columns).map(|column| answer(state, column)).collect();
        assert_eq!(given, row[1..], "{}", state.name());
    }
}

fn end(
    state: TransactionState,
    asked: ProducerIdAndEpoch,
    result: TransactionResult,
    version: TransactionVersion,
) -> String {
    let mut driver = in_state(state, version);
    let records = driver.log.len();
    let answer = driver.end(asked, result, version);
    let written = driver.states().split_off(records);
    match &answer {
        Err(error) => {
            assert_eq!(written, []);
            word(error).to_owned()
        }
        Ok(told) if written.is_empty() => {
            let expected = if version == V2 { CURRENT } else { ProducerIdAndEpoch::NONE };
            assert_eq!(*told, expected);
            "again".to_owned()
        }
        Ok(told) => {
            assert_eq!(*told, if version == V2 { AFTER } else { ProducerIdAndEpoch::NONE });
            let expected = match result {
                Commit => [TransactionState::PrepareCommit, TransactionState::CompleteCommit],
                Abort => [TransactionState::PrepareAbort, TransactionState::CompleteAbort],
            };
            // What has no partitions is complete at once.
            assert_eq!(written, expected[..written.len()]);
            assert_eq!(written.len() == 1, state == TransactionState::Ongoing);
            "ok".to_owned()
        }
    }
}

/// Who ends a transaction, and how: the columns of a table of ends.
fn check_ends(table: &str, version: TransactionVersion) {
    let columns = [
        (BEFORE, Abort),
        (CURRENT, Abort),
        (BEFORE, Commit),
        (CURRENT, Commit),
        (AFTER, Abort),
        (OTHER, Abort),
    ];
    check(table, columns.len(), |state, column| {
        let (asked, result) = columns[column];
        end(state, asked, result, version)
    });
}

#[test]
fn an_end_of_version_2() {
    let table = "
        Empty             fenced     ok     fenced     state  fenced mapping
        Ongoing           fenced     ok     fenced     ok     fenced mapping
        PrepareCommit     state      fenced concurrent fenced fenced mapping
        PrepareAbort      concurrent fenced state      fenced fenced mapping
        CompleteCommit    state      ok     again      state  fenced mapping
        CompleteAbort     again      ok     state      state  fenced mapping
        Dead              fenced     fault  fenced     fault  fenced mapping
        PrepareEpochFence fenced     fault  fenced     fault  fenced mapping";
    check_ends(table, V2);
}

#[test]
fn an_end_of_an_older_client() {
    let table = "
        Empty             fenced state      fenced state      fenced mapping
        Ongoing           fenced ok         fenced ok         fenced mapping
        PrepareCommit     fenced state      fenced concurrent fenced mapping
        PrepareAbort      fenced concurrent fenced state      fenced mapping
        CompleteCommit    fenced state      fenced again      fenced mapping
        CompleteAbort     fenced again      fenced state      fenced mapping
        Dead              fenced fault      fenced fault      fenced mapping
        PrepareEpochFence fenced fault      fenced fault      fenced mapping";
    check_ends(table, V0);
}

#[test]
fn partitions_are_added_and_verified() {
    let asked = [CURRENT, BEFORE, AFTER, OTHER];
    let answers = "
        Empty             ok         fenced fenced mapping
        Ongoing           ok         fenced fenced mapping
        PrepareCommit     concurrent fenced fenced mapping
        PrepareAbort      concurrent fenced fenced mapping
        CompleteCommit    ok         fenced fenced mapping
        CompleteAbort     ok         fenced fenced mapping
        Dead              fault      fenced fenced mapping
        PrepareEpochFence fault      fenced fenced mapping";
    for version in [V0, V2] {
        check(answers, asked.len(), |state, column| {
            let mut driver = in_state(state, version);
            let added = driver.add(asked[column], &[partition("credits", 1)], version);
            let has_written = driver.log.len() > 1;
            assert_eq!(has_written, added.is_ok());
            added.map_or_else(|error| word(&error), |()| "ok").to_owned()
        });
        check(answers, asked.len(), |state, column| {
            let mut driver = in_state(state, version);
            let verified = driver.verify(asked[column], &[partition("credits", 1)]);
            assert_eq!(driver.log.len(), 1);
            let missing = |missing: Vec<_>| {
                assert_eq!(missing, [partition("credits", 1)]);
                "ok".to_owned()
            };
            verified.map_or_else(|error| word(&error).to_owned(), missing)
        });
    }
}

/// Who asks for an id, and with what.
const INITIALIZERS: [Option<ProducerIdAndEpoch>; 5] =
    [None, Some(CURRENT), Some(BEFORE), Some(AFTER), Some(OTHER)];

fn init(state: TransactionState, version: TransactionVersion, column: usize) -> String {
    let mut driver = in_state(state, version);
    match driver.init(INITIALIZERS[column]) {
        Ok(AFTER) => "next".to_owned(),
        Ok(CURRENT) => "again".to_owned(),
        Ok(told) => panic!("{told:?}"),
        Err(TransactionError::ConcurrentTransactions) if driver.log.len() > 1 => {
            assert_eq!(driver.states()[1], TransactionState::PrepareAbort);
            assert_eq!(driver.owed[0].producer, AFTER);
            "aborts".to_owned()
        }
        Err(error) => word(&error).to_owned(),
    }
}

#[test]
fn an_id_is_given_or_goes_on() {
    let version_2 = "
        Empty             next       next       fenced     fenced     fenced
        Ongoing           aborts     aborts     fenced     fenced     fenced
        PrepareCommit     concurrent concurrent concurrent concurrent fenced
        PrepareAbort      concurrent concurrent concurrent concurrent fenced
        CompleteCommit    next       next       again      fenced     fenced
        CompleteAbort     next       next       again      fenced     fenced
        Dead              fault      fault      fault      fault      fenced
        PrepareEpochFence fault      fault      fault      fault      fenced";
    check(version_2, INITIALIZERS.len(), |state, column| init(state, V2, column));
    // What an older client had before is not told by a record.
    let version_0 = version_2.replace("again ", "fenced");
    check(&version_0, INITIALIZERS.len(), |state, column| init(state, V0, column));
}

#[test]
fn which_state_may_follow_which() {
    let table = "
        Empty             x x . x . . x .
        Ongoing           . x x x . . . x
        PrepareCommit     . . . . x . . .
        PrepareAbort      . . . . . x . .
        CompleteCommit    x x . x . . x .
        CompleteAbort     x x . x . . x .
        Dead              . . . . . . . .
        PrepareEpochFence . . . x . . . .";
    check(table, TransactionState::ALL.len(), |state, column| {
        let next = TransactionState::ALL[column];
        assert_eq!(TransactionState::from_id(next.id()), Some(next));
        assert_eq!(TransactionState::from_name(next.name()), Some(next));
        if state.may_become(next) { "x" } else { "." }.to_owned()
    });
    assert_eq!(TransactionState::from_id(8), None);
    assert_eq!(TransactionState::from_id(-1), None);
}
