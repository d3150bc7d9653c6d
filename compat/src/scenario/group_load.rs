//! A restart with a million committed offsets behind it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use protocol_tests::client::resolve;
use protocol_tests::offsets::Offsets;

use super::{Context, create_topic};

const GROUPS: u32 = 1_000;
const PARTITIONS: u32 = 1_000;
/// From the start of the process to the last coordinator's readiness.
const LOADED_MAX: Duration = Duration::from_secs(3);

/// After `kill -9`, and after an orderly stop.
pub fn run(context: &mut Context) -> Result<()> {
    let mut broker = context.start()?;
    create_topic(context, &broker, "read", PARTITIONS)?;
    let offsets = Offsets {
        broker: resolve(broker.bootstrap())?,
        topic: "read".to_owned(),
        partitions: i32::try_from(PARTITIONS)?,
        groups: GROUPS,
    };
    offsets.commit()?;
    for orderly in [false, true] {
        if orderly { broker.stop() } else { broker.kill() }?;
        let start = Instant::now();
        broker.restart()?;
        offsets.expect_loaded()?;
        let took = start.elapsed();
        eprintln!("loaded after {} ms", took.as_millis());
        ensure!(took <= LOADED_MAX, "loaded after {took:?}, not {LOADED_MAX:?}");
    }
    context.transcript.add("a million committed offsets were there in time");
    Ok(())
}
