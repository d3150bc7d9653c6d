//! What can be counted of a group's members, kept up with each change of one.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::group::record::{MemberMetadata, ResolvedRegularExpression};

/// By whom a topic is subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct SubscriptionCount {
    /// Members that name it.
    pub by_name: usize,
    /// Regular expressions that stand for it.
    pub by_expression: usize,
}

/// Counts of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// Topics that somebody subscribes to, existing or not.
    pub topics: BTreeMap<Arc<str>, SubscriptionCount>,
    /// Members of each regular expression.
    pub expressions: BTreeMap<Arc<str>, usize>,
    /// Members that ask for each assignor.
    pub assignors: BTreeMap<Arc<str>, usize>,
    /// Members that speak the classic protocol.
    pub classic_members: usize,
    /// Of these, those that know each protocol.
    pub classic_protocols: BTreeMap<Arc<str>, usize>,
}

impl Counts {
    /// A member changed, came or went.
    pub(super) fn update(&mut self, old: Option<&MemberMetadata>, new: Option<&MemberMetadata>) {
        if let Some(old) = old {
            self.remove(old);
        }
        if let Some(new) = new {
            self.add(new);
        }
    }

    fn add(&mut self, member: &MemberMetadata) {
        for name in &member.subscribed_topic_names {
            self.topics.entry(name.clone()).or_default().by_name += 1;
        }
        if let Some(expression) = member.regex() {
            *self.expressions.entry(expression.clone()).or_default() += 1;
        }
        if let Some(assignor) = &member.server_assignor {
            *self.assignors.entry(assignor.clone()).or_default() += 1;
        }
        if let Some(classic) = &member.classic {
            self.classic_members += 1;
            for protocol in &classic.supported_protocols {
                *self.classic_protocols.entry(protocol.name.clone()).or_default() += 1;
            }
        }
    }

    fn remove(&mut self, member: &MemberMetadata) {
        for name in &member.subscribed_topic_names {
            self.take_topic(name, |count| &mut count.by_name);
        }
        if let Some(expression) = member.regex() {
            decrement(&mut self.expressions, expression);
        }
        if let Some(assignor) = &member.server_assignor {
            decrement(&mut self.assignors, assignor);
        }
        if let Some(classic) = &member.classic {
            self.classic_members = self.classic_members.saturating_sub(1);
            for protocol in &classic.supported_protocols {
                decrement(&mut self.classic_protocols, &protocol.name);
            }
        }
    }

    /// A regular expression stands for other topics than before.
    pub(super) fn resolve(
        &mut self,
        old: Option<&ResolvedRegularExpression>,
        new: Option<&ResolvedRegularExpression>,
    ) {
        for name in old.map(|old| old.topics.as_slice()).unwrap_or_default() {
            self.take_topic(name, |count| &mut count.by_expression);
        }
        for name in new.map(|new| new.topics.as_slice()).unwrap_or_default() {
            self.topics.entry(name.clone()).or_default().by_expression += 1;
        }
    }

    fn take_topic(&mut self, name: &Arc<str>, count: impl Fn(&mut SubscriptionCount) -> &mut usize) {
        let Some(counts) = self.topics.get_mut(name) else { return };
        let count = count(counts);
        *count = count.saturating_sub(1);
        if *counts == SubscriptionCount::default() {
            self.topics.remove(name);
        }
    }

    /// Members of an expression.
    pub(super) fn members_of(&self, expression: &str) -> usize {
        self.expressions.get(expression).copied().unwrap_or_default()
    }

    /// Whether all of so many members subscribe to the same topics: all to the same names, or all to one
    /// regular expression and to nothing else.
    pub(super) fn is_homogeneous(&self, members: usize) -> bool {
        match self.expressions.values().next() {
            None => self.topics.values().all(|count| count.by_name == members),
            Some(count) if *count == members => {
                self.topics.values().all(|count| count.by_expression == 1 && count.by_name == 0)
            }
            Some(_) => false,
        }
    }
}

fn decrement(counts: &mut BTreeMap<Arc<str>, usize>, key: &Arc<str>) {
    let Some(count) = counts.get_mut(key) else { return };
    *count = count.saturating_sub(1);
    if *count == 0 {
        counts.remove(key);
    }
}
