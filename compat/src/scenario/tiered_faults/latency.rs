//! A store far away: each answer comes seconds late, and the broker's own time limits are as by default.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::super::tiered::{await_tier, tiered_topic};
use super::super::{CLIENT_DEADLINE, Context, create_topics, kcat_command};
use super::{Cold, SEGMENT_BYTES, TOPIC};
use crate::bucket::faults::{ALL, Fault, Strike};
use crate::bucket::{Bucket, Kind};
use crate::process::run as run_program;
use crate::wait::eventually;

/// Four segments of a MiB and some more.
const RECORDS: i64 = 4_500;
const VALUE_BYTES: usize = 1_000;
/// Within `highwater.tier.request.timeout.ms`: 30 s.
const LATENCIES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(20)];
/// Some ten requests, one after the other.
const DEADLINE: Duration = Duration::from_secs(600);

/// All is copied with the first, and read with each; each time by a broker that has none of it yet.
pub fn run(context: &mut Context) -> Result<()> {
    let (bucket, faults) = Bucket::behind_faults(Kind::Moto, context.tools, &context.folder)?;
    let mut broker = context.start_with(&bucket.settings())?;
    create_topics(context, &broker, &format!("{TOPIC} 1 {}", tiered_topic(SEGMENT_BYTES, 0)))?;
    for latency in LATENCIES {
        faults.strike(Some(Strike { fault: Fault::Late(latency), methods: ALL, every: 1 }));
        if latency == LATENCIES[0] {
            let value = "v".repeat(VALUE_BYTES);
            let lines: String = (0..RECORDS).map(|number| format!("{number} {value}\n")).collect();
            let produce = kcat_command(&broker, &format!("-P -t {TOPIC} -p 0"));
            run_program(produce, lines.as_bytes(), CLIENT_DEADLINE)?.success()?;
            await_tier(&broker, &bucket, context, TOPIC, 1)?;
        }
        let mut reader = Cold::start(&broker, RECORDS)?;
        eventually(DEADLINE, "a consumer to read everything", || {
            broker.check_alive()?;
            reader.ended()
        })?;
        reader.check(RECORDS).with_context(|| format!("{latency:?}"))?;
        faults.strike(None);
        broker.stop()?;
        broker.restart()?;
    }
    context
        .transcript
        .add("with answers 2 s late all is copied; with those and with 20 s it is read whole and in order");
    broker.stop()
}
