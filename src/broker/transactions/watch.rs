//! A look at transactions that do not end.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Broker;
use crate::env::time;
use crate::model::{Offset, ProducerId, Timestamp, TopicPartition};
use crate::partition::{OpenTransactions, Partition};

/// Time between two looks at all partitions.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// What Kafka adds to `transaction.max.timeout.ms`, for the end itself: what is open for longer should have
/// been ended.
const END_TIME: Duration = Duration::from_secs(5 * 60);

/// Tells, once for each, of transactions that hold a last stable offset for too long, until the broker is
/// gone.
pub(in crate::broker) async fn watch(broker: Weak<Broker>) {
    let mut late = LateTransactions::default();
    loop {
        time::sleep(LOOK_INTERVAL).await;
        let Some(broker) = broker.upgrade() else { return };
        tell(&broker, &mut late);
    }
}

/// One look, and a line for each that is new.
fn tell(broker: &Broker, late: &mut LateTransactions) {
    let partitions = broker.storage.all_partitions();
    let late_after = broker.transactions_are_late_after();
    // By the clock that stamps them.
    let now = broker.storage.times().stamp;
    let new = late.look(&partitions, now, late_after);
    let transactional_ids =
        broker.transactional_ids_of(&new.iter().map(|(_, open)| open.first.producer_id).collect());
    for (partition, open) in new {
        let (topic, index) = (partition.topic(), partition.topic_partition().partition);
        let (first, last_stable_offset) = (open.first, open.last_stable_offset);
        let first_offset = first.transaction.map(|transaction| transaction.first_offset.0);
        let since_ms = first.transaction.map(|transaction| transaction.since.0);
        let age = open.first_age(now);
        let transactional_id = transactional_ids.get(&first.producer_id).map(String::as_str);
        let transactional_id = transactional_id.unwrap_or("unknown to every coordinator");
        tracing::warn!(
            %topic, partition = index, transactional_id, producer_id = %first.producer_id,
            producer_epoch = %first.producer_epoch, first_offset, %last_stable_offset, since_ms, ?age,
            "a transaction stays open: consumers of committed records wait at the last stable offset; \
             highwater txn list tells of all that do, kafka-transactions can abort it"
        );
    }
}

impl Broker {
    /// For how long a transaction may be open before somebody is told of it.
    pub fn transactions_are_late_after(&self) -> Duration {
        self.config().transactions.timeout_max.saturating_add(END_TIME)
    }

    /// The producers whose transactions are the first open ones of their partitions: those hold the last
    /// stable offsets.
    pub fn last_stable_offset_holders(&self) -> HashSet<ProducerId> {
        let partitions = self.storage.all_partitions();
        let open = partitions.iter().filter_map(|partition| partition.open_transactions());
        open.map(|open| open.first.producer_id).collect()
    }

    /// Whose transactions these producers write, as far as a coordinator that runs here knows it: also of an
    /// id whose transaction is at rest, since then what is open hangs. One pass over all ids.
    pub fn transactional_ids_of(&self, producers: &HashSet<ProducerId>) -> HashMap<ProducerId, String> {
        let mut found = HashMap::new();
        if producers.is_empty() {
            return found;
        }
        self.look_at_transactions(|shard| {
            shard.visit(&mut |transaction| {
                let producer_id = transaction.producer.producer_id;
                if producers.contains(&producer_id) {
                    found.insert(producer_id, transaction.transactional_id.to_owned());
                }
            });
        });
        found
    }
}

/// Which were told of.
#[derive(Default)]
pub(in crate::broker) struct LateTransactions {
    told: HashMap<TopicPartition, (ProducerId, Offset)>,
}

impl LateTransactions {
    /// Those that nobody was told of yet. What has ended since is forgotten.
    pub(in crate::broker) fn look<'a>(
        &mut self,
        partitions: &'a [Arc<Partition>],
        now: Timestamp,
        late_after: Duration,
    ) -> Vec<(&'a Arc<Partition>, OpenTransactions)> {
        let mut told = HashMap::new();
        let mut new = Vec::new();
        for partition in partitions {
            let Some(open) = partition.open_transactions() else { continue };
            let Some(transaction) = open.first.transaction else { continue };
            if open.first_age(now) < late_after {
                continue;
            }
            let id = partition.topic_partition();
            let which = (open.first.producer_id, transaction.first_offset);
            if self.told.get(&id) != Some(&which) {
                new.push((partition, open));
            }
            told.insert(id, which);
        }
        self.told = told;
        new
    }
}

#[cfg(test)]
mod tests;
