//! DescribeLogDirs.

use anyhow::Result;
use kafka_protocol::messages::DescribeLogDirsRequest;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;

use super::{Case, Talk};
use crate::batches::batch;
use crate::requests::{PRODUCE, name, produce};

pub(super) const CASES: &[Case] = &[Case { name: "describe-log-dirs", versions: 1..=4, run }];

fn request(topics: &[(&str, &[i32])]) -> DescribeLogDirsRequest {
    let topic = |(topic, partitions): &(&str, &[i32])| {
        DescribableLogDirTopic::default().with_topic(name(topic)).with_partitions(partitions.to_vec())
    };
    DescribeLogDirsRequest::default().with_topics(Some(topics.iter().map(topic).collect()))
}

fn run(talk: &mut Talk) -> Result<()> {
    let (topic, other) = (talk.topic(2, &[])?, talk.topic(1, &[])?);
    let absent = talk.name()?;
    talk.quiet(PRODUCE, &produce(PRODUCE, &topic, -1, batch(&["a", "b"])))?;
    talk.ask("all", &DescribeLogDirsRequest::default().with_topics(None))?;
    for (label, topics) in [
        ("none", &[][..]),
        ("one partition", &[(topic.name.as_str(), &[0][..])]),
        ("two topics", &[(topic.name.as_str(), &[0, 1][..]), (other.name.as_str(), &[0])]),
        ("no partitions", &[(topic.name.as_str(), &[][..])]),
        ("an unknown partition", &[(topic.name.as_str(), &[7, 1][..])]),
        ("an absent topic", &[(absent.as_str(), &[0][..])]),
        ("a partition twice", &[(topic.name.as_str(), &[0, 0][..])]),
    ] {
        talk.ask(label, &request(topics))?;
    }
    Ok(())
}
