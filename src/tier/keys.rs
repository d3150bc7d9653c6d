//! Names of objects, below the prefix that the store is opened with.

use std::fmt;

use uuid::Uuid;

use crate::env::Random;
use crate::model::{Offset, TopicId, TopicPartition};

/// Under it lies all that belongs to topics.
pub const TOPICS: &str = "topics/";

/// Told by whoever wrote an object: no two objects have the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Nonce(pub [u8; 16]);

impl Nonce {
    /// A new one.
    pub fn draw(random: &dyn Random) -> Nonce {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        Nonce(bytes)
    }

    /// From 32 lower-case hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Nonce> {
        let is_ours = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 32 && text.bytes().all(is_ours))
            .then(|| u128::from_str_radix(text, 16).ok())
            .flatten()
            .map(|number| Nonce(number.to_be_bytes()))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// What tells a segment object from all others of its partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectName {
    /// Of the first segment in it.
    pub base_offset: Offset,
    /// The writer's.
    pub nonce: Nonce,
}

/// What an object is, told from its key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ObjectKey {
    /// Records, with their indexes.
    Segment(TopicPartition, ObjectName),
    /// A part of a manifest.
    Leaf(TopicPartition, Nonce),
    /// The root of a manifest, by its number.
    Root(TopicPartition, u64),
}

impl ObjectKey {
    /// What it is; `None` for a key that is none of ours: what lies there is let alone.
    pub fn parse(key: &str) -> Option<ObjectKey> {
        let mut parts = key.strip_prefix(TOPICS)?.split('/');
        let topic_id = parts.next()?.parse::<Uuid>().ok().map(TopicId)?;
        let partition = TopicPartition { topic_id, partition: number(parts.next()?)? };
        let (kind, name) = (parts.next()?, parts.next()?);
        let parsed = match (kind, name.rsplit_once('.')?) {
            ("segments", (name, "segment")) => {
                let (base, nonce) = name.split_once('-')?;
                let base_offset = Offset(number(base)?);
                ObjectKey::Segment(partition, ObjectName { base_offset, nonce: Nonce::parse(nonce)? })
            }
            ("manifest", (name, "leaf")) => ObjectKey::Leaf(partition, Nonce::parse(name)?),
            ("manifest", (name, "root")) => ObjectKey::Root(partition, number(name)?),
            _ => return None,
        };
        // Written as we write it, in every digit: another spelling is somebody else's.
        (parsed.to_string() == key).then_some(parsed)
    }
}

/// Decimal digits and nothing else.
pub(super) fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectKey::Segment(partition, ObjectName { base_offset, nonce }) => {
                write!(f, "{}/segments/{:020}-{nonce}.segment", partition_folder(*partition), base_offset.0)
            }
            ObjectKey::Leaf(partition, nonce) => {
                write!(f, "{}/manifest/{nonce}.leaf", partition_folder(*partition))
            }
            ObjectKey::Root(partition, number) => {
                write!(f, "{}/manifest/{number:020}.root", partition_folder(*partition))
            }
        }
    }
}

/// The folder of all that belongs to one incarnation of a topic.
pub fn topic_folder(topic_id: TopicId) -> String {
    format!("{TOPICS}{topic_id}")
}

/// The folder of all that belongs to one partition.
pub fn partition_folder(partition: TopicPartition) -> String {
    format!("{}/{}", topic_folder(partition.topic_id), partition.partition)
}

#[cfg(test)]
mod tests;
