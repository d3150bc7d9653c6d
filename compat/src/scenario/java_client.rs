//! The Java clients: admin, idempotent producer, consumer by assignment.

use anyhow::Result;

use super::Context;

/// The program says what it sees.
pub fn run(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    let seen = context.java(&*broker, "JavaClient", "", "")?.success()?;
    context.transcript.add(&seen.stdout);
    Ok(())
}
