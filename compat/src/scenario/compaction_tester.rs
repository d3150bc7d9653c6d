//! Kafka's own torture test of compaction, `LogCompactionTester`: what it produced is what it consumes, for
//! the newest record of each key. It subscribes with a group.

use anyhow::{Result, ensure};

use super::Context;
use crate::broker::Settings;
use crate::process::run;

const TOOL: &str = "org.apache.kafka.tools.LogCompactionTester";
/// Of each of two topics; `make soak` sends more.
const MESSAGES: u64 = 200_000;

/// Small segments, so that there is something to compact while it runs.
pub fn run_tester(context: &mut Context) -> Result<()> {
    let settings = Settings::default()
        .with("log.cleaner.backoff.ms", "100")
        .with("log.cleaner.min.cleanable.ratio", "0.01")
        .with("log.segment.bytes", "1048576")
        .with("highwater.checkpoint.interval.ms", "200");
    let broker = context.start_with(&settings)?;
    for compression in ["none", "lz4"] {
        let mut command = context.tools.java(TOOL);
        command.args(["--bootstrap-server", broker.bootstrap(), "--compression-type", compression]);
        command.args(["--topics", "2", "--percent-deletes", "20", "--sleep", "5"]);
        command.args(["--messages", &MESSAGES.to_string()]);
        let outcome = run(command, b"", std::time::Duration::from_secs(180))?.success()?;
        let words = outcome.stdout.lines().find(|line| line.contains("rows of data consumed"));
        let reduced = words.and_then(|line| line.split_once('(')).and_then(|(_, rest)| rest.split_once('%'));
        let reduced: f64 = reduced.map_or(Ok(0.0), |(number, _)| number.parse())?;
        ensure!(reduced > 20.0, "nothing was compacted: {}", outcome.stdout);
        ensure!(outcome.stdout.contains("Data verification is completed"), "{}", outcome.stdout);
        context.transcript.add(&format!("{compression}: Data verification is completed"));
    }
    Ok(())
}
