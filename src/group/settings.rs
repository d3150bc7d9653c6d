//! The settings that groups go by.

/// Kafka's `group.*` and `offsets.*`, as numbers and durations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupSettings {}
