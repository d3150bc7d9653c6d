//! A broker under test: Highwater, or the Apache Kafka that settles arguments, as one type.
//!
//! **Owns** starting, killing and stopping, always by process id.
//! **Does not own** what is asked of the broker.
//! **Invariants**: loopback only, on free ports; a broker never outlives the run (killed on drop, and by the
//! kernel should this process die first).

mod highwater;
mod kafka;
mod probe;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;
use std::{fs, io};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

pub use highwater::binary;
pub use probe::{ask, free_port, serves};

use crate::process::Process;
use crate::tools::Tools;
use crate::wait::eventually;

/// How long a start may take; Apache Kafka after a crash is the slow one.
const READY_DEADLINE: Duration = Duration::from_secs(60);
const METRICS_DEADLINE: Duration = Duration::from_secs(60);
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
#[derive(Clone, Default)]
pub struct Settings {
    /// Properties by Kafka's names, added to the ordinary ones.
    pub properties: Vec<(String, String)>,
    /// Where its data lies, if not in the scenario's folder.
    pub log_dir: Option<PathBuf>,
    /// Options of Apache Kafka's virtual machine, in place of those for a short life.
    pub java_options: Vec<String>,
    /// Environment variables, for every start.
    pub environment: Vec<(String, String)>,
}

impl Settings {
    /// One more property.
    pub fn with(mut self, key: &str, value: &str) -> Settings {
        self.properties.push((key.to_owned(), value.to_owned()));
        self
    }
}

/// A running broker, or one that was ended and can be started again on its directory and port.
///
/// Both flavors are one type: they differ in their command line and in how a stop is told.
pub struct Broker {
    process: Process,
    /// The program and its arguments, for every start on the known port.
    server: Vec<String>,
    /// Output of all runs.
    log: PathBuf,
    log_dir: PathBuf,
    bootstrap: String,
    /// What an orderly stop exits with.
    stopped_code: i32,
}

/// Starts a broker with its data, configuration and log under `folder`, and waits until it serves.
pub fn start(flavor: Flavor, tools: &Tools, folder: &Path, settings: &Settings) -> Result<Broker> {
    let mut broker = prepare(flavor, tools, folder, settings)?.start()?;
    broker.wait_until_ready()?;
    Ok(broker)
}

/// A broker with its folder made and its port chosen, not started yet: for whoever measures the start.
pub struct Prepared {
    server: Vec<String>,
    log: PathBuf,
    log_dir: PathBuf,
    bootstrap: String,
    stopped_code: i32,
}

/// Makes what a start needs under `folder`.
pub fn prepare(flavor: Flavor, tools: &Tools, folder: &Path, settings: &Settings) -> Result<Prepared> {
    let mut prepared = match flavor {
        Flavor::Highwater => highwater::prepare(folder, settings),
        Flavor::Kafka => kafka::prepare(tools, folder, settings),
    }?;
    if !settings.environment.is_empty() {
        let variables = settings.environment.iter().map(|(name, value)| format!("{name}={value}"));
        prepared.server.splice(0..0, ["env".to_owned()].into_iter().chain(variables));
    }
    Ok(prepared)
}

impl Prepared {
    /// Starts the process, and does not wait.
    pub fn start(self) -> Result<Broker> {
        let Prepared { server, log, log_dir, bootstrap, stopped_code } = self;
        let process = spawn(&server, &log)?;
        Ok(Broker { process, server, log, log_dir, bootstrap, stopped_code })
    }
}

impl Broker {
    /// `host:port` of its Kafka listener: the same over all restarts.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// From now on clients are sent to another address, behind which it stands.
    pub fn is_reached_by(&mut self, address: &str) {
        address.clone_into(&mut self.bootstrap);
    }

    /// The directory in which `<topic>-<partition>` folders lie.
    pub fn log_dir(&self) -> &Path {
        &self.log_dir
    }

    /// `host:port` of Highwater's admin listener, on the port that it took.
    ///
    /// Waits for the file that tells it: that is written a moment after the first request may be answered.
    /// What an earlier run wrote is removed before.
    pub fn admin(&self) -> Result<String> {
        let path = self.log_dir.join("listeners.json");
        let file = eventually(READY_DEADLINE, "listeners.json", || match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            file => Ok(Some(file?)),
        })?;
        let listeners: serde_json::Value = serde_json::from_slice(&file)?;
        let port = listeners.pointer("/admin/port").context("no port in listeners.json")?;
        Ok(format!("127.0.0.1:{port}"))
    }

    /// What Highwater's admin listener says at `/metrics`.
    pub fn metrics(&self) -> Result<String> {
        let mut command = Command::new("curl");
        command.args(["-sS", "--fail", &format!("http://{}/metrics", self.admin()?)]);
        Ok(crate::process::run(command, b"", METRICS_DEADLINE)?.success()?.stdout)
    }

    /// Process id of the current run.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The most memory that the current run has held at a time, in MiB.
    pub fn memory_peak_mib(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        let peak_kib: u64 = peak.context("the kernel does not tell VmHWM")?.trim().parse()?;
        Ok(peak_kib.div_ceil(1024))
    }

    /// What it wrote to its log so far, all runs.
    pub fn log_text(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }

    /// Fails, with the end of its log, if the process has ended by itself.
    pub fn check_alive(&mut self) -> Result<()> {
        if let Some(status) = self.process.exited()? {
            bail!("the broker ended: {status}\n{}", tail(&self.log_text()?));
        }
        Ok(())
    }

    /// Waits for its end, to which it comes by itself.
    pub fn ended(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.process.wait(deadline)
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.check_alive()?;
        self.process.kill()
    }

    /// Stops it in its tracks (SIGSTOP) until [`Broker::resume`].
    pub fn pause(&self) -> Result<()> {
        self.process.signal(Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// SIGTERM; fails unless it exits with the code of an orderly stop.
    pub fn stop(&mut self) -> Result<()> {
        let status = self.process.terminate(STOP_DEADLINE)?;
        let orderly = status.code() == Some(self.stopped_code);
        ensure!(orderly, "the broker after SIGTERM: {status}\n{}", tail(&self.log_text()?));
        Ok(())
    }

    /// Starts it again on the same directory and port, and does not wait.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = spawn(&self.server, &self.log)?;
        Ok(())
    }

    /// Starts it again on the same directory and port, and waits until it serves.
    pub fn restart(&mut self) -> Result<()> {
        self.start_again()?;
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let bootstrap = self.bootstrap.clone();
        eventually(READY_DEADLINE, "the broker to serve", || {
            self.check_alive()?;
            Ok(probe::serves(&bootstrap)?.then_some(()))
        })
    }
}

fn spawn(server: &[String], log: &Path) -> Result<Process> {
    let mut command = Command::new(&server[0]);
    command.args(&server[1..]);
    Process::spawn_logged(tied_to_this_process(&command), log)
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
