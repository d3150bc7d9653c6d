//! Apache Kafka, one node, broker and controller in one process.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{Prepared, Settings, probe};
use crate::process::run;
use crate::tools::Tools;

const FORMAT_DEADLINE: Duration = Duration::from_secs(60);
/// A JVM ended by SIGTERM exits with 128 + 15 after its shutdown hooks.
const EXIT_CODE_TERMINATED: i32 = 143;
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qk";

/// Formats a fresh directory and chooses a free port.
pub(super) fn prepare(tools: &Tools, folder: &Path, settings: &Settings) -> Result<Prepared> {
    let log_dir = settings.log_dir.clone().unwrap_or_else(|| folder.join("data"));
    let bootstrap = format!("127.0.0.1:{}", probe::free_port()?);
    let properties = folder.join("server.properties");
    fs::write(&properties, configuration(&bootstrap, probe::free_port()?, &log_dir, settings))?;
    let path = properties.display().to_string();

    let mut format = tools.java("kafka.tools.StorageTool");
    format.args(["format", "--config", &path, "--cluster-id", CLUSTER_ID]);
    run(format, b"", FORMAT_DEADLINE)?.success()?;

    let mut command = match &settings.java_options[..] {
        [] => tools.java("kafka.Kafka"),
        options => tools.java_with(options, "kafka.Kafka"),
    };
    command.arg(&path);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let server: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let log = folder.join("kafka.log");
    Ok(Prepared { server, log, log_dir, bootstrap, stopped_code: EXIT_CODE_TERMINATED })
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
