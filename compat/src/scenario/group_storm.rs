//! Groups under stress: members by the hundred that come, leave and fall silent, a broker that dies under
//! them.

use anyhow::{Result, ensure};
use protocol_tests::client::resolve;
use protocol_tests::storm::{Storm, TOPICS};

use super::group_members::modern_settings;
use super::{Context, create_topics};

/// All groups are stable with exactly their members once nobody comes or goes any more, whatever happened
/// before; and no member was told that it is unknown while its session ran.
pub fn run(context: &mut Context) -> Result<()> {
    // Three seconds as by default, and longer with everybody who joins, would be most of the time there is.
    let settings = modern_settings().with("group.initial.rebalance.delay.ms", "100");
    let mut broker = context.start_with(&settings)?;
    let topics = TOPICS.map(|(topic, partitions)| format!("{topic} {partitions}"));
    create_topics(context, &broker, &topics.join(" , "))?;
    // Kafka makes the groups' own topic when one first asks for it, which takes its time.
    context.kcat(&broker, &format!("-C -G first {} -e -q", TOPICS[0].0), "")?;
    let storm = Storm::start(resolve(broker.bootstrap())?, context.scale.storm)?;
    for end in 0..context.scale.storm_kills_count {
        std::thread::park_timeout(context.scale.storm_time);
        storm.broker_goes();
        if end % 2 == 0 { broker.kill() } else { broker.stop() }?;
        broker.restart()?;
        storm.broker_is_back();
    }
    std::thread::park_timeout(context.scale.storm_time);
    let settled = storm.settle();
    let seen = storm.end()?;
    eprintln!("{} joins, {} heartbeats", seen.joins, seen.heartbeats);
    ensure!(seen.complaints.is_empty(), "{}", seen.complaints.join("\n"));
    eprintln!("settled after {:?}", settled?);
    context.transcript.add("every group settled, and nobody was forgotten while its session ran");
    Ok(())
}
