//! Consumer groups of KIP-848: the broker assigns, and members follow by their heartbeats.
//!
//! **Owns** a consumer group's members, epochs and target assignment, the steps by which each member gets
//! there, its static members and regular expressions, who may commit, members of the classic protocol in it,
//! and the change from and to a classic group.
//! **Does not own** the map of groups, offsets (`shard`), classic groups, nor how partitions are divided
//! (`assignor`).
//! **Invariants**
//! - [`ConsumerGroup`] changes only by `replay`; a request reads it and makes records. [`Soft`] is lost with
//!   the process.
//! - No partition is given to a member while another has it, or has not said that it gave it up.
//! - A heartbeat that changes nothing makes no record, and looks at nothing but its member.

mod checks;
mod classic_member;
mod counts;
mod describe;
mod downgrade;
mod expression;
mod group;
mod heartbeat;
mod leave;
mod metadata_hash;
mod offsets;
mod protocol;
mod reconcile;
mod refresh;
mod soft;
mod timers;
mod update;
mod upgrade;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use self::describe::describe;
pub use self::downgrade::tombstones;
pub use self::expression::Expression;
pub use self::group::ConsumerGroup;
use self::soft::Step;
pub use self::soft::{Downgraded, Soft};
use self::timers::Timer;
pub use self::upgrade::ClassicMember;
use super::error::GroupError;
use super::input::{Caller, Input};
use super::outcome::{PORTION_BYTES, Portion};
use super::record::{GroupRecord, MemberState, RECORD_OVERHEAD_BYTES};
use super::reply::{ConsumerGroupHeartbeatReply, JoinGroupReply, LeftMember, SyncedGroup};
use super::request::{ConsumerGroupHeartbeat, Heartbeat, JoinGroup, LeaveGroup, SyncGroup};
use super::settings::GroupSettings;

/// Deadlines that one call takes up. More wait for the next call, which comes at once.
const DUE_MAX: usize = 10_000;
/// Records that remove a member.
const REMOVAL_RECORDS: usize = 3;

/// What is wrong with a heartbeat, whatever the group.
pub fn check(settings: &GroupSettings, request: &ConsumerGroupHeartbeat) -> Result<(), GroupError> {
    checks::check_request(settings, request)
}

/// Answers a heartbeat to a group: one that there is, or a new one if the member joins.
pub fn heartbeat(
    input: Input<'_>,
    soft: &mut Soft,
    group: &ConsumerGroup,
    caller: &Caller,
    request: &ConsumerGroupHeartbeat,
) -> (Vec<GroupRecord>, Result<ConsumerGroupHeartbeatReply, GroupError>) {
    let mut step = Step::new(input, soft, group);
    let reply = if checks::is_leaving(request.member_epoch) {
        leave::leave(&mut step, request)
    } else {
        heartbeat::heartbeat(&mut step, caller, request)
    };
    match reply {
        Ok(reply) => (step.records, Ok(reply)),
        Err(error) => (Vec::new(), Err(checks::in_words(input.settings, group, request, error))),
    }
}

/// A classic group that becomes a consumer group: its generation and members.
pub struct Upgrade<'a> {
    /// The group.
    pub group_id: &'a Arc<str>,
    /// The generation, which becomes the group epoch and that of all members.
    pub generation_id: i32,
    /// The members.
    pub members: &'a [ClassicMember],
}

/// The records of the consumer group that a classic group becomes, and the group.
pub fn upgrade(
    input: Input<'_>,
    soft: &mut Soft,
    upgrade: &Upgrade<'_>,
) -> Result<(Vec<GroupRecord>, ConsumerGroup), GroupError> {
    soft.catalogue.see(input.image, input.settings.broker_rack.as_ref());
    let Upgrade { group_id, generation_id, members } = *upgrade;
    let (records, group) =
        upgrade::convert(group_id, generation_id, members, input.image, &mut soft.catalogue)?;
    soft.loaded(input, &group);
    Ok((records, group))
}

/// Does what is due, about [`PORTION_BYTES`] of it: fences members whose time ran out, searches for regular
/// expressions. `group` finds one.
pub fn advance<'a>(
    input: Input<'_>,
    soft: &mut Soft,
    group: impl Fn(&str) -> Option<&'a ConsumerGroup>,
) -> Vec<GroupRecord> {
    let mut late: BTreeMap<Arc<str>, BTreeSet<Arc<str>>> = BTreeMap::new();
    let mut bytes = 0;
    for _ in 0..DUE_MAX {
        if bytes >= PORTION_BYTES {
            break;
        }
        let Some((key, member_epoch)) = soft.timers.pop(input.monotonic) else { break };
        let Some(member) = group(&key.group_id).and_then(|group| group.members.get(&key.member_id)) else {
            continue;
        };
        // It has given up what it had to, or does so in another epoch.
        let is_done = member.current.member_epoch != member_epoch
            || member.current.state != MemberState::UnrevokedPartitions;
        if key.timer == Timer::Rebalance && is_done {
            continue;
        }
        bytes += REMOVAL_RECORDS * (key.group_id.len() + key.member_id.len() + RECORD_OVERHEAD_BYTES);
        late.entry(key.group_id).or_default().insert(key.member_id);
    }
    let mut portion = Portion::default();
    for (group_id, members) in &late {
        let Some(group) = group(group_id) else { continue };
        let mut step = Step::new(input, soft, group);
        leave::fence(&mut step, members);
        portion.extend(step.records);
    }
    // A group that has just lost members is searched for in the next call, when its records are applied.
    let waiting = soft.refreshes.len();
    let mut budget = refresh::BUDGET;
    for _ in 0..waiting {
        if portion.is_full() || budget == 0 {
            break;
        }
        let Some(group_id) = soft.refreshes.pop_front() else { break };
        if late.contains_key(&group_id) {
            soft.refreshes.push_back(group_id);
            continue;
        }
        let Some(group) = group(&group_id) else { continue };
        let mut step = Step::new(input, soft, group);
        refresh::refresh(&mut step, &mut budget);
        portion.extend(step.records);
    }
    portion.into_records()
}

/// A member of the classic protocol joins a consumer group.
pub fn join(
    input: Input<'_>,
    soft: &mut Soft,
    group: &ConsumerGroup,
    caller: &Caller,
    request: &JoinGroup,
) -> (Vec<GroupRecord>, Result<JoinGroupReply, GroupError>) {
    let mut step = Step::new(input, soft, group);
    match classic_member::join(&mut step, caller, request) {
        Ok(reply) => (step.records, Ok(reply)),
        Err(error) => (Vec::new(), Err(error)),
    }
}

/// A member of the classic protocol asks for what it has.
pub fn sync(
    input: Input<'_>,
    soft: &mut Soft,
    group: &ConsumerGroup,
    request: &SyncGroup,
) -> Result<SyncedGroup, GroupError> {
    classic_member::sync(&mut Step::new(input, soft, group), request)
}

/// A member of the classic protocol is there.
pub fn classic_heartbeat(
    input: Input<'_>,
    soft: &mut Soft,
    group: &ConsumerGroup,
    request: &Heartbeat,
) -> Result<(), GroupError> {
    classic_member::heartbeat(&mut Step::new(input, soft, group), request)
}

/// Members leave by LeaveGroup.
pub fn leave(
    input: Input<'_>,
    soft: &mut Soft,
    group: &ConsumerGroup,
    request: &LeaveGroup,
) -> (Vec<GroupRecord>, Vec<LeftMember>) {
    let mut step = Step::new(input, soft, group);
    let left = classic_member::leave(&mut step, request);
    (step.records, left)
}
