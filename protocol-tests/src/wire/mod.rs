//! A suite that every broker of the Kafka protocol must pass; aimed at one by its address.
//!
//! A case is a small function that is named after the rule it holds. It makes its own topics, which are gone
//! afterwards, and needs of the broker no more than that one may create topics, without authentication.
//!
//! **Owns** the rules that hold for any broker: framing, negotiation, metadata, produce, fetch, offsets.
//! **Does not own** what only Apache Kafka happens to do: that is `differential`'s.

mod fetch;
mod framing;
mod header;
mod idempotence;
mod long_poll;
mod metadata;
mod negotiation;
mod offsets;
mod produce;
mod records;
mod topics;

use std::net::SocketAddr;

use anyhow::Result;

use crate::bench::Bench;

/// A rule, and how to see whether a broker keeps it.
pub struct Case {
    /// The rule's name.
    pub name: &'static str,
    run: fn(&mut Bench) -> Result<()>,
}

/// The functions of these names, as cases.
macro_rules! case_table {
    ($($name:ident,)*) => {
        /// The cases of this file.
        pub(super) const CASES: &[super::Case] =
            &[$(super::Case { name: stringify!($name), run: $name }),*];
    };
}
use case_table;

/// Every case, in the order in which they run.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    let files = [
        negotiation::CASES,
        header::CASES,
        framing::CASES,
        metadata::CASES,
        topics::CASES,
        produce::CASES,
        records::CASES,
        idempotence::CASES,
        fetch::CASES,
        long_poll::CASES,
        offsets::CASES,
    ];
    files.into_iter().flatten()
}

impl Case {
    /// Runs it against a broker, and leaves no topic behind.
    pub fn run(&self, broker: SocketAddr) -> Result<()> {
        let mut bench = Bench::new(broker, &format!("wire-{}", self.name))?;
        let result = (self.run)(&mut bench);
        let cleaned = bench.clean();
        result.and(cleaned)
    }
}
