//! Jars through Maven, and our own Java clients.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{COMPILE_DEADLINE, INSTALL_DEADLINE, cache, package_dir};
use crate::process::run;
use crate::stream::{FNV_START, fnv1a};

/// For programs that run for a second or two: the quick compiler and the simplest collector fit them best.
const OPTIONS: [&str; 4] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx512m"];
/// What the virtual machine has to say about archives would go to standard output, which is judged.
const SILENT_ARCHIVE: &str = "-Xlog:cds*=off";
/// Loads all classes of its class path.
const CLASS_DATA: &str = "ClassData";
/// Our programs, in the folder of what was compiled.
const OUR_JAR: &str = "ours.jar";
/// The archive, in a folder of its own.
const ARCHIVE: &str = "classes.jsa";

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

/// A class path: our own programs in one jar, and the jars that they stand on.
pub struct Programs {
    ours: PathBuf,
    jars: PathBuf,
    /// Classes as the virtual machine keeps them, from which a program starts in half the time. It holds for
    /// exactly this class path.
    class_data: Option<PathBuf>,
}

impl Programs {
    /// Our own programs, compiled against `jars` and kept as `kind`, with the archive of their classes.
    /// `ClassData` is one of `sources`.
    pub fn compile(cache: &Path, jars: PathBuf, sources: &[PathBuf], kind: &str) -> Result<Programs> {
        let name = cache::name_for(kind, sources)?;
        let classes = cache::once(cache, &name, |folder| compile(&jars, sources, folder))?;
        let mut programs = Programs { ours: classes.join(OUR_JAR), jars, class_data: None };
        programs.class_data = Some(programs.archive(cache, &name)?);
        Ok(programs)
    }

    /// The same programs with other jars, without an archive.
    pub fn with_jars(&self, jars: PathBuf) -> Programs {
        Programs { ours: self.ours.clone(), jars, class_data: None }
    }

    /// A short-lived program.
    pub fn command(&self, main_class: &str) -> Command {
        let mut options: Vec<OsString> = OPTIONS.iter().map(OsString::from).collect();
        if let Some(class_data) = &self.class_data {
            options.push(SILENT_ARCHIVE.into());
            options.push(format!("-XX:SharedArchiveFile={}", class_data.display()).into());
        }
        self.command_with(&options, main_class)
    }

    /// One with options of its own, and without the archive: as its users start it.
    pub fn command_with(&self, options: &[impl AsRef<OsStr>], main_class: &str) -> Command {
        let mut command = Command::new("java");
        let log_configuration = package_dir().join("log4j2.properties");
        command.args(options);
        command.arg(format!("-Dlog4j2.configurationFile={}", log_configuration.display()));
        command.arg("-cp").arg(format!("{}:{}/*", self.ours.display(), self.jars.display()));
        command.arg(main_class);
        command
    }

    /// A program in one file that is no client, compiled as it starts.
    pub fn source_command(&self, source: &Path) -> Command {
        let mut command = Command::new("java");
        command.args(OPTIONS).arg("-cp").arg(format!("{}/*", self.jars.display())).arg(source);
        command
    }

    /// Keeps the classes of this class path for the virtual machine that is installed: another one does not
    /// take them. The archive holds the paths, so it is made when the jars lie where they stay.
    fn archive(&self, cache: &Path, classes: &str) -> Result<PathBuf> {
        let mut version = Command::new("java");
        version.arg("--version");
        let version = run(version, b"", COMPILE_DEADLINE)?.success()?;
        let made_from = format!("{classes} {} {}", self.jars.display(), version.stdout);
        let name = format!("class-data-{:016x}", fnv1a(FNV_START, made_from.as_bytes()));
        let folder = cache::once(cache, &name, |folder| {
            fs::create_dir_all(folder)?;
            let mut options: Vec<String> = OPTIONS.iter().map(ToString::to_string).collect();
            options.push(SILENT_ARCHIVE.to_owned());
            options.push(format!("-XX:ArchiveClassesAtExit={}", folder.join(ARCHIVE).display()));
            let told = run(self.command_with(&options, CLASS_DATA), b"", COMPILE_DEADLINE)?.success()?;
            ensure!(folder.join(ARCHIVE).is_file(), "`{}` left no archive", told.line);
            Ok(())
        })?;
        Ok(folder.join(ARCHIVE))
    }
}

/// Compiles `sources` into one jar in `folder`: an archive's class path has no folders of classes.
fn compile(jars: &Path, sources: &[PathBuf], folder: &Path) -> Result<()> {
    let classes = folder.join("classes");
    let mut compiler = Command::new("javac");
    compiler.arg("-Xlint:all,-classfile,-path,-processing").arg("-cp").arg(format!("{}/*", jars.display()));
    compiler.arg("-d").arg(&classes).args(sources);
    run(compiler, b"", COMPILE_DEADLINE)?.success()?;
    let mut packer = Command::new("jar");
    packer.arg("--create").arg("--file").arg(folder.join(OUR_JAR)).arg("-C").arg(&classes).arg(".");
    run(packer, b"", COMPILE_DEADLINE)?.success()?;
    Ok(fs::remove_dir_all(&classes)?)
}
