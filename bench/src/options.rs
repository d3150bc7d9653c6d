//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::case::{ALL, BESIDE, Case, Scale};
use crate::figures::{LABELS, Label};

const ROUNDS_DEFAULT: u32 = 3;
const ROUNDS_MAX: u32 = 100;

/// What is asked for.
pub struct Options {
    /// How often each case is run.
    pub rounds: u32,
    /// The chosen ones, in the order of the table.
    pub cases: Vec<&'static Case>,
    /// What is measured beside loads.
    pub beside: Vec<&'static str>,
    /// The brokers, in the order of the table.
    pub labels: Vec<&'static Label>,
    /// How much work.
    pub scale: Scale,
    /// To the results that are there, instead of in their place.
    pub add: bool,
    /// Where results go, if not to the usual place.
    pub out: Option<PathBuf>,
    /// Where the brokers' data lies, if not in the usual place.
    pub data: Option<PathBuf>,
}

/// Reads the words after the command.
pub fn parse(words: &[&str]) -> Result<Options> {
    let (mut rounds, mut cases, mut labels) = (None, None, None);
    let (mut out, mut data, mut scale, mut add) = (None, None, Scale::Full, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().copied().with_context(|| format!("{word} needs a value"));
        match *word {
            "--rounds" => rounds = Some(value()?.parse().context("--rounds needs a number")?),
            "--cases" => cases = Some(value()?.split(',').collect::<Vec<_>>()),
            "--labels" => labels = Some(value()?.split(',').collect::<Vec<_>>()),
            "--out" => out = Some(PathBuf::from(value()?)),
            "--data" => data = Some(PathBuf::from(value()?)),
            "--add" => add = true,
            "--quick" => scale = Scale::Quick,
            other => anyhow::bail!("unknown option {other}"),
        }
    }
    let rounds = rounds.unwrap_or(if scale == Scale::Quick { 1 } else { ROUNDS_DEFAULT });
    ensure!((1..=ROUNDS_MAX).contains(&rounds), "from 1 to {ROUNDS_MAX} rounds");
    if let Some(named) = &cases {
        let known = |name: &&&str| ALL.iter().any(|case| case.name == **name) || BESIDE.contains(*name);
        let unknown = named.iter().find(|name| !known(name));
        ensure!(unknown.is_none(), "there is no case {} (bench list)", unknown.unwrap_or(&""));
    }
    if let Some(named) = &labels {
        let unknown = named.iter().find(|name| LABELS.iter().all(|label| label.name != **name));
        ensure!(unknown.is_none(), "there is no label {} (bench list)", unknown.unwrap_or(&""));
    }
    let chosen = |names: &Option<Vec<&str>>, name: &str| names.as_ref().is_none_or(|all| all.contains(&name));
    Ok(Options {
        rounds,
        cases: ALL.iter().filter(|case| chosen(&cases, case.name)).collect(),
        beside: BESIDE.into_iter().filter(|name| chosen(&cases, name)).collect(),
        labels: LABELS.iter().filter(|label| chosen(&labels, label.name)).collect(),
        scale,
        add,
        out,
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_choose_and_keep_the_order_of_the_tables() {
        let options = parse(&["--cases", "r2,r1,disk", "--labels", "kafka", "--rounds", "5"]).unwrap();
        assert_eq!(options.cases.iter().map(|case| case.name).collect::<Vec<_>>(), ["r1", "r2"]);
        assert_eq!(options.beside, ["disk"]);
        assert_eq!(options.labels.iter().map(|label| label.name).collect::<Vec<_>>(), ["kafka"]);
        assert_eq!((options.rounds, options.scale, options.add), (5, Scale::Full, false));
        assert!(parse(&["--add"]).unwrap().add);
        let all = parse(&[]).unwrap();
        assert_eq!((all.cases.len(), all.beside.len(), all.labels.len()), (ALL.len(), BESIDE.len(), 3));
        assert_eq!(parse(&["--quick"]).unwrap().rounds, 1);
    }

    #[test]
    fn a_word_that_means_nothing_is_refused() {
        for words in [
            &["--cases", "r9"][..],
            &["--labels", "redpanda"],
            &["--rounds"],
            &["--rounds", "0"],
            &["--rounds", "many"],
            &["r1"],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
