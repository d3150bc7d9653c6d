//! Groups under stress: members by the hundred that come, leave and fall silent, a broker that dies under
//! them.

use anyhow::{Result, bail};
use protocol_tests::client::resolve;
use protocol_tests::storm::Storm;

use super::{Context, create_topic};
use crate::broker::Settings;

/// All groups are stable with exactly their members once nobody comes or goes any more, whatever happened
/// before; and no member was told that it is unknown while its session ran.
pub fn run(context: &mut Context) -> Result<()> {
    // Three seconds as by default, and longer with everybody who joins, would be most of the time there is.
    let settings = Settings::default().with("group.initial.rebalance.delay.ms", "100");
    let mut broker = context.start_with(&settings)?;
    // Kafka makes the groups' own topic when one first asks for it, which takes its time.
    create_topic(context, &broker, "any", 1)?;
    context.kcat(&broker, "-C -G first any -e -q", "")?;
    let storm = Storm::start(resolve(broker.bootstrap())?, context.scale.storm)?;
    for _ in 0..context.scale.storm_kills_count {
        std::thread::park_timeout(context.scale.storm_time);
        broker.kill()?;
        broker.restart()?;
    }
    std::thread::park_timeout(context.scale.storm_time);
    let settled = storm.settle();
    let seen = storm.end()?;
    eprintln!("{} joins, {} heartbeats", seen.joins, seen.heartbeats);
    settled?;
    if !seen.complaints.is_empty() {
        bail!("{}", seen.complaints.join("\n"));
    }
    context.transcript.add("every group settled, and nobody was forgotten while its session ran");
    Ok(())
}
