//! Which protocol a group uses, and what its members read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{ClassicGroup, State};
use crate::group::request::GroupProtocol;
use crate::group::subscription;

impl ClassicGroup {
    /// Whether one who knows these protocols fits in: at least one of them all members must know.
    pub(super) fn supports(&self, protocol_type: &str, protocols: &[GroupProtocol]) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|protocol| self.is_known_to_all(&protocol.name))
    }

    fn is_known_to_all(&self, protocol: &str) -> bool {
        self.supported_protocols.get(protocol).copied().unwrap_or_default() == self.members.len()
    }

    /// Each member votes for its first protocol among those that all know; the one with most votes wins, of
    /// several the first by name.
    pub(super) fn select_protocol(&self) -> Option<Arc<str>> {
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in self.members.values() {
            let vote = member.protocols.iter().find(|protocol| self.is_known_to_all(&protocol.name));
            if let Some(protocol) = vote {
                *votes.entry(&protocol.name).or_default() += 1;
            }
        }
        // Of equals `max_by_key` gives the last.
        votes.into_iter().rev().max_by_key(|(_, votes)| *votes).map(|(name, _)| name.clone())
    }

    pub(super) fn count_protocols(&mut self, protocols: &[GroupProtocol]) {
        for protocol in protocols {
            *self.supported_protocols.entry(protocol.name.clone()).or_default() += 1;
        }
    }

    pub(super) fn discount_protocols(&mut self, protocols: &[GroupProtocol]) {
        for protocol in protocols {
            if let Some(count) = self.supported_protocols.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.supported_protocols.remove(&protocol.name);
                }
            }
        }
    }

    /// `None`: not a group of consumers, or one whose metadata is not understood.
    pub(super) fn compute_subscribed_topics(&self) -> Option<BTreeSet<Arc<str>>> {
        let mut topics = BTreeSet::new();
        if !self.uses_consumer_protocol() {
            return None;
        }
        if !self.members.is_empty() {
            let protocol_name = Some(&**self.protocol_name.as_ref()?);
            for member in self.members.values() {
                subscription::add_topics(&member.metadata(protocol_name), &mut topics)?;
            }
        }
        Some(topics)
    }
}

/// As the group keeps them: the first of each name, and copied, since a slice of a request would keep the
/// whole of it in memory.
pub(super) fn kept(protocols: &[GroupProtocol]) -> Vec<GroupProtocol> {
    let mut names = BTreeSet::new();
    let firsts = protocols.iter().filter(|protocol| names.insert(protocol.name.clone()));
    let copy = |protocol: &GroupProtocol| GroupProtocol {
        name: protocol.name.clone(),
        metadata: bytes::Bytes::copy_from_slice(&protocol.metadata),
    };
    firsts.map(copy).collect()
}
