use super::driver::{Driver, GROUP, commit, join, seconds, subscription};
use crate::group::{GroupError, GroupReply, GroupRequest, JoinGroup, ListGroups, ListedGroup};

fn list(driver: &mut Driver, states: &[&str], types: &[&str]) -> Vec<String> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).into()).collect();
    let request = ListGroups { states: words(states), types: words(types) };
    let GroupReply::ListGroups(groups) = driver.ask(GroupRequest::ListGroups(request)) else { panic!() };
    let line = |group: ListedGroup| {
        format!("{} {} {} {}", group.group_id, group.protocol_type, group.state, group.group_type)
    };
    groups.into_iter().map(line).collect()
}

fn describe(driver: &mut Driver) -> Result<crate::group::DescribedGroup, GroupError> {
    match driver.ask(GroupRequest::DescribeGroup { group_id: GROUP.into() }) {
        GroupReply::DescribeGroup(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn delete(driver: &mut Driver, group_id: &str) -> Result<(), GroupError> {
    match driver.ask(GroupRequest::DeleteGroup { group_id: group_id.into() }) {
        GroupReply::DeleteGroup(reply) => reply,
        other => panic!("{other:?}"),
    }
}

#[test]
fn trap_72_groups_are_described_in_each_state() {
    let mut driver = Driver::new();
    let missing = GroupError::GroupIdNotFound("Group group not found.".to_owned());
    assert_eq!(describe(&mut driver), Err(missing));
    driver.commit(commit("read", 1)).unwrap();
    let simple = describe(&mut driver).unwrap();
    assert_eq!((simple.state, &*simple.protocol_type, simple.members.len()), ("Empty", "", 0));
    let (_, ticket) = driver.join_dynamic();
    let forming = describe(&mut driver).unwrap();
    assert_eq!(
        (forming.state, &*forming.protocol_type, &*forming.protocol),
        ("PreparingRebalance", "consumer", "")
    );
    assert_eq!(forming.members[0].metadata, "");
    driver.advance(seconds(3));
    let joined = driver.join_reply(ticket);
    assert_eq!(describe(&mut driver).unwrap().state, "CompletingRebalance");
    driver.sync_all(std::slice::from_ref(&joined));
    for _ in 0..2 {
        let stable = describe(&mut driver).unwrap();
        assert_eq!((stable.state, &*stable.protocol), ("Stable", "range"));
        let [member] = stable.members.as_slice() else { panic!() };
        assert_eq!((&*member.client_id, &*member.client_host), ("client", "/127.0.0.1"));
        assert_eq!(member.metadata, subscription(&["read"]));
        assert_eq!(member.assignment, member.member_id.as_bytes());
        driver.fail_over();
    }
}

#[test]
fn trap_72_groups_are_listed_by_state_and_type() {
    let mut driver = Driver::without_delay();
    driver.stable(1);
    let mut simple = commit("read", 1);
    simple.group_id = "another".into();
    driver.commit(simple).unwrap();
    let all = ["another  Empty classic", "group consumer Stable classic"];
    let stable = &all[1..];
    for (states, types, expected) in [
        (vec![], vec![], &all[..]),
        (vec!["Stable"], vec![], stable),
        (vec![" sTABLE ", "Dead"], vec!["CLASSIC"], stable),
        (vec!["Empty", "Stable"], vec![], &all[..]),
        (vec!["PreparingRebalance"], vec![], &[]),
        (vec!["nonsense"], vec![], &[]),
        (vec![], vec!["classic", "consumer"], &all[..]),
        (vec![], vec!["consumer"], &[]),
        (vec![], vec!["nonsense"], &[]),
    ] {
        assert_eq!(list(&mut driver, &states, &types), expected, "{states:?} {types:?}");
    }
}

#[test]
fn trap_74_a_group_is_deleted_with_its_offsets_once_it_is_empty() {
    let mut driver = Driver::without_delay();
    let missing = |group_id: &str| Err(GroupError::GroupIdNotFound(format!("Group {group_id} not found.")));
    assert_eq!(delete(&mut driver, GROUP), missing(GROUP));
    driver.commit(commit("read", 1)).unwrap();
    let member = driver.stable(1).remove(0);
    assert_eq!(delete(&mut driver, GROUP), Err(GroupError::NonEmptyGroup));
    driver.send(GroupRequest::JoinGroup(join(&member.member_id)));
    assert_eq!(delete(&mut driver, GROUP), Err(GroupError::NonEmptyGroup));
    driver.leave(&[(&member.member_id, None)]);
    // One that is about to join does not hold it; its id is gone with the group, and its deadline too.
    let GroupReply::JoinGroup(pending) = driver.ask(GroupRequest::JoinGroup(join(""))) else { panic!() };
    assert_eq!(delete(&mut driver, GROUP), Ok(()));
    assert_eq!(driver.shard.next_deadline(), None);
    assert_eq!(delete(&mut driver, GROUP), missing(GROUP));
    assert_eq!((driver.state().as_str(), driver.fetch("read")), ("none", -1));
    assert_eq!(list(&mut driver, &[], &[]), [""; 0]);
    let ticket = driver.send(GroupRequest::JoinGroup(join(&pending.member_id)));
    assert_eq!(driver.join_reply(ticket).error, Some(GroupError::UnknownMemberId));
    driver.fail_over();
    assert_eq!(driver.state(), "none");
    // A new group of this name begins anew.
    let request = JoinGroup { requires_known_member_id: false, ..join("") };
    let ticket = driver.send(GroupRequest::JoinGroup(request));
    driver.advance(seconds(0));
    assert_eq!(driver.join_reply(ticket).generation_id, 1);
}
