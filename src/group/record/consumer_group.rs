//! Records of consumer groups (KIP-848): key types 3 to 8 and 16, as Kafka 4.3 writes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::UnreadableRecord;
use crate::group::assignor::Assignment;
use crate::group::request::GroupProtocol;
use crate::model::{Timestamp, TopicId};
use crate::wire::{Reader, Writer};

/// First 16 bits of a key.
mod key_type {
    pub const METADATA: i16 = 3;
    pub const PARTITION_METADATA: i16 = 4;
    pub const MEMBER_METADATA: i16 = 5;
    pub const TARGET_ASSIGNMENT_METADATA: i16 = 6;
    pub const TARGET_ASSIGNMENT_MEMBER: i16 = 7;
    pub const CURRENT_MEMBER_ASSIGNMENT: i16 = 8;
    pub const REGULAR_EXPRESSION: i16 = 16;
}

/// Every value has one version.
const VERSION: i16 = 0;
/// How a structure in a tagged field begins.
const NULL: u8 = 0;
const NOT_NULL: u8 = 1;
/// The only tagged field of each structure that has one.
const TAG: u32 = 0;
/// The least bytes of a text, of a protocol, of a topic with its partitions.
const TEXT_BYTES_MIN: usize = 1;
const PROTOCOL_BYTES_MIN: usize = 3;
const TOPIC_BYTES_MIN: usize = 18;
const PARTITION_BYTES: usize = 4;

/// Partitions of each topic with the member epoch at which each was assigned (KIP-1251).
pub type OwnedPartitions = BTreeMap<TopicId, BTreeMap<i32, i32>>;

/// What a record changes of a consumer group. `None` is a tombstone.
#[derive(Debug, Clone, PartialEq)]
pub enum ConsumerGroupChange {
    /// Key type 3: the group's epoch.
    Metadata(Option<ConsumerGroupMetadata>),
    /// Key type 4, which versions before 4.1 wrote and newer ones only delete: the value as it was read.
    PartitionMetadata(Option<Bytes>),
    /// Key type 5: a member as its requests describe it.
    MemberMetadata {
        /// The member.
        member_id: Arc<str>,
        /// What it said.
        metadata: Option<Arc<MemberMetadata>>,
    },
    /// Key type 6: for which group epoch the target assignment was made.
    TargetAssignmentMetadata(Option<TargetAssignmentMetadata>),
    /// Key type 7: what a member is to have.
    TargetAssignmentMember {
        /// The member.
        member_id: Arc<str>,
        /// Its partitions.
        assignment: Option<Arc<Assignment>>,
    },
    /// Key type 8: what a member has.
    CurrentMemberAssignment {
        /// The member.
        member_id: Arc<str>,
        /// Its epoch, state and partitions.
        assignment: Option<CurrentAssignment>,
    },
    /// Key type 16: which topics a regular expression stands for.
    RegularExpression {
        /// As members wrote it.
        expression: Arc<str>,
        /// What was found.
        resolved: Option<Arc<ResolvedRegularExpression>>,
    },
}

impl ConsumerGroupChange {
    /// Whether it takes something away.
    pub fn is_tombstone(&self) -> bool {
        match self {
            ConsumerGroupChange::Metadata(value) => value.is_none(),
            ConsumerGroupChange::PartitionMetadata(value) => value.is_none(),
            ConsumerGroupChange::MemberMetadata { metadata, .. } => metadata.is_none(),
            ConsumerGroupChange::TargetAssignmentMetadata(value) => value.is_none(),
            ConsumerGroupChange::TargetAssignmentMember { assignment, .. } => assignment.is_none(),
            ConsumerGroupChange::CurrentMemberAssignment { assignment, .. } => assignment.is_none(),
            ConsumerGroupChange::RegularExpression { resolved, .. } => resolved.is_none(),
        }
    }
}

/// A group's epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerGroupMetadata {
    /// Raised whenever a new target assignment is due.
    pub group_epoch: i32,
    /// Hash of all topics that the group subscribes to; 0 if there are none (KIP-1101).
    pub metadata_hash: i64,
}

/// A member as its requests describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberMetadata {
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Arc<str>>,
    /// `client.rack`.
    pub rack_id: Option<Arc<str>>,
    /// As its requests gave it.
    pub client_id: Arc<str>,
    /// Where it sends from.
    pub client_host: Arc<str>,
    /// Names that it subscribes to, ascending, each once.
    pub subscribed_topic_names: Vec<Arc<str>>,
    /// Regular expression that it subscribes to; none or empty for none.
    pub subscribed_topic_regex: Option<Arc<str>>,
    /// How long it may take to give partitions up; -1 until it says so.
    pub rebalance_timeout_ms: i32,
    /// The assignor it asks for.
    pub server_assignor: Option<Arc<str>>,
    /// Of a member that speaks the classic protocol.
    pub classic: Option<ClassicMemberMetadata>,
}

impl Default for MemberMetadata {
    fn default() -> MemberMetadata {
        MemberMetadata {
            instance_id: None,
            rack_id: None,
            client_id: "".into(),
            client_host: "".into(),
            subscribed_topic_names: Vec::new(),
            subscribed_topic_regex: Some("".into()),
            rebalance_timeout_ms: -1,
            server_assignor: None,
            classic: None,
        }
    }
}

impl MemberMetadata {
    /// The regular expression, if there is one.
    pub fn regex(&self) -> Option<&Arc<str>> {
        self.subscribed_topic_regex.as_ref().filter(|expression| !expression.is_empty())
    }
}

/// What is kept of a member that speaks the classic protocol in a consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassicMemberMetadata {
    /// Silence after which it is taken for dead.
    pub session_timeout_ms: i32,
    /// Its protocols in its order of preference; at least one.
    pub supported_protocols: Vec<GroupProtocol>,
}

/// For which group epoch the target assignment was made, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetAssignmentMetadata {
    /// The group epoch.
    pub assignment_epoch: i32,
    /// By the wall clock; 0 for one that no assignor made.
    pub assignment_timestamp: Timestamp,
}

/// How far a member is with its partitions. The numbers are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemberState {
    /// It has what its epoch gives it.
    #[default]
    Stable,
    /// It has to give up partitions, and has not said that it did.
    UnrevokedPartitions,
    /// Partitions meant for it are still with others.
    UnreleasedPartitions,
    /// A state of a newer version.
    Unknown,
}

impl MemberState {
    const NUMBERS: [(MemberState, i8); 4] = [
        (MemberState::Stable, 0),
        (MemberState::UnrevokedPartitions, 1),
        (MemberState::UnreleasedPartitions, 2),
        (MemberState::Unknown, 127),
    ];

    fn number(self) -> i8 {
        MemberState::NUMBERS.iter().find(|(state, _)| *state == self).map_or(127, |(_, number)| *number)
    }

    fn from_number(number: i8) -> MemberState {
        let known = MemberState::NUMBERS.iter().find(|(_, known)| *known == number);
        known.map_or(MemberState::Unknown, |(state, _)| *state)
    }
}

/// What a member has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentAssignment {
    /// What its next request has to carry; -2 for a static member that left for a while.
    pub member_epoch: i32,
    /// What a request may carry that was sent before the answer with the new one came.
    pub previous_member_epoch: i32,
    /// How far it is.
    pub state: MemberState,
    /// Its partitions.
    pub assigned: Arc<OwnedPartitions>,
    /// Partitions that it has to give up.
    pub pending_revocation: Arc<OwnedPartitions>,
}

impl Default for CurrentAssignment {
    fn default() -> CurrentAssignment {
        CurrentAssignment {
            member_epoch: 0,
            previous_member_epoch: -1,
            state: MemberState::Stable,
            assigned: Arc::default(),
            pending_revocation: Arc::default(),
        }
    }
}

/// The topics of a regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedRegularExpression {
    /// Names, ascending.
    pub topics: Vec<Arc<str>>,
    /// Which catalogue was searched, as its writer counts them.
    pub version: i64,
    /// When it was searched, by the wall clock.
    pub timestamp: Timestamp,
}

/// The key of a change.
pub(super) fn encode_key(group_id: &str, change: &ConsumerGroupChange) -> Vec<u8> {
    let (key_type, second) = match change {
        ConsumerGroupChange::Metadata(_) => (key_type::METADATA, None),
        ConsumerGroupChange::PartitionMetadata(_) => (key_type::PARTITION_METADATA, None),
        ConsumerGroupChange::MemberMetadata { member_id, .. } => (key_type::MEMBER_METADATA, Some(member_id)),
        ConsumerGroupChange::TargetAssignmentMetadata(_) => (key_type::TARGET_ASSIGNMENT_METADATA, None),
        ConsumerGroupChange::TargetAssignmentMember { member_id, .. } => {
            (key_type::TARGET_ASSIGNMENT_MEMBER, Some(member_id))
        }
        ConsumerGroupChange::CurrentMemberAssignment { member_id, .. } => {
            (key_type::CURRENT_MEMBER_ASSIGNMENT, Some(member_id))
        }
        ConsumerGroupChange::RegularExpression { expression, .. } => {
            (key_type::REGULAR_EXPRESSION, Some(expression))
        }
    };
    let mut writer = Writer::new(key_type);
    writer.string(group_id);
    if let Some(second) = second {
        writer.string(second);
    }
    writer.finish()
}

/// The value of a change.
pub(super) fn encode_value(change: &ConsumerGroupChange) -> Option<Vec<u8>> {
    match change {
        ConsumerGroupChange::Metadata(metadata) => metadata.map(encode_metadata),
        ConsumerGroupChange::PartitionMetadata(value) => value.as_ref().map(|value| value.to_vec()),
        ConsumerGroupChange::MemberMetadata { metadata, .. } => metadata.as_deref().map(encode_member),
        ConsumerGroupChange::TargetAssignmentMetadata(metadata) => metadata.map(encode_target),
        ConsumerGroupChange::TargetAssignmentMember { assignment, .. } => {
            assignment.as_deref().map(encode_target_member)
        }
        ConsumerGroupChange::CurrentMemberAssignment { assignment, .. } => {
            assignment.as_ref().map(encode_current)
        }
        ConsumerGroupChange::RegularExpression { resolved, .. } => resolved.as_deref().map(encode_resolved),
    }
}

fn encode_metadata(metadata: ConsumerGroupMetadata) -> Vec<u8> {
    let mut writer = Writer::new(VERSION);
    writer.int32(metadata.group_epoch);
    tagged_number(&mut writer, metadata.metadata_hash);
    writer.finish()
}

fn encode_target(metadata: TargetAssignmentMetadata) -> Vec<u8> {
    let mut writer = Writer::new(VERSION);
    writer.int32(metadata.assignment_epoch);
    tagged_number(&mut writer, metadata.assignment_timestamp.0);
    writer.finish()
}

/// The tagged fields of a structure whose only one is a number that is left out if it is 0.
fn tagged_number(writer: &mut Writer, number: i64) {
    if number == 0 {
        return writer.unsigned_varint(0);
    }
    tagged(writer, |field| field.int64(number));
}

/// The tagged fields of a structure that has one.
fn tagged(writer: &mut Writer, write: impl FnOnce(&mut Writer)) {
    let mut field = Writer::default();
    write(&mut field);
    let field = field.finish();
    writer.unsigned_varint(1);
    writer.unsigned_varint(TAG);
    writer.unsigned_varint(field.len() as u32);
    writer.raw(&field);
}

fn encode_member(member: &MemberMetadata) -> Vec<u8> {
    let mut writer = Writer::new(VERSION);
    writer.compact_nullable_string(member.instance_id.as_deref());
    writer.compact_nullable_string(member.rack_id.as_deref());
    writer.compact_string(&member.client_id);
    writer.compact_string(&member.client_host);
    texts(&mut writer, &member.subscribed_topic_names);
    writer.compact_nullable_string(member.subscribed_topic_regex.as_deref());
    writer.int32(member.rebalance_timeout_ms);
    writer.compact_nullable_string(member.server_assignor.as_deref());
    // Measured against Kafka 4.3: the field is there, null, in most members.
    tagged(&mut writer, |field| match &member.classic {
        Some(classic) => encode_classic(field, classic),
        None => field.raw(&[NULL]),
    });
    writer.finish()
}

fn encode_classic(writer: &mut Writer, classic: &ClassicMemberMetadata) {
    writer.raw(&[NOT_NULL]);
    writer.int32(classic.session_timeout_ms);
    writer.unsigned_varint(classic.supported_protocols.len() as u32 + 1);
    for protocol in &classic.supported_protocols {
        writer.compact_string(&protocol.name);
        writer.unsigned_varint(protocol.metadata.len() as u32 + 1);
        writer.raw(&protocol.metadata);
        writer.unsigned_varint(0);
    }
    writer.unsigned_varint(0);
}

fn encode_target_member(assignment: &Assignment) -> Vec<u8> {
    let mut writer = Writer::new(VERSION);
    writer.unsigned_varint(assignment.len() as u32 + 1);
    for (topic_id, partitions) in assignment {
        writer.uuid(topic_id.0);
        numbers(&mut writer, partitions.len(), partitions.iter());
        writer.unsigned_varint(0);
    }
    writer.unsigned_varint(0);
    writer.finish()
}

fn encode_current(current: &CurrentAssignment) -> Vec<u8> {
    let mut writer = Writer::new(VERSION);
    writer.int32(current.member_epoch);
    writer.int32(current.previous_member_epoch);
    writer.raw(&current.state.number().to_be_bytes());
    owned(&mut writer, &current.assigned);
    owned(&mut writer, &current.pending_revocation);
    writer.unsigned_varint(0);
    writer.finish()
}

fn owned(writer: &mut Writer, partitions: &OwnedPartitions) {
    writer.unsigned_varint(partitions.len() as u32 + 1);
    for (topic_id, epochs) in partitions {
        writer.uuid(topic_id.0);
        numbers(writer, epochs.len(), epochs.keys());
        tagged(writer, |field| numbers(field, epochs.len(), epochs.values()));
    }
}

fn encode_resolved(resolved: &ResolvedRegularExpression) -> Vec<u8> {
    let mut writer = Writer::new(VERSION);
    texts(&mut writer, &resolved.topics);
    writer.int64(resolved.version);
    writer.int64(resolved.timestamp.0);
    writer.unsigned_varint(0);
    writer.finish()
}

fn texts(writer: &mut Writer, texts: &[Arc<str>]) {
    writer.unsigned_varint(texts.len() as u32 + 1);
    texts.iter().for_each(|text| writer.compact_string(text));
}

fn numbers<'a>(writer: &mut Writer, count: usize, numbers: impl Iterator<Item = &'a i32>) {
    writer.unsigned_varint(count as u32 + 1);
    numbers.for_each(|number| writer.int32(*number));
}

type Read<T> = Result<T, UnreadableRecord>;

/// Whether a key's type is one of these.
pub(super) fn has_type(key_type: i16) -> bool {
    (key_type::METADATA..=key_type::CURRENT_MEMBER_ASSIGNMENT).contains(&key_type)
        || key_type == key_type::REGULAR_EXPRESSION
}

/// Reads what follows group id in a key of one of these types, and the value.
pub(super) fn decode(
    key_type: i16,
    key: &mut Reader,
    value: Option<&[u8]>,
) -> Result<ConsumerGroupChange, UnreadableRecord> {
    Ok(match key_type {
        key_type::METADATA => ConsumerGroupChange::Metadata(value.map(decode_metadata).transpose()?),
        key_type::PARTITION_METADATA => {
            ConsumerGroupChange::PartitionMetadata(value.map(Bytes::copy_from_slice))
        }
        key_type::MEMBER_METADATA => ConsumerGroupChange::MemberMetadata {
            member_id: key.string()?,
            metadata: value.map(decode_member).transpose()?.map(Arc::new),
        },
        key_type::TARGET_ASSIGNMENT_METADATA => {
            ConsumerGroupChange::TargetAssignmentMetadata(value.map(decode_target).transpose()?)
        }
        key_type::TARGET_ASSIGNMENT_MEMBER => ConsumerGroupChange::TargetAssignmentMember {
            member_id: key.string()?,
            assignment: value.map(decode_target_member).transpose()?.map(Arc::new),
        },
        key_type::CURRENT_MEMBER_ASSIGNMENT => ConsumerGroupChange::CurrentMemberAssignment {
            member_id: key.string()?,
            assignment: value.map(decode_current).transpose()?,
        },
        _ => ConsumerGroupChange::RegularExpression {
            expression: key.string()?,
            resolved: value.map(decode_resolved).transpose()?.map(Arc::new),
        },
    })
}

fn value<'a>(bytes: &'a [u8], what: &'static str) -> Read<Reader<'a>> {
    let mut reader = Reader::new(bytes, what);
    reader.version(VERSION)?;
    Ok(reader)
}

fn decode_metadata(bytes: &[u8]) -> Read<ConsumerGroupMetadata> {
    let mut reader = value(bytes, "ConsumerGroupMetadataValue")?;
    let group_epoch = reader.int32()?;
    Ok(ConsumerGroupMetadata { group_epoch, metadata_hash: read_tagged_number(&mut reader)? })
}

fn decode_target(bytes: &[u8]) -> Read<TargetAssignmentMetadata> {
    let mut reader = value(bytes, "ConsumerGroupTargetAssignmentMetadataValue")?;
    let assignment_epoch = reader.int32()?;
    let assignment_timestamp = Timestamp(read_tagged_number(&mut reader)?);
    Ok(TargetAssignmentMetadata { assignment_epoch, assignment_timestamp })
}

fn read_tagged_number(reader: &mut Reader) -> Read<i64> {
    let mut number = 0;
    reader.tagged_fields(|tag, field| {
        if tag == TAG {
            number = field.int64()?;
        }
        Ok(())
    })?;
    Ok(number)
}

fn decode_member(bytes: &[u8]) -> Read<MemberMetadata> {
    let mut reader = value(bytes, "ConsumerGroupMemberMetadataValue")?;
    let mut member = MemberMetadata {
        instance_id: reader.compact_nullable_string()?,
        rack_id: reader.compact_nullable_string()?,
        client_id: reader.compact_string()?,
        client_host: reader.compact_string()?,
        subscribed_topic_names: read_texts(&mut reader)?,
        subscribed_topic_regex: reader.compact_nullable_string()?,
        rebalance_timeout_ms: reader.int32()?,
        server_assignor: reader.compact_nullable_string()?,
        classic: None,
    };
    reader.tagged_fields(|tag, field| {
        if tag == TAG {
            member.classic = decode_classic(field)?;
        }
        Ok(())
    })?;
    Ok(member)
}

fn decode_classic(reader: &mut Reader) -> Read<Option<ClassicMemberMetadata>> {
    if reader.int8()? <= NULL as i8 {
        return Ok(None);
    }
    let session_timeout_ms = reader.int32()?;
    let mut supported_protocols = Vec::new();
    for _ in 0..reader.compact_count(PROTOCOL_BYTES_MIN)? {
        let (name, metadata) = (reader.compact_string()?, reader.compact_bytes()?);
        supported_protocols.push(GroupProtocol { name, metadata });
        reader.tagged_fields(|_, _| Ok(()))?;
    }
    reader.tagged_fields(|_, _| Ok(()))?;
    if supported_protocols.is_empty() {
        return Err(reader.error("a classic member without protocols"));
    }
    Ok(Some(ClassicMemberMetadata { session_timeout_ms, supported_protocols }))
}

fn decode_target_member(bytes: &[u8]) -> Read<Assignment> {
    let mut reader = value(bytes, "ConsumerGroupTargetAssignmentMemberValue")?;
    let mut assignment = Assignment::new();
    for _ in 0..reader.compact_count(TOPIC_BYTES_MIN)? {
        let topic_id = TopicId(reader.uuid()?);
        let mut partitions = read_numbers(&mut reader)?;
        partitions.sort_unstable();
        partitions.dedup();
        reader.tagged_fields(|_, _| Ok(()))?;
        if !partitions.is_empty() {
            assignment.insert(topic_id, partitions);
        }
    }
    reader.tagged_fields(|_, _| Ok(()))?;
    Ok(assignment)
}

fn decode_current(bytes: &[u8]) -> Read<CurrentAssignment> {
    let mut reader = value(bytes, "ConsumerGroupCurrentMemberAssignmentValue")?;
    let member_epoch = reader.int32()?;
    let previous_member_epoch = reader.int32()?;
    let state = MemberState::from_number(reader.int8()?);
    let assigned = Arc::new(read_owned(&mut reader, member_epoch)?);
    let pending_revocation = Arc::new(read_owned(&mut reader, member_epoch)?);
    reader.tagged_fields(|_, _| Ok(()))?;
    Ok(CurrentAssignment { member_epoch, previous_member_epoch, state, assigned, pending_revocation })
}

/// Where an older version wrote no epochs, the member's own is taken, but none below 0.
fn read_owned(reader: &mut Reader, member_epoch: i32) -> Read<OwnedPartitions> {
    let mut owned = OwnedPartitions::new();
    for _ in 0..reader.compact_count(TOPIC_BYTES_MIN)? {
        let topic_id = TopicId(reader.uuid()?);
        let partitions = read_numbers(reader)?;
        let mut epochs = Vec::new();
        reader.tagged_fields(|tag, field| {
            if tag == TAG {
                epochs = read_numbers(field)?;
            }
            Ok(())
        })?;
        if epochs.len() != partitions.len() {
            epochs = vec![member_epoch.max(0); partitions.len()];
        }
        if !partitions.is_empty() {
            owned.insert(topic_id, partitions.into_iter().zip(epochs).collect());
        }
    }
    Ok(owned)
}

fn decode_resolved(bytes: &[u8]) -> Read<ResolvedRegularExpression> {
    let mut reader = value(bytes, "ConsumerGroupRegularExpressionValue")?;
    let topics = read_texts(&mut reader)?;
    let (version, timestamp) = (reader.int64()?, Timestamp(reader.int64()?));
    reader.tagged_fields(|_, _| Ok(()))?;
    Ok(ResolvedRegularExpression { topics, version, timestamp })
}

fn read_texts(reader: &mut Reader) -> Read<Vec<Arc<str>>> {
    let count = reader.compact_count(TEXT_BYTES_MIN)?;
    let mut texts = (0..count).map(|_| reader.compact_string()).collect::<Read<Vec<_>>>()?;
    texts.sort_unstable();
    texts.dedup();
    Ok(texts)
}

fn read_numbers(reader: &mut Reader) -> Read<Vec<i32>> {
    let count = reader.compact_count(PARTITION_BYTES)?;
    (0..count).map(|_| reader.int32()).collect()
}
