//! What a shard knows of its consumer groups beside their records: deadlines, and what was looked at when.
//! It is lost with the process, and found again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::group::ConsumerGroup;
use super::metadata_hash::Catalogue;
use super::refresh::Search;
use super::timers::{Timer, TimerKey, Timers};
use crate::group::input::Input;
use crate::group::record::{ConsumerGroupChange, GroupRecord, MemberState};
use crate::group::request::GroupProtocol;
use crate::group::settings::GroupSettings;

/// Of all consumer groups of a shard.
#[derive(Debug, Default)]
pub struct Soft {
    pub(super) catalogue: Catalogue,
    pub(super) timers: Timers,
    groups: HashMap<Arc<str>, GroupSoft>,
    /// Groups whose regular expressions are to be searched for, each once.
    pub(super) refreshes: VecDeque<Arc<str>>,
    /// Groups that have become classic groups. Taken up by the next call, when the records are applied.
    pub(super) downgraded: Vec<Downgraded>,
}

/// A group that has become a classic group: what its record does not say.
#[derive(Debug)]
pub struct Downgraded {
    /// Its id.
    pub group_id: Arc<str>,
    /// Its members are to join again.
    pub rebalance: bool,
    /// What each member speaks, in its order of preference: a record has only what was chosen.
    pub protocols: Vec<(Arc<str>, Vec<GroupProtocol>)>,
}

/// Of one group.
#[derive(Debug, Default)]
pub(super) struct GroupSoft {
    /// Catalogue that the group's metadata hash was compared with, and the group epoch that came of it. If
    /// the group is behind that, the records were not written, and the comparison counts for nothing.
    pub checked: Option<(u64, i32)>,
    /// When the target assignment was made.
    pub assigned_at: Option<Duration>,
    /// Catalogue in which regular expressions were searched for, and when.
    pub refreshed: Option<(u64, Duration)>,
    /// The group stands in `refreshes`.
    pub is_refresh_due: bool,
    /// The search that is on.
    pub search: Option<Search>,
}

impl Soft {
    /// A group is gone: another of its name begins anew.
    pub fn forget(&mut self, group_id: &str) {
        self.groups.remove(group_id);
    }

    pub(super) fn group(&mut self, group_id: &Arc<str>) -> &mut GroupSoft {
        self.groups.entry(group_id.clone()).or_default()
    }

    /// The next moment at which something is due.
    pub fn next_deadline(&self) -> Option<Duration> {
        let is_idle = self.refreshes.is_empty() && self.downgraded.is_empty();
        if is_idle { self.timers.next() } else { Some(Duration::ZERO) }
    }

    /// Groups that have become classic groups since the last call.
    pub fn take_downgraded(&mut self) -> Vec<Downgraded> {
        std::mem::take(&mut self.downgraded)
    }

    /// A group was loaded: its members get a whole session, and a whole time to give up partitions.
    pub fn loaded(&mut self, input: Input<'_>, group: &ConsumerGroup) {
        for (member_id, member) in group.members() {
            let key =
                |timer| TimerKey { group_id: group.group_id.clone(), member_id: member_id.clone(), timer };
            let session = match &member.metadata.classic {
                Some(classic) => milliseconds(classic.session_timeout_ms),
                None => input.settings.consumer_session_timeout(&group.group_id),
            };
            let member_epoch = member.current.member_epoch;
            self.timers.set(key(Timer::Session), input.monotonic + session, member_epoch);
            // One of the classic protocol has until it is told to join again, and then its time for that.
            if !member.is_classic() && member.current.state == MemberState::UnrevokedPartitions {
                let rebalance = milliseconds(member.metadata.rebalance_timeout_ms);
                self.timers.set(key(Timer::Rebalance), input.monotonic + rebalance, member_epoch);
            }
        }
    }
}

/// A number of milliseconds from the wire; negative ones are 0.
pub(super) fn milliseconds(number: i32) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or_default())
}

/// One request to a group, or one deadline: what it looks at, and the records that it makes. The group
/// itself changes when they are replayed.
pub(super) struct Step<'a> {
    pub input: Input<'a>,
    pub soft: &'a mut Soft,
    pub group: &'a ConsumerGroup,
    pub records: Vec<GroupRecord>,
}

impl<'a> Step<'a> {
    /// Begins, and takes note of the catalogue.
    pub fn new(input: Input<'a>, soft: &'a mut Soft, group: &'a ConsumerGroup) -> Step<'a> {
        soft.catalogue.see(input.image, input.settings.broker_rack.as_ref());
        Step { input, soft, group, records: Vec::new() }
    }

    /// Has a change written.
    pub fn write(&mut self, change: ConsumerGroupChange) {
        self.records.push(GroupRecord::ConsumerGroup { group_id: self.group.group_id.clone(), change });
    }

    /// What is known of the group beside its records.
    pub fn group_soft(&mut self) -> &mut GroupSoft {
        self.soft.group(&self.group.group_id)
    }

    pub fn settings(&self) -> &'a GroupSettings {
        self.input.settings
    }

    pub fn set_timer(&mut self, timer: Timer, member_id: &Arc<str>, after: Duration, member_epoch: i32) {
        let key = self.key(timer, member_id);
        self.soft.timers.set(key, self.input.monotonic + after, member_epoch);
    }

    pub fn cancel_timer(&mut self, timer: Timer, member_id: &Arc<str>) {
        let key = self.key(timer, member_id);
        self.soft.timers.cancel(&key);
    }

    pub fn cancel_timers(&mut self, member_id: &Arc<str>) {
        for timer in [Timer::Session, Timer::Rebalance, Timer::Join, Timer::Sync] {
            self.cancel_timer(timer, member_id);
        }
    }

    pub fn is_timer_set(&self, timer: Timer, member_id: &Arc<str>) -> bool {
        self.soft.timers.is_set(&self.key(timer, member_id))
    }

    fn key(&self, timer: Timer, member_id: &Arc<str>) -> TimerKey {
        TimerKey { group_id: self.group.group_id.clone(), member_id: member_id.clone(), timer }
    }
}
