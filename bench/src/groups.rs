//! Many groups that read one topic, each a program of its own: what publish and subscribe comes to.
//!
//! **Owns** the programs of one run. **Does not own** rdkafka_performance, which each of them is.
//! **Invariants**: each group is new, and reads the topic from its first record to its last; a run is a
//! process of its own (`bench groups`), so that what all of them cost is read like any client's; it prints
//! one JSON object. Its time is that of all groups together, joining included.

use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use compat::broker::tied_to_this_process;
use compat::process::run as run_program;

use crate::client::rdkafka_performance;
use crate::figures::Figures;

/// The command that does it.
pub const COMMAND: &str = "groups";
const GROUPS_MAX: u32 = 200;
const DEADLINE: Duration = Duration::from_secs(200);
/// Where rdkafka_performance says how many records it got.
const RECORDS_COLUMN: usize = 1;

/// `PROGRAM ADDRESS TOPIC GROUPS RECORDS RECORD_BYTES`: records of the topic, all of which each group gets.
pub fn run(words: &[&str]) -> Result<ExitCode> {
    let [program, broker, topic, groups, records, record_bytes] = words else {
        anyhow::bail!("see bench/src/groups.rs")
    };
    let (groups, record_bytes): (u32, u32) = (groups.parse()?, record_bytes.parse()?);
    ensure!((1..=GROUPS_MAX).contains(&groups), "from 1 to {GROUPS_MAX} groups");
    let member = |group: u32| {
        let mut command = Command::new(program);
        let name = format!("bench-{}-{group}", std::process::id());
        command.args(["-G", &name, "-t", topic, "-b", broker, "-c", records, "-u"]);
        command.args(["-X", "auto.offset.reset=earliest"]);
        command
    };
    let start = Instant::now();
    let read = side_by_side((0..groups).map(member).collect(), record_bytes)?;
    let seconds = start.elapsed().as_secs_f64();
    let figures = Figures::from([
        ("records".to_owned(), read),
        ("records_per_s".to_owned(), read / seconds),
        ("throughput_mib_s".to_owned(), read * f64::from(record_bytes) / 1_048_576.0 / seconds),
    ]);
    println!("{}", serde_json::to_string(&figures)?);
    Ok(ExitCode::SUCCESS)
}

/// Runs them all to their end; the records that they say they got.
fn side_by_side(commands: Vec<Command>, record_bytes: u32) -> Result<f64> {
    let member = move |command: Command| {
        let outcome = run_program(tied_to_this_process(&command), b"", DEADLINE)?.success()?;
        let figures = rdkafka_performance(&(outcome.stdout + &outcome.stderr), record_bytes, RECORDS_COLUMN)?;
        figures.get("records").copied().context("no count of records")
    };
    let threads: Vec<_> =
        commands.into_iter().map(|command| thread::spawn(move || member(command))).collect();
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("the thread of a member panicked"))))
        .sum()
}
