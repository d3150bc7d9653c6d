//! Kafka's own torture test of compaction, `LogCompactionTester`: what it produced is what it consumes, for
//! the newest record of each key. It subscribes with a group.

use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::Context;
use crate::broker::Settings;
use crate::process::run;

const TOOL: &str = "org.apache.kafka.tools.LogCompactionTester";
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const DEADLINE: Duration = Duration::from_secs(600);

/// Small segments, so that there is something to compact while it runs; all codecs side by side, each with
/// two topics.
pub fn run_tester(context: &mut Context) -> Result<()> {
    let settings = Settings::default()
        .with("log.cleaner.backoff.ms", "100")
        .with("log.cleaner.min.cleanable.ratio", "0.01")
        .with("log.segment.bytes", "1048576")
        .with("highwater.checkpoint.interval.ms", "200");
    let broker = context.start_with(&settings)?;
    let command = |codec| {
        let mut command = context.tools.java(TOOL);
        command.args(["--bootstrap-server", broker.bootstrap(), "--compression-type", codec]);
        command.args(["--topics", "2", "--percent-deletes", "20", "--sleep", "5"]);
        command.args(["--messages", &context.scale.compacted_messages.to_string()]);
        command
    };
    let tests = CODECS.map(|codec| (codec, command(codec)));
    thread::scope(|scope| {
        let start = |(codec, command)| scope.spawn(move || test(command).context(codec));
        let threads = tests.map(start);
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow!("the thread of a test panicked")))
        })
    })?;
    for codec in CODECS {
        context.transcript.add(&format!("{codec}: Data verification is completed"));
    }
    Ok(())
}

fn test(command: Command) -> Result<()> {
    let outcome = run(command, b"", DEADLINE)?.success()?;
    let words = outcome.stdout.lines().find(|line| line.contains("rows of data consumed"));
    let reduced = words.and_then(|line| line.split_once('(')).and_then(|(_, rest)| rest.split_once('%'));
    let reduced: f64 = reduced.map_or(Ok(0.0), |(number, _)| number.parse())?;
    ensure!(reduced > 20.0, "nothing was compacted: {}", outcome.stdout);
    ensure!(outcome.stdout.contains("Data verification is completed"), "{}", outcome.stdout);
    Ok(())
}
