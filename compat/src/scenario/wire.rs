//! The wire suite of `protocol-tests`: what every broker of the protocol must do. It proves itself against
//! Apache Kafka (`make oracle`, `make soak`): what that does not keep is no rule.

use anyhow::{Result, ensure};
use protocol_tests::client::resolve;
use protocol_tests::wire;

use super::Context;

/// Every case, by name, with its verdict.
pub fn run(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    let address = resolve(broker.bootstrap())?;
    let mut failed = Vec::new();
    for case in wire::cases() {
        match case.run(address) {
            Ok(()) => context.transcript.add(&format!("ok {}", case.name)),
            Err(error) => {
                context.transcript.add(&format!("FAILED {}", case.name));
                failed.push(format!("{}: {error:#}", case.name));
            }
        }
    }
    ensure!(failed.is_empty(), "{} of the wire suite's cases failed:\n{}", failed.len(), failed.join("\n"));
    Ok(())
}
