//! A thousand members of one group, and how long they are without their shares.

use std::time::Duration;

use anyhow::{Result, ensure};
use protocol_tests::client::resolve;
use protocol_tests::rebalance;

use super::Context;
use crate::broker::Settings;

const MEMBERS: usize = 1_000;
/// From the last member's join until everyone has its share, on two cores that their own members use too.
const REBALANCED_MAX: Duration = Duration::from_secs(1);

/// One generation with all of them.
pub fn run(context: &mut Context) -> Result<()> {
    let settings = Settings::default().with("group.initial.rebalance.delay.ms", "0");
    let mut broker = context.start_with(&settings)?;
    let address = resolve(broker.bootstrap())?;
    let took = rebalance::measure(address, MEMBERS)?;
    eprintln!("{MEMBERS} members had their shares after {} ms", took.as_millis());
    ensure!(took <= REBALANCED_MAX, "{MEMBERS} members had their shares after {took:?}");
    broker.stop()?;
    context.transcript.add("a thousand members had their shares in time");
    Ok(())
}
