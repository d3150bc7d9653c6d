//! Transactions as a pure machine: who may write under a transactional id, which partitions its transaction
//! has, how it ends.
//!
//! **Owns** what a transaction is and does, what of it is written to `__transaction_state` and in which
//! bytes, and which deadlines it has.
//! **Does not own** the log that its records go to, when a reply or an effect leaves, clocks or tasks
//! (`coordinator`), markers in the partitions' logs (`partition`), producer ids (`cluster` gives them out),
//! nor any wire format of requests (`handlers`).
//! **Invariants**
//! - Same state, same input, same outcome: time, settings, fresh producer ids come in with each call.
//! - What must outlive a restart changes only in [`TransactionShard::replay`].
//! - A transaction that is decided (Prepare...) ends as it was decided: markers are asked for again by
//!   [`TransactionShard::loaded`] until they are written.
//! - Once a producer was told an epoch, nobody acts with an earlier one.

mod add_partitions;
mod admin;
mod deadlines;
mod durable;
mod end_transaction;
mod error;
mod expiry;
mod init_producer_id;
mod input;
mod markers;
mod metadata;
mod outcome;
mod record;
mod reply;
mod request;
mod settings;
mod shard;
mod state;
mod views;

#[cfg(test)]
mod tests;

pub use crate::model::TransactionResult;
pub use error::TransactionError;
pub use input::Input;
pub use metadata::{NamedPartition, ProducerIdAndEpoch, TransactionMetadata, TransactionVersion};
pub use outcome::{Effect, Outcome, Ticket, WriteMarkers};
pub use record::TransactionRecord;
pub use reply::{DescribedTransaction, ListedTransaction, ListedTransactions, TransactionReply};
pub use request::{
    AddPartitions, EndTransaction, InitProducerId, ListTransactions, MarkersWritten, TransactionRequest,
    VerifyPartitions,
};
pub use settings::TransactionSettings;
pub use shard::TransactionShard;
pub use state::TransactionState;
pub use views::TransactionView;
