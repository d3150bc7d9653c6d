//! The broker under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Broker, READY_DEADLINE, STOP_DEADLINE, Settings, tail, tied_to_this_process};
use crate::process::Process;
use crate::wait::eventually;

/// A process of our own `highwater`.
pub struct Highwater {
    process: Process,
    log: PathBuf,
    log_dir: PathBuf,
    bootstrap: String,
    properties: Vec<(String, String)>,
}

/// The `highwater` beside this program: `<target>/<profile>/highwater`.
pub fn binary() -> Result<PathBuf> {
    let folder = std::env::current_exe()?.parent().context("a program lies in a folder")?.to_owned();
    let binary = folder.join("highwater");
    ensure!(binary.is_file(), "{} is missing: cargo build --bin highwater", binary.display());
    Ok(binary)
}

impl Highwater {
    /// Starts it on a port of its own choice.
    pub fn start(folder: &Path, settings: &Settings) -> Result<Highwater> {
        let log_dir = settings.log_dir.clone().unwrap_or_else(|| folder.join("data"));
        let log = folder.join("highwater.log");
        let properties = settings.properties.clone();
        let process = spawn(&log_dir, &log, "127.0.0.1:0", &properties)?;
        let mut started = Highwater { process, log, log_dir, bootstrap: String::new(), properties };
        started.bootstrap = started.port_taken()?;
        started.wait_until_ready()?;
        Ok(started)
    }

    /// Waits for `listeners.json` and reads the address of the Kafka listener from it.
    fn port_taken(&mut self) -> Result<String> {
        let path = self.log_dir.join("listeners.json");
        let found = eventually(READY_DEADLINE, "listeners.json", || {
            self.check_alive()?;
            // Not there yet, or not whole yet.
            Ok(fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok()))
        })?;
        let port = kafka_port(&found).with_context(|| format!("no PLAINTEXT port in {found}"))?;
        Ok(format!("127.0.0.1:{port}"))
    }
}

fn spawn(log_dir: &Path, log: &Path, address: &str, properties: &[(String, String)]) -> Result<Process> {
    let mut command = Command::new(binary()?);
    command.arg("serve");
    let mut override_with = |key: &str, value: &str| {
        command.arg("--override").arg(format!("{key}={value}"));
    };
    override_with("listeners", &format!("PLAINTEXT://{address}"));
    override_with("log.dirs", &log_dir.display().to_string());
    override_with("highwater.admin.listener", "http://127.0.0.1:0");
    for (key, value) in properties {
        override_with(key, value);
    }
    Process::spawn_logged(tied_to_this_process(&command), log)
}

/// The port of the listener PLAINTEXT in `{"listeners": [{"name": .., "host": .., "port": ..}, ..], ..}`.
fn kafka_port(listeners: &Value) -> Option<u64> {
    let list = listeners.get("listeners")?.as_array()?;
    let plaintext =
        list.iter().find(|listener| listener.get("name").is_some_and(|name| name == "PLAINTEXT"))?;
    plaintext.get("port")?.as_u64()
}

impl Broker for Highwater {
    fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    fn log_dir(&self) -> &Path {
        &self.log_dir
    }

    fn id(&self) -> u32 {
        self.process.id()
    }

    fn check_alive(&mut self) -> Result<()> {
        if let Some(status) = self.process.exited()? {
            bail!("Highwater ended: {status}\n{}", tail(&self.log_text()?));
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.check_alive()?;
        self.process.kill()
    }

    fn stop(&mut self) -> Result<()> {
        let status = self.process.terminate(STOP_DEADLINE)?;
        ensure!(status.success(), "Highwater after SIGTERM: {status}\n{}", tail(&self.log_text()?));
        Ok(())
    }

    fn start_again(&mut self) -> Result<()> {
        self.process = spawn(&self.log_dir, &self.log, &self.bootstrap, &self.properties)?;
        Ok(())
    }

    fn log_text(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }
}
