//! More partitions for topics that exist.

use std::sync::Arc;

use super::topics::PARTITIONS_PER_TOPIC_MAX;
use super::{Broker, TopicError};
use crate::cluster::{Change, MetadataStore, Transaction};
use crate::metadata::{TopicImage, TopicRecord, keys};

/// A topic that is to have more partitions.
#[derive(Debug, Clone)]
pub struct TopicGrowth {
    /// Its name.
    pub topic: String,
    /// How many it is to have in all.
    pub partitions: i32,
    /// For how many new ones the client named the brokers, if it did.
    pub assignments: Option<usize>,
}

impl TopicGrowth {
    /// Whether the topic as it is now can grow so. In the order and the words of Kafka 4.3, as measured.
    pub fn check(&self, topic: &TopicImage) -> Result<(), TopicError> {
        let (name, now, wanted) = (&topic.name, topic.partitions, self.partitions);
        if wanted == now {
            return Err(TopicError::InvalidPartitions(format!("Topic already has {now} partition(s).")));
        }
        if wanted < now {
            return Err(TopicError::InvalidPartitions(format!(
                "The topic {name} currently has {now} partition(s); {wanted} would not be an increase."
            )));
        }
        if let Some(named) = self.assignments
            && i64::try_from(named) != Ok(i64::from(wanted) - i64::from(now))
        {
            let additional = wanted - now;
            return Err(TopicError::InvalidReplicaAssignment(format!(
                "Attempted to add {additional} additional partition(s), but only {named} assignment(s) were \
                 specified."
            )));
        }
        if wanted > PARTITIONS_PER_TOPIC_MAX {
            let words = format!("Number of partitions must be at most {PARTITIONS_PER_TOPIC_MAX}.");
            return Err(TopicError::InvalidPartitions(words));
        }
        Ok(())
    }
}

/// A topic before and after it grew.
struct Grown {
    before: Arc<TopicImage>,
    after: Arc<TopicImage>,
}

impl Broker {
    /// Adds partitions to topics, together in one durable transaction: a result for each, in order.
    ///
    /// Each topic stands in `growths` once. With `validate_only` everything is checked and nothing changes.
    pub async fn create_partitions(
        &self,
        growths: Vec<TopicGrowth>,
        validate_only: bool,
    ) -> Vec<Result<(), TopicError>> {
        let _one_at_a_time = self.topic_changes.lock().await;
        let image = self.image();
        let planned = growths.iter().map(|growth| {
            let before = image.topic(&growth.topic).ok_or(TopicError::Unknown)?.clone();
            growth.check(&before)?;
            let mut record = before.record();
            record.grow(growth.partitions, self.boot());
            let after = Arc::new(TopicImage::new(before.name.clone(), record));
            Ok(Grown { before, after })
        });
        let planned: Vec<Result<Grown, TopicError>> = planned.collect();
        let grown: Vec<&Grown> = planned.iter().flatten().collect();
        let mut outcome = Ok(());
        if !validate_only && !grown.is_empty() {
            outcome = self.grow(&grown).await;
        }
        planned.into_iter().map(|plan| plan.and_then(|_| outcome.clone())).collect()
    }

    /// Durable in the catalogue first, as with new topics: who is told of a partition finds it after any
    /// crash, and one that is not in the catalogue has no record that a replay could miss it for.
    async fn grow(&self, grown: &[&Grown]) -> Result<(), TopicError> {
        let records = grown.iter().map(|grown| grown.after.as_ref());
        let applied = self.metadata.transact(put(records)).await?;
        let new = grown.iter().map(|grown| (grown.after.clone(), grown.before.partitions)).collect();
        if let Err(error) = self.open_partitions(new).await {
            self.take_back(grown).await?;
            return Err(error);
        }
        self.publish(applied.image);
        for Grown { before, after } in grown {
            let (topic, from, to) = (&after.name, before.partitions, after.partitions);
            tracing::info!(%topic, from, to, "a topic got more partitions");
        }
        Ok(())
    }

    /// Nobody was told of the new partitions, so none has a record: the topics are as before.
    async fn take_back(&self, grown: &[&Grown]) -> Result<(), TopicError> {
        let records = grown.iter().map(|grown| grown.before.as_ref());
        let applied = self.metadata.transact(put(records)).await?;
        let storage = self.storage.clone();
        let new = grown.iter().flat_map(|Grown { before, after }| {
            after.topic_partitions().filter(|id| id.partition >= before.partitions).collect::<Vec<_>>()
        });
        let new: Vec<_> = new.collect();
        let withdrawn = tokio::task::spawn_blocking(move || storage.withdraw_partitions(new.into_iter()));
        withdrawn.await.expect("closing a partition does not panic");
        self.publish(applied.image);
        Ok(())
    }
}

fn put<'a>(topics: impl Iterator<Item = &'a TopicImage>) -> Transaction {
    let change = |topic: &TopicImage| {
        let record: TopicRecord = topic.record();
        let value = serde_json::to_vec(&record).expect("strings and numbers are always JSON");
        Change::Put(keys::topic(&topic.name), value)
    };
    Transaction { compares: Vec::new(), changes: topics.map(change).collect() }
}
