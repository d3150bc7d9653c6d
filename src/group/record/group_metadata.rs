//! `GroupMetadataValue`, versions 0 to 4.

use std::time::Duration;

use super::{GroupMetadata, GroupMetadataMember, UnreadableRecord};
use crate::model::Timestamp;
use crate::wire::{Reader, Writer};

const NEWEST: i16 = 4;
/// First version with tagged fields.
const FLEXIBLE: i16 = 4;
/// As Kafka 4.3 writes it.
const WRITTEN: i16 = 3;
/// The least that a member takes, in any version.
const MEMBER_BYTES_MIN: usize = 10;
/// "Not said" on disk.
const NO_TIMEOUT: i32 = -1;

/// Version 3.
pub fn encode(group: &GroupMetadata) -> Vec<u8> {
    let mut writer = Writer::new(WRITTEN);
    writer.string(&group.protocol_type);
    writer.int32(group.generation_id);
    writer.nullable_string(group.protocol_name.as_deref());
    writer.nullable_string(group.leader.as_deref());
    writer.int64(group.current_state_timestamp.0);
    writer.int32(group.members.len() as i32);
    for member in &group.members {
        writer.string(&member.member_id);
        writer.nullable_string(member.group_instance_id.as_deref());
        writer.string(&member.client_id);
        writer.string(&member.client_host);
        writer.int32(milliseconds(member.rebalance_timeout));
        writer.int32(milliseconds(member.session_timeout));
        writer.bytes(&member.subscription);
        writer.bytes(&member.assignment);
    }
    writer.finish()
}

/// Durations come from 32 bits of milliseconds.
fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn duration(milliseconds: i32) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default())
}

/// Reads any version.
pub fn decode(value: &[u8]) -> Result<GroupMetadata, UnreadableRecord> {
    let mut reader = Reader::new(value, "GroupMetadataValue");
    let version = reader.version(NEWEST)?;
    let flexible = version >= FLEXIBLE;
    let mut group = GroupMetadata {
        protocol_type: if flexible { reader.compact_string()? } else { reader.string()? },
        generation_id: reader.int32()?,
        protocol_name: if flexible { reader.compact_nullable_string()? } else { reader.nullable_string()? },
        leader: if flexible { reader.compact_nullable_string()? } else { reader.nullable_string()? },
        current_state_timestamp: if version >= 2 { Timestamp(reader.int64()?) } else { Timestamp::NONE },
        members: Vec::new(),
    };
    let count =
        if flexible { reader.compact_count(MEMBER_BYTES_MIN)? } else { reader.count(MEMBER_BYTES_MIN)? };
    for _ in 0..count {
        let member = if flexible { flexible_member(&mut reader)? } else { member(version, &mut reader)? };
        group.members.push(member);
    }
    if flexible {
        reader.tagged_fields(|_, _| Ok(()))?;
    }
    Ok(group)
}

fn member(version: i16, reader: &mut Reader) -> Result<GroupMetadataMember, UnreadableRecord> {
    let member_id = reader.string()?;
    let group_instance_id = if version >= 3 { reader.nullable_string()? } else { None };
    let (client_id, client_host) = (reader.string()?, reader.string()?);
    let rebalance_timeout = if version >= 1 { reader.int32()? } else { NO_TIMEOUT };
    let (rebalance_timeout, session_timeout) = timeouts(rebalance_timeout, reader.int32()?);
    Ok(GroupMetadataMember {
        member_id,
        group_instance_id,
        client_id,
        client_host,
        rebalance_timeout,
        session_timeout,
        subscription: reader.bytes()?,
        assignment: reader.bytes()?,
    })
}

fn flexible_member(reader: &mut Reader) -> Result<GroupMetadataMember, UnreadableRecord> {
    let member_id = reader.compact_string()?;
    let group_instance_id = reader.compact_nullable_string()?;
    let (client_id, client_host) = (reader.compact_string()?, reader.compact_string()?);
    let (rebalance_timeout, session_timeout) = timeouts(reader.int32()?, reader.int32()?);
    let member = GroupMetadataMember {
        member_id,
        group_instance_id,
        client_id,
        client_host,
        rebalance_timeout,
        session_timeout,
        subscription: reader.compact_bytes()?,
        assignment: reader.compact_bytes()?,
    };
    reader.tagged_fields(|_, _| Ok(()))?;
    Ok(member)
}

/// Where no rebalance timeout was written it is the session's.
fn timeouts(rebalance: i32, session: i32) -> (Duration, Duration) {
    let rebalance = if rebalance == NO_TIMEOUT { session } else { rebalance };
    (duration(rebalance), duration(session))
}
