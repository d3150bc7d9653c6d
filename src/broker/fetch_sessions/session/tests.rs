use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::model::{LeaderEpoch, NodeId, Offset};
use crate::protocol::ErrorCode;
use crate::protocol::fetch_response::EpochEndOffset;

/// No partition is told of.
const NOTHING: [i32; 0] = [];

fn named(name: &str, partition: i32) -> FetchKey {
    FetchKey { topic: FetchTopic::Named(name.into()), partition }
}

fn with_id(id: u128, partition: i32) -> FetchKey {
    FetchKey { topic: FetchTopic::WithId(TopicId(Uuid::from_u128(id)), None), partition }
}

fn from(offset: i64) -> PartitionAsk {
    PartitionAsk {
        offset: Offset(offset),
        bytes_max: 1000,
        current_leader_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
    }
}

/// An answer without records.
fn empty(high_watermark: i64) -> FetchedPartition {
    FetchedPartition {
        high_watermark: Offset(high_watermark),
        log_start_offset: Offset(0),
        ..FetchedPartition::failed(0, ErrorCode::None)
    }
}

fn records(high_watermark: i64) -> FetchedPartition {
    FetchedPartition { records: vec![Piece::Bytes(Bytes::from_static(b"records"))], ..empty(high_watermark) }
}

fn failed(code: ErrorCode) -> FetchedPartition {
    FetchedPartition::failed(0, code)
}

fn answered(one: (FetchKey, FetchedPartition)) -> AnsweredPartition {
    AnsweredPartition { key: one.0, ask: Some(from(0)), fetched: one.1 }
}

/// A session of the partitions 0, 1, 2 of `t`, whose high watermarks are 5.
fn begun() -> FetchSession {
    let partitions: Vec<_> = (0..3).map(|partition| answered((named("t", partition), empty(5)))).collect();
    FetchSession::begun(false, &partitions)
}

fn go_on(
    session: &mut FetchSession,
    session_epoch: i32,
    asked: &[(FetchKey, PartitionAsk)],
    forgotten: &[FetchKey],
) -> Result<(), SessionError> {
    session.go_on(&SessionChange { session_epoch, by_id: session.by_id, asked, forgotten })
}

fn order(session: &mut FetchSession) -> Vec<(i32, i64)> {
    let fetched = session.asked(|_| None);
    fetched.into_iter().map(|(key, ask)| (key.partition, ask.offset.0)).collect()
}

/// Plays the next request, answered like this; which partitions the client is told of.
fn told(session: &mut FetchSession, answers: Vec<(FetchKey, FetchedPartition)>) -> Vec<i32> {
    let session_epoch = session.session_epoch;
    go_on(session, session_epoch, &[], &[]).unwrap();
    let told = session.answer(session_epoch, answers.into_iter().map(answered).collect()).unwrap();
    told.iter().map(|one| one.key.partition).collect()
}

#[test]
fn epochs_go_up_by_one_and_wrap_past_zero() {
    for (session_epoch, next) in [(0, 1), (1, 2), (i32::MAX - 1, i32::MAX), (i32::MAX, 1)] {
        assert_eq!(next_epoch(session_epoch), next);
    }
    let mut session = begun();
    session.session_epoch = i32::MAX - 1;
    for session_epoch in [i32::MAX - 1, i32::MAX, 1, 2] {
        assert_eq!(go_on(&mut session, session_epoch, &[], &[]), Ok(()), "{session_epoch}");
        assert!(session.answer(session_epoch, Vec::new()).is_ok(), "{session_epoch}");
    }
}

#[test]
fn another_epoch_changes_nothing() {
    let mut session = begun();
    for session_epoch in [2, 0, -1, -2, i32::MIN, i32::MAX] {
        let asked = [(named("t", 9), from(0))];
        assert_eq!(
            go_on(&mut session, session_epoch, &asked, &[named("t", 0)]),
            Err(SessionError::InvalidEpoch)
        );
    }
    let other = SessionChange { session_epoch: 1, by_id: true, asked: &[], forgotten: &[named("t", 0)] };
    assert_eq!(session.go_on(&other), Err(SessionError::TopicIdMismatch));
    assert_eq!(order(&mut session), [(0, 0), (1, 0), (2, 0)]);
    assert_eq!(go_on(&mut session, 1, &[], &[]), Ok(()));
}

#[test]
fn partitions_are_added_changed_and_forgotten() {
    let mut session = begun();
    let asked = [(named("t", 1), from(7)), (named("u", 0), from(3)), (named("t", 8), from(4))];
    let forgotten = [named("t", 0), named("t", 8), named("never", 0)];
    assert_eq!(go_on(&mut session, 1, &asked, &forgotten), Ok(()));
    assert_eq!(order(&mut session), [(1, 7), (2, 0), (0, 3)]);
    assert_eq!(session.size().partitions, 3);
    let all = [named("t", 1), named("t", 2), named("u", 0)];
    assert_eq!(go_on(&mut session, 2, &[], &all), Ok(()));
    assert!(session.is_empty());
    assert_eq!(session.size(), Size::default());
}

#[test]
fn only_news_is_told() {
    let mut session = begun();
    let t = |partition| named("t", partition);
    let all = |one: FetchedPartition| vec![(t(0), one), (t(1), empty(5)), (t(2), empty(5))];
    assert_eq!(told(&mut session, all(empty(5))), NOTHING);
    assert_eq!(told(&mut session, all(records(5))), [0]);
    assert_eq!(told(&mut session, all(empty(6))), [0], "another high watermark");
    assert_eq!(told(&mut session, all(empty(6))), NOTHING);
    let moved = || FetchedPartition { log_start_offset: Offset(2), ..empty(6) };
    assert_eq!(told(&mut session, all(moved())), [0], "another log start");
    assert_eq!(told(&mut session, all(moved())), NOTHING);
    let nearer = FetchedPartition { preferred_read_replica: NodeId(0), ..moved() };
    assert_eq!(told(&mut session, all(nearer)), [0]);
    let end = EpochEndOffset { leader_epoch: LeaderEpoch(0), end_offset: Offset(1) };
    let diverging = FetchedPartition { diverging_epoch: Some(end), ..moved() };
    assert_eq!(told(&mut session, all(diverging)), [0]);
    assert_eq!(told(&mut session, all(moved())), NOTHING);
}

#[test]
fn an_error_is_told_every_time_and_its_end_once() {
    let mut session = begun();
    let t = |partition| named("t", partition);
    for _ in 0..3 {
        assert_eq!(told(&mut session, vec![(t(1), failed(ErrorCode::UnknownTopicOrPartition))]), [1]);
    }
    assert_eq!(told(&mut session, vec![(t(1), empty(5))]), [1], "as it was before the error");
    assert_eq!(told(&mut session, vec![(t(1), empty(5))]), NOTHING);
}

#[test]
fn an_answer_with_an_error_begins_a_session_like_any_other() {
    let partitions =
        [(named("t", 0), failed(ErrorCode::OffsetOutOfRange)), (named("t", 1), empty(5))].map(answered);
    let mut session = FetchSession::begun(false, &partitions);
    let both = vec![(named("t", 0), empty(5)), (named("t", 1), empty(5))];
    assert_eq!(told(&mut session, both), [0]);
}

#[test]
fn partitions_that_gave_records_go_behind_the_others() {
    let mut session = begun();
    let t = |partition| named("t", partition);
    told(&mut session, vec![(t(0), records(5)), (t(1), empty(5)), (t(2), records(5))]);
    assert_eq!(order(&mut session), [(1, 0), (0, 0), (2, 0)]);
    told(&mut session, vec![(t(1), empty(9)), (t(0), records(9)), (t(2), empty(9))]);
    assert_eq!(order(&mut session), [(1, 0), (2, 0), (0, 0)]);
}

#[test]
fn an_answer_that_was_overtaken_is_an_error_and_changes_nothing() {
    let mut session = begun();
    go_on(&mut session, 1, &[], &[]).unwrap();
    go_on(&mut session, 2, &[], &[named("t", 0)]).unwrap();
    let late = vec![answered((named("t", 0), records(9)))];
    assert!(matches!(session.answer(1, late), Err(SessionError::InvalidEpoch)));
    assert_eq!(order(&mut session), [(1, 0), (2, 0)]);
    assert!(session.answer(2, Vec::new()).is_ok());
}

#[test]
fn a_topic_is_its_id_and_a_name_once_found_stays() {
    let one = TopicId(Uuid::from_u128(1));
    let mut session =
        FetchSession::begun(true, &[answered((with_id(1, 0), failed(ErrorCode::UnknownTopicId)))]);
    let name = |session: &mut FetchSession, found: Option<&str>| {
        let fetched = session.asked(|id| (id == one).then_some(found?.into()));
        fetched.into_iter().map(|(key, _)| key.topic.name().map(|name| name.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(name(&mut session, None), [None]);
    assert_eq!(name(&mut session, Some("t")), [Some("t".to_owned())]);
    assert_eq!(name(&mut session, None), [Some("t".to_owned())], "though it is deleted");
    // Asked for again when nobody knows the name any more: the same partition. A new one has none.
    go_on(&mut session, 1, &[(with_id(1, 0), from(8)), (with_id(1, 1), from(9))], &[]).unwrap();
    assert_eq!(order(&mut session), [(0, 8), (1, 9)]);
    assert_eq!(name(&mut session, None), [Some("t".to_owned()), None]);
    go_on(&mut session, 2, &[], &[with_id(1, 0), with_id(2, 1)]).unwrap();
    assert_eq!(order(&mut session), [(1, 9)]);
}

#[test]
fn the_size_counts_names_that_a_client_made_up() {
    let long = "x".repeat(30_000);
    let keys = [named(&long, 0), named(&long, 1), with_id(1, 0)];
    let expected = Size { partitions: 3, bytes: 3 * super::super::partitions::PARTITION_BYTES + 60_000 };
    assert_eq!(Size::of(keys.iter()), expected);
    let mut session = FetchSession::begun(false, &keys.map(|key| answered((key, empty(0)))));
    assert_eq!(session.size(), expected);
    go_on(&mut session, 1, &[(named(&long, 0), from(1))], &[named(&long, 1), with_id(1, 0)]).unwrap();
    let expected = Size { partitions: 1, bytes: super::super::partitions::PARTITION_BYTES + 30_000 };
    assert_eq!(session.size(), expected);
}
