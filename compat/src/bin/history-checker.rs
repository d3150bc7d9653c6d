//! The program: checks a history by the rules of `compat::history`, whose head tells its format.

use std::fs;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use compat::history::{check, made_up, parse, to_text};

const USAGE: &str = "usage: history-checker FILE
       history-checker --make-up OPERATIONS SEED

FILE       a history, as the scenario `history` of compat leaves it; tells what no sound log would have
           shown, with the operations that show it. Exit code: 0 nothing, 1 something, 2 no history
--make-up  prints a history of clients and a broker that do nothing wrong";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["--make-up", operations, seed] => make_up(operations, seed),
        [path] if !path.starts_with('-') => check_file(path),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("history-checker: {error:#}");
        ExitCode::from(2)
    })
}

fn check_file(path: &str) -> Result<ExitCode> {
    let start = Instant::now();
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let history = parse(&text).with_context(|| path.to_owned())?;
    let findings = check(&history)?;
    print!("{findings}");
    println!("read and checked in {:.1} s", start.elapsed().as_secs_f64());
    Ok(if findings.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn make_up(operations: &str, seed: &str) -> Result<ExitCode> {
    let history = made_up::history(operations.parse()?, seed.parse()?);
    std::io::stdout().write_all(to_text(&history)?.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
