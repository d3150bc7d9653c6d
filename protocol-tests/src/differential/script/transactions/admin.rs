//! DescribeTransactions, ListTransactions, DescribeProducers.

use anyhow::Result;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::{DescribeProducersRequest, ListTransactionsRequest, ProducerId};

use super::{Case, DESCRIBE, Talk, Writer, begin, close, describe, end, topic, write, writer};
use crate::batches::{batch, idempotent};
use crate::client::text;
use crate::requests::{name, new_producer, produce};

/// The list comes first: later cases leave transactional ids behind.
pub(in super::super) const CASES: &[Case] = &[
    Case { name: "list-transactions", versions: 0..=2, run: list },
    Case { name: "describe-transactions", versions: 0..=0, run: describe_all },
    Case { name: "describe-producers", versions: 0..=0, run: producers },
];

/// Longer than any transaction of the script is open.
const LONG_MS: i64 = 3_600_000;

pub(super) fn describe_producers(topics: &[(&str, &[i32])]) -> DescribeProducersRequest {
    let topic = |(topic, partitions): &(&str, &[i32])| {
        TopicRequest::default().with_name(name(topic)).with_partition_indexes(partitions.to_vec())
    };
    DescribeProducersRequest::default().with_topics(topics.iter().map(topic).collect())
}

/// One of each kind: nothing begun, open, committed, aborted.
fn four(talk: &mut Talk) -> Result<[Writer; 4]> {
    let topic = topic(talk, 2)?;
    let idle = writer(talk)?;
    let open = writer(talk)?;
    let committed = writer(talk)?;
    let aborted = writer(talk)?;
    for one in [&open, &committed, &aborted] {
        begin(talk, one, &[(&topic.name, &[0, 1])])?;
    }
    end(talk, &committed, true)?;
    end(talk, &aborted, false)?;
    Ok([idle, open, committed, aborted])
}

fn list(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let all = four(talk)?;
    let request = ListTransactionsRequest::default();
    let request = if version >= 1 { request.with_duration_filter(-1) } else { request };
    talk.ask("all", &request)?;
    for (label, states) in [
        ("open ones", &["Ongoing"][..]),
        ("open ones, otherwise written", &["ongoing"]),
        ("empty ones", &["Empty"]),
        ("two states", &["CompleteCommit", "CompleteAbort"]),
        ("a state that none is in", &["PrepareCommit"]),
        ("dead ones", &["Dead"]),
        ("fenced ones", &["PrepareEpochFence"]),
        ("an unknown state", &["Asleep"]),
        ("an unknown state and one that is known", &["Asleep", "Ongoing", "Odd"]),
        ("a state without a name", &[""]),
    ] {
        let states = states.iter().map(|state| text(state)).collect();
        talk.ask(label, &request.clone().with_state_filters(states))?;
    }
    let ids = |ids: &[i64]| ids.iter().map(|id| ProducerId(*id)).collect::<Vec<_>>();
    for (label, producers) in [
        ("of one producer", ids(&[all[1].id])),
        ("of two producers", ids(&[all[1].id, all[2].id])),
        ("of an unknown producer", ids(&[987_654_321])),
        ("of a negative producer", ids(&[-1])),
    ] {
        talk.ask(label, &request.clone().with_producer_id_filters(producers))?;
    }
    let both = request.clone().with_state_filters(vec![text("Ongoing")]);
    talk.ask("of a producer in another state", &both.with_producer_id_filters(ids(&[all[2].id])))?;
    if version >= 1 {
        for (label, duration) in [("open at all", 0), ("open for long", LONG_MS), ("open for ever", i64::MAX)]
        {
            let open = request.clone().with_state_filters(vec![text("Ongoing")]);
            talk.ask(label, &open.with_duration_filter(duration))?;
            talk.ask(&format!("all that are {label}"), &request.clone().with_duration_filter(duration))?;
        }
        talk.ask("less than no time", &request.clone().with_duration_filter(-5))?;
    }
    if version >= 2 {
        for (label, pattern) in [
            ("by a pattern", Some("list-transactions-v2-txn-[12]")),
            ("by the beginning of a name", Some("list-transactions-v2")),
            ("by the end of a name", Some(".*txn-1")),
            ("by no pattern", Some("")),
            ("by null", None),
            ("by a pattern that none fits", Some("none")),
            ("by a pattern that is none", Some("[")),
            ("by either of two", Some("list-transactions-v2-txn-0|list-transactions-v2-txn-3")),
        ] {
            let request = request.clone().with_transactional_id_pattern(pattern.map(text));
            talk.ask(label, &request)?;
        }
    }
    close(talk, &all[1])
}

fn describe_all(talk: &mut Talk) -> Result<()> {
    let [idle, open, committed, aborted] = four(talk)?;
    let unknown = talk.transactional_id();
    for (label, ids) in [
        ("none", &[][..]),
        ("one without a transaction", &[idle.transactional_id.as_str()][..]),
        ("an open one", &[&open.transactional_id]),
        ("a committed one", &[&committed.transactional_id]),
        ("an aborted one", &[&aborted.transactional_id]),
        ("an unknown one", &[&unknown]),
        ("one without name", &[""]),
        ("one twice", &[&open.transactional_id, &open.transactional_id]),
        ("three", &[&idle.transactional_id, &unknown, &committed.transactional_id]),
    ] {
        talk.ask(label, &describe(ids))?;
    }
    close(talk, &open)?;
    talk.ask_in(DESCRIBE, "after the next has taken over", &describe(&[&open.transactional_id]))
}

fn producers(talk: &mut Talk) -> Result<()> {
    let (topic, empty) = (topic(talk, 3)?, topic(talk, 1)?);
    let absent = talk.name()?;
    let of = describe_producers;
    for (label, topics) in [
        ("none", &[][..]),
        ("no partitions", &[(topic.name.as_str(), &[][..])]),
        ("an empty partition", &[(&empty.name, &[0])]),
        ("an absent partition", &[(&topic.name, &[0, 9])]),
        ("a negative partition", &[(&topic.name, &[-1])]),
        ("an absent topic", &[(&absent, &[0])]),
        ("no name", &[("", &[0])]),
        ("an odd name", &[("a/b", &[0])]),
        ("a partition twice", &[(&topic.name, &[0, 0])]),
        ("a topic twice", &[(&topic.name, &[0]), (&topic.name, &[1])]),
    ] {
        talk.ask(label, &of(topics))?;
    }
    let all: &[(&str, &[i32])] = &[(&topic.name, &[0, 1, 2])];
    let (first, second) = (writer(talk)?, writer(talk)?);
    let plain = talk.quiet(4, &new_producer())?.producer_id.0;
    talk.know_producer(plain);
    talk.quiet(9, &produce(9, &topic, -1, batch(&["a"])))?;
    talk.ask("after a plain batch", &of(all))?;
    talk.quiet(9, &produce(9, &topic, -1, idempotent(plain, 0, 0, &["a", "b"])))?;
    talk.quiet(9, &produce(9, &topic, -1, idempotent(plain, 0, 2, &["c"])))?;
    talk.ask("after an idempotent producer", &of(all))?;
    begin(talk, &first, &[(&topic.name, &[0, 1, 2])])?;
    talk.ask("after AddPartitionsToTxn", &of(all))?;
    write(talk, &first, &topic, 0, 0)?;
    write(talk, &first, &topic, 1, 0)?;
    begin(talk, &second, &[(&topic.name, &[0])])?;
    write(talk, &second, &topic, 0, 0)?;
    write(talk, &first, &topic, 0, 1)?;
    talk.ask("with open transactions", &of(all))?;
    end(talk, &first, true)?;
    talk.ask("after a commit", &of(all))?;
    begin(talk, &first, &[(&topic.name, &[0])])?;
    write(talk, &first, &topic, 0, 2)?;
    talk.ask("with the next one open", &of(all))?;
    close(talk, &first)?;
    talk.ask("after an abort by the next producer", &of(all))?;
    close(talk, &second)?;
    talk.ask("after all", &of(all))
}
