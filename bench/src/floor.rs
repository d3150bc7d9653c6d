//! How little a durable broker could cost on this machine: the raw cases against a program that does nothing
//! but what no broker can leave out, and the raw fetches against one that only sends file extents.
//!
//! **Owns** the steps ([`STEPS`]) and their figures. **Does not own** the loads (`raw`) or how processor time
//! is read (`measure`). **Invariants**: one thread, no protocol, no offsets, nothing that can be read again:
//! what this costs is a bound from below, not a rival.

mod sender;
mod server;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use compat::broker::tied_to_this_process;
use compat::process::run as run_program;
use compat::tools::Tools;

use crate::case::Case;
use crate::client::Work;
use crate::figures::Figures;
use crate::measure::{Amount, Before};
use crate::options::Options;
use crate::page_cache::PageCache;
use crate::sitting::preparation;
use crate::summary::spread;
use server::{Server, Step};

/// Those whose requests the server understands.
const CASES: [&str; 3] = ["r1", "r2", "r3"];
/// The one whose requests the sender understands.
const FETCH: &str = "r4";
/// Each does what those before it do, and more; the last one in place of the one before it.
const STEPS: [(Step, &str); 5] = [
    (Step::Answer, "receive, answer"),
    (Step::Check, "+ checksum"),
    (Step::Commit, "+ write-ahead log, fdatasync"),
    (Step::Keep, "+ segments in the page cache"),
    (Step::KeepPast, "or past it"),
];
const SENDING: &str = "send file extents";

/// What stands in for the broker.
#[derive(Clone, Copy)]
enum Program {
    Server(Step),
    Sender,
}

const DEADLINE: Duration = Duration::from_secs(230);

/// Takes the figures and prints a table of CPU-seconds for each GiB.
pub fn run(options: &Options) -> Result<ExitCode> {
    let folder = preparation::data_folder(options)?;
    let tools = Tools::find_or_install()?;
    let cases: Vec<&Case> = options.cases.iter().copied().filter(|case| CASES.contains(&case.name)).collect();
    let fetch = options.cases.iter().copied().find(|case| case.name == FETCH);
    let mut page_cache = PageCache::new(&folder.join("sparse"))?;
    let mut runs: Vec<(&Case, Program, &str)> = cases
        .iter()
        .flat_map(|case| STEPS.map(|(step, shown)| (*case, Program::Server(step), shown)))
        .collect();
    runs.extend(fetch.map(|case| (case, Program::Sender, SENDING)));
    let mut rows: Vec<Vec<f64>> = vec![Vec::new(); runs.len()];
    for round in 1..=options.rounds {
        for ((case, program, shown), row) in runs.iter().zip(&mut rows) {
            page_cache.fill()?;
            let figures = one(case, *program, options, &tools, &folder.join("data"))
                .with_context(|| format!("{} {shown}", case.name))?;
            let figure = |name: &str| figures.get(name).copied().unwrap_or_default();
            row.push(figure("cpu_s_per_gib"));
            eprintln!(
                "{round}/{} {} {shown}: {:.2} CPU-s/GiB, {:.0} MiB/s",
                options.rounds,
                case.name,
                figure("cpu_s_per_gib"),
                figure("throughput_mib_s")
            );
        }
    }
    fs::remove_dir_all(&folder)?;
    let medians: Vec<f64> = rows.into_iter().map(median).collect();
    print_table(&STEPS.map(|(_, shown)| shown), &cases, &medians);
    if fetch.is_some() {
        print_table(&[SENDING], fetch.as_slice(), &medians[cases.len() * STEPS.len()..]);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_table(columns: &[&str], cases: &[&Case], medians: &[f64]) {
    println!("| CPU-s/GiB | {} |", columns.join(" | "));
    println!("| --- |{}", " --- |".repeat(columns.len()));
    for (case, medians) in cases.iter().zip(medians.chunks(columns.len())) {
        let cells: Vec<String> = medians.iter().map(|median| format!("{median:.2}")).collect();
        println!("| {} | {} |", case.name, cells.join(" | "));
    }
    println!();
}

fn median(values: Vec<f64>) -> f64 {
    spread(values).map_or(f64::NAN, |spread| spread.median)
}

/// One case against a program, which is a thread of this process. That does nothing else meanwhile.
fn one(case: &Case, program: Program, options: &Options, tools: &Tools, folder: &Path) -> Result<Figures> {
    fs::create_dir_all(folder)?;
    let records = case.records_at(options.scale);
    let work = Work {
        tools,
        bootstrap: "",
        topic: case.name,
        partitions: case.partitions(),
        records,
        record_bytes: case.record_bytes,
    };
    let server = match program {
        Program::Server(step) => Server::start(step, folder, case.name)?,
        Program::Sender => sender::start(folder, work.topic, work.partitions, records, work.record_bytes)?,
    };
    let address = server.address().to_string();
    let command = || Work { bootstrap: &address, ..work }.command(case.load);
    rustix::fs::sync();
    if case.load.reads() {
        // As with brokers: what is measured is sending from memory.
        run_program(tied_to_this_process(&command()?), b"", DEADLINE)?.success()?;
    }
    let command = tied_to_this_process(&command()?);
    let before = Before::look(std::process::id())?;
    let outcome = run_program(command, b"", DEADLINE)?.success()?;
    let mut figures = crate::client::figures(case, &outcome.stdout)?;
    before.add_difference(&mut figures, &Amount { records, record_bytes: case.record_bytes })?;
    server.stop()?;
    fs::remove_dir_all(folder)?;
    Ok(figures)
}

#[cfg(test)]
mod tests;
