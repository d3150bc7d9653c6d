//! One step of a member from what it has to what it is to have (KIP-848): it gives up first, and gets what
//! others have given up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::group::assignor::Assignment;
use crate::group::error::GroupError;
use crate::group::record::{CurrentAssignment, MemberState, OwnedPartitions};
use crate::model::{TopicId, TopicPartition};

/// Partitions as a request names them.
pub(super) type RequestedPartitions = [(TopicId, Vec<i32>)];

/// What the step depends on.
pub(super) struct Reconciliation<'a> {
    /// For which group epoch the target was made.
    pub target_epoch: i32,
    /// What the member is to have.
    pub target: &'a Assignment,
    /// Topics that the member subscribes to.
    pub subscribed: &'a BTreeSet<TopicId>,
    /// Whether that has changed with this request.
    pub has_subscription_changed: bool,
    /// Who has which partition, or has yet to give it up.
    pub owners: &'a HashMap<TopicPartition, Arc<str>>,
    /// What the member says that it has; `None` where the request says nothing.
    pub owned: Option<&'a RequestedPartitions>,
}

/// Sorts partitions of all topics into what stays, goes, and comes.
#[derive(Default)]
struct Difference {
    stays: OwnedPartitions,
    goes: OwnedPartitions,
    comes: Assignment,
    /// Others still have something that is to come.
    has_unreleased: bool,
}

impl Reconciliation<'_> {
    /// The member's next state; the one it is in, if it has to wait.
    pub(super) fn next(&self, current: &CurrentAssignment) -> Result<CurrentAssignment, GroupError> {
        let next = match current.state {
            MemberState::Stable if current.member_epoch != self.target_epoch => {
                self.advance(current, current.member_epoch)
            }
            MemberState::UnrevokedPartitions if !self.owns_any(&current.pending_revocation) => {
                self.advance(current, current.member_epoch)
            }
            MemberState::Stable | MemberState::UnrevokedPartitions if self.has_subscription_changed => {
                self.drop_unsubscribed(current)
            }
            MemberState::Stable | MemberState::UnrevokedPartitions => current.clone(),
            MemberState::UnreleasedPartitions => self.advance(current, current.member_epoch),
            MemberState::Unknown => {
                if self.owned.is_none_or(|owned| !owned.is_empty()) {
                    return Err(GroupError::FencedMemberEpoch(
                        "The member is in a state that this broker does not know. It must abandon all its \
                         partitions and rejoin."
                            .to_owned(),
                    ));
                }
                self.advance(current, self.target_epoch)
            }
        };
        Ok(next)
    }

    /// Whether the member still has one of these, as far as it said.
    fn owns_any(&self, partitions: &OwnedPartitions) -> bool {
        let Some(owned) = self.owned else { return true };
        owned.iter().any(|(topic_id, owned)| {
            partitions
                .get(topic_id)
                .is_some_and(|epochs| owned.iter().any(|partition| epochs.contains_key(partition)))
        })
    }

    /// Takes away topics that the member subscribes to no more, without waiting for a new target.
    fn drop_unsubscribed(&self, current: &CurrentAssignment) -> CurrentAssignment {
        let is_dropped = |topic_id: &TopicId| !self.subscribed.contains(topic_id);
        if !current.assigned.keys().any(is_dropped) {
            return current.clone();
        }
        let mut stays = OwnedPartitions::clone(&current.assigned);
        stays.retain(|topic_id, _| !is_dropped(topic_id));
        let mut goes = OwnedPartitions::clone(&current.pending_revocation);
        for (topic_id, epochs) in current.assigned.iter().filter(|(topic_id, _)| is_dropped(topic_id)) {
            goes.entry(*topic_id).or_default().extend(epochs);
        }
        let next = CurrentAssignment {
            previous_member_epoch: current.member_epoch,
            assigned: Arc::new(stays),
            ..current.clone()
        };
        if self.owns_any(&goes) {
            let pending_revocation = Arc::new(goes);
            CurrentAssignment { state: MemberState::UnrevokedPartitions, pending_revocation, ..next }
        } else {
            next
        }
    }

    fn advance(&self, current: &CurrentAssignment, member_epoch: i32) -> CurrentAssignment {
        let Difference { mut stays, goes, comes, has_unreleased } = self.difference(current);
        if !goes.is_empty() && self.owns_any(&goes) {
            // It stays in its epoch until it has said that it gave them up.
            return CurrentAssignment {
                member_epoch,
                previous_member_epoch: current.member_epoch,
                state: MemberState::UnrevokedPartitions,
                assigned: Arc::new(stays),
                pending_revocation: Arc::new(goes),
            };
        }
        for (topic_id, partitions) in comes {
            let epochs = partitions.into_iter().map(|partition| (partition, self.target_epoch));
            stays.entry(topic_id).or_default().extend(epochs);
        }
        let state = if has_unreleased { MemberState::UnreleasedPartitions } else { MemberState::Stable };
        CurrentAssignment {
            member_epoch: self.target_epoch,
            previous_member_epoch: current.member_epoch,
            state,
            assigned: Arc::new(stays),
            pending_revocation: Arc::default(),
        }
    }

    fn difference(&self, current: &CurrentAssignment) -> Difference {
        let mut difference = Difference::default();
        let topics: BTreeSet<TopicId> = self.target.keys().chain(current.assigned.keys()).copied().collect();
        let (no_target, no_epochs) = (Vec::new(), BTreeMap::new());
        for topic_id in topics {
            let target = self.target.get(&topic_id).filter(|_| self.subscribed.contains(&topic_id));
            let target = target.unwrap_or(&no_target);
            let assigned = current.assigned.get(&topic_id).unwrap_or(&no_epochs);
            let (stays, goes): (BTreeMap<i32, i32>, BTreeMap<i32, i32>) =
                assigned.iter().partition(|(partition, _)| target.binary_search(partition).is_ok());
            let mut comes = Vec::new();
            for partition in target.iter().filter(|partition| !stays.contains_key(partition)) {
                if self.is_released(current, TopicPartition { topic_id, partition: *partition }) {
                    comes.push(*partition);
                } else {
                    difference.has_unreleased = true;
                }
            }
            insert(&mut difference.stays, topic_id, stays, BTreeMap::is_empty);
            insert(&mut difference.goes, topic_id, goes, BTreeMap::is_empty);
            insert(&mut difference.comes, topic_id, comes, Vec::is_empty);
        }
        difference
    }

    /// Whether nobody has it, or only the member itself, which has yet to give it up and may keep it then.
    fn is_released(&self, current: &CurrentAssignment, topic_partition: TopicPartition) -> bool {
        let TopicPartition { topic_id, partition } = topic_partition;
        let own = current.pending_revocation.get(&topic_id);
        !self.owners.contains_key(&topic_partition) || own.is_some_and(|own| own.contains_key(&partition))
    }
}

fn insert<T>(topics: &mut BTreeMap<TopicId, T>, topic_id: TopicId, value: T, is_empty: fn(&T) -> bool) {
    if !is_empty(&value) {
        topics.insert(topic_id, value);
    }
}
