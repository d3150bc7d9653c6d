//! Fetch sessions (KIP-227).

use anyhow::Result;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, ForgottenTopic};
use uuid::Uuid;

use super::{Case, Talk};
use crate::batches::batch;
use crate::requests::{PRODUCE, Topic, fetch_of, fetch_partition, fetch_topic, name, produce_of};

pub(super) const CASES: &[Case] = &[
    Case { name: "fetch-sessions", versions: 7..=18, run: incremental },
    Case { name: "fetch-sessions-refused", versions: 7..=18, run: refused },
];

fn append(talk: &mut Talk, topic: &Topic, partition: i32, values: &[&str]) -> Result<()> {
    talk.quiet(PRODUCE, &produce_of(PRODUCE, topic, -1, vec![(partition, Some(batch(values)))])).map(drop)
}

fn of(version: i16, topic: &Topic, partitions: Vec<FetchPartition>, session: (i32, i32)) -> FetchRequest {
    let topics = match partitions.is_empty() {
        true => Vec::new(),
        false => vec![fetch_topic(version, topic, partitions)],
    };
    fetch_of(topics).with_session_id(session.0).with_session_epoch(session.1)
}

fn forgotten(version: i16, topic: &Topic, partition: i32) -> ForgottenTopic {
    let forgotten = ForgottenTopic::default().with_partitions(vec![partition]);
    match version >= 13 {
        true => forgotten.with_topic_id(topic.id),
        false => forgotten.with_topic(name(&topic.name)),
    }
}

fn incremental(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = talk.topic(3, &[])?;
    append(talk, &topic, 0, &["a", "b"])?;
    append(talk, &topic, 1, &["c"])?;
    let all = (0..3).map(|at| fetch_partition(at, 0)).collect();
    let full = talk.ask_for("a full fetch", &of(version, &topic, all, (0, 0)))?;
    let session = full.map_or(0, |answer| answer.session_id);
    let next = |number, partitions| of(version, &topic, partitions, (session, number));
    talk.ask("the same again", &next(1, vec![]))?;
    talk.ask("moved on", &next(2, vec![fetch_partition(0, 2), fetch_partition(1, 1)]))?;
    talk.ask("nothing new", &next(3, vec![]))?;
    append(talk, &topic, 2, &["d"])?;
    talk.ask("something new", &next(4, vec![]))?;
    talk.ask("the new thing again", &next(5, vec![]))?;
    let forget = next(6, vec![]).with_forgotten_topics_data(vec![forgotten(version, &topic, 2)]);
    talk.ask("forgotten", &forget)?;
    append(talk, &topic, 2, &["e"])?;
    talk.ask("what is forgotten is not told", &next(7, vec![]))?;
    talk.ask("added again", &next(8, vec![fetch_partition(2, 1)]))?;
    talk.ask("an unknown partition", &next(9, vec![fetch_partition(9, 0)]))?;
    talk.ask("the unknown partition is told again", &next(10, vec![]))?;
    talk.ask("out of range", &next(11, vec![fetch_partition(0, 100)]))?;
    talk.ask("out of range again", &next(12, vec![]))?;
    let forget = next(13, vec![])
        .with_forgotten_topics_data(vec![forgotten(version, &topic, 9), forgotten(version, &topic, 7)]);
    talk.ask("forgotten twice over", &forget)?;
    talk.ask("its end", &next(-1, vec![fetch_partition(0, 0)]))?;
    talk.ask("after its end", &next(14, vec![]))
}

fn refused(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = talk.topic(1, &[])?;
    let absent = Topic { name: talk.name()?, id: Uuid::from_u128(7) };
    append(talk, &topic, 0, &["a"])?;
    let one = || vec![fetch_partition(0, 0)];
    let full = talk.ask_for("a full fetch", &of(version, &topic, one(), (0, 0)))?;
    let session = full.map_or(0, |answer| answer.session_id);
    let mut ask = |label: &str, partitions, session: (i32, i32)| {
        talk.ask(label, &of(version, &topic, partitions, session))
    };
    ask("too far on", vec![], (session, 7))?;
    ask("in step after that", vec![], (session, 1))?;
    ask("the same step again", vec![], (session, 1))?;
    ask("a negative step", vec![], (session, -2))?;
    ask("an unknown session", vec![], (session ^ 0x55, 1))?;
    ask("no session, a step", vec![], (0, 1))?;
    ask("a negative session", vec![], (-5, 1))?;
    ask("a full fetch that ends the session", one(), (session, 0))?;
    ask("the session that was ended", vec![], (session, 2))?;
    talk.ask("a session of an absent topic", &of(version, &absent, one(), (0, 0)))?;
    talk.ask("a session of nothing", &of(version, &topic, vec![], (0, 0)))
}
