//! What can be seen of the process from outside: metrics and logs.
//!
//! **Owns** every metric's name (`names`), the registry and its text form, and how log lines look.
//! **Does not own** what is measured: other rooms call `Metrics` with plain numbers. It serves no HTTP:
//! `admin` does.
//! **Invariants**: label values are fixed text, except names of topics and groups, and those only while there
//! are no more partitions, groups and committed offsets than the bound. Recording never waits for a
//! disk or a socket.

mod api_names;
mod groups;
mod kafka_names;
mod logging;
mod metrics;
mod names;
mod partitions;
mod series;
mod tier;
mod transactions;

pub use groups::{GroupSeen, GroupsVisitor};
pub use logging::{LogFilterError, LogFormat, start_logging};
pub use metrics::{CONTENT_TYPE, Metrics};
pub use partitions::{PartitionSnapshot, TransactionsSnapshot};
pub use tier::{TierCounters, TierPartitionSnapshot, TierRequest, TierSnapshot, TierVisitor};
pub use transactions::TransactionsVisitor;
