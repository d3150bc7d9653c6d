//! An orderly stop, and a start that has nothing to mend.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use super::{Context, create_topic};
use crate::broker::Flavor;
use crate::stream::{FNV_START, fnv1a};

/// What Highwater's log says of a start that found something in its write-ahead log.
const REPLAYED: &str = "replayed the write-ahead log";

/// SIGTERM, exit 0, the same data again; a start after that leaves the segments as they are and has nothing
/// to replay. After `kill -9` it has.
pub fn run(context: &mut Context) -> Result<()> {
    let mut broker = context.start()?;
    create_topic(context, &broker, "kept", 1)?;
    let lines: String = (0..1_000).map(|line| format!("line {line}\n")).collect();
    context.see_kcat(&broker, "-P -t kept -p 0 -X enable.idempotence=true", &lines)?;
    context.see_kcat(&broker, "-L", "")?;
    let mut before = None;
    for _ in 0..2 {
        broker.stop()?;
        let segments = segments_digest(&broker.log_dir().join("kept-0"))?;
        ensure!(before.is_none_or(|before| before == segments), "a start changed the segments");
        before = Some(segments);
        broker.restart()?;
        context.see_kcat(&broker, "-L", "")?;
        let back = context.kcat(&broker, "-C -t kept -p 0 -o beginning -e -q", "")?.success()?;
        ensure!(back.stdout == lines, "what came back is not what was sent");
        context.transcript.add("all lines came back");
    }
    context.see_kcat(&broker, "-P -t kept -p 0 -X enable.idempotence=true", "after\n")?;
    context.see_kcat(&broker, r"-C -t kept -p 0 -o 999 -e -q -f %o|%s\n", "")?;
    ensure!(!broker.log_text()?.contains(REPLAYED), "a start after an orderly stop replayed something");
    broker.kill()?;
    broker.restart()?;
    let replayed = broker.log_text()?.contains(REPLAYED);
    ensure!(replayed || context.flavor == Flavor::Kafka, "a start after a kill replayed nothing");
    context.see_kcat(&broker, r"-C -t kept -p 0 -o 999 -e -q -f %o|%s\n", "")
}

/// Names and contents of a partition's `.log` files.
fn segments_digest(folder: &Path) -> Result<u64> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            names.push(path);
        }
    }
    names.sort_unstable();
    ensure!(!names.is_empty(), "{} holds no segment", folder.display());
    names.iter().try_fold(FNV_START, |hash, path| {
        let hash = fnv1a(hash, path.display().to_string().as_bytes());
        Ok(fnv1a(hash, &fs::read(path)?))
    })
}
