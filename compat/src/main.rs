//! The program: plays scenarios, and records what Apache Kafka shows in them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use compat::broker::Flavor;
use compat::report;
use compat::scenario::bank::Plan as Bank;
use compat::scenario::history::Plan as History;
use compat::scenario::outbox::Plan as Outbox;
use compat::scenario::streams::{Pipeline, Plan as Streams};
use compat::scenario::tiered::Plan as Tiered;
use compat::scenario::tiered::restoring::Plan as TieredRestore;
use compat::scenario::tiered_crash::Plan as TieredCrash;
use compat::scenario::tiered_faults::Plan as TieredFaults;
use compat::scenario::transaction_copier::Plan as Copied;
use compat::scenario::{self, Context, Scale, Scenario};
use compat::tools::Tools;
use compat::transcript::Transcript;
use protocol_tests::storm::Plan;

const USAGE: &str = "usage: compat run [--against kafka] [--soak] [--seed N] [NAME...]
       compat oracle [NAME...]
       compat list

run      every scenario (or the named ones) against the optimised highwater of this target folder
         (COMPAT_PROFILE=debug: the other one), compared with the transcripts recorded from Apache Kafka;
         --soak does more of the long ones, and some that are left out otherwise; --against kafka runs them
         against Apache Kafka instead, to see whether it still gives the recorded transcripts; --seed begins
         the chance of history and group-storm elsewhere
oracle   records the transcripts from Apache Kafka again; without names, or with `golden` among them,
         the golden frames of protocol-tests too
list     names the scenarios";

const CI: Scale = Scale {
    bank: Bank { commands: 6_700, transfers: 5_000, per_transaction: 16, strikes: 6 },
    outbox: Outbox { changes: 4_000, kills: 6 },
    copied: Copied { messages: 6_000, per_transaction: 40, kills: 5 },
    streams_pipeline: Pipeline { readings: 4_000, partitions: 2, kills: 2 },
    streams_smoke: Streams { many: 10, each: 400, seconds: 8, kills: 2 },
    streams_relational: Streams { many: 100, each: 1_000, seconds: 6, kills: 2 },
    history: History {
        seed: 1,
        rounds: 1,
        hold: Duration::from_secs(4),
        pause: Duration::from_secs(2),
        timeout: Duration::from_secs(20),
        writes_per_key: 20,
    },
    stream_bytes: 64 << 20,
    kills_count: 20,
    loads_count: 2,
    storm: Plan { groups: 60, members: 3, crowd: 25, modern: true, seed: 1 },
    storm_kills_count: 1,
    storm_time: Duration::from_secs(6),
    crowd_rounds: 2,
    crowd_time: Duration::from_secs(5),
    compacted_messages: 150_000,
    tiered: Tiered { stream_bytes: 72 << 20, segment_bytes: 1 << 20, local_bytes: 2 << 20, transactions: 30 },
    tiered_restore: TieredRestore {
        content: Tiered {
            stream_bytes: 48 << 20,
            segment_bytes: 1 << 20,
            local_bytes: 1 << 20,
            transactions: 30,
        },
        old_node_is_dead: true,
    },
    tiered_crash: TieredCrash { kills: 10 },
    tiered_faults: TieredFaults {
        per_second: 9_000,
        each: Duration::from_secs(2),
        away: Duration::from_secs(60),
    },
};
const SOAK: Scale = Scale {
    bank: Bank { commands: 135_000, transfers: 100_000, per_transaction: 25, strikes: 40 },
    outbox: Outbox { changes: 60_000, kills: 40 },
    copied: Copied { messages: 100_000, per_transaction: 750, kills: 15 },
    streams_pipeline: Pipeline { readings: 100_000, partitions: 4, kills: 12 },
    // What Kafka's own programs send.
    streams_smoke: Streams { many: 20, each: 1_000, seconds: 90, kills: 7 },
    streams_relational: Streams { many: 1_000, each: 10_000, seconds: 60, kills: 5 },
    history: History {
        seed: 2,
        rounds: 12,
        hold: Duration::from_secs(60),
        pause: Duration::from_secs(10),
        timeout: Duration::from_secs(90),
        writes_per_key: 200,
    },
    stream_bytes: 1 << 30,
    kills_count: 100,
    loads_count: 9,
    storm: Plan { groups: 500, members: 3, crowd: 100, modern: true, seed: 2 },
    storm_kills_count: 4,
    storm_time: Duration::from_secs(24),
    crowd_rounds: 6,
    crowd_time: Duration::from_secs(25),
    compacted_messages: 600_000,
    tiered: Tiered {
        stream_bytes: 2 << 30,
        segment_bytes: 8 << 20,
        local_bytes: 64 << 20,
        transactions: 400,
    },
    tiered_restore: TieredRestore {
        content: Tiered {
            stream_bytes: 2 << 30,
            segment_bytes: 8 << 20,
            local_bytes: 64 << 20,
            transactions: 400,
        },
        old_node_is_dead: false,
    },
    tiered_crash: TieredCrash { kills: 60 },
    tiered_faults: TieredFaults {
        per_second: 1_500,
        each: Duration::from_secs(60),
        away: Duration::from_secs(600),
    },
};

fn main() -> ExitCode {
    match dispatch(std::env::args().skip(1).collect()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("compat: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: Vec<String>) -> Result<ExitCode> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match &words[..] {
        ["run", rest @ ..] => {
            let Asked { names, flavor, soak, seed } = Asked::of(rest)?;
            let mut scale = if soak { SOAK } else { CI };
            if let Some(seed) = seed {
                scale.history.seed = seed;
                scale.storm.seed = seed;
            }
            report::run(&chosen(&names, flavor, soak)?, flavor, scale, names.is_empty())
        }
        ["oracle", names @ ..] => record(names),
        ["list"] => {
            all().for_each(|scenario| println!("{}", scenario.name));
            Ok(ExitCode::SUCCESS)
        }
        ["inside", name, folder] => inside(name, PathBuf::from(folder)),
        _ => {
            eprintln!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}

/// What `run` is asked.
struct Asked<'a> {
    names: Vec<&'a str>,
    flavor: Flavor,
    soak: bool,
    seed: Option<u64>,
}

impl<'a> Asked<'a> {
    fn of(words: &[&'a str]) -> Result<Asked<'a>> {
        let mut asked = Asked { names: Vec::new(), flavor: Flavor::Highwater, soak: false, seed: None };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            match word {
                "--soak" => asked.soak = true,
                "--against" => match words.next() {
                    Some("kafka") => asked.flavor = Flavor::Kafka,
                    other => bail!("--against wants kafka, not {}", other.unwrap_or("nothing")),
                },
                "--seed" => {
                    let number = words.next().context("--seed wants a number")?;
                    let wanted = || format!("--seed wants a number from 0 to 2^64-1, not {number}");
                    asked.seed = Some(number.parse().with_context(wanted)?);
                }
                option if option.starts_with("--") => bail!("there is no option {option}\n{USAGE}"),
                name => asked.names.push(name),
            }
        }
        Ok(asked)
    }
}

/// Records from Apache Kafka. The golden frames are made by its classes alone, so they are no scenario here.
fn record(names: &[&str]) -> Result<ExitCode> {
    const GOLDEN: &str = "golden";
    let others: Vec<&str> = names.iter().copied().filter(|name| *name != GOLDEN).collect();
    if names.is_empty() || others.len() < names.len() {
        scenario::golden::record(&Tools::find_or_install()?)?;
        println!("the golden frames of protocol-tests are made again");
    }
    if others.is_empty() && !names.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    report::record(&chosen(&others, Flavor::Kafka, true)?, CI)
}

/// The named scenarios, or all that this broker can run; those of the long run only if that is asked for.
fn chosen(names: &[&str], flavor: Flavor, soak: bool) -> Result<Vec<&'static Scenario>> {
    let possible = |scenario: &&Scenario| flavor == Flavor::Highwater || scenario.oracle;
    if names.is_empty() {
        let more = if soak { scenario::SOAK } else { &[] };
        return Ok(scenario::ALL.iter().chain(more).filter(possible).collect());
    }
    let find = |name: &&str| {
        let found = all().filter(possible).find(|scenario| scenario.name == *name);
        found.with_context(|| format!("there is no scenario {name} here (compat list)"))
    };
    names.iter().map(find).collect()
}

/// Every scenario there is.
fn all() -> impl Iterator<Item = &'static Scenario> {
    scenario::ALL.iter().chain(scenario::SOAK)
}

/// The inner part of a scenario, in a namespace; prints its transcript.
fn inside(name: &str, folder: PathBuf) -> Result<ExitCode> {
    let tools = Tools::find_or_install()?;
    let mut context = Context {
        tools: &tools,
        flavor: Flavor::Highwater,
        folder,
        scale: CI,
        transcript: Transcript::default(),
    };
    match name {
        "newcomer" => scenario::newcomer::inside(&mut context)?,
        "container" => scenario::container::inside(&mut context)?,
        "disk-full" => scenario::disk_full::inside(&mut context)?,
        "object-store-identity" => scenario::object_store::identity::inside(&mut context)?,
        "tiered-reserve" => scenario::tiered_reserve::inside(&mut context)?,
        other => bail!("{other} has no inner part"),
    }
    print!("{}", context.transcript.text());
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_run_is_asked_is_understood_or_refused() {
        let asked = Asked::of(&["--seed", "7", "history", "--against", "kafka", "--soak", "bank"]).unwrap();
        assert_eq!((asked.names, asked.seed, asked.soak), (vec!["history", "bank"], Some(7), true));
        assert_eq!(asked.flavor, Flavor::Kafka);
        let asked = Asked::of(&[]).unwrap();
        assert_eq!((asked.names.len(), asked.seed, asked.soak), (0, None, false));
        assert_eq!(asked.flavor, Flavor::Highwater);
        for wrong in
            [&["--seed"][..], &["--seed", "x"], &["--seed", "-1"], &["--against", "nats"], &["--sock"]]
        {
            assert!(Asked::of(wrong).is_err(), "{wrong:?}");
        }
    }
}
