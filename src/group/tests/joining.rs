use std::time::Duration;

use super::driver::{Driver, GROUP, commit, join, join_static, protocols, seconds, subscription, sync};
use crate::group::{
    GroupError, GroupProtocol, GroupRecord, GroupReply, GroupRequest, JoinGroup, JoinGroupReply, OffsetCommit,
};

fn refused(driver: &mut Driver, request: JoinGroup) -> (String, Option<GroupError>) {
    match driver.ask(GroupRequest::JoinGroup(request)) {
        GroupReply::JoinGroup(JoinGroupReply { member_id, error, .. }) => (member_id.to_string(), error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn trap_63_a_dynamic_member_joins_under_the_id_it_is_given() {
    let mut driver = Driver::new();
    let (member_id, error) = refused(&mut driver, join(""));
    assert_eq!(member_id, "client-00000000-0000-0000-0000-000000000001");
    assert_eq!(error, Some(GroupError::MemberIdRequired(member_id.as_str().into())));
    // The group is written down before the member learns its id.
    let records = driver.written_since(0);
    let [GroupRecord::GroupMetadata { metadata: Some(metadata), .. }] = records.as_slice() else { panic!() };
    assert_eq!((metadata.generation_id, metadata.members.len()), (0, 0));
    assert_eq!(driver.state(), "Empty");
    let ticket = driver.send(GroupRequest::JoinGroup(join(&member_id)));
    driver.advance(seconds(3));
    let joined = driver.join_reply(ticket);
    assert_eq!((joined.error, &*joined.member_id, joined.generation_id), (None, &*member_id, 1));
}

#[test]
fn trap_63_old_versions_and_static_members_join_at_once() {
    let old = JoinGroup { requires_known_member_id: false, ..join("") };
    let fixed = super::driver::join_static("", "instance");
    for (request, prefix) in [(old, "client-"), (fixed, "instance-")] {
        let mut driver = Driver::new();
        let ticket = driver.send(GroupRequest::JoinGroup(request));
        assert_eq!(driver.reply(ticket), None);
        driver.advance(seconds(3));
        let joined = driver.join_reply(ticket);
        assert!(joined.member_id.starts_with(prefix), "{}", joined.member_id);
        assert_eq!((joined.error, joined.generation_id), (None, 1));
    }
}

#[test]
fn joins_that_are_refused() {
    let short = JoinGroup { session_timeout: Duration::from_millis(5999), ..join("") };
    let long = JoinGroup { session_timeout: seconds(1801), ..join("") };
    let no_protocols = JoinGroup { protocols: Vec::new(), ..join("") };
    let no_type = JoinGroup { protocol_type: "".into(), ..join("") };
    let other_type = JoinGroup { protocol_type: "connect".into(), ..join("") };
    let other_protocols = JoinGroup { protocols: protocols(&["sticky"]), ..join("") };
    for (members, request, error) in [
        (0, JoinGroup { group_id: "".into(), ..join("") }, GroupError::InvalidGroupId),
        (0, short, GroupError::InvalidSessionTimeout),
        (0, long, GroupError::InvalidSessionTimeout),
        (0, no_protocols, GroupError::InconsistentGroupProtocol),
        (0, no_type, GroupError::InconsistentGroupProtocol),
        (0, join("nobody"), GroupError::UnknownMemberId),
        (1, join("nobody"), GroupError::UnknownMemberId),
        (1, other_type, GroupError::InconsistentGroupProtocol),
        (1, other_protocols, GroupError::InconsistentGroupProtocol),
        (1, super::driver::join_static("nobody", "instance"), GroupError::UnknownMemberId),
    ] {
        let mut driver = Driver::new();
        if members > 0 {
            driver.stable(members);
        }
        let member_id = request.member_id.to_string();
        assert_eq!(refused(&mut driver, request), (member_id, Some(error)));
    }
}

#[test]
fn trap_75_session_timeouts_have_bounds() {
    for (session_timeout, error) in [
        (Duration::from_millis(5999), Some(GroupError::InvalidSessionTimeout)),
        (seconds(6), None),
        (seconds(1800), None),
        (Duration::from_millis(1_800_001), Some(GroupError::InvalidSessionTimeout)),
    ] {
        let mut driver = Driver::new();
        let request = JoinGroup { session_timeout, ..join("") };
        let (member_id, found) = refused(&mut driver, request);
        let expected = error.unwrap_or_else(|| GroupError::MemberIdRequired(member_id.into()));
        assert_eq!(found, Some(expected), "{session_timeout:?}");
    }
}

#[test]
fn trap_64_a_group_that_forms_waits_for_more_members() {
    // When members join, their rebalance timeout, and when all are answered.
    for (joins, rebalance_timeout, answered) in [
        (vec![0], 60, 3000),
        (vec![0, 2000], 60, 6000),
        (vec![0, 2000, 5000], 60, 9000),
        (vec![0, 2000, 5000, 6500, 9500], 10, 10_000),
        (vec![0, 1000], 2, 3000),
    ] {
        let mut driver = Driver::new();
        let mut now = 0;
        let mut tickets = Vec::new();
        for at in &joins {
            driver.advance(Duration::from_millis(at - now));
            now = *at;
            let request = JoinGroup {
                requires_known_member_id: false,
                rebalance_timeout: seconds(rebalance_timeout),
                ..join("")
            };
            tickets.push(driver.send(GroupRequest::JoinGroup(request)));
        }
        driver.advance(Duration::from_millis(answered - now - 1));
        assert!(driver.replies.is_empty(), "{joins:?}");
        driver.advance(Duration::from_millis(1));
        for (at, ticket) in tickets.iter().enumerate() {
            let joined = driver.join_reply(*ticket);
            let members = if at == 0 { tickets.len() } else { 0 };
            assert_eq!((joined.generation_id, joined.members.len()), (1, members), "{joins:?}");
        }
    }
}

#[test]
fn a_member_that_learned_its_id_is_waited_for() {
    let mut driver = Driver::without_delay();
    let leader = driver.stable(1).remove(0);
    let (second, _) = refused(&mut driver, join(""));
    let rejoin = driver.send(GroupRequest::JoinGroup(join(&leader.member_id)));
    // The leader waits for the one with the new id, but no longer than that one's session.
    driver.advance(seconds(44));
    assert_eq!(driver.reply(rejoin), None);
    driver.advance(seconds(1));
    assert_eq!(driver.join_reply(rejoin).generation_id, 2);
    assert_eq!(refused(&mut driver, join(&second)), (second, Some(GroupError::UnknownMemberId)));
}

#[test]
fn trap_64_all_known_members_join_or_the_rebalance_times_out() {
    let mut driver = Driver::without_delay();
    let members = driver.stable(3);
    let (_, newcomer) = driver.join_dynamic();
    assert_eq!(driver.state(), "PreparingRebalance");
    for member in &members {
        assert_eq!(driver.heartbeat(member), Err(GroupError::RebalanceInProgress));
    }
    let first = driver.send(GroupRequest::JoinGroup(join(&members[0].member_id)));
    let second = driver.send(GroupRequest::JoinGroup(join(&members[1].member_id)));
    // The third one only sends heartbeats.
    driver.advance(seconds(30));
    assert_eq!(driver.heartbeat(&members[2]), Err(GroupError::RebalanceInProgress));
    driver.advance(Duration::from_millis(29_999));
    assert!(driver.replies.is_empty());
    driver.advance(Duration::from_millis(1));
    let joined = driver.join_reply(first);
    assert_eq!((joined.generation_id, joined.members.len()), (2, 3));
    assert_eq!(driver.join_reply(second).members, []);
    assert_eq!(driver.join_reply(newcomer).leader, joined.member_id);
    assert_eq!(driver.heartbeat(&members[2]), Err(GroupError::UnknownMemberId));
    assert_eq!(driver.state(), "CompletingRebalance");
}

#[test]
fn a_rebalance_ends_with_the_last_join() {
    let mut driver = Driver::without_delay();
    let members = driver.stable(2);
    let (_, newcomer) = driver.join_dynamic();
    let first = driver.send(GroupRequest::JoinGroup(join(&members[1].member_id)));
    assert!(driver.replies.is_empty());
    let second = driver.send(GroupRequest::JoinGroup(join(&members[0].member_id)));
    for ticket in [newcomer, first, second] {
        let joined = driver.join_reply(ticket);
        assert_eq!((joined.generation_id, &joined.leader), (2, &members[0].member_id));
    }
}

#[test]
fn who_joins_again_and_what_comes_of_it() {
    // Who joins, with which protocols, and whether that is a rebalance.
    for (leader, names, state) in [
        (false, ["range", "roundrobin"], "Stable"),
        (true, ["range", "roundrobin"], "PreparingRebalance"),
        (false, ["range", "sticky"], "PreparingRebalance"),
        (false, ["roundrobin", "range"], "PreparingRebalance"),
    ] {
        let mut driver = Driver::without_delay();
        let members = driver.stable(2);
        let member_id = &members[usize::from(!leader)].member_id;
        let request = JoinGroup { protocols: protocols(&names), ..join(member_id) };
        let ticket = driver.send(GroupRequest::JoinGroup(request));
        assert_eq!(driver.state(), state, "{leader} {names:?}");
        if state == "Stable" {
            let joined = driver.join_reply(ticket);
            assert_eq!((joined.generation_id, joined.members), (1, Vec::new()));
        }
    }
}

#[test]
fn who_did_not_hear_of_its_generation_is_told_again() {
    let mut driver = Driver::without_delay();
    let (first, ticket) = driver.join_dynamic();
    driver.advance(Duration::ZERO);
    let joined = driver.join_reply(ticket);
    assert_eq!(driver.state(), "CompletingRebalance");
    let again = driver.send(GroupRequest::JoinGroup(join(&first)));
    assert_eq!(driver.join_reply(again), joined);
    // With other protocols it is a new generation.
    let request = JoinGroup { protocols: protocols(&["sticky", "range"]), ..join(&first) };
    let changed = driver.send(GroupRequest::JoinGroup(request));
    assert_eq!(driver.join_reply(changed).generation_id, 2);
}

#[test]
fn trap_68_members_vote_for_a_protocol_that_all_know() {
    for (members, chosen) in [
        (vec!["cooperative-sticky range", "cooperative-sticky range"], "cooperative-sticky"),
        // In the middle of an upgrade.
        (vec!["cooperative-sticky range", "range"], "range"),
        (vec!["a b", "b a", "b a"], "b"),
        (vec!["a b c", "c a", "c b a"], "c"),
        (vec!["a b", "b a"], "a"),
        // A name twice is one name, with its first metadata.
        (vec!["a a b", "b"], "b"),
    ] {
        let mut driver = Driver::new();
        let join_with = |names: &&str| {
            let names: Vec<&str> = names.split(' ').collect();
            JoinGroup { requires_known_member_id: false, protocols: protocols(&names), ..join("") }
        };
        let tickets: Vec<_> = members
            .iter()
            .map(join_with)
            .map(|request| driver.send(GroupRequest::JoinGroup(request)))
            .collect();
        driver.advance(seconds(6));
        for ticket in tickets {
            let joined = driver.join_reply(ticket);
            assert_eq!(joined.protocol_name.as_deref(), Some(chosen), "{members:?}");
        }
    }
}

#[test]
fn members_of_any_type_form_a_group() {
    let mut driver = Driver::without_delay();
    let request = JoinGroup {
        protocol_type: "connect".into(),
        protocols: protocols(&["sessioned"]),
        requires_known_member_id: false,
        ..join("")
    };
    let ticket = driver.send(GroupRequest::JoinGroup(request));
    driver.advance(Duration::ZERO);
    let joined = driver.join_reply(ticket);
    assert_eq!(joined.protocol_type.as_deref(), Some("connect"));
    let synced = driver.ask(sync(&joined));
    assert!(matches!(synced, GroupReply::SyncGroup(Ok(_))), "{synced:?}");
    let GroupReply::DescribeGroup(Ok(group)) =
        driver.ask(GroupRequest::DescribeGroup { group_id: GROUP.into() })
    else {
        panic!()
    };
    assert_eq!((&*group.protocol_type, &*group.protocol), ("connect", "sessioned"));
}

#[test]
fn a_group_has_no_more_members_than_allowed() {
    let mut driver = Driver::new();
    driver.settings.group_max_size = 2;
    let old = JoinGroup { requires_known_member_id: false, ..join("") };
    let first = driver.send(GroupRequest::JoinGroup(old.clone()));
    let second = driver.send(GroupRequest::JoinGroup(old.clone()));
    let full = (String::new(), Some(GroupError::GroupMaxSizeReached));
    assert_eq!(refused(&mut driver, old.clone()), full);
    driver.advance(seconds(6));
    let joins = [driver.join_reply(first), driver.join_reply(second)];
    assert_eq!(refused(&mut driver, old.clone()), full, "CompletingRebalance");
    driver.sync_all(&joins);
    assert_eq!(refused(&mut driver, old), full, "Stable");
    // Members themselves may join again.
    let rejoin = driver.send(GroupRequest::JoinGroup(join(&joins[0].member_id)));
    assert_eq!(driver.reply(rejoin), None);
}

#[test]
fn a_bound_that_was_lowered_takes_members_at_the_next_start() {
    let mut driver = Driver::without_delay();
    let members = driver.stable(3);
    driver.settings.group_max_size = 2;
    driver.fail_over();
    assert_eq!(driver.state(), "PreparingRebalance");
    let tickets: Vec<_> = members[..2]
        .iter()
        .map(|member| driver.send(GroupRequest::JoinGroup(join(&member.member_id))))
        .collect();
    let last = refused(&mut driver, join(&members[2].member_id));
    assert_eq!(last, (String::new(), Some(GroupError::GroupMaxSizeReached)));
    for ticket in tickets {
        assert_eq!(driver.join_reply(ticket).generation_id, 2);
    }
}

#[test]
fn a_join_that_was_given_up_is_answered_by_its_successor() {
    let mut driver = Driver::new();
    let (member_id, first) = driver.join_dynamic();
    let second = driver.send(GroupRequest::JoinGroup(join(&member_id)));
    assert_eq!(driver.join_reply(first).error, Some(GroupError::RebalanceInProgress));
    driver.advance(seconds(3));
    assert_eq!(driver.join_reply(second).members.len(), 1);
}

#[test]
fn a_client_that_went_away_is_not_answered_and_still_counts() {
    let mut driver = Driver::new();
    let (_, first) = driver.join_dynamic();
    let (gone, second) = driver.join_dynamic();
    driver.forget(second);
    driver.advance(seconds(6));
    let joined = driver.join_reply(first);
    assert_eq!(joined.members.len(), 2);
    assert!(driver.replies.is_empty() && driver.waiting.is_empty());
    // It comes back under its id and learns of the generation.
    let again = driver.send(GroupRequest::JoinGroup(join(&gone)));
    assert_eq!(driver.join_reply(again).generation_id, 1);
    // So too in a sync.
    let waits = driver.send(sync(&JoinGroupReply { member_id: gone, members: Vec::new(), ..joined.clone() }));
    driver.forget(waits);
    driver.sync_all(&[joined]).remove(0).unwrap();
    assert!(driver.replies.is_empty() && driver.waiting.is_empty());
}

#[test]
fn texts_that_records_cannot_hold_are_refused_and_client_ids_are_cut() {
    let mut driver = Driver::without_delay();
    let long: std::sync::Arc<str> = "x".repeat(32_768).into();
    let name = |name: &std::sync::Arc<str>| GroupProtocol { name: name.clone(), metadata: subscription(&[]) };
    let too_long = || GroupError::InvalidRequest("a text is longer than 32767 bytes".to_owned());
    let new = || JoinGroup { requires_known_member_id: false, ..join("") };
    for (request, error) in [
        (JoinGroup { group_id: long.clone(), ..new() }, GroupError::InvalidGroupId),
        (JoinGroup { group_instance_id: Some(long.clone()), ..new() }, too_long()),
        (JoinGroup { member_id: long.clone(), ..new() }, too_long()),
        (JoinGroup { protocol_type: long.clone(), ..new() }, GroupError::InconsistentGroupProtocol),
        (JoinGroup { protocols: vec![name(&long)], ..new() }, GroupError::InconsistentGroupProtocol),
    ] {
        assert_eq!(refused(&mut driver, request), (String::new(), Some(error)));
    }
    let commit = OffsetCommit { group_id: long.clone(), ..commit("read", 1) };
    assert_eq!(driver.commit(commit), Err(GroupError::InvalidGroupId));
    assert!(driver.log.is_empty());
    // A client id of the greatest length: its member's id has room in a record.
    driver.caller.client_id = "ü".repeat(16_383).into();
    let member = driver.stable(1).remove(0);
    assert!((32_760..=32_767).contains(&member.member_id.len()), "{}", member.member_id.len());
    driver.fail_over();
    assert_eq!(driver.heartbeat(&member), Ok(()));
}

#[test]
fn an_instance_id_with_the_member_id_of_a_dynamic_member_is_an_error_as_in_kafka() {
    let mut driver = Driver::new();
    let GroupReply::JoinGroup(pending) = driver.ask(GroupRequest::JoinGroup(join(""))) else { panic!() };
    let (member_id, error) = refused(&mut driver, join_static(&pending.member_id, "a"));
    assert!(matches!(error, Some(GroupError::UnknownServerError(_))), "{error:?}");
    assert_eq!(member_id, "");
}
