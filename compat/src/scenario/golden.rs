//! The golden frames and records of `protocol-tests`: made again from Apache Kafka's own classes, they are
//! the bytes that are checked in. No broker takes part.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::Context;
use crate::process::run as run_program;
use crate::tools::{Tools, package_dir};

/// What `Generate.java` and those of [`OTHERS`] write.
const FILES: [&str; 7] = [
    "requests.txt",
    "replies.txt",
    "schemas.txt",
    "group_records.txt",
    "consumer_group_records.txt",
    "transaction_records.txt",
    "assignors.jsonl",
];
/// Programs that need no table of versions.
const OTHERS: [&str; 4] =
    ["GroupRecords.java", "ConsumerGroupRecords.java", "TransactionRecords.java", "Assignors.java"];
const DEADLINE: Duration = Duration::from_secs(120);

/// Compares.
pub fn run(context: &mut Context) -> Result<()> {
    generate(context.tools, &context.folder)?;
    for file in FILES {
        let made = fs::read(context.folder.join(file))?;
        let kept = fs::read(golden_dir().join(file))?;
        ensure!(made == kept, "golden/{file} is not what Apache Kafka's classes write (make oracle)");
    }
    Ok(())
}

/// Writes them again.
pub fn record(tools: &Tools) -> Result<()> {
    generate(tools, &golden_dir())
}

fn golden_dir() -> PathBuf {
    package_dir().with_file_name("protocol-tests").join("golden")
}

fn generate(tools: &Tools, folder: &Path) -> Result<()> {
    let mut command = tools.java_source(&golden_dir().join("Generate.java"));
    command.arg(golden_dir().join("versions.txt")).arg(folder);
    run_program(command, b"", DEADLINE)?.success()?;
    for program in OTHERS {
        let mut command = tools.java_source(&golden_dir().join(program));
        command.arg(folder);
        run_program(command, b"", DEADLINE)?.success()?;
    }
    Ok(())
}
