//! TxnOffsetCommit and the markers that end it (KIP-98, KIP-447).

use super::driver::{Driver, GROUP, commit, commit_of, fetch};
use super::migration::{beat, consumer, topic};
use crate::group::{
    DeletedTopic, GroupError, GroupReply, GroupRequest, OffsetCommit, OffsetDelete, OffsetFetch,
    OffsetFetchTopic,
};
use crate::model::{ProducerId, TopicId, TransactionResult};

const COMMIT: TransactionResult = TransactionResult::Commit;
const ABORT: TransactionResult = TransactionResult::Abort;

/// What is committed while nobody asks for stable offsets, and what they are told who do.
#[derive(Debug, PartialEq, Clone, Copy)]
struct Seen(i64, Result<i64, ()>);

fn of(producer_id: i64, commit: OffsetCommit) -> OffsetCommit {
    OffsetCommit { transaction: Some(ProducerId(producer_id)), ..commit }
}

fn seen(driver: &mut Driver) -> Seen {
    let mut ask = |require_stable, by_name: bool| {
        let topic = OffsetFetchTopic { topic_id: TopicId::ZERO, name: "read".into(), partitions: vec![0] };
        let request = OffsetFetch { require_stable, ..fetch(by_name.then(|| vec![topic])) };
        let GroupReply::OffsetFetch(Ok(topics)) = driver.ask(GroupRequest::OffsetFetch(request)) else {
            panic!("it fetches")
        };
        topics.first().map(|topic| topic.partitions[0].clone())
    };
    let any = ask(false, true).unwrap();
    let stable = ask(true, true).unwrap();
    assert_eq!(any.error, None);
    if let Some(of_all) = ask(true, false) {
        assert_eq!(of_all, stable, "one that is not named is no less unstable");
    }
    let stable = match stable.error {
        None => Ok(stable.offset.0),
        Some(GroupError::UnstableOffsetCommit) if stable.offset.0 == -1 => Err(()),
        Some(ref error) => panic!("{error}: {stable:?}"),
    };
    Seen(any.offset.0, stable)
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Without a transaction.
    Plain(i64),
    /// In the transaction of a producer.
    In(i64, i64),
    End(i64, TransactionResult),
    Delete,
}

fn take(driver: &mut Driver, step: Step) {
    match step {
        Step::Plain(offset) => assert_eq!(driver.commit(commit("read", offset)), Ok(None)),
        Step::In(id, offset) => assert_eq!(driver.commit(of(id, commit("read", offset))), Ok(None)),
        Step::End(id, result) => driver.end_transaction(ProducerId(id), result),
        Step::Delete => {
            let request = OffsetDelete { group_id: GROUP.into(), topics: vec![("read".into(), vec![0])] };
            driver.ask(GroupRequest::OffsetDelete(request));
        }
    }
}

#[test]
fn offsets_of_a_transaction_count_when_it_commits_unless_something_later_did() {
    use Step::{Delete, End, In, Plain};
    const UNSTABLE: Result<i64, ()> = Err(());
    for (steps, expected) in [
        (&[In(1, 5)][..], Seen(-1, UNSTABLE)),
        (&[In(1, 5), End(1, COMMIT)], Seen(5, Ok(5))),
        (&[In(1, 5), End(1, ABORT)], Seen(-1, Ok(-1))),
        (&[Plain(3), In(1, 5)], Seen(3, UNSTABLE)),
        (&[Plain(3), In(1, 5), End(1, ABORT)], Seen(3, Ok(3))),
        (&[In(1, 5), In(1, 6), End(1, COMMIT)], Seen(6, Ok(6))),
        // Markers of others, and markers that come again.
        (&[In(1, 5), End(2, COMMIT)], Seen(-1, UNSTABLE)),
        (&[In(1, 5), End(1, COMMIT), End(1, ABORT)], Seen(5, Ok(5))),
        (&[In(1, 5), End(1, COMMIT), In(1, 6), End(1, ABORT)], Seen(5, Ok(5))),
        // What was written last counts, whichever commits last.
        (&[In(1, 5), Plain(9)], Seen(9, UNSTABLE)),
        (&[In(1, 5), Plain(9), End(1, COMMIT)], Seen(9, Ok(9))),
        (&[In(1, 5), In(2, 7), End(2, COMMIT)], Seen(7, UNSTABLE)),
        (&[In(1, 5), In(2, 7), End(2, COMMIT), End(1, COMMIT)], Seen(7, Ok(7))),
        (&[In(1, 5), In(2, 7), End(1, COMMIT), End(2, COMMIT)], Seen(7, Ok(7))),
        (&[In(1, 5), In(2, 7), End(2, ABORT), End(1, COMMIT)], Seen(5, Ok(5))),
        (&[In(1, 5), Plain(9), In(1, 6), End(1, COMMIT)], Seen(6, Ok(6))),
        // A deletion takes what would have come back, too.
        (&[In(1, 5), Delete], Seen(-1, Ok(-1))),
        (&[Plain(3), In(1, 5), Delete, End(1, COMMIT)], Seen(-1, Ok(-1))),
        (&[In(1, 5), Delete, In(1, 6), End(1, COMMIT)], Seen(6, Ok(6))),
    ] {
        let mut driver = Driver::new();
        for step in steps {
            take(&mut driver, *step);
            driver.fail_over();
        }
        assert_eq!(seen(&mut driver), expected, "{steps:?}");
    }
}

#[test]
fn a_deleted_group_and_a_deleted_topic_take_what_is_pending_with_them() {
    let mut driver = Driver::new();
    take(&mut driver, Step::In(1, 5));
    let gone = driver.ask(GroupRequest::DeleteGroup { group_id: GROUP.into() });
    assert_eq!(gone, GroupReply::DeleteGroup(Ok(())));
    take(&mut driver, Step::End(1, COMMIT));
    driver.fail_over();
    assert_eq!((seen(&mut driver), driver.state().as_str()), (Seen(-1, Ok(-1)), "none"));

    take(&mut driver, Step::In(2, 5));
    let deleted_at = driver.wall;
    let topic = DeletedTopic { name: "read".into(), topic_id: TopicId::ZERO, deleted_at };
    driver.call(|shard, input| shard.topics_deleted(input, std::slice::from_ref(&topic)));
    take(&mut driver, Step::End(2, COMMIT));
    driver.fail_over();
    assert_eq!(seen(&mut driver), Seen(-1, Ok(-1)));
}

#[test]
fn nothing_that_is_pending_expires() {
    let mut driver = Driver::new();
    take(&mut driver, Step::Plain(3));
    take(&mut driver, Step::In(1, 5));
    driver.wall.0 += driver.settings.offsets_retention.as_millis() as i64 + 1;
    driver.call(|shard, input| shard.expire(input));
    assert_eq!(seen(&mut driver), Seen(3, Err(())));
    take(&mut driver, Step::End(1, ABORT));
    driver.call(|shard, input| shard.expire(input));
    assert_eq!((seen(&mut driver), driver.state().as_str()), (Seen(-1, Ok(-1)), "none"));
}

#[test]
fn trap_85_a_producer_is_fenced_with_the_consumer_that_it_commits_for() {
    let mut driver = Driver::without_delay();
    let member = driver.stable(1).remove(0);
    let transactional = |commit| of(1, commit);
    let of_old = OffsetCommit {
        generation_id_or_member_epoch: member.generation_id - 1,
        ..commit_of(&member, "read", 1)
    };
    let of_other = OffsetCommit { member_id: "other".into(), ..commit_of(&member, "read", 1) };
    for (commit, expected) in [
        (commit_of(&member, "read", 5), Ok(None)),
        (of_old, Err(GroupError::IllegalGeneration)),
        (of_other, Err(GroupError::UnknownMemberId)),
        // Producers from before KIP-447 say nothing of their consumers.
        (commit("read", 6), Ok(None)),
        (
            OffsetCommit { group_id: "none".into(), generation_id_or_member_epoch: 1, ..commit("read", 1) },
            Err(GroupError::IllegalGeneration),
        ),
    ] {
        assert_eq!(driver.commit(transactional(commit.clone())), expected, "{commit:?}");
    }
    driver.end_transaction(ProducerId(1), COMMIT);
    assert_eq!(driver.fetch("read"), 6);
}

/// What its consumer would be told as STALE_MEMBER_EPOCH its producer is told as ILLEGAL_GENERATION.
#[test]
fn trap_85_a_producer_is_fenced_with_a_consumer_of_the_newer_protocol() {
    let mut driver = Driver::new();
    topic(&mut driver, "read", 1);
    let member_epoch = beat(&mut driver, consumer("modern", 0, None)).unwrap().member_epoch;
    let by = |member_id: &str, generation_id_or_member_epoch, offset| OffsetCommit {
        member_id: member_id.into(),
        generation_id_or_member_epoch,
        ..commit("read", offset)
    };
    for (commit, expected) in [
        (by("modern", member_epoch, 5), Ok(None)),
        // No version of TxnOffsetCommit is too old to know of epochs.
        (OffsetCommit { supports_member_epoch: false, ..by("modern", member_epoch, 6) }, Ok(None)),
        (by("modern", member_epoch - 1, 1), Err(GroupError::IllegalGeneration)),
        (by("modern", member_epoch + 1, 1), Err(GroupError::IllegalGeneration)),
        (by("other", member_epoch, 1), Err(GroupError::UnknownMemberId)),
        (by("other", -1, 1), Err(GroupError::UnknownMemberId)),
        // From before KIP-447, although the group has a member.
        (commit("read", 7), Ok(None)),
    ] {
        assert_eq!(driver.commit(of(1, commit.clone())), expected, "{commit:?}");
    }
    assert_eq!(driver.commit(by("modern", member_epoch + 1, 1)), Err(GroupError::StaleMemberEpoch));
    driver.end_transaction(ProducerId(1), COMMIT);
    assert_eq!(driver.fetch("read"), 7);
}
