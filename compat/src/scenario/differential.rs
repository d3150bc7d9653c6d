//! The differential script of `protocol-tests`: every served key and version, good and bad, field by field.

use anyhow::Result;
use protocol_tests::client::resolve;
use protocol_tests::differential;

use super::Context;

/// The scenario's name.
pub const NAME: &str = "differential";

/// Every call, with what was answered.
pub fn run(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    let answers = differential::play(resolve(broker.bootstrap())?)?;
    context.transcript.add_as_it_is(&answers);
    Ok(())
}
