//! Apache Kafka, one node, broker and controller in one process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::{Broker, STOP_DEADLINE, Settings, probe, tail, tied_to_this_process};
use crate::process::{Process, run};
use crate::tools::Tools;

const FORMAT_DEADLINE: Duration = Duration::from_secs(60);
/// A JVM ended by SIGTERM exits with 128 + 15 after its shutdown hooks.
const EXIT_CODE_TERMINATED: i32 = 143;
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qk";

/// A process of Apache Kafka.
pub struct Kafka {
    process: Process,
    server: Vec<String>,
    log: PathBuf,
    log_dir: PathBuf,
    bootstrap: String,
}

impl Kafka {
    /// Formats a fresh directory and starts on a free port.
    pub fn start(tools: &Tools, folder: &Path, settings: &Settings) -> Result<Kafka> {
        let log_dir = settings.log_dir.clone().unwrap_or_else(|| folder.join("data"));
        let address = format!("127.0.0.1:{}", probe::free_port()?);
        let properties = folder.join("server.properties");
        fs::write(&properties, configuration(&address, probe::free_port()?, &log_dir, settings))?;
        let path = properties.display().to_string();

        let mut format = tools.java("kafka.tools.StorageTool");
        format.args(["format", "--config", &path, "--cluster-id", CLUSTER_ID]);
        run(format, b"", FORMAT_DEADLINE)?.success()?;

        let mut server = tools.java("kafka.Kafka");
        server.arg(&path);
        let words = std::iter::once(server.get_program()).chain(server.get_args());
        let server: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        let log = folder.join("kafka.log");
        let process = spawn(&server, &log)?;
        let mut started = Kafka { process, server, log, log_dir, bootstrap: address };
        started.wait_until_ready()?;
        Ok(started)
    }
}

fn spawn(server: &[String], log: &Path) -> Result<Process> {
    let mut command = Command::new(&server[0]);
    command.args(&server[1..]);
    Process::spawn_logged(tied_to_this_process(&command), log)
}

fn configuration(address: &str, controller_port: u16, log_dir: &Path, settings: &Settings) -> String {
    let log_dir = log_dir.display();
    let mut text = format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
         listeners=PLAINTEXT://{address},CONTROLLER://127.0.0.1:{controller_port}\n\
         advertised.listeners=PLAINTEXT://{address}\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
         log.dirs={log_dir}\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n"
    );
    for (key, value) in &settings.properties {
        // Ours alone; Kafka has no such thing.
        if !key.starts_with("highwater.") {
            text += &format!("{key}={value}\n");
        }
    }
    text
}

impl Broker for Kafka {
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
            bail!("Apache Kafka ended: {status}\n{}", tail(&self.log_text()?));
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.check_alive()?;
        self.process.kill()
    }

    fn stop(&mut self) -> Result<()> {
        let status = self.process.terminate(STOP_DEADLINE)?;
        ensure!(status.code() == Some(EXIT_CODE_TERMINATED), "Apache Kafka after SIGTERM: {status}");
        Ok(())
    }

    fn start_again(&mut self) -> Result<()> {
        self.process = spawn(&self.server, &self.log)?;
        Ok(())
    }

    fn log_text(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }
}
