//! The outside tools: found on the path, else installed through the ordinary package clients.
//!
//! A tool that cannot be had is one line of error that names it; nothing is skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::run;
use crate::stream::{FNV_START, fnv1a};

const INSTALL_DEADLINE: Duration = Duration::from_secs(600);
const COMPILE_DEADLINE: Duration = Duration::from_secs(120);

/// Programs that must be on the path, each with the Debian package that brings it.
const PROGRAMS: [(&str, &str); 10] = [
    ("kcat", "kcat"),
    ("java", "default-jdk-headless"),
    ("javac", "default-jdk-headless"),
    ("mvn", "maven"),
    ("python3", "python3-venv"),
    ("ip", "iproute2"),
    ("tshark", "tshark"),
    ("unshare", "util-linux"),
    ("setpriv", "util-linux"),
    ("mount", "mount"),
];

/// Where what was installed lies.
pub struct Tools {
    /// Apache Kafka's jars.
    pub jars: PathBuf,
    /// Our own Java clients, compiled.
    pub classes: PathBuf,
    /// A Python with confluent-kafka.
    pub python: PathBuf,
}

/// This package's folder, where Java and Python sources and transcripts lie.
pub fn package_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Tools {
    /// Finds or installs everything. `COMPAT_CACHE` names a folder that outlives the clone; without it,
    /// tools lie in the target folder.
    pub fn find_or_install() -> Result<Tools> {
        for (program, package) in PROGRAMS {
            find_or_install_program(program, package)?;
        }
        let cache = cache_dir()?;
        fs::create_dir_all(&cache)?;
        let jars = install_jars(&cache).context("Apache Kafka's jars (mvn) cannot be had")?;
        let python = install_python(&cache).context("confluent-kafka (pip) cannot be had")?;
        let classes = compile_java(&cache, &jars).context("our Java clients do not compile")?;
        Ok(Tools { jars, classes, python })
    }

    /// A Java program with Kafka's jars and our classes. Started for a second or two: the quick compiler and
    /// the simplest collector fit it best.
    pub fn java(&self, main_class: &str) -> Command {
        let mut command = Command::new("java");
        let log_configuration = package_dir().join("log4j2.properties");
        command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx512m"]);
        command.arg(format!("-Dlog4j2.configurationFile={}", log_configuration.display()));
        command.arg("-cp").arg(format!("{}:{}/*", self.classes.display(), self.jars.display()));
        command.arg(main_class);
        command
    }

    /// A Java program in one file that is no client, compiled as it starts, with Kafka's jars.
    pub fn java_source(&self, source: &Path) -> Command {
        let mut command = Command::new("java");
        command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx512m"]);
        command.arg("-cp").arg(format!("{}/*", self.jars.display())).arg(source);
        command
    }

    /// One of our Python clients.
    pub fn python(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg("-u").arg(package_dir().join("python").join(script));
        command
    }
}

fn cache_dir() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("COMPAT_CACHE") {
        return Ok(PathBuf::from(path));
    }
    let program = std::env::current_exe()?;
    // <target>/<profile>/compat
    let target = program.ancestors().nth(2).context("this program does not lie in a target folder")?;
    Ok(target.join("compat-tools"))
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn find_or_install_program(program: &str, package: &str) -> Result<()> {
    if on_path(program) {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() || !on_path("apt-get") {
        bail!("{program} is not on the path, and only root can install it (apt-get install {package})");
    }
    println!("installing {package}, which brings {program}");
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-y"]).args(words).env("DEBIAN_FRONTEND", "noninteractive");
        run(command, b"", INSTALL_DEADLINE)?.success()
    };
    let installed = apt(&["update"]).and_then(|_| apt(&["install", "--no-install-recommends", package]));
    if let Err(error) = installed {
        bail!("{program} cannot be had: {}", first_line(&error));
    }
    Ok(())
}

fn first_line(error: &anyhow::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Makes `<cache>/<name>` by `make`, once: it is made beside and renamed when whole, so that a run that was
/// ended half-way leaves nothing that looks complete.
fn once(cache: &Path, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let done = cache.join(name);
    if done.exists() {
        return Ok(done);
    }
    let partial = cache.join(format!("{name}.partial.{}", std::process::id()));
    make(&partial)?;
    match fs::rename(&partial, &done) {
        // Another run was quicker.
        Err(_) if done.exists() => fs::remove_dir_all(&partial)?,
        other => other?,
    }
    Ok(done)
}

fn install_jars(cache: &Path) -> Result<PathBuf> {
    let pom = package_dir().join("pom.xml");
    let name = format!("jars-{:016x}", fingerprint(std::slice::from_ref(&pom))?);
    once(cache, &name, |folder| {
        println!("installing Apache Kafka's jars through mvn");
        let mut command = Command::new("mvn");
        command.args(["-q", "-B", "dependency:copy-dependencies"]);
        command.arg("-f").arg(&pom).arg(format!("-DoutputDirectory={}", folder.display()));
        run(command, b"", INSTALL_DEADLINE)?.success()?;
        Ok(())
    })
}

fn install_python(cache: &Path) -> Result<PathBuf> {
    let requirements = package_dir().join("python/requirements.txt");
    // A virtual environment holds its own path, so it is made in place and marked when whole.
    let venv = cache.join(format!("venv-{:016x}", fingerprint(std::slice::from_ref(&requirements))?));
    let python = venv.join("bin/python");
    let mark = venv.join("complete");
    if mark.exists() {
        return Ok(python);
    }
    println!("installing confluent-kafka through pip");
    let mut create = Command::new("python3");
    create.args(["-m", "venv", "--clear"]).arg(&venv);
    run(create, b"", INSTALL_DEADLINE)?.success()?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "-q", "--disable-pip-version-check", "install", "-r"]).arg(&requirements);
    run(install, b"", INSTALL_DEADLINE)?.success()?;
    fs::write(mark, b"")?;
    Ok(python)
}

fn compile_java(cache: &Path, jars: &Path) -> Result<PathBuf> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(package_dir().join("java"))? {
        sources.push(entry?.path());
    }
    sources.sort_unstable();
    once(cache, &format!("classes-{:016x}", fingerprint(&sources)?), |folder| {
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

/// FNV-1a over the files' contents: a cache made from other contents has another name.
fn fingerprint(files: &[PathBuf]) -> Result<u64> {
    files.iter().try_fold(FNV_START, |hash, file| Ok(fnv1a(hash, &fs::read(file)?)))
}
