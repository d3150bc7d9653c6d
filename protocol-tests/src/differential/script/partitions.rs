//! CreatePartitions.

use anyhow::{Context, Result};
use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::{BrokerId, CreatePartitionsRequest};

use super::{Case, Talk};
use crate::requests::{METADATA, TIMEOUT_MS, metadata, name};

pub(super) const CASES: &[Case] = &[Case { name: "create-partitions", versions: 0..=3, run }];

fn topic(topic: &str, count: i32, assignments: Option<&[&[i32]]>) -> CreatePartitionsTopic {
    let one = |brokers: &&[i32]| {
        CreatePartitionsAssignment::default()
            .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
    };
    CreatePartitionsTopic::default()
        .with_name(name(topic))
        .with_count(count)
        .with_assignments(assignments.map(|assigned| assigned.iter().map(one).collect()))
}

fn request(topics: Vec<CreatePartitionsTopic>) -> CreatePartitionsRequest {
    CreatePartitionsRequest::default().with_topics(topics).with_timeout_ms(TIMEOUT_MS)
}

fn run(talk: &mut Talk) -> Result<()> {
    let (first, second) = (talk.topic(1, &[])?.name, talk.topic(2, &[])?.name);
    let absent = talk.name()?;
    talk.ask("none", &request(Vec::new()))?;
    for count in [0, -1, 1, i32::MIN] {
        talk.ask(&format!("{count} instead of one"), &request(vec![topic(&first, count, None)]))?;
    }
    for (label, topics) in [
        ("an absent topic", vec![topic(&absent, 2, None)]),
        ("an odd name", vec![topic("a/b", 2, None)]),
        ("a topic twice", vec![topic(&first, 2, None), topic(&first, 3, None)]),
        ("an unknown broker", vec![topic(&first, 2, Some(&[&[9]]))]),
        ("a broker twice", vec![topic(&first, 2, Some(&[&[1, 1]]))]),
        ("no broker", vec![topic(&first, 2, Some(&[&[]]))]),
        ("too few assignments", vec![topic(&first, 3, Some(&[&[1]]))]),
        ("too many assignments", vec![topic(&first, 2, Some(&[&[1], &[1]]))]),
        ("no assignments in the list", vec![topic(&first, 2, Some(&[]))]),
    ] {
        talk.ask(label, &request(topics))?;
    }
    let two = vec![topic(&first, 3, None), topic(&second, 1, None), topic(&absent, 2, None)];
    talk.ask("only validated", &request(two.clone()).with_validate_only(true))?;
    shown(talk, "nothing was added", &first, 1)?;
    talk.ask("one good, two refused", &request(two))?;
    talk.ask("assigned", &request(vec![topic(&second, 4, Some(&[&[1], &[1]]))]))?;
    if talk.version < 10 {
        shown(talk, "three partitions", &first, 3)?;
    }
    talk.ask("no more than there are", &request(vec![topic(&second, 2, None)]))
}

/// Waits until a topic has so many partitions; a broker without CreatePartitions never has.
fn shown(talk: &mut Talk, what: &str, topic: &str, count: usize) -> Result<()> {
    for _ in 0..1000 {
        let answer = talk.quiet(METADATA, &metadata(METADATA, Some(&[topic])))?;
        if answer.topics.first().with_context(|| what.to_owned())?.partitions.len() == count {
            break;
        }
    }
    Ok(())
}
