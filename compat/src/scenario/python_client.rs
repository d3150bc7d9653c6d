//! confluent-kafka for Python: admin, produce, consume by assignment, offsets.

use anyhow::Result;

use super::{CLIENT_DEADLINE, Context};
use crate::broker::Flavor;
use crate::process::run as run_program;

/// The script says what it sees.
pub fn run(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    let mut command = context.tools.python("client.py");
    command.arg(broker.bootstrap());
    if context.flavor == Flavor::Kafka {
        command.arg("settle");
    }
    let seen = run_program(command, b"", CLIENT_DEADLINE)?.success()?;
    context.transcript.add(&seen.stdout);
    Ok(())
}
