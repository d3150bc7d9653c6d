//! How little a durable broker could cost on this machine: the raw cases against a program that does nothing
//! but what no broker can leave out.
//!
//! **Owns** the steps ([`STEPS`]) and their figures. **Does not own** the loads (`raw`) or how processor time
//! is read (`measure`). **Invariants**: one thread, no protocol, no offsets, nothing that can be read again:
//! what this costs is a bound from below, not a rival.

mod server;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use compat::broker::tied_to_this_process;
use compat::process::run as run_program;
use compat::tools::Tools;

use crate::case::{Case, Load};
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
/// Each does what those before it do, and more.
const STEPS: [(Step, &str); 4] = [
    (Step::Answer, "receive, answer"),
    (Step::Check, "+ checksum"),
    (Step::Commit, "+ write-ahead log, fdatasync"),
    (Step::Keep, "+ segments in the page cache"),
];
const DEADLINE: Duration = Duration::from_secs(230);

/// Takes the figures and prints a table of CPU-seconds for each GiB.
pub fn run(options: &Options) -> Result<ExitCode> {
    let folder = preparation::data_folder(options)?;
    let tools = Tools::find_or_install()?;
    let cases: Vec<&Case> = options.cases.iter().copied().filter(|case| CASES.contains(&case.name)).collect();
    let mut page_cache = PageCache::new(&folder.join("sparse"))?;
    let mut rows: Vec<Vec<f64>> = vec![Vec::new(); STEPS.len() * cases.len()];
    for round in 1..=options.rounds {
        for (place, (case, (step, shown))) in
            cases.iter().flat_map(|case| STEPS.map(|step| (*case, step))).enumerate()
        {
            page_cache.fill()?;
            let figures = one(case, step, options, &tools, &folder.join("data"))
                .with_context(|| format!("{} {shown}", case.name))?;
            let figure = |name: &str| figures.get(name).copied().unwrap_or_default();
            rows[place].push(figure("cpu_s_per_gib"));
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
    print_table(&cases, rows);
    Ok(ExitCode::SUCCESS)
}

fn print_table(cases: &[&Case], rows: Vec<Vec<f64>>) {
    println!("| CPU-s/GiB | {} |", STEPS.map(|(_, shown)| shown).join(" | "));
    println!("| --- |{}", " --- |".repeat(STEPS.len()));
    let medians: Vec<f64> = rows.into_iter().map(median).collect();
    for (case, medians) in cases.iter().zip(medians.chunks(STEPS.len())) {
        let cells: Vec<String> = medians.iter().map(|median| format!("{median:.2}")).collect();
        println!("| {} | {} |", case.name, cells.join(" | "));
    }
}

fn median(values: Vec<f64>) -> f64 {
    spread(values).map_or(f64::NAN, |spread| spread.median)
}

/// One case against a server that goes as far as `step`. The server is a thread of this process, which does
/// nothing else meanwhile.
fn one(case: &Case, step: Step, options: &Options, tools: &Tools, folder: &Path) -> Result<Figures> {
    fs::create_dir_all(folder)?;
    let records = case.records_at(options.scale);
    let server = Server::start(step, folder, case.name)?;
    let work = Work {
        tools,
        bootstrap: &server.address().to_string(),
        topic: case.name,
        partitions: case.partitions(),
        records,
        record_bytes: case.record_bytes,
    };
    ensure!(matches!(case.load, Load::RawProduce { .. }), "the floor takes raw produce only");
    rustix::fs::sync();
    let command = tied_to_this_process(&work.command(case.load)?);
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
