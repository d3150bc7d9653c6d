//! DeleteTopics.

use anyhow::Result;
use kafka_protocol::messages::DeleteTopicsRequest;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use uuid::Uuid;

use super::{Case, Talk};
use crate::requests::{TIMEOUT_MS, delete_topics, name};

pub(super) const CASES: &[Case] = &[
    Case { name: "delete-topics", versions: 1..=6, run: by_name },
    Case { name: "delete-topics-ids", versions: 6..=6, run: by_id },
];

fn by_name(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let (first, second) = (talk.topic(2, &[])?, talk.topic(1, &[])?);
    let absent = talk.name()?;
    talk.ask("none", &delete_topics(version, &[]))?;
    for (label, topics) in [
        ("absent", &[absent.as_str()][..]),
        ("an odd name", &["a/b"]),
        ("no name", &[""]),
        ("the metadata log", &["__cluster_metadata"]),
        ("twice", &[first.name.as_str(), first.name.as_str()]),
        ("two, one of them absent", &[second.name.as_str(), absent.as_str()]),
    ] {
        talk.ask(label, &delete_topics(version, topics))?;
    }
    talk.ask("two, one of them twice", &delete_topics(version, &[&first.name, &second.name, &second.name]))
}

fn by_id(talk: &mut Talk) -> Result<()> {
    let (first, second) = (talk.topic(1, &[])?, talk.topic(1, &[])?);
    let state =
        |topic: Option<&str>, id| DeleteTopicState::default().with_name(topic.map(name)).with_topic_id(id);
    for (label, states) in [
        ("an unknown id", vec![state(None, Uuid::from_u128(7))]),
        ("neither id nor name", vec![state(None, Uuid::nil())]),
        ("id and name", vec![state(Some(&first.name), first.id)]),
        ("an id twice", vec![state(None, first.id), state(None, first.id)]),
        ("by id and by name", vec![state(None, first.id), state(Some(&first.name), Uuid::nil())]),
        (
            "an id, a name, an unknown id",
            vec![
                state(None, first.id),
                state(Some(&second.name), Uuid::nil()),
                state(None, Uuid::from_u128(7)),
            ],
        ),
        ("the same id again", vec![state(None, first.id)]),
    ] {
        let request = DeleteTopicsRequest::default().with_topics(states).with_timeout_ms(TIMEOUT_MS);
        talk.ask(label, &request)?;
    }
    Ok(())
}
