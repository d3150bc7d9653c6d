//! The differential script of `protocol-tests`: every served key and version, good and bad, field by field.

use anyhow::Result;
use protocol_tests::client::resolve;
use protocol_tests::differential;

use super::Context;
use crate::broker::Settings;

/// The scenario's name.
pub const NAME: &str = "differential";

/// Every call, with what was answered. Groups begin at once, and are assigned to as soon as they change: what
/// they answer is not to go by how long calls take.
pub fn run(context: &mut Context) -> Result<()> {
    let settings = Settings::default()
        .with("group.initial.rebalance.delay.ms", "0")
        .with("group.consumer.assignment.interval.ms", "0");
    let broker = context.start_with(&settings)?;
    let answers = differential::play(resolve(broker.bootstrap())?)?;
    context.transcript.add_as_it_is(&answers);
    Ok(())
}
