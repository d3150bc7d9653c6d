//! The cluster's catalogue as pure data: what is stored under which key, and the image that requests read.
//!
//! **Owns** the keys and values of the metadata store and the immutable [`ClusterImage`] built from them.
//! **Does not own** where they are stored (`cluster`), nor what a partition holds (`partition`).
//! **Invariants**: an image never changes once published, a change makes the next one; a topic id names one
//! incarnation of a topic for ever; no clock, no locks, no input or output.

mod image;
pub mod keys;
mod topic_name;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use image::{BrokerConfigs, ClusterImage, GroupConfigs, MetadataChange, TopicImage};
pub use keys::{Growth, TierDeletion, TierOwner, TierRecord, Tombstone, TopicRecord};
pub use topic_name::{TOPIC_NAME_LENGTH_MAX, TopicNameError, colliding_form, validate_topic_name};
