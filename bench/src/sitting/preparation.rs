//! What stands before a sitting: room on the disk, and a description of where it happens.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::case::Scale;
use crate::figures::Results;
use crate::machine;
use crate::options::Options;

/// Logs of 10 GiB, what Kafka deletes a minute later, a filled topic for each broker.
const FULL_NEEDS_GIB: u64 = 22;
const QUICK_NEEDS_GIB: u64 = 3;

/// An empty folder for the brokers' data, on the disk of the target folder unless another is named.
pub fn data_folder(options: &Options) -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    // <target>/<profile>/bench
    let target = program.ancestors().nth(2).context("this program does not lie in a target folder")?;
    let above = options.data.as_deref().unwrap_or(target).join("bench-data");
    fs::create_dir_all(&above)?;
    for left in fs::read_dir(&above)? {
        // Of a run that was ended half-way: nobody has this id any more.
        let left = left?;
        if !Path::new("/proc").join(left.file_name()).exists() {
            fs::remove_dir_all(left.path())?;
        }
    }
    let folder = above.join(std::process::id().to_string());
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Fails if the disk is too small, rather than half-way.
pub fn check_disk(folder: &Path, options: &Options) -> Result<()> {
    let needed = if options.scale == Scale::Quick { QUICK_NEEDS_GIB } else { FULL_NEEDS_GIB };
    let disk = rustix::fs::statvfs(folder)?;
    let free = (disk.f_bavail * disk.f_frsize) >> 30;
    ensure!(free >= needed, "{needed} GiB are needed in {}, {free} are free (--data)", folder.display());
    Ok(())
}

/// Results without a run yet.
pub fn describe(options: &Options, folder: &Path) -> Result<Results> {
    let first_line = machine::first_line_of;
    let commit = first_line("git", &["rev-parse", "--short=12", "HEAD"]);
    let changed = !first_line("git", &["status", "--porcelain", "--", "src", "Cargo.lock"]).is_empty();
    let versions = [
        ("highwater", env!("CARGO_PKG_VERSION").to_owned()),
        ("Apache Kafka", "4.3.1, heap 1 GiB, G1".to_owned()),
        ("java", first_line("java", &["-version"])),
        ("rustc", first_line("rustc", &["--version"])),
        ("librdkafka", "2.12.1 (rdkafka_performance), confluent-kafka 2.16.1".to_owned()),
    ];
    Ok(Results {
        date: first_line("date", &["-u", "+%Y-%m-%d %H:%M"]),
        commit: if changed { format!("{commit}+") } else { commit },
        machine: machine::describe(folder)?,
        versions: versions
            .map(|(name, version)| (name.to_owned(), version))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        rounds: options.rounds,
        quick: options.scale == Scale::Quick,
        added: Vec::new(),
        runs: Vec::new(),
    })
}
