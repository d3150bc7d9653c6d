//! Transactions that stay open for long: who hears of them, and how often.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::transactions::LateTransactions;
use crate::model::{Timestamp, TransactionResult};
use crate::partition::{OpenTransactions, Partition};

use super::transactions::{machine, mark, marker, partition, write};

#[test]
fn who_holds_the_last_stable_offset_for_long_is_told_of_once() {
    let machine = machine(2);
    let partitions: Vec<_> = (0..2).map(|index| partition(&machine, index)).collect();
    write(&machine, &partitions[1], (8, 0), 0);
    write(&machine, &partitions[1], (7, 0), 0);
    let now = machine.storage.believed_now();
    let later = |minutes: i64| Timestamp(now.0 + minutes * 60_000);
    let mut late = LateTransactions::default();
    let mut told = |now: Timestamp| -> Vec<(i32, i64, usize)> {
        let found = late.look(&partitions, now, Duration::from_secs(20 * 60));
        let shown = |(partition, open): &(&Arc<Partition>, OpenTransactions)| {
            (partition.topic_partition().partition, open.first.producer_id.0, open.count)
        };
        found.iter().map(shown).collect()
    };
    assert_eq!(told(later(19)), []);
    assert_eq!(told(later(20)), [(1, 8, 2)]);
    assert_eq!(told(later(21)), []);
    mark(&machine, &partitions[1], marker((8, 0), TransactionResult::Abort, 1)).unwrap();
    assert_eq!(told(later(22)), [(1, 7, 1)], "now the other one holds it");
}
