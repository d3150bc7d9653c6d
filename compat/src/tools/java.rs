//! Jars through Maven, and our own Java clients.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{COMPILE_DEADLINE, INSTALL_DEADLINE, cache, package_dir};
use crate::process::run;

/// Apache Kafka with its tools.
pub fn install_kafka(cache: &Path) -> Result<PathBuf> {
    let pom = package_dir().join("pom.xml");
    let name = cache::name_for("jars", std::slice::from_ref(&pom))?;
    cache::once(cache, &name, |folder| {
        println!("installing Apache Kafka's jars through mvn");
        copy_dependencies(&pom, &[], folder)
    })
}

/// Kafka Streams with its own tests, and the clients they stand on.
pub fn install_streams(cache: &Path) -> Result<PathBuf> {
    let pom = package_dir().join("streams/pom.xml");
    let name = cache::name_for("streams-jars", std::slice::from_ref(&pom))?;
    cache::once(cache, &name, |folder| {
        println!("installing Kafka Streams through mvn");
        copy_dependencies(&pom, &[], folder)
    })
    .context("Kafka Streams (mvn) cannot be had")
}

/// The Java client of one version, and nothing of Kafka besides.
pub fn install_client(cache: &Path, version: &str) -> Result<PathBuf> {
    let pom = package_dir().join("java/client.pom.xml");
    let name = cache::name_for(&format!("kafka-clients-{version}"), std::slice::from_ref(&pom))?;
    cache::once(cache, &name, |folder| {
        println!("installing kafka-clients {version} through mvn");
        copy_dependencies(&pom, &[format!("-Dclient.version={version}")], folder)
    })
    .with_context(|| format!("kafka-clients {version} (mvn) cannot be had"))
}

fn copy_dependencies(pom: &Path, words: &[String], folder: &Path) -> Result<()> {
    let mut command = Command::new("mvn");
    command.args(["-q", "-B", "dependency:copy-dependencies"]).args(words);
    command.arg("-f").arg(pom).arg(format!("-DoutputDirectory={}", folder.display()));
    run(command, b"", INSTALL_DEADLINE)?.success()?;
    Ok(())
}

/// Our own Java programs in `folder` of this package, compiled against `jars` and kept as `kind`.
pub fn compile(cache: &Path, jars: &Path, folder: &str, kind: &str) -> Result<PathBuf> {
    let sources = cache::files_in(&package_dir().join(folder), &["java"])?;
    cache::once(cache, &cache::name_for(kind, &sources)?, |folder| {
        let mut command = Command::new("javac");
        command
            .arg("-Xlint:all,-classfile,-path,-processing")
            .arg("-cp")
            .arg(format!("{}/*", jars.display()));
        command.arg("-d").arg(folder).args(&sources);
        run(command, b"", COMPILE_DEADLINE)?.success()?;
        Ok(())
    })
}

/// For programs that run for a second or two: the quick compiler and the simplest collector fit them best.
pub const OPTIONS: [&str; 4] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx512m"];

/// A Java program that is compiled already.
pub fn command(options: &[impl AsRef<OsStr>], classes: &Path, jars: &Path, main_class: &str) -> Command {
    let mut command = Command::new("java");
    let log_configuration = package_dir().join("log4j2.properties");
    command.args(options);
    command.arg(format!("-Dlog4j2.configurationFile={}", log_configuration.display()));
    command.arg("-cp").arg(format!("{}:{}/*", classes.display(), jars.display()));
    command.arg(main_class);
    command
}

/// A Java program in one file, compiled as it starts.
pub fn source_command(jars: &Path, source: &Path) -> Command {
    let mut command = Command::new("java");
    command.args(OPTIONS).arg("-cp").arg(format!("{}/*", jars.display())).arg(source);
    command
}
