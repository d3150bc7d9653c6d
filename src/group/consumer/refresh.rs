//! Which topics a group's regular expressions stand for: searched for when one is new, when topics may have
//! come, and now and then; never in the request that asks for it, but by the next deadline, which is at once.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::expression::{self, Expression};
use super::soft::Step;
use super::update::{note_checked, write_group_epoch};
use crate::group::error::GroupError;
use crate::group::record::{ConsumerGroupChange, MemberMetadata, ResolvedRegularExpression};
use crate::metadata::ClusterImage;

/// What one call of `advance` spends for all groups: bytes of names, times the cost of the expression. Some
/// 100 ms at worst, and some milliseconds in practice. What is left is done in later calls, so that the
/// other groups of the shard are answered between.
pub(super) const BUDGET: usize = 100_000;
/// What it costs to compile an expression.
const EXPRESSION_COST: usize = 5_000;

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

/// A search for all regular expressions of a group, one after the other, in the catalogue that it began with:
/// one that changes all the time does not keep it from coming to its end.
#[derive(Debug)]
pub(super) struct Search {
    image: Arc<ClusterImage>,
    number: u64,
    /// The last expression that it is done with.
    done: Option<Arc<str>>,
    current: Option<CurrentExpression>,
}

/// The expression that a search has come to.
#[derive(Debug)]
struct CurrentExpression {
    expression: Arc<str>,
    /// `None`: this version cannot read it, so another broker checked it. It stands for no topic.
    compiled: Option<Expression>,
    /// Names that were compared.
    compared: usize,
    /// Names that matched.
    topics: Vec<Arc<str>>,
}

impl CurrentExpression {
    fn new(expression: Arc<str>) -> CurrentExpression {
        let compiled = expression::compile(&expression).ok();
        CurrentExpression { expression, compiled, compared: 0, topics: Vec::new() }
    }

    /// Compares names for as long as the budget lasts. Gives whether it came to the last.
    fn advance(&mut self, image: &ClusterImage, budget: &mut usize) -> bool {
        *budget = budget.saturating_sub(EXPRESSION_COST);
        let Some(compiled) = &self.compiled else { return true };
        for topic in image.topics().skip(self.compared) {
            if *budget == 0 {
                return false;
            }
            *budget = budget.saturating_sub(compiled.cost * topic.name.len());
            if compiled.is_match(&topic.name) {
                self.topics.push(topic.name.clone());
            }
            self.compared += 1;
        }
        true
    }
}

/// Searches for regular expressions of the group: for as long as one call may, from where the last one ended.
/// Only what was found changed is written.
pub(super) fn refresh(step: &mut Step<'_>, budget: &mut usize) {
    let group = step.group;
    let number = step.soft.catalogue.number();
    let mut counts = group.counts.clone();
    let mut found = BTreeMap::new();
    for (expression, topics) in search(step, budget) {
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

/// Does one call's part of the group's search, and gives the expressions that it came to the end of. If
/// something is left, the group stays in the queue.
fn search(step: &mut Step<'_>, budget: &mut usize) -> Vec<(Arc<str>, Vec<Arc<str>>)> {
    let expressions = &step.group.counts.expressions;
    let mut search = step.group_soft().search.take().unwrap_or_else(|| Search {
        image: step.input.image.clone(),
        number: step.soft.catalogue.number(),
        done: None,
        current: None,
    });
    let mut found = Vec::new();
    while *budget > 0 {
        // One that nobody subscribes to any more is left.
        let current = search.current.take().filter(|current| expressions.contains_key(&current.expression));
        let Some(mut current) = current.or_else(|| search.next(expressions)) else {
            let searched = (search.number, step.input.monotonic);
            let soft = step.group_soft();
            (soft.is_refresh_due, soft.refreshed) = (false, Some(searched));
            return found;
        };
        if current.advance(&search.image, budget) {
            search.done = Some(current.expression.clone());
            found.push((current.expression, current.topics));
        } else {
            search.current = Some(current);
        }
    }
    step.group_soft().search = Some(search);
    let group_id = step.group.group_id.clone();
    step.soft.refreshes.push_back(group_id);
    found
}

impl Search {
    /// The expression after the last one that is done.
    fn next(&self, expressions: &BTreeMap<Arc<str>, usize>) -> Option<CurrentExpression> {
        let from = self.done.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let next = expressions.range((from, Bound::Unbounded)).next();
        next.map(|(expression, _)| CurrentExpression::new(expression.clone()))
    }
}
