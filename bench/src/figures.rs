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
#[derive(Serialize, Deserialize)]
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
    /// Every run, in the order in which they were made.
    pub runs: Vec<Run>,
}

/// Where it was measured.
#[derive(Serialize, Deserialize)]
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
