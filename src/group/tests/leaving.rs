use super::driver::{Driver, join, join_static, seconds};
use crate::group::{
    GroupError, GroupRecord, GroupReply, GroupRequest, JoinGroupReply, LeaveGroup, LeavingMember,
};

#[test]
fn a_member_that_leaves_starts_a_rebalance() {
    let mut driver = Driver::without_delay();
    let members = driver.stable(2);
    assert_eq!(driver.leave(&[(&members[0].member_id, None)]), [None]);
    assert_eq!(driver.state(), "PreparingRebalance");
    assert_eq!(driver.heartbeat(&members[0]), Err(GroupError::UnknownMemberId));
    let rejoin = driver.send(GroupRequest::JoinGroup(join(&members[1].member_id)));
    let joined = driver.join_reply(rejoin);
    assert_eq!((joined.generation_id, joined.leader), (2, members[1].member_id.clone()));
}

#[test]
fn the_last_to_leave_leaves_an_empty_group() {
    let mut driver = Driver::without_delay();
    let members = driver.stable(2);
    let start = driver.log.len();
    let leaving: Vec<_> = members.iter().map(|member| (&*member.member_id, None)).collect();
    assert_eq!(driver.leave(&leaving), [None, None]);
    let records = driver.written_since(start);
    let [GroupRecord::GroupMetadata { metadata: Some(metadata), .. }] = records.as_slice() else { panic!() };
    assert_eq!((metadata.generation_id, metadata.members.len(), &metadata.leader), (2, 0, &None));
    assert_eq!((&*metadata.protocol_type, &metadata.protocol_name), ("consumer", &None));
    assert_eq!(metadata.current_state_timestamp, driver.wall);
    assert_eq!(driver.shard.next_deadline(), None);
    // The next generation follows, in this process or in another.
    driver.fail_over();
    let (_, ticket) = driver.join_dynamic();
    driver.advance(seconds(0));
    assert_eq!(driver.join_reply(ticket).generation_id, 3);
}

#[test]
fn each_that_leaves_has_its_own_answer() {
    let mut driver = Driver::without_delay();
    let fixed = driver.send(GroupRequest::JoinGroup(join_static("", "instance")));
    let (second, _) = driver.join_dynamic();
    let GroupReply::JoinGroup(pending) = driver.ask(GroupRequest::JoinGroup(join(""))) else { panic!() };
    driver.advance(seconds(3));
    let fixed = driver.join_reply(fixed);
    assert!(fixed.member_id.starts_with("instance-"));
    let errors = driver.leave(&[
        ("nobody", None),
        ("", Some("other")),
        ("", None),
        (&second, Some("instance")),
        (&second, Some("other")),
        (&pending.member_id, None),
        (&second, None),
        ("", Some("instance")),
        ("", Some("instance")),
    ]);
    let unknown = Some(GroupError::UnknownMemberId);
    let fenced = Some(GroupError::FencedInstanceId);
    let expected = [&unknown, &unknown, &unknown, &fenced, &unknown, &None, &None, &None, &unknown];
    assert_eq!(errors.iter().collect::<Vec<_>>(), expected);
    assert_eq!(driver.state(), "Empty");
    let request = |group_id: &str| {
        let member_id = second.clone();
        let members = vec![LeavingMember { member_id, group_instance_id: None, reason: None }];
        GroupRequest::LeaveGroup(LeaveGroup { group_id: group_id.into(), members })
    };
    let GroupReply::LeaveGroup(Ok(left)) = driver.ask(request("other")) else { panic!() };
    assert_eq!(left[0].error, unknown);
    assert_eq!(driver.ask(request("")), GroupReply::LeaveGroup(Err(GroupError::InvalidGroupId)));
}

#[test]
fn who_leaves_while_it_waits_is_answered() {
    let mut driver = Driver::new();
    let (first, waits) = driver.join_dynamic();
    assert_eq!(driver.leave(&[(&first, None)]), [None]);
    let JoinGroupReply { error, member_id, .. } = driver.join_reply(waits);
    assert_eq!((error, &*member_id), (Some(GroupError::UnknownMemberId), ""));
    driver.advance(seconds(3));
    assert_eq!(driver.state(), "Empty");
    // One with a new id may leave before it has joined.
    let GroupReply::JoinGroup(pending) = driver.ask(GroupRequest::JoinGroup(join(""))) else { panic!() };
    assert_eq!(driver.leave(&[(&pending.member_id, None)]), [None]);
    let again = driver.ask(GroupRequest::JoinGroup(join(&pending.member_id)));
    assert!(matches!(again, GroupReply::JoinGroup(JoinGroupReply { error: Some(_), .. })));
}
