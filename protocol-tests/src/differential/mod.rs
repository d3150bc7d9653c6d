//! A scripted set of calls, sent to Apache Kafka and to Highwater, whose answers are compared field by field.
//!
//! `play` sends the calls to a broker and writes the answers down as text, with what differs from run to run
//! replaced. What Apache Kafka 4.3.1 answered is checked in (`compat/oracle/differential.txt`, made again by
//! `make oracle`); what Highwater answers is compared with it (`compat run differential`). What may differ
//! stands in `differences.txt`, each with its reason.
//!
//! **Owns** the script, the text, the comparison, the list. **Does not own** brokers: `compat` starts them.
//! **Invariants**: the script is the same in every run; an answer is read by Kafka's own schemas, to its last
//! byte; an allowed difference that nothing needs is a failure, as is one more than are counted.

mod allowed;
mod answer;
mod batches;
mod compare;
mod names;
mod script;
mod talk;
mod transcript;

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use anyhow::{Context, Result, ensure};

pub use allowed::{Allowed, matches};
pub use compare::compare;
pub use talk::Talk;
pub use transcript::Transcript;

/// Calls of the script at least.
const CALLS_MIN: usize = 1000;

/// Some calls of one kind, made in each of the versions.
struct Case {
    name: &'static str,
    versions: RangeInclusive<i16>,
    run: fn(&mut Talk) -> Result<()>,
}

/// Sends the script to a broker on which nothing else happens, and tells what it answered.
pub fn play(broker: SocketAddr) -> Result<String> {
    let transcript = play_cases(broker, "")?;
    let calls = transcript.calls_count();
    ensure!(calls >= CALLS_MIN, "only {calls} calls");
    Ok(transcript.text())
}

/// Sends the part of the script whose cases' names begin so.
pub fn play_cases(broker: SocketAddr, prefix: &str) -> Result<Transcript> {
    let mut transcript = Transcript::default();
    for case in script::cases().filter(|case| case.name.starts_with(prefix)) {
        for version in case.versions.clone() {
            let mut talk = Talk::new(broker, case.name, version, &mut transcript)?;
            (case.run)(&mut talk).with_context(|| format!("{} in version {version}", case.name))?;
            talk.finish()?;
        }
    }
    Ok(transcript)
}
