//! kafka-dump-log on the segments: batches as they came, indexes that pass its sanity check.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::{CLIENT_DEADLINE, Context, create_topic};
use crate::broker::Settings;
use crate::process::run as run_program;

const TOOL: &str = "org.apache.kafka.tools.DumpLogSegments";

/// Segments of one partition, each codec a batch, rolled over several files.
pub fn run(context: &mut Context) -> Result<()> {
    // Indexed densely, so that the tool has something to check.
    let settings = Settings::default().with("log.index.interval.bytes", "100");
    let mut broker = context.start_with(&settings)?;
    create_topic(context, &broker, "dump", 1)?;
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let words = format!("-P -t dump -p 0 -z {codec} -K : -H codec={codec} -X linger.ms=200");
        let repeated = format!("{codec}:{}\n", "value ".repeat(60));
        context.see_kcat(&broker, &words, &repeated.repeat(3))?;
    }
    context.see_kcat(&broker, "-P -t dump -p 0 -X enable.idempotence=true -X linger.ms=200", "i\nj\n")?;
    // An orderly stop leaves everything in the segments.
    broker.stop()?;
    let folder = broker.log_dir().join("dump-0");
    dump(context, &folder, "log", &["--deep-iteration", "--print-data-log"])?;
    dump(context, &folder, "index", &["--index-sanity-check"])?;
    dump(context, &folder, "index", &["--verify-index-only"])?;
    dump(context, &folder, "timeindex", &["--index-sanity-check"])
}

/// What the tool prints of the first file of a partition's folder with this extension.
pub fn dump(context: &mut Context, folder: &Path, extension: &str, options: &[&str]) -> Result<()> {
    let file = folder.join(format!("00000000000000000000.{extension}"));
    let mut command = context.tools.java(TOOL);
    command.arg("--files").arg(&file).args(options);
    let seen = run_program(command, b"", CLIENT_DEADLINE)?;
    context.transcript.section(&format!("dump-log {extension} {}", options.join(" ")));
    for line in seen.stdout.lines() {
        // The checksum covers the time, and times compress to more or fewer bytes.
        let varying = ["crc", "producerId", "position", "size"];
        let line = varying.iter().fold(line.to_owned(), |line, name| without_field(&line, name));
        context.transcript.add(&line);
    }
    if !seen.status.success() {
        context.transcript.add(seen.stderr.lines().next().context("a failure says why")?);
    }
    Ok(())
}

/// `line` with the value after `<name>: ` replaced, unless it is -1.
fn without_field(line: &str, name: &str) -> String {
    let label = format!(" {name}: ");
    let Some(start) = line.find(&label).map(|at| at + label.len()) else { return line.to_owned() };
    let end = line[start..].find(' ').map_or(line.len(), |length| start + length);
    if &line[start..end] == "-1" {
        return line.to_owned();
    }
    format!("{}<{name}>{}", &line[..start], &line[end..])
}
