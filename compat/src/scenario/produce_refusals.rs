//! What a broker answers to batches that no stock client sends: codes, offsets, the records at fault.

use anyhow::Result;
use protocol_tests::client::resolve;
use protocol_tests::refusals;

use super::Context;

/// Every shape, and what is stored in the end.
pub fn run(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    for line in refusals::lines(resolve(broker.bootstrap())?)? {
        context.transcript.add(&line);
    }
    Ok(())
}
