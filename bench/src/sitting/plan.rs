//! What a sitting does, in order.

use std::fmt;

use super::worth;
use crate::case::{Case, Load, Scale, Topic};
use crate::figures::{HIGHWATER_OS, KAFKA, Label};
use crate::options::Options;
use crate::start;

/// One step.
pub struct Step {
    /// What is done.
    pub what: What,
    /// Against which broker.
    pub label: Option<&'static Label>,
    /// From 1.
    pub round: u32,
    /// How long it takes about.
    pub seconds: u32,
}

/// Kinds of steps.
pub enum What {
    /// The disk alone.
    Disk,
    /// A new broker's memory.
    Idle,
    /// Orderly starts.
    Start,
    /// Starts after SIGKILL.
    Crash,
    /// All brokers are started and warmed.
    Brokers,
    /// A case under load.
    Case(&'static Case),
}

impl What {
    /// As in `results.json`.
    pub fn name(&self) -> &'static str {
        match self {
            What::Disk => "disk",
            What::Idle => "idle",
            What::Start => "start",
            What::Crash => "crash",
            What::Brokers => "brokers",
            What::Case(case) => case.name,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = self.label.map_or("", |label| label.name);
        write!(formatter, "round {} {} {on}", self.round, self.what.name())
    }
}

/// The steps, alone first (starts and idle brokers, one broker at a time), then all brokers side by side.
pub fn steps(options: &Options) -> Vec<Step> {
    let mut steps = Vec::new();
    let asked = |name: &str| options.beside.contains(&name);
    for round in 1..=options.rounds {
        // Without a load, a start without fsync is a start.
        for label in options.labels.iter().copied().filter(|label| label.name != HIGHWATER_OS) {
            let mut add = |what, seconds| steps.push(Step { what, label: Some(label), round, seconds });
            if asked("idle") {
                add(What::Idle, 8);
            }
            if asked("start") {
                add(What::Start, 6);
            }
            if asked("crash") && round <= start::kills(label, options.rounds) {
                add(What::Crash, if start::kills(label, 2) == 1 { 110 } else { 45 });
            }
        }
    }
    if !options.cases.is_empty() {
        // The page cache, once, and then each broker.
        let seconds = 45 + 45 * options.labels.len() as u32;
        steps.push(Step { what: What::Brokers, label: None, round: 1, seconds });
    }
    for round in 1..=options.rounds {
        if asked("disk") {
            steps.push(Step { what: What::Disk, label: None, round, seconds: 4 });
        }
        for case in options.cases.iter().copied() {
            for label in options.labels.iter().copied().filter(|label| worth(case, label)) {
                steps.push(Step { what: What::Case(case), label: Some(label), round, seconds: case.seconds });
            }
        }
    }
    if options.scale == Scale::Quick {
        steps.iter_mut().for_each(|step| step.seconds = step.seconds.div_ceil(5));
    }
    steps
}

/// What a broker does before it is measured: more than 4 GiB in several ways, and out again. In a trial
/// without a virtual machine there is nothing to warm.
pub fn warmups(options: &Options) -> Vec<Case> {
    let divisor = match options.scale {
        Scale::Full => 1,
        Scale::Quick if options.labels.iter().any(|label| label.name == KAFKA) => 40,
        Scale::Quick => return Vec::new(),
    };
    let case = |what, load, topic, records: u64, record_bytes| Case {
        name: "warm-up",
        what,
        load,
        topic,
        records: records / divisor,
        record_bytes,
        commits: false,
        seconds: 0,
    };
    const GIB: u64 = 1 << 20;
    let java = Load::JavaProduce { tuned: false, rate: 0, warmup: 0, transaction_ms: 0 };
    vec![
        case("2 GiB in batches of 64 KiB", raw(64), Topic::Own, 2 * GIB, 1024),
        case("1 GiB in batches of 16 KiB", raw(16), Topic::Own, GIB, 1024),
        case("200,000 requests of one record", raw(1), Topic::Own, 200_000, 1024),
        case("1 GiB from a Java producer", java, Topic::Own, GIB, 1024),
        case("2,000,000 records of 100 bytes", java, Topic::Own, 2_000_000, 100),
        case("reading 2 GiB", Load::RawFetch { rate: 0 }, Topic::Filled, 2 * GIB, 1024),
        case("a Java consumer", Load::JavaConsume, Topic::Filled, 2 * GIB, 1024),
    ]
}

fn raw(per_batch: u32) -> Load {
    Load::RawProduce { per_batch, rate: 0 }
}

#[cfg(test)]
mod tests;
