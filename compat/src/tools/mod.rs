//! The outside tools: found on the path, else installed through the ordinary package clients.
//!
//! **Owns** where what was installed lies, and the commands that start it. **Does not own** what it is asked.
//! **Invariants**: versions are pinned, with lock files where the package client has them; a tool that cannot
//! be had is an error that names it; nothing is skipped. What most scenarios need is there before the first
//! one starts; a client that few need is installed when it is first asked for.

mod cache;
mod go;
mod images;
mod java;
mod node;
mod programs;
mod python;
mod rust;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result};

pub use images::{Images, repository};

const INSTALL_DEADLINE: Duration = Duration::from_secs(600);
const COMPILE_DEADLINE: Duration = Duration::from_secs(120);
/// A C library or a Go program, on a machine that does other work too.
const BUILD_DEADLINE: Duration = Duration::from_secs(2_400);

/// Where what was installed lies.
pub struct Tools {
    cache: PathBuf,
    /// Our own Java clients on Apache Kafka's jars.
    java: java::Programs,
    /// Those of Kafka Streams, once they were asked for.
    streams: OnceLock<java::Programs>,
    /// A Python with confluent-kafka.
    python: PathBuf,
}

/// This package's folder, where the clients' sources and the transcripts lie.
pub fn package_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where Debian's package puts its library.
const FAKETIME: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
];

impl Tools {
    /// Finds or installs what most scenarios need. `COMPAT_CACHE` names a folder that outlives the clone;
    /// without it, tools lie in the target folder.
    pub fn find_or_install() -> Result<Tools> {
        programs::find_or_install_all()?;
        let cache = cache::folder()?;
        fs::create_dir_all(&cache)?;
        let jars = java::install_kafka(&cache).context("Apache Kafka's jars (mvn) cannot be had")?;
        let python = python::install(&cache, "confluent-kafka")?;
        let sources = cache::files_in(&package_dir().join("java"), &["java"])?;
        let java = java::Programs::compile(&cache, jars, &sources, "classes")
            .context("our Java clients do not compile")?;
        Ok(Tools { cache, java, streams: OnceLock::new(), python })
    }

    /// A Java program with Kafka's jars and our classes.
    pub fn java(&self, main_class: &str) -> Command {
        self.java.command(main_class)
    }

    /// The same with options of its virtual machine in place of ours, which are for short lives, and without
    /// the archive of classes that ours start from.
    pub fn java_with(&self, options: &[String], main_class: &str) -> Command {
        self.java.command_with(options, main_class)
    }

    /// A Java program in one file that is no client, compiled as it starts, with Kafka's jars.
    pub fn java_source(&self, source: &Path) -> Command {
        self.java.source_command(source)
    }

    /// A Java program of Kafka Streams' tests, or one of ours that stands on Kafka Streams.
    pub fn streams(&self, main_class: &str) -> Result<Command> {
        let programs = match self.streams.get() {
            Some(programs) => programs,
            None => {
                let programs = self.compile_streams().context("our programs for Kafka Streams")?;
                self.streams.get_or_init(|| programs)
            }
        };
        Ok(programs.command(main_class))
    }

    fn compile_streams(&self) -> Result<java::Programs> {
        let jars = java::install_streams(&self.cache)?;
        let mut sources = cache::files_in(&package_dir().join("streams"), &["java"])?;
        sources.push(package_dir().join("java/ClassData.java"));
        java::Programs::compile(&self.cache, jars, &sources, "streams-classes")
    }

    /// One of our Python scripts, with confluent-kafka.
    pub fn python(&self, script: &str) -> Command {
        python::command(&self.python, script)
    }

    /// One of our Java clients, with the jars of an older version of Kafka's client.
    pub fn java_of(&self, version: &str, main_class: &str) -> Result<Command> {
        Ok(self.java.with_jars(java::install_client(&self.cache, version)?).command(main_class))
    }

    /// One of our Python scripts, with what `python/requirements/<client>.txt` names.
    pub fn python_with(&self, client: &str, script: &str) -> Result<Command> {
        Ok(python::command(&python::install(&self.cache, client)?, script))
    }

    /// moto's server, which speaks S3, on a port of its choice.
    pub fn moto(&self) -> Result<Command> {
        let mut command = Command::new(python::install(&self.cache, "moto")?);
        command.args(["-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]);
        Ok(command)
    }

    /// MinIO, built when it is first asked for, with its objects in a folder and on a port.
    pub fn minio(&self, folder: &Path, port: u16) -> Result<Command> {
        let mut command = Command::new(go::build_minio(&self.cache)?);
        command.args(["server", "--quiet", "--address", &format!("127.0.0.1:{port}")]);
        command.arg(folder).env("MINIO_BROWSER", "off").env("HOME", folder);
        Ok(command)
    }

    /// Azurite, with its blobs in a folder and on a port.
    pub fn azurite(&self, folder: &Path, port: u16) -> Result<Command> {
        let mut command = Command::new("node");
        command.arg(node::install_azurite(&self.cache)?).arg("--location").arg(folder);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
        // It may be older than what a client asks for.
        command.args(["--skipApiVersionCheck", "--disableTelemetry"]);
        Ok(command)
    }

    /// One of our Go programs.
    pub fn go(&self, program: &str) -> Result<Command> {
        Ok(Command::new(go::build(&self.cache)?.join(program)))
    }

    /// One of our JavaScript programs.
    pub fn node(&self, script: &str) -> Result<Command> {
        let mut command = Command::new("node");
        command.arg(node::install_clients(&self.cache)?.join(script));
        Ok(command)
    }

    /// Container images, and the bases of ours.
    pub fn images(&self) -> Result<Images> {
        Images::with_bases(&self.cache)
    }

    /// The library that tells a program another time than the machine's.
    pub fn faketime(&self) -> Result<PathBuf> {
        programs::find_or_install("faketime", "faketime")?;
        let found = FAKETIME.iter().map(Path::new).find(|path| path.is_file());
        Ok(found.context("libfaketime.so.1 is nowhere to be seen")?.to_owned())
    }

    /// Our Rust program on the newest librdkafka.
    pub fn rust_rdkafka(&self) -> Result<Command> {
        Ok(Command::new(rust::build(&self.cache)?.join(rust::PROGRAM)))
    }

    /// The same library as a member of a group.
    pub fn rust_rdkafka_member(&self) -> Result<Command> {
        Ok(Command::new(rust::build(&self.cache)?.join(rust::MEMBER)))
    }

    /// The same library with transactions.
    pub fn rust_rdkafka_transactions(&self) -> Result<Command> {
        Ok(Command::new(rust::build(&self.cache)?.join(rust::TRANSACTIONS)))
    }

    /// librdkafka's own load generator, on the same librdkafka.
    pub fn rdkafka_performance(&self) -> Result<Command> {
        Ok(Command::new(rust::build(&self.cache)?.join(rust::PERFORMANCE)))
    }
}
