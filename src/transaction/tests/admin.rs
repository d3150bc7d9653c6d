//! What administrators and metrics see.

use std::sync::Arc;
use std::time::Duration;

use super::driver::{Driver, ID, START, TIMEOUT, partition, producer};
use super::tables::record;
use crate::group::Expression;
use crate::model::{ProducerId, Timestamp};
use crate::transaction::TransactionState::*;
use crate::transaction::TransactionVersion::V2;
use crate::transaction::{
    DescribedTransaction, ListTransactions, TransactionError, TransactionReply, TransactionRequest,
    TransactionState,
};

#[test]
fn a_transaction_is_described() {
    let mut driver = Driver::default();
    assert_eq!(driver.describe(), Err(TransactionError::TransactionalIdNotFound));
    let nameless = TransactionRequest::DescribeTransaction { transactional_id: "".into() };
    let invalid = TransactionReply::DescribeTransaction(Err(TransactionError::InvalidRequest));
    assert_eq!(driver.request(nameless), invalid);
    driver.init(None).unwrap();
    let mut expected = DescribedTransaction {
        producer: producer(1000, 0),
        state: Empty,
        transaction_timeout: TIMEOUT,
        start_timestamp: Timestamp::NONE,
        partitions: Vec::new(),
    };
    assert_eq!(driver.describe(), Ok(expected.clone()));
    driver.pass(Duration::from_secs(3));
    let partitions = [partition("debits", 1), partition("credits", 10), partition("credits", 2)];
    driver.add(producer(1000, 0), &partitions, V2).unwrap();
    driver.pass(Duration::from_secs(3));
    driver.add(producer(1000, 0), &[partition("debits", 0)], V2).unwrap();
    expected.state = Ongoing;
    expected.start_timestamp = Timestamp(START.0 + 3000);
    expected.partitions = vec![
        partition("credits", 2),
        partition("credits", 10),
        partition("debits", 0),
        partition("debits", 1),
    ];
    assert_eq!(driver.describe(), Ok(expected.clone()));

    let mut seen = Vec::new();
    let expected_deadline = driver.monotonic - Duration::from_secs(3) + TIMEOUT;
    driver.shard.visit(&mut |view| {
        assert_eq!((view.transactional_id, view.producer), (ID, producer(1000, 0)));
        assert_eq!((view.state, view.start_timestamp), (Ongoing, Timestamp(START.0 + 3000)));
        assert_eq!(view.last_update_timestamp, Timestamp(START.0 + 6000));
        assert_eq!(view.deadline, Some(expected_deadline));
        assert_eq!(view.transaction_timeout, TIMEOUT);
        seen.extend(view.partitions.iter().cloned());
    });
    assert_eq!(seen, expected.partitions);
}

/// One id in each state, named as it.
fn one_of_each() -> Driver {
    let mut driver = Driver::default();
    for (at, state) in TransactionState::ALL.into_iter().enumerate() {
        let mut record = record(state, V2);
        record.transactional_id = state.name().into();
        record.metadata.as_mut().unwrap().producer_id = ProducerId(100 + at as i64);
        driver.write(record);
    }
    driver
}

#[test]
fn transactions_are_listed_by_filters() {
    let mut driver = one_of_each();
    driver.wall.0 += 10_000;
    let states = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<Arc<str>>>();
    let pattern = |text: &str| Some(Arc::new(Expression::compile(text).unwrap()));
    let none = ListTransactions::default;
    let longer = |ms| Some(Duration::from_millis(ms));
    let all: Vec<&str> = {
        let mut names: Vec<&str> = TransactionState::ALL.iter().map(|state| state.name()).collect();
        names.retain(|name| *name != "Dead");
        names.sort_unstable();
        names
    };
    for (request, expected) in [
        (none(), &all[..]),
        (ListTransactions { states: states(&["Ongoing", "Empty"]), ..none() }, &["Empty", "Ongoing"][..]),
        // Being forgotten.
        (ListTransactions { states: states(&["Dead"]), ..none() }, &[]),
        (ListTransactions { states: states(&["ongoing"]), ..none() }, &[]),
        (ListTransactions { producer_ids: vec![ProducerId(101), ProducerId(9)], ..none() }, &["Ongoing"]),
        (ListTransactions { open_longer_than: longer(9_999), ..none() }, &all),
        // As in Kafka: for ever, since it has not begun.
        (ListTransactions { open_longer_than: longer(10_000), ..none() }, &["Empty"]),
        (
            ListTransactions { pattern: pattern("Prepare(Abort|Commit)"), ..none() },
            &["PrepareAbort", "PrepareCommit"],
        ),
        (ListTransactions { pattern: pattern("Prepare"), ..none() }, &[]),
        (
            ListTransactions {
                states: states(&["PrepareAbort", "CompleteAbort"]),
                producer_ids: vec![ProducerId(103)],
                pattern: pattern(".*Abort"),
                ..none()
            },
            &["PrepareAbort"],
        ),
    ] {
        let listed = driver.list(request.clone());
        let ids: Vec<&str> = listed.transactions.iter().map(|listed| &*listed.transactional_id).collect();
        assert_eq!(ids, expected, "{request:?}");
        assert!(listed.transactions.iter().all(|listed| listed.state.name() == &*listed.transactional_id));
    }
    let unknown = driver.list(ListTransactions { states: states(&["Ongoing", "Nowhere"]), ..none() });
    assert_eq!(unknown.unknown_state_filters, states(&["Nowhere"]));
    assert_eq!(unknown.transactions.len(), 1);
}
