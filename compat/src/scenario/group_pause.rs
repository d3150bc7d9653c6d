//! Groups and time: a wall clock that jumps by years, a broker that stands still for longer than a session.

use std::thread::park_timeout;
use std::time::Duration;

use anyhow::{Result, ensure};
use protocol_tests::client::resolve;
use protocol_tests::storm::{Plan, SESSION_TIMEOUT, Storm};

use super::wall_clock::{JUMPS, WallClock};
use super::{Context, committed, create_topic};
use crate::broker::{Broker, Settings};

const PLAN: Plan = Plan { groups: 10, members: 3, crowd: 10, seed: 3 };
/// Long enough for a few looks at offsets that are kept for too long, and for heartbeats.
const BETWEEN: Duration = Duration::from_secs(3);
const KEPT: &str = "committed by a group that is empty";

/// Nobody joins anew, and nothing that was committed goes.
pub fn run(context: &mut Context) -> Result<()> {
    let clock = WallClock::new(context)?;
    let mut settings = Settings::default()
        .with("group.initial.rebalance.delay.ms", "100")
        .with("offsets.retention.check.interval.ms", "1000");
    settings.environment = clock.environment(context)?;
    let broker = context.start_with(&settings)?;
    create_topic(context, &broker, "any", 1)?;
    context.kcat(&broker, "-P -t any -p 0", "a\nb\nc\n")?.success()?;
    context.kcat(&broker, "-G kept any -o beginning -c 3 -q -X auto.offset.reset=earliest", "")?.success()?;
    expect_kept(context, &broker)?;

    let storm = Storm::start(resolve(broker.bootstrap())?, PLAN)?;
    storm.settle()?;
    let joins = storm.joins();
    for jump in JUMPS {
        clock.jump_to(jump)?;
        park_timeout(BETWEEN);
        expect_kept(context, &broker)?;
        ensure!(storm.joins() == joins, "somebody joined anew after the clock went to {jump}");
    }
    context.transcript.add("jumps of the wall clock: nobody joined anew, no offset went");

    broker.pause()?;
    park_timeout(SESSION_TIMEOUT * 2);
    broker.resume()?;
    park_timeout(BETWEEN);
    storm.settle()?;
    expect_kept(context, &broker)?;
    ensure!(storm.joins() == joins, "somebody joined anew after the broker stood still");
    let complaints = storm.end()?.complaints;
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    context.transcript.add("a broker that stood still: nobody joined anew, no offset went");
    Ok(())
}

fn expect_kept(context: &Context, broker: &Broker) -> Result<()> {
    let found = committed(context, broker, "kept", ("any", 1))?;
    ensure!(found == "3\n", "{KEPT}: {found:?}");
    Ok(())
}
