//! InitProducerId, and batches of idempotent producers.

use anyhow::Result;
use kafka_protocol::messages::ProducerId;

use super::{Case, Talk};
use crate::batches::idempotent;
use crate::requests::{FETCH, fetch, new_producer, produce};

pub(super) const CASES: &[Case] = &[
    Case { name: "init-producer-id", versions: 0..=5, run: init },
    Case { name: "produce-idempotent", versions: 3..=13, run: sequences },
];

/// Apache Kafka gets its first block of ids while it is asked.
pub(super) fn warm_up(talk: &mut Talk) -> Result<()> {
    talk.bench
        .until("a producer id", |client| Ok((client.ask(4, &new_producer())?.error_code == 0).then_some(())))
}

fn init(talk: &mut Talk) -> Result<()> {
    let request = new_producer();
    talk.ask("a new one", &request)?;
    talk.ask("another new one", &request.clone().with_transaction_timeout_ms(0))?;
    talk.ask("less than no time", &request.clone().with_transaction_timeout_ms(-1))?;
    if talk.version >= 3 {
        for (label, id, number) in [
            ("an id and an epoch", 5, 3),
            ("an id alone", 5, -1),
            ("an epoch alone", -1, 3),
            ("odd ones", -7, -9),
        ] {
            let request = request.clone().with_producer_id(ProducerId(id)).with_producer_epoch(number);
            talk.ask(label, &request)?;
        }
    }
    Ok(())
}

fn sequences(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = talk.topic(1, &[])?;
    let first = talk.quiet(4, &new_producer())?.producer_id.0;
    let second = talk.quiet(4, &new_producer())?.producer_id.0;
    for (label, id, number, sequence, records) in [
        ("the first", first, 0, 0, 2),
        ("the second", first, 0, 2, 1),
        ("the first again", first, 0, 0, 2),
        ("the second again", first, 0, 2, 1),
        ("a sequence again with more records", first, 0, 2, 2),
        ("a gap", first, 0, 5, 1),
        ("an older sequence", first, 0, 1, 1),
        ("the next", first, 0, 3, 3),
        ("a new epoch not at 0", first, 1, 5, 1),
        ("a new epoch", first, 1, 0, 1),
        ("the old epoch", first, 0, 6, 1),
        ("a much newer epoch", first, 9, 0, 1),
        ("an unknown producer at 4", second, 0, 4, 1),
        ("the unknown producer's next", second, 0, 5, 1),
        ("a producer that nobody was given", 123_456_789, 0, 0, 1),
        ("a negative epoch", second, -1, 6, 1),
        ("a negative epoch below -1", second, -2, 6, 1),
        ("a negative sequence", second, 0, -1, 1),
        ("a negative sequence below -1", second, 0, -5, 1),
        ("a negative producer", -2, 0, 0, 1),
        ("the largest sequence", second, 1, 0, 1),
        ("a gap of 2^31", second, 1, i32::MAX, 1),
    ] {
        let batch = idempotent(id, number, sequence, &vec!["x"; records]);
        talk.ask(label, &produce(version, &topic, -1, batch))?;
    }
    let read = talk.quiet(FETCH, &fetch(FETCH, &topic, 0))?;
    talk.records("what was written", read)
}
