//! kafka-broker-api-versions: what is advertised, by a tool that knows what Kafka 4.3.1 serves.

use anyhow::Result;

use super::Context;

const TOOL: &str = "org.apache.kafka.tools.BrokerApiVersionsCommand";

/// One line for each API that is advertised, without the comma that depends on its place.
pub fn run(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    let seen = context.java(&broker, TOOL, "", "")?.success()?;
    for line in seen.stdout.lines().filter(|line| !line.contains("UNSUPPORTED")) {
        context.transcript.add(line.trim().trim_end_matches(','));
    }
    Ok(())
}
