//! Outcomes of Kafka's own classes, and what must hold for any group.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use super::{Assignment, Assignor, GroupSpec, MemberSpec};
use crate::model::TopicId;

/// What Kafka 4.3.1's own classes choose.
const GOLDEN: &str = include_str!("../../../protocol-tests/golden/assignors.jsonl");

fn topic(index: u64) -> TopicId {
    TopicId(Uuid::from_u64_pair(0, index + 1))
}

#[derive(Debug)]
struct Member {
    member_id: String,
    instance_id: Option<String>,
    topics: Vec<TopicId>,
    assigned: Assignment,
}

#[derive(Debug)]
struct Group {
    members: Vec<Member>,
    homogeneous: bool,
    partitions: HashMap<TopicId, i32>,
}

impl Member {
    fn spec(&self) -> MemberSpec<'_> {
        MemberSpec {
            member_id: &self.member_id,
            instance_id: self.instance_id.as_deref(),
            topics: &self.topics,
            assigned: &self.assigned,
        }
    }
}

impl Group {
    fn assign(&self, assignor: Assignor) -> Vec<Assignment> {
        let members: Vec<MemberSpec<'_>> = self.members.iter().map(Member::spec).collect();
        let (homogeneous, partitions) = (self.homogeneous, &self.partitions);
        assignor.assign(&GroupSpec { members: &members, homogeneous, partitions })
    }
}

fn numbers(value: &Value) -> Vec<i32> {
    let values = value.as_array().expect("an array").iter();
    values.map(|value| value.as_i64().expect("a number") as i32).collect()
}

fn assignment(value: &Value) -> Assignment {
    let topics = value.as_object().expect("topics").iter();
    topics.map(|(index, partitions)| (topic(index.parse().expect("an index")), numbers(partitions))).collect()
}

fn member(value: &Value) -> Member {
    Member {
        member_id: value["id"].as_str().expect("an id").to_owned(),
        instance_id: value["instance"].as_str().map(str::to_owned),
        topics: numbers(&value["topics"]).into_iter().map(|index| topic(index as u64)).collect(),
        assigned: assignment(&value["assigned"]),
    }
}

#[test]
fn kafka_chooses_the_same() {
    let mut cases = 0;
    for line in GOLDEN.lines() {
        let case: Value = serde_json::from_str(line).expect("a case");
        let partitions = numbers(&case["partitions"]).into_iter().enumerate();
        let group = Group {
            members: case["members"].as_array().expect("members").iter().map(member).collect(),
            homogeneous: case["homogeneous"].as_bool().expect("a flag"),
            partitions: partitions.map(|(index, count)| (topic(index as u64), count)).collect(),
        };
        let assignor = Assignor::from_name(case["assignor"].as_str().expect("a name")).expect("an assignor");
        let expected: Vec<Assignment> =
            case["expected"].as_array().expect("assignments").iter().map(assignment).collect();
        assert_eq!(group.assign(assignor), expected, "{line}");
        cases += 1;
    }
    assert_eq!(cases, 120);
}

/// Every partition of a subscribed topic stands once, with a subscriber.
fn check_complete(group: &Group, assignments: &[Assignment]) {
    let mut given = BTreeSet::new();
    for (member, assignment) in group.members.iter().zip(assignments) {
        for (topic_id, partitions) in assignment {
            assert!(member.topics.contains(topic_id), "{} got a topic it did not ask for", member.member_id);
            assert!(partitions.is_sorted() && !partitions.is_empty());
            for partition in partitions {
                assert!(given.insert((*topic_id, *partition)), "{topic_id}-{partition} was given twice");
            }
        }
    }
    let subscribed: BTreeSet<TopicId> =
        group.members.iter().flat_map(|member| member.topics.iter().copied()).collect();
    let expected: usize = subscribed.iter().map(|topic_id| group.partitions[topic_id] as usize).sum();
    assert_eq!(given.len(), expected);
}

fn load(assignment: &Assignment) -> usize {
    assignment.values().map(Vec::len).sum()
}

fn kept(before: &[Assignment], after: &[Assignment]) -> usize {
    let both = |(one, other): (&Assignment, &Assignment)| -> usize {
        let kept = one.iter().filter_map(|(topic_id, partitions)| {
            let other = other.get(topic_id)?;
            Some(partitions.iter().filter(|partition| other.contains(partition)).count())
        });
        kept.sum()
    };
    before.iter().zip(after).map(both).sum()
}

fn groups() -> impl Strategy<Value = (Group, Vec<usize>)> {
    let topics = prop::collection::vec(1..12i32, 1..6);
    let members = prop::collection::vec((any::<u8>(), prop::option::of(0..1000u32)), 1..12);
    (topics, members, any::<bool>(), prop::collection::vec(any::<prop::sample::Index>(), 0..4)).prop_map(
        |(topics, members, homogeneous, leaving)| {
            let count = topics.len();
            let partitions: HashMap<TopicId, i32> =
                topics.into_iter().enumerate().map(|(i, n)| (topic(i as u64), n)).collect();
            let members: Vec<Member> = members
                .into_iter()
                .enumerate()
                .map(|(place, (mask, instance))| Member {
                    member_id: format!("member-{place:02}"),
                    instance_id: instance.map(|number| format!("instance-{number}-{place}")),
                    topics: (0..count as u64)
                        .filter(|index| homogeneous || mask >> index & 1 == 1)
                        .map(topic)
                        .collect(),
                    assigned: Assignment::new(),
                })
                .collect();
            let leaving = leaving.into_iter().map(|index| index.index(members.len())).collect();
            (Group { members, homogeneous, partitions }, leaving)
        },
    )
}

proptest! {
    #[test]
    fn each_partition_has_one_owner_and_what_fits_stays((mut group, leaving) in groups()) {
        for assignor in Assignor::ALL {
            group.members.iter_mut().for_each(|member| member.assigned.clear());
            let first = group.assign(assignor);
            check_complete(&group, &first);
            for (member, assigned) in group.members.iter_mut().zip(&first) {
                member.assigned = assigned.clone();
            }
            prop_assert_eq!(&group.assign(assignor), &first, "nothing changed, so nothing moves");
        }
        // Now with what `uniform` gave, some leave: the others keep all of theirs, and share the rest.
        group.members.iter_mut().for_each(|member| member.assigned.clear());
        let first = group.assign(Assignor::Uniform);
        let mut before = Vec::new();
        let mut place = 0;
        group.members.retain(|_| {
            place += 1;
            let stays = !leaving.contains(&(place - 1));
            before.extend(stays.then(|| first[place - 1].clone()));
            stays
        });
        for (member, assigned) in group.members.iter_mut().zip(&before) {
            member.assigned = assigned.clone();
        }
        let after = group.assign(Assignor::Uniform);
        check_complete(&group, &after);
        if group.homogeneous {
            prop_assert_eq!(kept(&before, &after), before.iter().map(load).sum::<usize>());
            let loads: Vec<usize> = after.iter().map(load).collect();
            let spread = loads.iter().max().unwrap_or(&0) - loads.iter().min().unwrap_or(&0);
            prop_assert!(spread <= 1, "loads {:?}", loads);
        }
    }
}

#[test]
fn a_thousand_members_share_a_thousand_partitions() {
    for (assignor, homogeneous) in
        [(Assignor::Range, true), (Assignor::Uniform, true), (Assignor::Uniform, false)]
    {
        let member = |place: u64| Member {
            member_id: format!("member-{place:04}"),
            instance_id: None,
            topics: (0..10)
                .filter(|index| homogeneous || !(place + index).is_multiple_of(3))
                .map(topic)
                .collect(),
            assigned: Assignment::new(),
        };
        let group = Group {
            members: (0..1000).map(member).collect(),
            homogeneous,
            partitions: (0..10).map(|index| (topic(index), 100)).collect(),
        };
        let assignments = group.assign(assignor);
        check_complete(&group, &assignments);
        if assignor == Assignor::Uniform {
            assert!(assignments.iter().all(|assignment| load(assignment) <= if homogeneous { 1 } else { 2 }));
        }
    }
}

#[test]
fn a_partition_that_does_not_exist_takes_no_room() {
    let member = |member_id: &str, partitions: Vec<i32>| Member {
        member_id: member_id.to_owned(),
        instance_id: None,
        topics: vec![topic(1)],
        assigned: Assignment::from([(topic(1), partitions)]),
    };
    for homogeneous in [true, false] {
        let group = Group {
            members: vec![member("a", vec![0, 7]), member("b", vec![2, 9])],
            homogeneous,
            partitions: HashMap::from([(topic(1), 4)]),
        };
        let assignments = group.assign(Assignor::Uniform);
        assert_eq!(assignments, [vec![0, 1], vec![2, 3]].map(|of| Assignment::from([(topic(1), of)])));
    }
}
