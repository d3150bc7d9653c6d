//! Runs scenarios, one line of progress each, and compares what they saw with what Apache Kafka showed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use protocol_tests::differential;

use crate::broker::Flavor;
use crate::differences::{Allowed, Side, allowing, differences, parse_allowed};
use crate::scenario::{Context, Scale, Scenario, area, by_field};
use crate::tools::{Tools, package_dir};
use crate::transcript::Transcript;

/// Runs and compares. `all` tells that nothing was left out, so that an allowed difference nobody needed is
/// stale.
pub fn run(scenarios: &[&Scenario], flavor: Flavor, scale: Scale, all: bool) -> Result<ExitCode> {
    let tools = Tools::find_or_install()?;
    let path = package_dir().join("differences.txt");
    let allowed = parse_allowed(&fs::read_to_string(path)?)?;
    let mut used = vec![false; allowed.len()];
    let (mut failures, mut seconds) = (0, BTreeMap::new());
    for scenario in scenarios {
        let (checked, took) = timed(scenario, || {
            let seen = play(scenario, &tools, flavor, scale)?;
            compare(scenario, flavor, &seen, &allowed, &mut used)
        })?;
        failures += u32::from(!checked);
        *seconds.entry(area(scenario)).or_insert(0.0) += took;
    }
    let sums: Vec<String> = seconds.iter().map(|(area, seconds)| format!("{area} {seconds:.0} s")).collect();
    println!("{}", sums.join(", "));
    if all && failures == 0 && flavor == Flavor::Highwater {
        for (entry, _) in allowed.iter().zip(&used).filter(|(_, used)| !**used) {
            println!("differences.txt: nothing needs this entry any more: {}", entry.entry);
            failures += 1;
        }
    }
    println!("{} scenarios, {failures} failed", scenarios.len());
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs against Apache Kafka and keeps what it showed.
pub fn record(scenarios: &[&Scenario], scale: Scale) -> Result<ExitCode> {
    let tools = Tools::find_or_install()?;
    let mut failures = 0;
    for scenario in scenarios {
        let (recorded, _) = timed(scenario, || {
            let seen = play(scenario, &tools, Flavor::Kafka, scale)?;
            Ok(fs::write(oracle_path(scenario), seen)?)
        })?;
        failures += u32::from(!recorded);
    }
    println!("{} scenarios recorded from Apache Kafka, {failures} failed", scenarios.len());
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One line: the name, how long it took, how it ended. Whether it ended well, and the seconds.
fn timed(scenario: &Scenario, work: impl FnOnce() -> Result<()>) -> Result<(bool, f64)> {
    print!("{:<28}", scenario.name);
    std::io::stdout().flush()?;
    let start = Instant::now();
    let result = work();
    let seconds = start.elapsed().as_secs_f64();
    match &result {
        Ok(()) => println!("{seconds:7.1} s  ok"),
        Err(error) => println!("{seconds:7.1} s  FAILED\n{error:#}"),
    }
    Ok((result.is_ok(), seconds))
}

/// Runs one scenario in an empty folder; the folder is kept if it fails.
fn play(scenario: &Scenario, tools: &Tools, flavor: Flavor, scale: Scale) -> Result<String> {
    let folder =
        std::env::temp_dir().join(format!("highwater-compat-{}-{}", std::process::id(), scenario.name));
    fs::create_dir_all(&folder)?;
    let transcript = Transcript::default();
    let mut context = Context { tools, flavor, folder: folder.clone(), scale, transcript };
    let result = (scenario.run)(&mut context);
    let seen = context.transcript.text();
    if let Err(error) = result {
        fs::write(folder.join("transcript.txt"), &seen)?;
        return Err(error.context(format!("logs and transcript in {}", folder.display())));
    }
    fs::remove_dir_all(&folder)?;
    Ok(seen)
}

fn oracle_path(scenario: &Scenario) -> PathBuf {
    package_dir().join("oracle").join(format!("{}.txt", scenario.name))
}

fn compare(
    scenario: &Scenario,
    flavor: Flavor,
    seen: &str,
    allowed: &[Allowed],
    used: &mut [bool],
) -> Result<()> {
    if !scenario.oracle {
        return Ok(());
    }
    let path = oracle_path(scenario);
    let recorded = fs::read_to_string(&path).with_context(|| format!("{} (make oracle)", path.display()))?;
    if by_field(scenario) {
        let allowed = match flavor {
            Flavor::Highwater => fs::read_to_string(package_dir().join("../protocol-tests/differences.txt"))?,
            Flavor::Kafka => "fields: 0\n".to_owned(),
        };
        return differential::compare(&recorded, seen, &allowed);
    }
    let mut found = differences(&recorded, seen);
    if flavor == Flavor::Highwater {
        found.retain(|(side, line)| match allowing(allowed, scenario.name, *side, line) {
            Some(entry) => {
                used[entry] = true;
                false
            }
            None => true,
        });
    }
    if found.is_empty() {
        return Ok(());
    }
    let mark = |side: &Side| if *side == Side::Kafka { "kafka only" } else { "seen only" };
    let lines: Vec<String> = found.iter().map(|(side, line)| format!("  {}: {line}", mark(side))).collect();
    bail!("differs from what Apache Kafka showed:\n{}", lines.join("\n"))
}
