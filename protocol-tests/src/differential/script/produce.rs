//! Produce: whole requests, several partitions, settings of topics.

use anyhow::Result;
use kafka_protocol::messages::TransactionalId;
use uuid::Uuid;

use super::{Case, Talk};
use crate::batches::{CODECS, SOME_TIME, batch, batch_with, compressed, keyed, patched};
use crate::client::text;
use crate::requests::{FETCH, Topic, fetch, produce, produce_of};

pub(super) const CASES: &[Case] = &[
    Case { name: "produce", versions: 3..=13, run: requests },
    Case { name: "produce-acks", versions: 3..=13, run: acks },
    Case { name: "produce-compacted", versions: 3..=13, run: compacted },
    Case { name: "produce-times", versions: 3..=13, run: times },
    Case { name: "produce-sizes", versions: 3..=13, run: sizes },
    Case { name: "produce-recompressed", versions: 3..=13, run: recompressed },
];

fn requests(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let (topic, other) = (talk.topic(3, &[])?, talk.topic(1, &[])?);
    let absent = Topic { name: talk.name()?, id: Uuid::from_u128(7) };
    let nothing = Topic { name: String::new(), id: Uuid::nil() };
    let odd = Topic { name: "a/b".to_owned(), id: Uuid::from_u128(8) };
    let good = || Some(batch(&["a"]));
    // Null records are left out: Apache Kafka 4.3.1 never answers such a request.
    let damaged = Some(patched(&batch(&["damaged"]), 17, &[1, 2, 3, 4], false));
    for (label, batches) in [
        ("three partitions", vec![(2, good()), (0, good()), (1, good())]),
        ("one of three damaged", vec![(0, good()), (1, damaged), (2, good())]),
        ("one of two unknown", vec![(7, good()), (1, good())]),
        ("a negative partition", vec![(-1, good())]),
        ("no partitions", vec![]),
    ] {
        talk.ask(label, &produce_of(version, &topic, -1, batches))?;
    }
    for (label, topic) in [("an absent topic", &absent), ("no topic name", &nothing), ("an odd name", &odd)] {
        talk.ask(label, &produce(version, topic, -1, batch(&["a"])))?;
    }
    let mut two = produce(version, &topic, -1, batch(&["a"]));
    two.topic_data.extend(produce(version, &other, -1, batch(&["b"])).topic_data);
    two.topic_data.extend(produce(version, &absent, -1, batch(&["b"])).topic_data);
    talk.ask("two topics and an absent one", &two)?;
    let one = produce(version, &topic, -1, batch(&["a"]));
    talk.ask("no topics", &one.clone().with_topic_data(Vec::new()))?;
    talk.ask("no time", &one.clone().with_timeout_ms(0))?;
    talk.ask("less than no time", &one.clone().with_timeout_ms(-5))?;
    let transactional = Some(TransactionalId(text("a-transaction")));
    talk.ask("a transactional id and a plain batch", &one.with_transactional_id(transactional))?;
    talk.ask("a partition twice", &produce_of(version, &other, -1, vec![(0, good()), (0, good())]))
}

fn acks(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = talk.topic(1, &[])?;
    for acks in [1, -1, 2, -2, i16::MAX] {
        talk.ask(&format!("acks {acks}"), &produce(version, &topic, acks, batch(&["a"])))?;
    }
    talk.tell("acks 0", &produce(version, &topic, 0, batch(&["a"])))?;
    talk.tell("acks 0 and an error", &produce_of(version, &topic, 0, vec![(9, Some(batch(&["a"])))]))
}

fn compacted(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    for policy in ["compact", "compact,delete"] {
        let topic = talk.topic(1, &[("cleanup.policy", policy)])?;
        for (label, batch) in [
            ("keys", keyed(&[("k", Some("v")), ("k", None)])),
            ("an empty key", keyed(&[("", Some("v"))])),
            ("no keys", batch(&["a", "b"])),
            ("no keys, compressed", compressed(&["a", "b"], CODECS[3])),
        ] {
            talk.ask(&format!("{policy}: {label}"), &produce(version, &topic, -1, batch))?;
        }
    }
    Ok(())
}

fn times(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let (before, after) = ("message.timestamp.before.max.ms", "message.timestamp.after.max.ms");
    let bounded = talk.topic(1, &[(before, "3600000"), (after, "3600000")])?;
    let stamped =
        talk.topic(1, &[("message.timestamp.type", "LogAppendTime"), (before, "1"), (after, "1")])?;
    let plain = talk.topic(1, &[])?;
    for (label, topic) in [("bounded", &bounded), ("stamped", &stamped), ("plain", &plain)] {
        for (when, time) in [("2023", SOME_TIME), ("2096", 4_000_000_000_000), ("none", -1)] {
            for codec in [CODECS[0], CODECS[1]] {
                let batch = batch_with(&["a", "b"], time, |builder| builder.compression = codec);
                talk.ask(&format!("{label}: {when}, {codec:?}"), &produce(version, topic, -1, batch))?;
            }
        }
    }
    let read = talk.quiet(FETCH, &fetch(FETCH, &stamped, 0))?;
    talk.records("what was written, stamped", read)
}

fn sizes(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let exact = batch(&["x".repeat(1000).as_str()]);
    let topic = talk.topic(1, &[("max.message.bytes", &exact.len().to_string())])?;
    let small = talk.topic(1, &[("segment.bytes", "1048576"), ("max.message.bytes", "2000000")])?;
    let long = "x".repeat(1001);
    talk.ask("exactly as large as allowed", &produce(version, &topic, -1, exact))?;
    talk.ask("a byte larger", &produce(version, &topic, -1, batch(&[&long])))?;
    talk.ask("compressed to less", &produce(version, &topic, -1, compressed(&[&long, &long], CODECS[3])))?;
    let huge = "x".repeat(1_500_000);
    talk.ask("larger than a segment", &produce(version, &small, -1, batch(&[&huge])))
}

fn recompressed(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    for codec in ["uncompressed", "gzip", "snappy", "lz4", "zstd"] {
        let topic = talk.topic(1, &[("compression.type", codec)])?;
        for sent in [CODECS[0], CODECS[1], CODECS[4]] {
            let batch = compressed(&["a", &"x".repeat(500)], sent);
            talk.ask(&format!("{codec}: {sent:?}"), &produce(version, &topic, -1, batch))?;
        }
        let read = talk.quiet(FETCH, &fetch(FETCH, &topic, 0))?;
        talk.records(&format!("{codec}: what was written"), read)?;
    }
    Ok(())
}
