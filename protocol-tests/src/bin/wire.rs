//! The wire suite, aimed at a broker by its address.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use protocol_tests::client::resolve;
use protocol_tests::wire::{self, Case};

const USAGE: &str = "usage: wire --broker HOST:PORT [NAME...]
       wire --list

runs every case, or the named ones, against the broker: one line for each, and how many passed";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match &words[..] {
        ["--list"] => {
            wire::cases().for_each(|case| println!("{}", case.name));
            Ok(true)
        }
        ["--broker", broker, names @ ..] => run(broker, names),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("wire: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all passed.
fn run(broker: &str, names: &[&str]) -> Result<bool> {
    let broker = resolve(broker)?;
    let wanted = |case: &&Case| names.is_empty() || names.contains(&case.name);
    let chosen: Vec<&Case> = wire::cases().filter(wanted).collect();
    ensure!(names.iter().all(|name| chosen.iter().any(|case| case.name == *name)), "no case of that name");
    let mut failed = 0;
    for case in &chosen {
        match case.run(broker) {
            Ok(()) => println!("ok      {}", case.name),
            Err(error) => {
                failed += 1;
                println!("FAILED  {}: {error:#}", case.name);
            }
        }
    }
    println!("{} passed, {failed} failed", chosen.len() - failed);
    Ok(failed == 0)
}
