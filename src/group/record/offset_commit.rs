//! `OffsetCommitValue`, versions 0 to 4.

use super::{CommittedOffset, UnreadableRecord};
use crate::model::{LeaderEpoch, Offset, Timestamp, TopicId};
use crate::wire::{Reader, Writer};

const NEWEST: i16 = 4;
/// First version with tagged fields.
const FLEXIBLE: i16 = 4;
/// The only version with a time to forget the offset.
const EXPIRES: i16 = 1;
const TOPIC_ID_TAG: u32 = 0;

/// As Kafka 4.3: version 1 for an offset with a time to forget it, else 4.
pub fn encode(offset: &CommittedOffset) -> Vec<u8> {
    let expires = offset.expire_timestamp != Timestamp::NONE;
    let mut writer = Writer::new(if expires { EXPIRES } else { NEWEST });
    writer.int64(offset.offset.0);
    if expires {
        writer.string(&offset.metadata);
        writer.int64(offset.commit_timestamp.0);
        writer.int64(offset.expire_timestamp.0);
        return writer.finish();
    }
    writer.int32(offset.leader_epoch.0);
    writer.compact_string(&offset.metadata);
    writer.int64(offset.commit_timestamp.0);
    if offset.topic_id == TopicId::ZERO {
        writer.unsigned_varint(0);
    } else {
        writer.unsigned_varint(1);
        writer.unsigned_varint(TOPIC_ID_TAG);
        writer.unsigned_varint(16);
        writer.uuid(offset.topic_id.0);
    }
    writer.finish()
}

/// Reads any version.
pub fn decode(value: &[u8]) -> Result<CommittedOffset, UnreadableRecord> {
    let mut reader = Reader::new(value, "OffsetCommitValue");
    let version = reader.version(NEWEST)?;
    let flexible = version >= FLEXIBLE;
    let mut offset = CommittedOffset {
        offset: Offset(reader.int64()?),
        leader_epoch: if version >= 3 { LeaderEpoch(reader.int32()?) } else { LeaderEpoch::NONE },
        metadata: if flexible { reader.compact_string()? } else { reader.string()? },
        commit_timestamp: Timestamp(reader.int64()?),
        expire_timestamp: if version == EXPIRES { Timestamp(reader.int64()?) } else { Timestamp::NONE },
        topic_id: TopicId::ZERO,
    };
    if flexible {
        reader.tagged_fields(|tag, field| {
            if tag == TOPIC_ID_TAG {
                offset.topic_id = TopicId(field.uuid()?);
            }
            Ok(())
        })?;
    }
    Ok(offset)
}
