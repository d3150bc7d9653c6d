//! ListGroups, DescribeGroups, DeleteGroups.

use anyhow::Result;
use kafka_protocol::messages::{DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest};

use super::{Case, JOIN, Talk, alone, group, group_id, join, joined, leave};
use crate::client::text;

/// The list comes first: later cases leave groups behind.
pub(in super::super) const CASES: &[Case] = &[
    Case { name: "list-groups", versions: 0..=5, run: list },
    Case { name: "describe-groups", versions: 0..=6, run: describe },
    Case { name: "delete-groups", versions: 0..=2, run: delete },
];

fn delete_groups(groups: &[&str]) -> DeleteGroupsRequest {
    DeleteGroupsRequest::default().with_groups_names(groups.iter().map(|group| group_id(group)).collect())
}

fn list(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let (stable, empty) = (group(talk)?, group(talk)?);
    let request = ListGroupsRequest::default();
    talk.ask("none", &request)?;
    let member = alone(talk, &stable)?;
    let gone = alone(talk, &empty)?;
    leave(talk, &[&gone])?;
    talk.ask("all", &request)?;
    let states = |states: &[&str]| {
        ListGroupsRequest::default().with_states_filter(states.iter().map(|state| text(state)).collect())
    };
    if version >= 4 {
        for (label, asked) in [
            ("stable ones", &["Stable"][..]),
            ("stable ones, otherwise written", &["sTABLE"]),
            ("empty ones", &["Empty"]),
            ("both", &["Stable", "Empty"]),
            ("dead ones", &["Dead"]),
            ("an unknown state", &["Asleep"]),
            ("a state without a name", &[""]),
        ] {
            talk.ask(label, &states(asked))?;
        }
    }
    if version >= 5 {
        for (label, asked) in [
            ("classic ones", &["classic"][..]),
            ("classic ones, otherwise written", &["Classic"]),
            ("consumer groups", &["consumer"]),
            ("both types", &["classic", "consumer"]),
            ("share groups", &["share"]),
            ("an unknown type", &["odd"]),
        ] {
            let types = asked.iter().map(|name| text(name)).collect();
            talk.ask(label, &request.clone().with_types_filter(types))?;
        }
        let both = states(&["Empty"]).with_types_filter(vec![text("classic")]);
        talk.ask("empty classic ones", &both)?;
    }
    leave(talk, &[&member])?;
    talk.quiet(2, &delete_groups(&[&stable, &empty])).map(drop)
}

fn describe(talk: &mut Talk) -> Result<()> {
    let (stable, empty, joining) = (group(talk)?, group(talk)?, group(talk)?);
    let absent = group(talk)?;
    let member = alone(talk, &stable)?;
    let gone = alone(talk, &empty)?;
    leave(talk, &[&gone])?;
    let (waiting, _) = joined(talk, join(JOIN, &joining, "", &["range"]))?;
    let of = |groups: &[&str]| {
        DescribeGroupsRequest::default().with_groups(groups.iter().map(|group| group_id(group)).collect())
    };
    for (label, groups) in [
        ("none", &[][..]),
        ("a stable one", &[stable.as_str()][..]),
        ("an empty one", &[&empty]),
        ("one that completes its rebalance", &[&joining]),
        ("an absent one", &[&absent]),
        ("one without name", &[""]),
        ("three", &[&absent, &stable, &empty]),
        ("one twice", &[&stable, &stable]),
    ] {
        talk.ask(label, &of(groups))?;
    }
    if talk.version >= 3 {
        let request = of(&[&stable, &absent]).with_include_authorized_operations(true);
        talk.ask("with operations", &request)?;
    }
    leave(talk, &[&member])?;
    leave(talk, &[&waiting])
}

fn delete(talk: &mut Talk) -> Result<()> {
    let (stable, empty, absent) = (group(talk)?, group(talk)?, group(talk)?);
    let member = alone(talk, &stable)?;
    let gone = alone(talk, &empty)?;
    leave(talk, &[&gone])?;
    for (label, groups) in [
        ("none", &[][..]),
        ("an absent one", &[absent.as_str()][..]),
        ("one without name", &[""]),
        ("one with a member", &[&stable]),
        ("three", &[&absent, &stable, &empty]),
        ("again", &[&empty]),
    ] {
        talk.ask(label, &delete_groups(groups))?;
    }
    leave(talk, &[&member])?;
    talk.ask("one whose member has left", &delete_groups(&[&stable]))
}
