//! ConsumerGroupHeartbeat, ConsumerGroupDescribe (KIP-848), and what other calls say of such groups.

use anyhow::{Result, ensure};
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    DeleteGroupsRequest, DescribeGroupsRequest, OffsetFetchRequest,
};

use super::{Case, HEARTBEAT, Member, Talk, alone, group, group_id, heartbeat, join, leave, offsets};
use crate::client::text;
use crate::requests::{Topic, name};

pub(in super::super) const CASES: &[Case] = &[
    Case { name: "consumer-group-heartbeat-refused", versions: 0..=1, run: refused },
    Case { name: "consumer-group-heartbeat", versions: 0..=1, run: beats },
    Case { name: "consumer-group-heartbeat-static", versions: 0..=1, run: static_members },
    Case { name: "consumer-group-heartbeat-expressions", versions: 1..=1, run: expressions },
    Case { name: "consumer-group-describe", versions: 0..=1, run: describe },
    Case { name: "consumer-group-others", versions: 1..=1, run: others },
    Case { name: "consumer-group-offset-commit", versions: 2..=9, run: commits },
    Case { name: "consumer-group-offset-fetch", versions: 8..=9, run: fetches },
];

/// The version of heartbeats that only prepare something.
const BEAT: i16 = 1;

fn beat(group: &str, id: &str, member_epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group_id(group))
        .with_member_id(text(id))
        .with_member_epoch(member_epoch)
}

/// A member's first heartbeat.
fn first(group: &str, id: &str, topics: &[&str]) -> ConsumerGroupHeartbeatRequest {
    beat(group, id, 0)
        .with_rebalance_timeout_ms(30_000)
        .with_subscribed_topic_names(Some(topics.iter().map(|topic| name(topic)).collect()))
        .with_topic_partitions(Some(Vec::new()))
}

fn owned(topic: &Topic, partitions: &[i32]) -> Option<Vec<TopicPartitions>> {
    let topic = TopicPartitions::default().with_topic_id(topic.id).with_partitions(partitions.to_vec());
    Some(vec![topic])
}

/// Joins quietly, and goes on until there is an assignment with so many partitions.
fn joined(talk: &mut Talk, request: &ConsumerGroupHeartbeatRequest, partitions: usize) -> Result<i32> {
    let mut answer = talk.quiet(BEAT, request)?;
    for _ in 0..1000 {
        ensure!(answer.error_code == 0, "{:?}", answer.error_message);
        if assigned(&answer) == Some(partitions) {
            break;
        }
        let again = request.clone().with_member_epoch(answer.member_epoch);
        answer = talk.quiet(BEAT, &again)?;
    }
    Ok(answer.member_epoch)
}

fn assigned(answer: &ConsumerGroupHeartbeatResponse) -> Option<usize> {
    let topics = &answer.assignment.as_ref()?.topic_partitions;
    Some(topics.iter().map(|topic| topic.partitions.len()).sum())
}

fn gone(talk: &mut Talk, group: &str, id: &str) -> Result<()> {
    talk.quiet(BEAT, &beat(group, id, -1)).map(drop)
}

fn refused(talk: &mut Talk) -> Result<()> {
    let topic = talk.topic(2, &[])?;
    let (stable, absent) = (group(talk)?, group(talk)?);
    let member_epoch = joined(talk, &first(&stable, "member-a", &[&topic.name]), 2)?;
    let good = || first(&stable, "member-b", &[&topic.name]);
    let none = || good().with_subscribed_topic_names(None);
    for (label, request) in [
        ("no group", first("", "member-b", &[&topic.name])),
        ("a blank group", first("  ", "member-b", &[&topic.name])),
        ("no member, later", beat(&stable, "", 1)),
        ("an instance without name", good().with_instance_id(Some(text("")))),
        ("a blank instance", good().with_instance_id(Some(text(" ")))),
        ("a rack without name", good().with_rack_id(Some(text("")))),
        ("no time to rebalance", good().with_rebalance_timeout_ms(-1)),
        ("no owned partitions", good().with_topic_partitions(None)),
        ("owned partitions", good().with_topic_partitions(owned(&topic, &[0]))),
        ("no topics", none()),
        ("an assignor without name", good().with_server_assignor(Some(text("")))),
        ("an unknown assignor", good().with_server_assignor(Some(text("odd")))),
        ("an epoch below all", beat(&stable, "member-a", -3)),
        ("leaving without an id", beat(&stable, "", -1)),
        ("leaving for a while without instance", beat(&stable, "member-a", -2)),
        ("leaving an absent group", beat(&absent, "member-a", -1)),
        ("an absent group", beat(&absent, "member-a", 1)),
        ("an unknown member", beat(&stable, "absent", 1)),
        ("an unknown member leaves", beat(&stable, "absent", -1)),
        ("a later epoch", beat(&stable, "member-a", member_epoch + 1)),
        ("an older epoch", beat(&stable, "member-a", member_epoch - 1)),
        (
            "an instance that the member has not",
            beat(&stable, "member-a", 1).with_instance_id(Some(text("x"))),
        ),
        (
            "an unknown assignor, later",
            beat(&stable, "member-a", member_epoch).with_server_assignor(Some(text("odd"))),
        ),
    ] {
        talk.ask(label, &request)?;
    }
    gone(talk, &stable, "member-a")
}

fn beats(talk: &mut Talk) -> Result<()> {
    let (topic, other, absent) = (talk.topic(2, &[])?, talk.topic(1, &[])?, talk.name()?);
    let name_of = group(talk)?;
    if talk.version == 0 {
        let nameless = group(talk)?;
        let answer = talk.ask_for("without an id", &first(&nameless, "", &[&topic.name]))?;
        let given = answer.and_then(|answer| answer.member_id).unwrap_or_default();
        talk.ask("by the id that it was given", &beat(&nameless, &given, -1))?;
        talk.ask("and once more", &beat(&nameless, &given, -1))?;
    }
    let id = "member-a";
    talk.ask("the first", &first(&name_of, id, &[&topic.name]))?;
    let mut member_epoch = joined(talk, &first(&name_of, id, &[&topic.name]), 2)?;
    let owns = |member_epoch| beat(&name_of, id, member_epoch).with_topic_partitions(owned(&topic, &[0, 1]));
    talk.ask("with what it has", &owns(member_epoch))?;
    talk.ask("a short one", &beat(&name_of, id, member_epoch))?;
    let full = first(&name_of, id, &[&topic.name]).with_member_epoch(member_epoch);
    talk.ask("a full one", &full.clone().with_topic_partitions(owned(&topic, &[0, 1])))?;
    talk.ask("a full one that has nothing", &full)?;
    let uniform = beat(&name_of, id, member_epoch).with_server_assignor(Some(text("range")));
    talk.ask("another assignor", &uniform)?;
    let both = first(&name_of, id, &[&topic.name, &other.name, &absent]);
    member_epoch = joined(talk, &both.clone().with_member_epoch(member_epoch), 3)?;
    talk.ask("two topics, and one that is absent", &both.clone().with_member_epoch(member_epoch))?;
    // Of two members the first gives something up.
    let second = first(&name_of, "member-b", &[&topic.name]);
    talk.quiet(BEAT, &second)?;
    let again = joined(talk, &both.clone().with_member_epoch(member_epoch), 2)?;
    talk.ask("the first has less", &both.clone().with_member_epoch(again))?;
    talk.ask("the first leaves", &beat(&name_of, id, -1))?;
    talk.ask("and again", &beat(&name_of, id, -1))?;
    let alone_again = talk.quiet(BEAT, &second)?.member_epoch;
    let last = joined(talk, &second.clone().with_member_epoch(alone_again), 2)?;
    talk.ask("the second has all", &second.with_member_epoch(last))?;
    gone(talk, &name_of, "member-b")
}

fn static_members(talk: &mut Talk) -> Result<()> {
    let topic = talk.topic(1, &[])?;
    let name = group(talk)?;
    let of = |id: &str, member_epoch| beat(&name, id, member_epoch).with_instance_id(Some(text("instance")));
    let joining = |id: &str| first(&name, id, &[&topic.name]).with_instance_id(Some(text("instance")));
    let member_epoch = joined(talk, &joining("member-a"), 1)?;
    talk.ask("a member", &of("member-a", member_epoch).with_topic_partitions(owned(&topic, &[0])))?;
    talk.ask("without its instance id", &beat(&name, "member-a", member_epoch))?;
    talk.ask("another member of the same instance joins", &joining("member-b"))?;
    talk.ask("another member of the same instance", &of("member-b", member_epoch))?;
    talk.ask("another member of the same instance leaves", &of("member-b", -1))?;
    talk.ask(
        "an unknown instance leaves",
        &beat(&name, "member-a", -2).with_instance_id(Some(text("other"))),
    )?;
    talk.ask("it leaves for a while", &of("member-a", -2))?;
    talk.ask("and again", &of("member-a", -2))?;
    talk.ask("it has left, and speaks", &of("member-a", member_epoch))?;
    talk.ask("another takes its place", &joining("member-c"))?;
    talk.ask("the one from before", &of("member-a", member_epoch))?;
    talk.ask("it leaves for good", &of("member-c", -1))
}

fn expressions(talk: &mut Talk) -> Result<()> {
    let topic = talk.topic(1, &[])?;
    let group_name = group(talk)?;
    let of = |expression: &str| {
        first(&group_name, "member-a", &[])
            .with_subscribed_topic_names(None)
            .with_subscribed_topic_regex(Some(text(expression)))
    };
    for (label, expression) in [("an odd one", "["), ("another odd one", "*"), ("an empty one", "")] {
        talk.ask(label, &of(expression))?;
    }
    let member_epoch = joined(talk, &of(&topic.name), 1)?;
    talk.ask("one that finds a topic", &of(&topic.name).with_member_epoch(member_epoch))?;
    talk.ask("an odd one, later", &of("(").with_member_epoch(member_epoch))?;
    gone(talk, &group_name, "member-a")
}

fn describe_groups(groups: &[&str]) -> ConsumerGroupDescribeRequest {
    ConsumerGroupDescribeRequest::default()
        .with_group_ids(groups.iter().map(|group| group_id(group)).collect())
}

fn describe(talk: &mut Talk) -> Result<()> {
    let topic = talk.topic(2, &[])?;
    let (stable, empty, classic, absent) = (group(talk)?, group(talk)?, group(talk)?, group(talk)?);
    let static_member = first(&stable, "member-a", &[&topic.name])
        .with_instance_id(Some(text("instance")))
        .with_rack_id(Some(text("rack")));
    let member_epoch = joined(talk, &static_member, 2)?;
    let owns = beat(&stable, "member-a", member_epoch).with_instance_id(Some(text("instance")));
    talk.quiet(BEAT, &owns.with_topic_partitions(owned(&topic, &[0, 1])))?;
    joined(talk, &first(&empty, "member-a", &[&topic.name]), 2)?;
    gone(talk, &empty, "member-a")?;
    let member = alone(talk, &classic)?;
    for (label, groups) in [
        ("none", &[][..]),
        ("a stable one", &[stable.as_str()][..]),
        ("an empty one", &[&empty]),
        ("a classic one", &[&classic]),
        ("an absent one", &[&absent]),
        ("one without name", &[""]),
        ("three", &[&stable, &absent, &empty]),
        ("one twice", &[&empty, &empty]),
    ] {
        talk.ask(label, &describe_groups(groups))?;
    }
    let request = describe_groups(&[&empty, &absent]).with_include_authorized_operations(true);
    talk.ask("with operations", &request)?;
    leave(talk, &[&member])?;
    let last = beat(&stable, "member-a", -1).with_instance_id(Some(text("instance")));
    talk.quiet(BEAT, &last).map(drop)
}

/// What the older calls say of a consumer group, and the newer ones of a classic group.
fn others(talk: &mut Talk) -> Result<()> {
    let topic = talk.topic(1, &[])?;
    let (name, classic) = (group(talk)?, group(talk)?);
    joined(talk, &first(&name, "member-a", &[&topic.name]), 1)?;
    let of = |id: &str| Member { group: name.clone(), id: id.to_owned(), instance: None, generation: 1 };
    talk.ask_in(5, "a classic member of another type joins", &join(5, &name, "", &["range"]))?;
    talk.ask_in(HEARTBEAT, "a classic heartbeat of its member", &heartbeat(&of("member-a")))?;
    talk.ask_in(HEARTBEAT, "a classic heartbeat", &heartbeat(&of("absent")))?;
    talk.ask_in(3, "a classic sync of its member", &super::sync(&of("member-a"), &[]))?;
    let described = DescribeGroupsRequest::default().with_groups(vec![group_id(&name)]);
    talk.ask_in(6, "described as a classic group", &described)?;
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group_id(&name)]);
    talk.ask_in(2, "deleted with a member", &delete)?;
    gone(talk, &name, "member-a")?;
    talk.ask_in(2, "deleted", &delete)?;
    let member = alone(talk, &classic)?;
    talk.ask_in(1, "a member joins a classic group of another type", &first(&classic, "a", &[&topic.name]))?;
    leave(talk, &[&member])
}

fn commits(talk: &mut Talk) -> Result<()> {
    let topic = talk.topic(1, &[])?;
    let name = group(talk)?;
    let member_epoch = joined(talk, &first(&name, "member-a", &[&topic.name]), 1)?;
    for (label, id, member_epoch) in [
        ("a member", "member-a", member_epoch),
        ("an older epoch", "member-a", member_epoch - 1),
        ("a later epoch", "member-a", member_epoch + 1),
        ("an unknown member", "absent", member_epoch),
        ("nobody", "", -1),
    ] {
        let request = offsets::commit(talk.version, &name, &[(&topic.name, &[(0, 1)])])
            .with_member_id(text(id))
            .with_generation_id_or_member_epoch(member_epoch);
        talk.ask(label, &request)?;
    }
    gone(talk, &name, "member-a")
}

fn fetches(talk: &mut Talk) -> Result<()> {
    let topic = talk.topic(1, &[])?;
    let name = group(talk)?;
    let member_epoch = joined(talk, &first(&name, "member-a", &[&topic.name]), 1)?;
    let asked = || offsets::fetch_group(&name, Some(&[(&topic.name, &[0])]));
    let of = |group| OffsetFetchRequest::default().with_groups(vec![group]);
    talk.ask("nobody", &of(asked()))?;
    if talk.version >= 9 {
        for (label, id, member_epoch) in [
            ("a member", "member-a", member_epoch),
            ("an older epoch", "member-a", member_epoch - 1),
            ("a later epoch", "member-a", member_epoch + 1),
            ("an unknown member", "absent", member_epoch),
        ] {
            let asked = asked().with_member_id(Some(text(id))).with_member_epoch(member_epoch);
            talk.ask(label, &of(asked))?;
        }
    }
    gone(talk, &name, "member-a")
}
