//! Which topics a group's regular expressions stand for: searched for when one is new, when topics may have
//! come, and now and then; never in the request that asks for it, but by the next deadline, which is at once.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::expression;
use super::soft::Step;
use super::update::{note_checked, write_group_epoch};
use crate::group::error::GroupError;
use crate::group::record::{ConsumerGroupChange, MemberMetadata, ResolvedRegularExpression};

/// Names that one call compares with expressions. A group of many expressions is searched for in several
/// calls, so that the other groups of the shard are answered between.
const COMPARISONS_MAX: usize = 50_000;

/// The least time between two searches for a group.
pub(super) const REFRESH_INTERVAL_MIN: Duration = Duration::from_secs(10);

/// What became of a member's regular expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExpressionChange {
    /// It has the same, or none as before.
    None,
    /// It has another, whose topics are not known yet.
    Updated,
    /// It has another whose topics are known, or none any more: a new target is due at once.
    UpdatedAndResolved,
}

/// Checks a member's new regular expression, deletes what the last member of an old one leaves, and asks for
/// a search if one is due.
pub(super) fn update_expression(
    step: &mut Step<'_>,
    old: &MemberMetadata,
    new: &MemberMetadata,
) -> Result<ExpressionChange, GroupError> {
    let group = step.group;
    let (old_expression, new_expression) = (old.regex(), new.regex());
    let mut change = ExpressionChange::None;
    let mut is_new = false;
    if old.subscribed_topic_regex != new.subscribed_topic_regex {
        change = ExpressionChange::Updated;
        if let Some(expression) = old_expression
            && group.counts.members_of(expression) == 1
        {
            write_tombstone(step, expression);
        }
        match new_expression {
            Some(expression) if group.counts.members_of(expression) == 0 => {
                check(expression)?;
                is_new = true;
            }
            Some(expression) if group.resolved.contains_key(expression) => {
                change = ExpressionChange::UpdatedAndResolved;
            }
            None if old_expression.is_some() => change = ExpressionChange::UpdatedAndResolved,
            _ => {}
        }
    }
    // How many there will be. Counted, not compared: each heartbeat comes through here.
    let is_gone = change != ExpressionChange::None
        && old_expression.is_some_and(|expression| group.counts.members_of(expression) == 1);
    let expressions = group.counts.expressions.len() + usize::from(is_new) - usize::from(is_gone);
    if expressions > 0 {
        request_refresh(step, is_new, expressions);
    }
    Ok(change)
}

fn check(expression: &str) -> Result<(), GroupError> {
    let compiled = expression::compile(expression);
    compiled.map(|_| ()).map_err(|problem| {
        GroupError::InvalidRegularExpression(format!(
            "SubscribedTopicRegex `{expression}` is not a valid regular expression: {problem}."
        ))
    })
}

/// Writes that nobody subscribes to an expression any more.
pub(super) fn write_tombstone(step: &mut Step<'_>, expression: &Arc<str>) {
    step.write(ConsumerGroupChange::RegularExpression { expression: expression.clone(), resolved: None });
}

/// Asks for a search, if one is due and none was long enough ago.
fn request_refresh(step: &mut Step<'_>, is_new: bool, expressions: usize) {
    let since = since_refresh(step);
    if since.is_some_and(|since| since <= REFRESH_INTERVAL_MIN) {
        return;
    }
    let number = step.soft.catalogue.number();
    let is_unresolved = expressions != step.group.resolved.len();
    let interval = step.settings().consumer_regex_refresh_interval;
    let group_id = step.group.group_id.clone();
    let soft = step.group_soft();
    let has_topics_changed = soft.refreshed.is_none_or(|(searched, _)| searched != number);
    let is_old = since.is_none_or(|since| since > interval);
    if !soft.is_refresh_due && (is_new || is_unresolved || has_topics_changed || is_old) {
        soft.is_refresh_due = true;
        step.soft.refreshes.push_back(group_id);
    }
}

/// How long ago the last search was; `None` for never, or for a time that a wall clock since set back gives.
fn since_refresh(step: &mut Step<'_>) -> Option<Duration> {
    let resolved = step.group.resolved.values().next()?.clone();
    if let Some((_, at)) = step.group_soft().refreshed {
        return step.input.monotonic.checked_sub(at);
    }
    let passed = step.input.wall.0.checked_sub(resolved.timestamp.0)?;
    u64::try_from(passed).ok().map(Duration::from_millis)
}

/// Searches for regular expressions of the group: for as many as one call may, from where the last one ended.
/// Only what was found changed is written.
pub(super) fn refresh(step: &mut Step<'_>) {
    let group = step.group;
    let number = step.soft.catalogue.number();
    let mut counts = group.counts.clone();
    let mut found = BTreeMap::new();
    for expression in next_expressions(step) {
        let topics = expression::resolve(&expression, step.input.image);
        let old = group.resolved.get(&expression);
        if old.is_some_and(|old| old.topics == topics) {
            continue;
        }
        let (version, timestamp) = (number as i64, step.input.wall);
        let new = Arc::new(ResolvedRegularExpression { topics, version, timestamp });
        counts.resolve(old.map(Arc::as_ref), Some(&new));
        found.insert(expression, new);
    }
    // An expression that stands for no topic is written too: it was searched for.
    let has_topics = |resolved: &Arc<ResolvedRegularExpression>| !resolved.topics.is_empty();
    let has_changed = found
        .iter()
        .any(|(expression, new)| has_topics(new) || group.resolved.get(expression).is_some_and(has_topics));
    for (expression, resolved) in found {
        step.write(ConsumerGroupChange::RegularExpression { expression, resolved: Some(resolved) });
    }
    let metadata_hash = step.soft.catalogue.group_hash(counts.topics.keys());
    if has_changed || metadata_hash != group.metadata.metadata_hash {
        let group_epoch = group.metadata.group_epoch + 1;
        write_group_epoch(step, group_epoch, metadata_hash);
        note_checked(step, group_epoch);
    }
}

/// The expressions that this call is to search for. If others are left, the group stays in the queue.
fn next_expressions(step: &mut Step<'_>) -> Vec<Arc<str>> {
    let expressions = &step.group.counts.expressions;
    let names = step.input.image.topics_count().max(1);
    let searches_max = (COMPARISONS_MAX / names).max(1);
    let from = match step.group_soft().searched_to.take() {
        Some(searched_to) => Bound::Excluded(searched_to),
        None => Bound::Unbounded,
    };
    let mut rest = expressions.range((from, Bound::Unbounded)).map(|(expression, _)| expression);
    let next: Vec<Arc<str>> = rest.by_ref().take(searches_max).cloned().collect();
    if rest.next().is_some() {
        step.group_soft().searched_to = next.last().cloned();
        let group_id = step.group.group_id.clone();
        step.soft.refreshes.push_back(group_id);
    } else {
        let searched = (step.soft.catalogue.number(), step.input.monotonic);
        let soft = step.group_soft();
        soft.is_refresh_due = false;
        soft.refreshed = Some(searched);
    }
    next
}
