//! Figures: the same load, from the same clients, against Highwater and Apache Kafka in turn.
//!
//! **Owns** the cases, how they are measured, what is made of the figures (tables, plots), and a load
//! generator that costs next to nothing itself. **Does not own** brokers, outside tools and programs: those
//! are `compat`'s.
//! **Invariants**: what is measured is the broker, from /proc, so that a client's cost does not hide it; each
//! client has a deadline; a run that something else disturbed is marked; tables and plots are made from
//! `results.json` alone, so that they can be made again.

mod case;
mod chart;
mod client;
mod disk;
mod disturbance;
mod figures;
mod flamegraph;
mod floor;
mod groups;
mod idle;
mod machine;
mod markdown;
mod measure;
mod options;
mod page_cache;
mod plots;
mod raw;
mod render;
mod sitting;
mod start;
mod summary;
mod targets;
mod tier;
mod topics;

use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "usage: bench run [--rounds N] [--cases NAME,..] [--labels NAME,..] [--quick]
                 [--add] [--out FOLDER] [--data FOLDER]
       bench render [--out FOLDER]
       bench flamegraph [--cases NAME,..] [--out FOLDER] [--data FOLDER] [--quick]
       bench floor [--cases NAME,..] [--rounds N] [--data FOLDER] [--quick]
       bench tier [--rounds N] [--out FOLDER] [--data FOLDER] [--quick]
       bench list

run      takes figures of the optimised `highwater` and of Apache Kafka, and writes results.json,
         results.md and plots into --out (docs/bench), and the table of the README; --data is where the
         brokers' data lies; --add keeps the other cases that results.json has; --quick is for trying it: one
         round of little work, written into a folder that is no part of the repository unless --out names one
render   makes tables and plots again from results.json and tiering-results.json
flamegraph  draws where the processor time of r1 to r4 goes, into FOLDER (docs/bench); see make flamegraph
floor    what r1 to r4 cost a program that does nothing but what a durable broker must; a table of CPU-s/GiB
tier     what copying to a bucket costs, what is read back from there, and what cold readers do to hot
         producers: a file:// store on the same disk, its caches dropped (needs root); writes
         tiering-results.json, .md and plots into --out, as run does
list     names the cases and the labels";

fn main() -> ExitCode {
    match dispatch(std::env::args().skip(1).collect()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: Vec<String>) -> Result<ExitCode> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match &words[..] {
        ["run", rest @ ..] => sitting::run(&options::parse(rest)?),
        ["render", rest @ ..] => render::again(&options::parse(rest)?),
        ["flamegraph", rest @ ..] => flamegraph::run(&options::parse(rest)?),
        ["floor", rest @ ..] => floor::run(&options::parse(rest)?),
        ["tier", rest @ ..] => tier::run(&options::parse(rest)?),
        ["list"] => {
            case::ALL.iter().for_each(|case| println!("{:<8} {}", case.name, case.what));
            figures::LABELS.iter().for_each(|label| println!("{:<16} {}", label.name, label.shown));
            Ok(ExitCode::SUCCESS)
        }
        [groups::COMMAND, rest @ ..] => groups::run(rest),
        [raw::PRODUCE, rest @ ..] => raw::produce(rest),
        [raw::FETCH, rest @ ..] => raw::fetch(rest),
        _ => {
            eprintln!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}
