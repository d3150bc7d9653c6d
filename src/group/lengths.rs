//! Texts that are longer than records can hold. They come with compact lengths, which have no such bound.
//! Kafka fails to write them (UNKNOWN_SERVER_ERROR); here they are refused before anything is done.

use std::sync::Arc;

use super::error::GroupError;
use super::record::TEXT_BYTES_MAX;
use super::request::{ConsumerGroupHeartbeat, JoinGroup, OffsetCommit};

type Checked = Result<(), GroupError>;

fn fits(text: &str) -> bool {
    text.len() <= TEXT_BYTES_MAX
}

fn fits_if_any(text: Option<&Arc<str>>) -> bool {
    text.is_none_or(|text| fits(text))
}

fn group_id(group_id: &str) -> Checked {
    if fits(group_id) { Ok(()) } else { Err(GroupError::InvalidGroupId) }
}

fn all(fit: bool) -> Checked {
    let refused = || GroupError::InvalidRequest(format!("a text is longer than {TEXT_BYTES_MAX} bytes"));
    if fit { Ok(()) } else { Err(refused()) }
}

/// Of a member's join.
pub(super) fn check_join(request: &JoinGroup) -> Checked {
    group_id(&request.group_id)?;
    let mut protocols = request.protocols.iter();
    if !fits(&request.protocol_type) || !protocols.all(|protocol| fits(&protocol.name)) {
        return Err(GroupError::InconsistentGroupProtocol);
    }
    all(fits(&request.member_id) && fits_if_any(request.group_instance_id.as_ref()))
}

/// Of a commit.
pub(super) fn check_commit(request: &OffsetCommit) -> Checked {
    group_id(&request.group_id)?;
    all(request.topics.iter().all(|topic| fits(&topic.name)))
}

/// Of a member's heartbeat.
pub(super) fn check_heartbeat(request: &ConsumerGroupHeartbeat) -> Checked {
    group_id(&request.group_id)?;
    all(fits(&request.member_id)
        && fits_if_any(request.instance_id.as_ref())
        && fits_if_any(request.subscribed_topic_regex.as_ref()))
}
