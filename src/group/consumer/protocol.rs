//! `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`: what members of the classic protocol tell
//! each other, and now the broker.

use std::sync::Arc;

use bytes::Bytes;

use crate::group::assignor::Assignment;
use crate::group::record::{Reader, UnreadableRecord, Writer};
use crate::metadata::ClusterImage;
use crate::model::TopicId;

/// Newest version of both. A newer one is read as this one: versions only add to the end.
const NEWEST: i16 = 3;
/// The least that a topic with its partitions takes, and a text.
const TOPIC_BYTES_MIN: usize = 6;
const TEXT_BYTES_MIN: usize = 2;
const PARTITION_BYTES: usize = 4;

type Read<T> = Result<T, UnreadableRecord>;

/// What a member subscribes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Subscription {
    /// Names, ascending, each once.
    pub topics: Vec<Arc<str>>,
    /// From version 1: partitions that the member has.
    pub owned: Vec<(Arc<str>, Vec<i32>)>,
    /// From version 3.
    pub rack_id: Option<Arc<str>>,
}

/// What a leader gave a member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct GivenAssignment {
    /// Partitions by name of topic.
    pub partitions: Vec<(Arc<str>, Vec<i32>)>,
    /// The leader's assignor gave something of its own along.
    pub has_user_data: bool,
}

/// The version of a subscription or assignment, which the answer is written in.
pub(super) fn version(metadata: &Bytes) -> Read<i16> {
    let mut reader = Reader::new(metadata, "consumer protocol");
    let version = reader.int16()?;
    if version < 0 { Err(reader.error("a version below 0")) } else { Ok(version.min(NEWEST)) }
}

/// Reads a subscription.
pub(super) fn read_subscription(metadata: &Bytes) -> Read<Subscription> {
    let version = version(metadata)?;
    let mut reader = Reader::new(metadata, "ConsumerProtocolSubscription");
    reader.int16()?;
    let count = reader.count(TEXT_BYTES_MIN)?;
    let mut topics = (0..count).map(|_| reader.string()).collect::<Read<Vec<_>>>()?;
    topics.sort_unstable();
    topics.dedup();
    reader.nullable_bytes()?;
    let owned = if version >= 1 { read_partitions(&mut reader)? } else { Vec::new() };
    if version >= 2 {
        // The generation that the partitions are of.
        reader.int32()?;
    }
    let rack_id = if version >= 3 { reader.nullable_string()? } else { None };
    Ok(Subscription { topics, owned, rack_id: rack_id.filter(|rack_id| !rack_id.is_empty()) })
}

/// Reads an assignment.
pub(super) fn read_assignment(bytes: &Bytes) -> Read<GivenAssignment> {
    version(bytes)?;
    let mut reader = Reader::new(bytes, "ConsumerProtocolAssignment");
    reader.int16()?;
    let partitions = read_partitions(&mut reader)?;
    let has_user_data = reader.nullable_bytes()?.is_some_and(|user_data| !user_data.is_empty());
    Ok(GivenAssignment { partitions, has_user_data })
}

fn read_partitions(reader: &mut Reader) -> Read<Vec<(Arc<str>, Vec<i32>)>> {
    let mut topics = Vec::new();
    for _ in 0..reader.count(TOPIC_BYTES_MIN)? {
        let name = reader.string()?;
        let count = reader.count(PARTITION_BYTES)?;
        topics.push((name, (0..count).map(|_| reader.int32()).collect::<Read<Vec<_>>>()?));
    }
    Ok(topics)
}

/// Writes an assignment. Topics that are gone are left out: they have no name.
pub(super) fn write_assignment(
    partitions: impl Iterator<Item = (TopicId, Vec<i32>)>,
    image: &ClusterImage,
    version: i16,
) -> Bytes {
    const NULL: i32 = -1;
    let named: Vec<_> = partitions
        .filter_map(|(topic_id, partitions)| Some((image.topic_by_id(topic_id)?.name.clone(), partitions)))
        .collect();
    let mut writer = Writer::new(version);
    writer.int32(named.len() as i32);
    for (name, partitions) in named {
        writer.string(&name);
        writer.int32(partitions.len() as i32);
        partitions.into_iter().for_each(|partition| writer.int32(partition));
    }
    writer.int32(NULL);
    writer.finish().into()
}

/// Partitions by topic id, ascending. Topics and partitions that do not exist are left out.
pub(super) fn with_ids(partitions: &[(Arc<str>, Vec<i32>)], image: &ClusterImage) -> Assignment {
    let mut by_id = Assignment::new();
    for (name, partitions) in partitions {
        let Some(topic) = image.topic(name) else { continue };
        let existing =
            partitions.iter().copied().filter(|partition| (0..topic.partitions).contains(partition));
        // A topic may stand there twice.
        by_id.entry(topic.topic_id).or_default().extend(existing);
    }
    by_id.retain(|_, partitions| {
        partitions.sort_unstable();
        partitions.dedup();
        !partitions.is_empty()
    });
    by_id
}
