//! How many readings a second go through the pipeline with 1, 2 and 4 partitions and as many instances of
//! each task: with nothing to do for a reading, or with a millisecond's wait for each.

use std::fs;
use std::time::Instant;

use anyhow::{Result, ensure};

use super::results;
use super::under_way::UnderWay;
use crate::broker::{Settings, start};
use crate::scenario::Context;

const PARTITIONS: [u32; 3] = [1, 2, 4];
/// Before anything is measured.
const WARM_UP: u32 = 4_000;
/// A wait costs no processor, so four instances must do much more than one on any machine.
const GROWTH_MIN: f64 = 2.5;

/// Readings take what the machine takes for them; prints the table.
pub fn run_busy(context: &mut Context) -> Result<()> {
    measure_all(context, 0, |_| 100_000)?;
    context.transcript.add("measured with 1, 2 and 4 instances, and each reading took effect exactly once");
    Ok(())
}

/// Each reading waits for a millisecond, as if another system were asked; prints the table.
pub fn run_waiting(context: &mut Context) -> Result<()> {
    let rates = measure_all(context, super::MICROS, |partitions| 6_000 * partitions)?;
    let growth = rates[rates.len() - 1] / rates[0];
    ensure!(growth >= GROWTH_MIN, "four instances do {growth:.1} times the work of one");
    context.transcript.add("four instances do more than one, and each reading took effect exactly once");
    Ok(())
}

fn measure_all(context: &Context, micros: u32, readings: fn(u32) -> u32) -> Result<Vec<f64>> {
    println!(
        "\n| partitions, and instances of each task | readings a second, {micros} us of waiting for each |"
    );
    println!("| ---: | ---: |");
    let measure = |partitions| {
        let rate = measure(context, partitions, micros, readings(partitions))?;
        println!("| {partitions} | {rate:.0} |");
        Ok(rate)
    };
    PARTITIONS.into_iter().map(measure).collect()
}

/// Readings a second, each through both tasks, from the first measured one's result to the last one's.
fn measure(context: &Context, partitions: u32, micros: u32, readings: u32) -> Result<f64> {
    let folder = context.folder.join(partitions.to_string());
    fs::create_dir(&folder)?;
    // With the ordinary delay of a group's first rebalance, all instances get their part in it. Without, the
    // first one has all the work until the others have taken it over.
    let mut broker = start(context.flavor, context.tools, &folder, &Settings::default())?;
    let mut pipeline = UnderWay::start(context, &broker, &folder, partitions, micros)?;
    pipeline.send(context, &broker, 0..WARM_UP)?.finish()?;
    pipeline.wait_for_results_of(&mut broker, WARM_UP)?;
    let all = WARM_UP + readings;
    let mut source = pipeline.send(context, &broker, WARM_UP..all)?;
    pipeline.wait_for_results_of(&mut broker, WARM_UP + 1)?;
    let began = Instant::now();
    pipeline.wait_for_results_of(&mut broker, all)?;
    let seconds = began.elapsed().as_secs_f64();
    source.finish()?;
    results::check(pipeline.results(), all)?;
    Ok(f64::from(readings) / seconds)
}
