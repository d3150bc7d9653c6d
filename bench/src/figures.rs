//! What is written down: every single run, with the machine it ran on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use compat::broker::Flavor;
use serde::{Deserialize, Serialize};

/// Figures of one run by name; the unit stands last in the name.
pub type Figures = BTreeMap<String, f64>;

/// The file of a sitting's results, without its extension.
pub const RESULTS: &str = "results";

/// One broker with its settings.
pub struct Label {
    /// In options and in `results.json`.
    pub name: &'static str,
    /// In tables and plots.
    pub shown: &'static str,
    /// Which broker.
    pub flavor: Flavor,
    /// Settings that differ from its defaults.
    pub properties: &'static [(&'static str, &'static str)],
}

/// Highwater as it comes.
pub const HIGHWATER: &str = "highwater";
/// Highwater that promises what a single Kafka promises.
pub const HIGHWATER_OS: &str = "highwater-os";
/// What it is measured against.
pub const KAFKA: &str = "kafka";

/// All labels, in the order in which each case is run.
pub const LABELS: [Label; 3] = [
    Label { name: HIGHWATER, shown: "Highwater (fsync)", flavor: Flavor::Highwater, properties: &[] },
    Label {
        name: HIGHWATER_OS,
        shown: "Highwater (wal.sync=os)",
        flavor: Flavor::Highwater,
        properties: &[("highwater.wal.sync", "os")],
    },
    Label { name: KAFKA, shown: "Apache Kafka 4.3.1 (no fsync)", flavor: Flavor::Kafka, properties: &[] },
];

/// Everything that a sitting found.
#[derive(Clone, Serialize, Deserialize)]
pub struct Results {
    /// When it began, UTC.
    pub date: String,
    /// The commit that was measured; `+` if the tree had changes.
    pub commit: String,
    /// The machine.
    pub machine: Machine,
    /// Versions of what took part, by name.
    pub versions: BTreeMap<String, String>,
    /// Rounds asked for.
    pub rounds: u32,
    /// Whether it was a trial with little work.
    pub quick: bool,
    /// Cases that were measured anew, or for the first time, in later sittings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<Added>,
    /// Every run, in the order in which they were made.
    pub runs: Vec<Run>,
}

/// Some cases of a later sitting.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Added {
    /// When it began, UTC.
    pub date: String,
    /// The commit that was measured; `+` if the tree had changes.
    pub commit: String,
    /// Rounds asked for.
    pub rounds: u32,
    /// Their names.
    pub cases: Vec<String>,
}

/// Where it was measured.
#[derive(Clone, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Cores.
    pub cores: u32,
    /// Memory.
    pub memory_mib: u64,
    /// The kernel's release.
    pub kernel: String,
    /// File system, device and options under the brokers' data.
    pub disk: String,
}

/// One run of one case against one broker.
#[derive(Clone, Serialize, Deserialize)]
pub struct Run {
    /// The case's name.
    pub case: String,
    /// The broker's label; empty for what concerns no broker.
    pub label: String,
    /// From 1.
    pub round: u32,
    /// From 1; a disturbed run is repeated once.
    pub attempt: u32,
    /// Something else used the processor meanwhile.
    #[serde(default, skip_serializing_if = "is_false")]
    pub disturbed: bool,
    /// Why there are no figures, or not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was measured.
    pub figures: Figures,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Results {
    /// These, with the cases of a later sitting in place of what they have of them.
    pub fn with(&self, later: &Results) -> Results {
        let mut cases: Vec<String> = later.runs.iter().map(|run| run.case.clone()).collect();
        cases.sort_unstable();
        cases.dedup();
        let mut all = self.clone();
        all.runs.retain(|run| !cases.contains(&run.case));
        all.runs.extend(later.runs.iter().cloned());
        all.added.iter_mut().for_each(|added| added.cases.retain(|case| !cases.contains(case)));
        all.added.retain(|added| !added.cases.is_empty());
        let (date, commit, rounds) = (later.date.clone(), later.commit.clone(), later.rounds);
        all.added.push(Added { date, commit, rounds, cases });
        all
    }

    /// The most rounds that any case may have.
    pub fn rounds_max(&self) -> u32 {
        self.added.iter().map(|added| added.rounds).fold(self.rounds, u32::max)
    }

    /// Reads `<name>.json` in a folder.
    pub fn read(folder: &Path, name: &str) -> Result<Results> {
        let path = folder.join(format!("{name}.json"));
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Writes `<name>.json` into a folder: beside first, so that a run that is ended leaves a whole one.
    pub fn write(&self, folder: &Path, name: &str) -> Result<()> {
        fs::create_dir_all(folder)?;
        let partial = folder.join(format!("{name}.json.partial"));
        fs::write(&partial, serde_json::to_string_pretty(self)? + "\n")?;
        Ok(fs::rename(partial, folder.join(format!("{name}.json")))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_takes_the_place_of_its_cases() {
        let run = |case: &str, round| Run {
            case: case.to_owned(),
            label: KAFKA.to_owned(),
            round,
            attempt: 1,
            disturbed: false,
            error: None,
            figures: Figures::new(),
        };
        let sitting = |date: &str, rounds, runs| Results {
            date: date.to_owned(),
            rounds,
            runs,
            added: Vec::new(),
            ..crate::render::example()
        };
        let cases = |results: &Results| -> Vec<(String, u32)> {
            results.runs.iter().map(|run| (run.case.clone(), run.round)).collect()
        };
        let first = sitting("first", 2, vec![run("r1", 1), run("r2", 1), run("r1", 2), run("r2", 2)]);
        let second = first.with(&sitting("second", 3, vec![run("r2", 3), run("g1", 3)]));
        let expected = [("r1", 1), ("r1", 2), ("r2", 3), ("g1", 3)].map(|(case, at)| (case.to_owned(), at));
        assert_eq!((cases(&second), second.rounds, second.rounds_max()), (expected.to_vec(), 2, 3));
        assert_eq!((second.date.as_str(), second.added.len()), ("first", 1));
        assert_eq!(
            (second.added[0].date.as_str(), &*second.added[0].cases),
            ("second", &["g1", "r2"].map(str::to_owned)[..])
        );
        let third = second.with(&sitting("third", 1, vec![run("r2", 1)]));
        let added: Vec<_> = third.added.iter().map(|added| (&*added.date, added.cases.join(" "))).collect();
        assert_eq!(added, [("second", "g1".to_owned()), ("third", "r2".to_owned())]);
    }
}
