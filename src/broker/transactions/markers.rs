//! What ends transactions in their partitions.
//!
//! The order, and why it is right: a transaction is decided in the coordinator's log (Prepare...) and that is
//! committed before the first marker is written; it is complete (Complete...) not before all markers are
//! committed. A crash in between finds it decided: the shard that is loaded asks for all markers once more.
//! One that was written is known by its partition, or does no harm.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Broker;
use crate::broker::OFFSETS_TOPIC;
use crate::coordinator::{Beside, CoordinatorError, WhileOwed};
use crate::env::time;
use crate::model::{CoordinatorEpoch, Offset, TopicPartition};
use crate::partition::{Admission, AppendError, MarkerOrigin, Partition, Purpose, TransactionMarker};
use crate::transaction::{
    MarkersWritten, NamedPartition, TransactionReply, TransactionRequest, WriteMarkers,
};

/// Pause before what could not be written is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(100);
/// Longest wait for room in the log.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(10);
/// Markers that are written at once.
const MARKERS_MAX: usize = 1024;

/// Why a partition has no marker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MarkerRefused {
    /// There is no such partition.
    #[error("there is no such partition")]
    UnknownPartition,
    /// The partition refuses it.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The coordinator of the groups that are kept there cannot write it now.
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
    /// There was no room in the log for so long, or it has failed.
    #[error("the log has no room")]
    NoRoom,
}

impl MarkerRefused {
    /// Whether trying again may help. A partition that is gone needs no marker; one that has seen a newer
    /// epoch of the producer has been told how the transaction ended.
    fn may_pass(&self) -> bool {
        match self {
            MarkerRefused::UnknownPartition => false,
            // Offline for a deletion that may yet fail; once it is done there is no such partition.
            MarkerRefused::Append(error) => matches!(error, AppendError::Stopped(_) | AppendError::Deleted),
            MarkerRefused::Coordinator(_) | MarkerRefused::NoRoom => true,
        }
    }
}

/// Writes the markers of a transaction until none is owed, and tells its coordinator. Ends early when the
/// shard that asked is unloaded, or the broker is gone.
pub(super) async fn write(weak: Weak<Broker>, shard: TopicPartition, asked: WriteMarkers) {
    let asked = Arc::new(asked);
    let mut owed = asked.partitions.clone();
    let mut untold: Vec<NamedPartition> = Vec::new();
    let marker = TransactionMarker {
        origin: MarkerOrigin::Coordinator,
        producer_id: asked.producer.producer_id,
        producer_epoch: asked.producer.producer_epoch,
        coordinator_epoch: CoordinatorEpoch(asked.coordinator_epoch.0),
        result: asked.result,
        transaction_version: asked.transaction_version.level(),
    };
    loop {
        let Some(broker) = weak.upgrade() else { return };
        let debt = Some(Debt { broker: &weak, shard, asked: &asked });
        let results = broker.write_markers(debt, owed.iter().map(|partition| (partition, marker))).await;
        let mut left = Vec::new();
        for (partition, result) in owed.drain(..).zip(results) {
            match result {
                Err(refused) if refused.may_pass() => left.push(partition),
                result => {
                    if let Err(refused) = result {
                        let (transactional_id, topic) = (&asked.transactional_id, &partition.topic);
                        let partition = partition.partition;
                        tracing::info!(%transactional_id, %topic, partition, %refused, "no marker needed");
                    }
                    untold.push(partition);
                }
            }
        }
        owed = left;
        let broker = match owed.is_empty() {
            true => broker,
            false => {
                drop(broker);
                time::sleep(TRY_AGAIN).await;
                let Some(broker) = weak.upgrade() else { return };
                broker
            }
        };
        // Told in every round, also of nothing: a shard that was loaded again has somebody else do this, and
        // a marker that is written behind that one's back could end the next transaction.
        match broker.tell_written(shard, &asked, &untold).await {
            Ok(true) => return,
            Ok(false) => untold.clear(),
            Err(CoordinatorError::NotAvailable | CoordinatorError::TooLarge) => {}
            // The shard asks again when it is loaded.
            Err(_) => return,
        }
        if owed.is_empty() {
            if untold.is_empty() {
                return;
            }
            drop(broker);
            time::sleep(TRY_AGAIN).await;
        }
    }
}

/// What a shard has asked for.
#[derive(Clone, Copy)]
struct Debt<'a> {
    broker: &'a Weak<Broker>,
    shard: TopicPartition,
    asked: &'a Arc<WriteMarkers>,
}

/// A marker that is on its way in a partition's log.
type Pending = Result<(Arc<Partition>, Offset), MarkerRefused>;

impl Broker {
    async fn tell_written(
        &self,
        shard: TopicPartition,
        asked: &WriteMarkers,
        written: &[NamedPartition],
    ) -> Result<bool, CoordinatorError> {
        let (transactional_id, producer, decided_at) =
            (asked.transactional_id.clone(), asked.producer, asked.decided_at);
        let partitions = written.to_vec();
        let told = MarkersWritten { transactional_id, producer, decided_at, partitions };
        let reply = self.transactions.0.ask(shard, TransactionRequest::MarkersWritten(told))?.reply().await?;
        Ok(matches!(reply, TransactionReply::MarkersWritten { is_complete: true }))
    }

    /// Ends transactions in partitions, and waits until that is committed. The answers are in the order of
    /// the markers. Those of partitions that hold groups are written, and applied, by their coordinators.
    pub async fn end_transactions<'a>(
        &self,
        markers: impl Iterator<Item = (&'a NamedPartition, TransactionMarker)>,
    ) -> Vec<Result<(), MarkerRefused>> {
        self.write_markers(None, markers).await
    }

    /// The same for a shard, or for a client of whom there is nothing to be known.
    async fn write_markers<'a>(
        &self,
        debt: Option<Debt<'_>>,
        markers: impl Iterator<Item = (&'a NamedPartition, TransactionMarker)>,
    ) -> Vec<Result<(), MarkerRefused>> {
        let markers: Vec<_> = markers.collect();
        let mut results = Vec::with_capacity(markers.len());
        for some in markers.chunks(MARKERS_MAX) {
            for pending in self.append_markers(debt, some).await {
                results.push(match pending {
                    Ok((partition, end)) => partition.committed(end).await.map_err(MarkerRefused::from),
                    Err(refused) => Err(refused),
                });
            }
        }
        results
    }

    /// Puts markers into the log, all in one commit; with offsets of several shards of groups, those of all
    /// but the first come in commits of their own.
    async fn append_markers(
        &self,
        debt: Option<Debt<'_>>,
        markers: &[(&NamedPartition, TransactionMarker)],
    ) -> Vec<Pending> {
        let image = self.image();
        let mut results: Vec<Option<Pending>> = Vec::with_capacity(markers.len());
        let (mut plain, mut places) = (Vec::new(), Vec::new());
        let mut of_groups = Vec::new();
        for (at, (named, marker)) in markers.iter().enumerate() {
            let topic =
                image.topic(&named.topic).filter(|topic| (0..topic.partitions).contains(&named.partition));
            let Some(topic) = topic else {
                results.push(Some(Err(MarkerRefused::UnknownPartition)));
                continue;
            };
            let id = TopicPartition { topic_id: topic.topic_id, partition: named.partition };
            results.push(None);
            match self.storage.partition(id) {
                // In the catalogue and not open: it is about to be.
                None => results[at] = Some(Err(MarkerRefused::NoRoom)),
                Some(partition) if *named.topic == *OFFSETS_TOPIC => of_groups.push((at, partition, *marker)),
                Some(partition) => {
                    plain.push((partition, *marker));
                    places.push(at);
                }
            }
        }
        let mut of_groups = of_groups.into_iter();
        let written = match of_groups.next() {
            Some((at, partition, marker)) => {
                let (own, written) = self.append_with_group(debt, (partition, marker), plain).await;
                results[at] = Some(own);
                written
            }
            None => self.append_plain(debt, plain).await,
        };
        places.into_iter().zip(written).for_each(|(at, result)| results[at] = Some(result));
        for (at, partition, marker) in of_groups {
            let (own, _) = self.append_with_group(debt, (partition, marker), Vec::new()).await;
            results[at] = Some(own);
        }
        results.into_iter().map(|result| result.expect("each has got one")).collect()
    }

    /// The shard of the groups writes its marker, and those of plain partitions with it. What comes to that
    /// shard later, of the producer's next transaction, is behind it. Where the shard cannot, the plain ones
    /// are written without it.
    async fn append_with_group(
        &self,
        debt: Option<Debt<'_>>,
        (partition, marker): (Arc<Partition>, TransactionMarker),
        plain: Vec<(Arc<Partition>, TransactionMarker)>,
    ) -> (Pending, Vec<Pending>) {
        let id = partition.topic_partition();
        let beside = Beside { markers: plain.clone(), while_owed: Broker::while_owed_later(debt) };
        let ended = match self.while_owed(debt, || self.groups.end_transaction(id, marker, beside)) {
            Ok(Ok(ended)) => ended.await.map_err(MarkerRefused::from),
            Ok(Err(error)) => Err(error.into()),
            Err(refused) => Err(refused),
        };
        match ended {
            Ok(ends) => {
                let partitions = std::iter::once(partition).chain(plain.into_iter().map(|(it, _)| it));
                let mut ends = partitions.zip(ends).map(|(partition, end)| Ok((partition, end?)));
                (ends.next().expect("its own comes first"), ends.collect())
            }
            Err(refused) => (Err(refused), self.append_plain(debt, plain).await),
        }
    }

    /// Does something while it is owed, if it still is: whoever waited for room may have been overtaken, by a
    /// shard that was loaded again and by its markers, and with versions before 2 the producer of the next
    /// transaction is the same. The shard is held meanwhile, so that the transaction is not complete before.
    fn while_owed<T>(&self, debt: Option<Debt<'_>>, act: impl FnOnce() -> T) -> Result<T, MarkerRefused> {
        let Some(Debt { shard, asked, .. }) = debt else { return Ok(act()) };
        let acted = self.transactions.0.look(shard, |shard| shard.owes(asked).then(act));
        acted.flatten().ok_or(MarkerRefused::Coordinator(CoordinatorError::NotCoordinator))
    }

    /// The same for who writes when its turn has come, and may be there longer than the broker.
    fn while_owed_later(debt: Option<Debt<'_>>) -> Box<WhileOwed> {
        let Some(Debt { broker, shard, asked }) = debt else { return Box::new(|append| append()) };
        let (weak, asked) = (broker.clone(), asked.clone());
        Box::new(move |append| {
            let Some(broker) = weak.upgrade() else { return };
            // What is refused has not been appended, which is all that is to be known of it.
            let _ = broker.while_owed(Some(Debt { broker: &weak, shard, asked: &asked }), append);
        })
    }

    async fn append_plain(
        &self,
        debt: Option<Debt<'_>>,
        markers: Vec<(Arc<Partition>, TransactionMarker)>,
    ) -> Vec<Pending> {
        let payloads = vec![TransactionMarker::PAYLOAD_BYTES; markers.len()];
        if payloads.is_empty() {
            return Vec::new();
        }
        let Ok(mut credits) = self.storage.admit(Purpose::Records, &payloads, ROOM_WAIT_MAX).await else {
            return markers.iter().map(|_| Err(MarkerRefused::NoRoom)).collect();
        };
        let appended = match self.while_owed(debt, || self.storage.append_markers(&mut credits, &markers)) {
            Ok(appended) => appended,
            Err(refused) => return markers.iter().map(|_| Err(refused.clone())).collect(),
        };
        let ends = markers.into_iter().zip(appended).map(|((partition, _), appended)| {
            let (Admission::Appended { end_offset, .. } | Admission::Duplicate { end_offset, .. }) =
                appended?;
            Ok((partition, end_offset))
        });
        ends.collect()
    }
}

#[cfg(test)]
pub(super) mod tests;
