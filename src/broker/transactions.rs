//! Where transactions live: `__transaction_state`, the coordinators of its partitions, and what partitions
//! ask them before they let records of a transaction in.

mod markers;
mod watch;

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::coordinators::{CoordinatorTopic, lanes};
use super::{Broker, TopicError};
use crate::coordinator::{Asked, Coordinator, CoordinatorError, Surroundings, World, WriteRules};
use crate::env::Env;
use crate::metadata::TopicImage;
use crate::model::{ProducerId, TopicPartition};
use crate::partition::Storage;
use crate::protocol::batch::CompressionType;
use crate::transaction::{
    AddPartitions, Effect, NamedPartition, ProducerIdAndEpoch, TransactionError, TransactionReply,
    TransactionRequest, TransactionSettings, TransactionShard, TransactionVersion, VerifyPartitions,
};

pub use markers::MarkerRefused;
#[cfg(test)]
pub(super) use watch::LateTransactions;
pub(super) use watch::watch;

/// The topic that holds transactions.
pub const TRANSACTIONS_TOPIC: &str = "__transaction_state";

/// Times that a producer id is fetched for one request: each is used up only by a request that came between.
const PRODUCER_IDS_MAX: usize = 3;

/// The coordinators of all transactions.
pub(super) struct Transactions(Coordinator<TransactionShard>);

impl Transactions {
    pub(super) fn new(env: &Env, storage: &Arc<Storage>, broker: Weak<Broker>) -> Transactions {
        let world = TransactionWorld(broker);
        Transactions(Coordinator::new(env.clone(), storage.clone(), world, lanes()))
    }

    pub(super) fn close(&self) {
        self.0.close();
    }
}

/// What shards of transactions are told of the broker.
struct TransactionWorld(Weak<Broker>);

impl World<TransactionShard> for TransactionWorld {
    fn look(&self) -> Option<Surroundings<TransactionSettings>> {
        let broker = self.0.upgrade()?;
        let (image, config) = (broker.image(), broker.config());
        let rules = WriteRules {
            // As in Kafka, which makes the topic with compression.type=uncompressed.
            compression: CompressionType::None,
            batch_bytes_max: broker.batch_bytes_max(&image, TRANSACTIONS_TOPIC),
            timeout: config.groups.commit_timeout,
            load_bytes: config.transactions.load_bytes.into(),
            expiry_interval: config.transactions.expiration_check_interval,
        };
        let settings = TransactionSettings {
            transaction_max_timeout: config.transactions.timeout_max,
            transactional_id_expiration: config.transactions.id_expiration,
        };
        Some(Surroundings { settings: Arc::new(settings), image, rules })
    }

    /// One task for each transaction that is being ended: as many as there are transactional ids, which the
    /// shard holds in memory, at most.
    fn perform(&self, shard: TopicPartition, effect: Effect) {
        let Effect::WriteMarkers(markers) = effect;
        tokio::spawn(markers::write(self.0.clone(), shard, markers));
    }
}

/// What is asked of the coordinator of a transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionCheck {
    /// Whose transaction.
    pub transactional_id: Arc<str>,
    /// Its producer, under the epoch that writes.
    pub producer: ProducerIdAndEpoch,
    /// What is about to be written to.
    pub partitions: Vec<NamedPartition>,
    /// Takes the partitions into the transaction, which begins if it has not: version 2 (KIP-890). Otherwise
    /// they must be in it already.
    pub adds: bool,
}

/// When partitions ask at all, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerificationRules {
    /// Batches of version 1 are asked about; those of version 2 always are.
    pub is_enabled: bool,
    /// Pause before the coordinator is asked again that is ending the transaction before.
    pub retry_backoff: Duration,
    /// After this long the client is told to try again.
    pub retry_max: Duration,
}

/// Why a partition may not be written to in a transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionRefused {
    /// The coordinator cannot tell.
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
    /// It refuses.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// TRANSACTION_ABORTABLE: the partition is not in the transaction.
    #[error("the partition was not added to the transaction")]
    NotAdded,
}

impl Broker {
    /// Makes the topic that holds transactions, unless it exists.
    pub async fn ensure_transactions_topic(&self) -> Result<Arc<TopicImage>, TopicError> {
        let config = self.config();
        let transactions = &config.transactions;
        self.ensure_coordinator_topic(CoordinatorTopic {
            name: TRANSACTIONS_TOPIC,
            partitions: transactions.topic_partitions,
            replication_factor: transactions.topic_replication_factor,
            compression: "uncompressed",
            segment_bytes: transactions.topic_segment_bytes,
        })
        .await
    }

    /// Runs the coordinators of all partitions that are open. Does nothing for those that run.
    pub(super) fn lead_transactions(&self) {
        self.lead(&self.transactions.0, TRANSACTIONS_TOPIC);
    }

    /// The partition that holds a transactional id; `None` before there is any.
    pub fn transaction_partition(&self, transactional_id: &str) -> Option<TopicPartition> {
        self.partition_of_key(TRANSACTIONS_TOPIC, transactional_id)
    }

    /// Hands a request to the coordinator of a transactional id. Requests of one caller reach it in the order
    /// of these calls.
    pub fn ask_transaction(
        &self,
        transactional_id: &str,
        request: TransactionRequest,
    ) -> Result<Asked<TransactionReply>, CoordinatorError> {
        let partition =
            self.transaction_partition(transactional_id).ok_or(CoordinatorError::NotCoordinator)?;
        self.transactions.0.ask(partition, request)
    }

    /// Waits for the reply to a request that may need a producer id, which `with_id` puts in before it is
    /// asked again.
    pub async fn transaction_reply<R: Clone>(
        &self,
        transactional_id: &str,
        mut asked: Result<Asked<TransactionReply>, CoordinatorError>,
        mut request: R,
        with_id: impl Fn(&mut R, ProducerId) -> TransactionRequest,
    ) -> Result<TransactionReply, CoordinatorError> {
        for _ in 0..PRODUCER_IDS_MAX {
            match asked?.reply().await? {
                TransactionReply::NeedsProducerId => {
                    let id = self.allocate_producer_id().await.map_err(|_| CoordinatorError::NotAvailable)?;
                    asked = self.ask_transaction(transactional_id, with_id(&mut request, id));
                }
                reply => return Ok(reply),
            }
        }
        Err(CoordinatorError::NotAvailable)
    }

    /// Shows each coordinator's transactions as they are now, committed or not; none of those that load.
    pub fn look_at_transactions(&self, look: impl FnMut(&TransactionShard)) {
        self.transactions.0.look_at_all(look);
    }

    /// Transactions that were aborted by their time-out, since the start.
    pub fn transactions_timed_out(&self) -> u64 {
        self.transactions.0.counted()
    }

    /// Hands a request to the coordinators of all transactional ids that run here.
    pub fn ask_all_transactions(
        &self,
        request: &TransactionRequest,
    ) -> Vec<Result<Asked<TransactionReply>, CoordinatorError>> {
        self.transactions.0.ask_all(|| request.clone())
    }

    /// What holds now.
    pub fn verification_rules(&self) -> VerificationRules {
        let config = self.config();
        let transactions = &config.transactions;
        VerificationRules {
            is_enabled: transactions.verifies_partitions,
            retry_backoff: transactions.add_partitions_backoff,
            retry_max: transactions.add_partitions_backoff_max,
        }
    }

    /// Asks the coordinator of a transaction whether partitions belong to it, or adds them. One answer for
    /// each, in their order. Where it adds, its record comes before everything that is appended after this
    /// returns.
    pub async fn verify_transaction(&self, check: TransactionCheck) -> Vec<Result<(), TransactionRefused>> {
        let partitions = check.partitions.clone();
        match self.not_in_transaction(check).await {
            Err(refused) => partitions.iter().map(|_| Err(refused.clone())).collect(),
            Ok(missing) => {
                let answer = |partition| match missing.contains(partition) {
                    true => Err(TransactionRefused::NotAdded),
                    false => Ok(()),
                };
                partitions.iter().map(answer).collect()
            }
        }
    }

    async fn not_in_transaction(
        &self,
        check: TransactionCheck,
    ) -> Result<Vec<NamedPartition>, TransactionRefused> {
        let TransactionCheck { transactional_id, producer, partitions, adds } = check;
        let request = match adds {
            true => TransactionRequest::AddPartitions(AddPartitions {
                transactional_id: transactional_id.clone(),
                producer,
                partitions,
                transaction_version: TransactionVersion::V2,
            }),
            false => TransactionRequest::VerifyPartitions(VerifyPartitions {
                transactional_id: transactional_id.clone(),
                producer,
                partitions,
            }),
        };
        match self.ask_transaction(&transactional_id, request)?.reply().await? {
            TransactionReply::AddPartitions(added) => Ok(added.map(|()| Vec::new())?),
            TransactionReply::VerifyPartitions(verified) => Ok(verified?),
            other => unreachable!("a reply is of its request's kind: {other:?}"),
        }
    }
}
