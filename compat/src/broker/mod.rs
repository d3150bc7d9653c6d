//! A broker under test: Highwater, or the Apache Kafka that settles arguments, behind one trait.
//!
//! **Owns** starting, killing and stopping, always by process id. **Does not own** what is asked of the
//! broker. **Invariants**: loopback only; ports are free ones unless a scenario must know them; a broker
//! never outlives the run (killed on drop, and by the kernel should this process die first).

mod highwater;
mod kafka;
mod probe;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

pub use highwater::binary;
pub use probe::serves;

use crate::tools::Tools;
use crate::wait::eventually;

/// How long a start may take; Apache Kafka after a crash is the slow one.
const READY_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// Which broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flavor {
    /// The one under test.
    Highwater,
    /// The oracle.
    Kafka,
}

/// What a scenario asks of the broker it starts.
#[derive(Default)]
pub struct Settings {
    /// Properties by Kafka's names, added to the ordinary ones.
    pub properties: Vec<(String, String)>,
    /// Where its data lies, if not in the scenario's folder.
    pub log_dir: Option<PathBuf>,
}

impl Settings {
    /// One more property.
    pub fn with(mut self, key: &str, value: &str) -> Settings {
        self.properties.push((key.to_owned(), value.to_owned()));
        self
    }
}

/// A running broker, or one that was ended and can be started again on its directory and port.
pub trait Broker {
    /// `host:port` of its Kafka listener: the same over all restarts.
    fn bootstrap(&self) -> &str;
    /// The directory in which `<topic>-<partition>` folders lie.
    fn log_dir(&self) -> &Path;
    /// Process id of the current run.
    fn id(&self) -> u32;
    /// Fails, with the end of its log, if the process has ended by itself.
    fn check_alive(&mut self) -> Result<()>;
    /// SIGKILL.
    fn kill(&mut self) -> Result<()>;
    /// SIGTERM; fails unless it exits with the code of an orderly stop.
    fn stop(&mut self) -> Result<()>;
    /// Starts it again on the same directory and port, and does not wait.
    fn start_again(&mut self) -> Result<()>;
    /// Starts it again on the same directory and port, and waits until it serves.
    fn restart(&mut self) -> Result<()> {
        self.start_again()?;
        self.wait_until_ready()
    }
    /// Waits until it serves.
    fn wait_until_ready(&mut self) -> Result<()> {
        let bootstrap = self.bootstrap().to_owned();
        eventually(READY_DEADLINE, "the broker to serve", || {
            self.check_alive()?;
            Ok(probe::serves(&bootstrap)?.then_some(()))
        })
    }
    /// What it wrote to its log so far, all runs.
    fn log_text(&self) -> Result<String>;
}

/// Starts a broker with its data, configuration and log under `folder`, and waits until it answers.
pub fn start(flavor: Flavor, tools: &Tools, folder: &Path, settings: &Settings) -> Result<Box<dyn Broker>> {
    Ok(match flavor {
        Flavor::Highwater => Box::new(highwater::Highwater::start(folder, settings)?),
        Flavor::Kafka => Box::new(kafka::Kafka::start(tools, folder, settings)?),
    })
}

/// `command`, killed by the kernel when the thread that starts it ends: so a run that is ended with SIGKILL
/// leaves no broker behind. To be started from the main thread only.
pub fn tied_to_this_process(command: &Command) -> Command {
    let mut tied = Command::new("setpriv");
    tied.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(key, value),
            None => tied.env_remove(key),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        tied.current_dir(folder);
    }
    tied
}

/// The last lines of a log, for an error message.
fn tail(text: &str) -> String {
    const LINES_MAX: usize = 20;
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES_MAX)..].join("\n")
}
