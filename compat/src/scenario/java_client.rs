//! The Java clients: admin, idempotent producer, consumer by assignment.

use anyhow::Result;

use super::Context;
use crate::broker::Flavor;

/// The program says what it sees.
pub fn run(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    let words = if context.flavor == Flavor::Kafka { "settle" } else { "" };
    let seen = context.java(&broker, "JavaClient", words, "")?.success()?;
    context.transcript.add(&seen.stdout);
    Ok(())
}
