use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{DEADLINE, Files, WORKERS_GROUP};
use crate::broker::{Broker, free_port, tied_to_this_process};
use crate::process::Process;
use crate::scenario::Context;
use crate::wait::eventually;

/// A JVM ended by SIGTERM exits with 128 + 15 after its shutdown hooks.
const EXIT_CODE_TERMINATED: i32 = 143;
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);
const RESPONSE_BYTES_MAX: u64 = 1 << 20;

/// A worker of Kafka Connect, a process with a REST interface.
pub struct Worker {
    process: Process,
    address: String,
}

impl Worker {
    /// `connect-standalone` with both connectors; what its source has read it keeps in a file.
    pub fn alone(context: &Context, broker: &Broker, files: &Files) -> Result<Worker> {
        let offsets = context.folder.join("offsets");
        let own = format!("offset.storage.file.filename={}\n", offsets.display());
        let mut words = Vec::new();
        for (name, properties) in [("source", files.source()), ("sink", files.sink())] {
            let path = context.folder.join(format!("{name}.properties"));
            let lines: String = properties.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
            fs::write(&path, format!("name={name}\n{lines}"))?;
            words.push(path.display().to_string());
        }
        start(context, broker, ("ConnectStandalone", "standalone"), &own, &words)
    }

    /// `connect-distributed`, the `number`th.
    pub fn in_group(context: &Context, broker: &Broker, number: u32) -> Result<Worker> {
        let mut own = format!(
            "group.id={WORKERS_GROUP}\n\
             session.timeout.ms=6000\n\
             heartbeat.interval.ms=500\n\
             scheduled.rebalance.max.delay.ms=1000\n\
             offset.storage.partitions=2\n\
             status.storage.partitions=2\n"
        );
        for kept in ["config", "offset", "status"] {
            writeln!(own, "{kept}.storage.topic=connect-{kept}")?;
            writeln!(own, "{kept}.storage.replication.factor=1")?;
        }
        start(context, broker, ("ConnectDistributed", &format!("worker-{number}")), &own, &[])
    }

    /// As the others know it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits until it is in the group and answers.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        eventually(DEADLINE, "a worker to answer", || {
            ensure!(self.process.exited()?.is_none(), "the worker {} ended", self.address);
            Ok(self.ask("GET /connectors", "").is_ok().then_some(()))
        })
    }

    /// A new connector.
    pub fn create(&self, name: &str, properties: &[(&str, String)]) -> Result<()> {
        let fields = properties.iter().map(|(key, value)| format!("{key:?}:{value:?}"));
        let body = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
        self.ask(&format!("PUT /connectors/{name}/config"), &body)?;
        Ok(())
    }

    /// Whether the one task of a connector runs at a worker.
    pub fn works_on(&self, connector: &str, worker: &str) -> Result<bool> {
        let status = self.ask(&format!("GET /connectors/{connector}/status"), "")?;
        let tasks = status.split_once(r#""tasks":["#).context("a status names tasks")?.1;
        let running = tasks.contains(r#""state":"RUNNING""#);
        Ok(running && tasks.contains(&format!(r#""worker_id":"{worker}""#)))
    }

    /// Whether a source has committed that it read so many bytes.
    pub fn told_position(&self, connector: &str, bytes: u64) -> Result<bool> {
        let offsets = self.ask(&format!("GET /connectors/{connector}/offsets"), "")?;
        Ok(offsets.contains(&format!(r#""position":{bytes}}}"#)))
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// SIGTERM: it ends its tasks, which tell how far they are.
    pub fn stop(&mut self) -> Result<()> {
        let status = self.process.terminate(DEADLINE)?;
        ensure!(status.code() == Some(EXIT_CODE_TERMINATED), "a worker after SIGTERM: {status}");
        Ok(())
    }

    /// Method and path; gives the body of an answer that is a success.
    fn ask(&self, request: &str, body: &str) -> Result<String> {
        let address: SocketAddr = self.address.parse()?;
        let mut stream = TcpStream::connect_timeout(&address, REQUEST_DEADLINE)?;
        stream.set_read_timeout(Some(REQUEST_DEADLINE))?;
        let length = body.len();
        let head = format!(
            "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all((head + body).as_bytes())?;
        let mut answer = Vec::new();
        stream.take(RESPONSE_BYTES_MAX).read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        ensure!(answer.starts_with("HTTP/1.1 2"), "{request}: {answer}");
        Ok(answer)
    }
}

fn start(
    context: &Context,
    broker: &Broker,
    (class, name): (&str, &str),
    own: &str,
    words: &[String],
) -> Result<Worker> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let properties = format!(
        "bootstrap.servers={}\n\
         key.converter=org.apache.kafka.connect.storage.StringConverter\n\
         value.converter=org.apache.kafka.connect.storage.StringConverter\n\
         listeners=http://{address}\n\
         plugin.discovery=service_load\n\
         offset.flush.interval.ms=1000\n\
         consumer.auto.offset.reset=earliest\n{own}",
        broker.bootstrap()
    );
    let path = context.folder.join(format!("{name}.properties"));
    fs::write(&path, properties)?;
    let mut command = context.tools.java(&format!("org.apache.kafka.connect.cli.{class}"));
    command.arg(path).args(words);
    let log = context.folder.join(format!("{name}.log"));
    Ok(Worker { process: Process::spawn_logged(tied_to_this_process(&command), &log)?, address })
}
