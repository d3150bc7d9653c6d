//! FindCoordinator, and producers with a transactional id: Apache Kafka creates internal topics for these.

use anyhow::Result;
use kafka_protocol::messages::{FindCoordinatorRequest, TransactionalId};

use super::{Case, Talk};
use crate::client::text;
use crate::requests::new_producer;

pub(super) const CASES: &[Case] = &[
    Case { name: "find-coordinator", versions: 0..=6, run: find },
    Case { name: "init-producer-id-transactional", versions: 0..=5, run: transactional },
];

fn request(version: i16, key_type: i8, keys: &[&str]) -> FindCoordinatorRequest {
    let request = FindCoordinatorRequest::default();
    let request = if version >= 1 { request.with_key_type(key_type) } else { request };
    match version >= 4 {
        true => request.with_coordinator_keys(keys.iter().map(|key| text(key)).collect()),
        false => request.with_key(text(keys.first().copied().unwrap_or_default())),
    }
}

fn find(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    for (label, key_type, keys) in [
        ("no key", 0, &[][..]),
        ("an empty key", 0, &[""]),
        ("an unknown type", 5, &["a"]),
        ("a negative type", -1, &["a"]),
        ("a share group's key that is none", 2, &["a"]),
    ] {
        talk.ask(label, &request(version, key_type, keys))?;
    }
    let types: &[i8] = if version >= 1 { &[0, 1] } else { &[0] };
    for key_type in types {
        let asked = request(version, *key_type, &["a"]);
        // When a type is asked for first, Apache Kafka creates its internal topic.
        if i16::from(*key_type) == version {
            talk.settle(&asked, |answer| answer.error_code != 15)?;
        }
        talk.ask(&format!("type {key_type}"), &asked)?;
        talk.ask(&format!("type {key_type}, three keys"), &request(version, *key_type, &["a", "b", "c"]))?;
    }
    Ok(())
}

fn transactional(talk: &mut Talk) -> Result<()> {
    for (label, id, timeout_ms) in
        [("an empty id", "", 1000), ("no time", "a", 0), ("too much time", "a", i32::MAX)]
    {
        let request = new_producer()
            .with_transactional_id(Some(TransactionalId(text(id))))
            .with_transaction_timeout_ms(timeout_ms);
        talk.ask(label, &request)?;
    }
    let of = |id: &str| new_producer().with_transactional_id(Some(TransactionalId(text(id))));
    let good = of(&format!("id-{}", talk.version));
    if talk.version == 0 {
        talk.settle(&of("another-id"), |answer| ![14, 15, 16, 51].contains(&answer.error_code))?;
    }
    talk.ask("an id", &good)
}
