//! What a shard is asked: the fields of Kafka's requests that mean something to it, after `handlers` has
//! resolved what depends on a version.

/// One request to one group.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupRequest {}
