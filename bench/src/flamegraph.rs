//! Where the broker's processor time goes: one flame graph for each of the raw cases.
//!
//! The broker is a build with frame pointers in a target folder of its own (`make flamegraph`), else stacks
//! would be guessed. The client is not sampled.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use compat::broker::{Broker, Flavor, Settings, tied_to_this_process};
use compat::process::run as run_program;
use compat::tools::Tools;
use inferno::collapse::Collapse;
use inferno::collapse::perf::{Folder, Options as CollapseOptions};
use inferno::flamegraph::{self, Options as DrawOptions};

use crate::case::{ALL, Case, Load, Scale, Topic};
use crate::client::Work;
use crate::options::Options;
use crate::sitting::preparation;
use crate::{machine, render, topics};

/// Those that are drawn.
const CASES: [&str; 4] = ["r1", "r2", "r3", "r4"];
/// Samples a second and core; a prime, so that it does not run in step with timers.
const SAMPLES_PER_SECOND: &str = "1999";
/// What fills the topic of a case that reads.
const FILL: Load = Load::RawProduce { per_batch: 64, rate: 0 };
const DEADLINE: Duration = Duration::from_secs(230);
/// Frames narrower than this part of a graph are left out, in percent.
const WIDTH_PERCENT_MIN: f64 = 0.1;

/// Runs the chosen cases, and draws each.
pub fn run(options: &Options) -> Result<ExitCode> {
    let folder = preparation::data_folder(options)?;
    let out = render::folder(options)?;
    let tools = Tools::find_or_install()?;
    for case in ALL.iter().filter(|case| CASES.contains(&case.name)) {
        if options.cases.iter().any(|chosen| chosen.name == case.name) {
            let svg = record(case, options.scale, &tools, &folder.join(case.name), &out)?;
            eprintln!("{}: {}", case.name, svg.display());
        }
    }
    fs::remove_dir_all(&folder)?;
    Ok(ExitCode::SUCCESS)
}

/// One case against a broker of its own; where its graph is.
fn record(case: &Case, scale: Scale, tools: &Tools, folder: &Path, out: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let mut broker = compat::broker::start(Flavor::Highwater, tools, folder, &Settings::default())?;
    topics::create(broker.bootstrap(), case.name, case.partitions())?;
    if case.topic == Topic::Filled {
        run_program(load(case, FILL, scale, tools, &broker)?, b"", DEADLINE)?.success()?;
    }
    let samples = folder.join("perf.data");
    let load = load(case, case.load, scale, tools, &broker)?;
    let mut perf = Command::new("perf");
    // The command is what it waits for, not what it samples.
    perf.args(["record", "--quiet", "--call-graph", "fp", "-F", SAMPLES_PER_SECOND]);
    perf.arg("-p").arg(broker.id().to_string()).arg("-o").arg(&samples).arg("--");
    perf.arg(load.get_program()).args(load.get_args());
    let perf = tied_to_this_process(&perf);
    run_program(perf, b"", DEADLINE).context("perf (apt-get install linux-perf)")?.success()?;
    broker.stop()?;
    let svg = out.join(format!("flame-{}.svg", case.name));
    let title = format!("Highwater, {}: {}", case.name, case.what);
    draw(&stacks(&samples, &folder.join("stacks"))?, &title, &svg)?;
    fs::remove_dir_all(folder)?;
    Ok(svg)
}

fn load(case: &Case, load: Load, scale: Scale, tools: &Tools, broker: &Broker) -> Result<Command> {
    let work = Work {
        tools,
        bootstrap: broker.bootstrap(),
        topic: case.name,
        partitions: case.partitions(),
        records: case.records_at(scale),
        record_bytes: case.record_bytes,
    };
    work.command(load)
}

/// The samples as perf tells them.
fn stacks(samples: &Path, told: &Path) -> Result<PathBuf> {
    let mut perf = Command::new("perf");
    perf.arg("script").arg("-i").arg(samples).stdout(File::create(told)?);
    ensure!(perf.status()?.success(), "perf cannot read {}", samples.display());
    Ok(told.to_owned())
}

fn draw(stacks: &Path, title: &str, svg: &Path) -> Result<()> {
    let commit = machine::first_line_of("git", &["rev-parse", "--short=12", "HEAD"]);
    let subtitle = format!("share of the broker's processor time; commit {commit}");
    let mut drawn = BufWriter::new(File::create(svg)?);
    draw_to(BufReader::new(File::open(stacks)?), title, &subtitle, &mut drawn)?;
    Ok(drawn.flush()?)
}

fn draw_to(stacks: impl BufRead, title: &str, subtitle: &str, svg: impl Write) -> Result<()> {
    let mut folded = Vec::new();
    Folder::from(CollapseOptions::default()).collapse(stacks, &mut folded)?;
    ensure!(!folded.is_empty(), "perf has no samples");
    let mut options = DrawOptions::default();
    title.clone_into(&mut options.title);
    options.subtitle = Some(subtitle.to_owned());
    options.min_width = WIDTH_PERCENT_MIN;
    options.hash = true;
    Ok(flamegraph::from_reader(&mut options, folded.as_slice(), svg)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two samples of one thread, as `perf script` tells them.
    const TOLD: &str = "\
wal 17 100.1: 1 cpu-clock:u:
\t1234 crc32c (/bin/highwater)
\t2345 commit (/bin/highwater)

wal 17 100.2: 1 cpu-clock:u:
\t3456 write (/bin/highwater)
\t2345 commit (/bin/highwater)

";

    #[test]
    fn stacks_become_a_graph_with_every_function_and_its_share() {
        let mut svg = Vec::new();
        draw_to(TOLD.as_bytes(), "A title", "and more", &mut svg).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        for words in ["A title", "and more", "commit (2 samples, 100.00%)", "crc32c (1 samples, 50.00%)"] {
            assert!(svg.contains(words), "{words}: {svg}");
        }
    }

    #[test]
    fn no_samples_are_an_error() {
        assert!(draw_to(&b""[..], "", "", Vec::new()).is_err());
    }
}
