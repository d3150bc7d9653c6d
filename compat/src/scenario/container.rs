//! The image of the Dockerfile: built where no Docker engine runs, started, and used with kcat.
//!
//! Its ports are fixed, so it runs in a network namespace of its own.

mod compose;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{CLIENT_DEADLINE, Context, newcomer};
use crate::namespace;
use crate::process::{Outcome, Process, run as run_program};
use crate::tools::{Images, repository};

/// A whole build of the optimised program.
const BUILD_DEADLINE: Duration = Duration::from_secs(3_600);
const READY_DEADLINE: Duration = Duration::from_secs(30);
const IMAGE: &str = "localhost/highwater";
/// Who the image's program is.
const USER: u32 = 1000;
/// The folder that is its volume.
const DATA: &str = "data";
const RECORDS: &str = "greeting:hello\ngreeting:world\n";

/// Builds it, and uses it in a network namespace of its own.
pub fn run(context: &mut Context) -> Result<()> {
    // There is nothing to build it from inside.
    context.tools.minio(&context.folder, 0)?;
    let images = context.tools.images()?;
    build(&images)?;
    let mut from = images.buildah();
    from.args(["from", "--pull-never", IMAGE]);
    let container = run_program(from, b"", CLIENT_DEADLINE)?.success()?.stdout;
    fs::write(context.folder.join("container"), container.trim())?;
    let used = namespace::run_inside(context, "--net", "container");
    let mut remove = images.buildah();
    remove.args(["rm", container.trim()]);
    run_program(remove, b"", CLIENT_DEADLINE)?.success()?;
    context.transcript.add(&used?);
    Ok(())
}

/// The compiler is the one that this repository is built with, and crates are where cargo has them: what the
/// official image would fetch.
fn build(images: &Images) -> Result<()> {
    let mut sysroot = Command::new("rustc");
    sysroot.args(["--print", "sysroot"]).current_dir(repository()?);
    let sysroot = run_program(sysroot, b"", CLIENT_DEADLINE)?.success()?.stdout;
    let home = PathBuf::from(std::env::var_os("HOME").context("HOME")?);
    let cargo = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let mut build = images.buildah();
    // Docker's format has health checks; OCI's has none.
    build.args(["build", "--isolation", "chroot", "--format", "docker", "--pull-never", "--tag", IMAGE]);
    build.args(["--volume", &format!("{}:/usr/local/rust:ro", sysroot.trim())]);
    build.args(["--volume", &format!("{}:/usr/local/cargo/registry", cargo.join("registry").display())]);
    build.arg(repository()?);
    run_program(build, b"", BUILD_DEADLINE)?.success()?;
    Ok(())
}

/// The scenario proper.
pub fn inside(context: &mut Context) -> Result<()> {
    namespace::loopback_up()?;

    let image = Image::read(context)?;
    let user = image.run(&["id".to_owned(), "-u".to_owned()])?.success()?.stdout;
    ensure!(user.trim() == USER.to_string(), "it runs as {user}");
    let alone = BTreeMap::from([("KAFKA_NUM_PARTITIONS".to_owned(), "3".to_owned())]);
    let mut broker = image.start(context, DATA, &alone)?;
    image.run(&image.health)?.success().context("the health check of a broker that serves")?;
    kcat("-P -t hello -K :", RECORDS)?;
    let metadata = kcat("-L -t hello", "")?;
    ensure!(metadata.contains("broker 1 at localhost:9092"), "what is advertised: {metadata}");
    ensure!(metadata.contains("\"hello\" with 3 partitions"), "KAFKA_NUM_PARTITIONS: {metadata}");
    ensure!(kcat(r"-C -t hello -o beginning -e -q -f %k:%s\n", "")? == RECORDS, "what was produced");
    stop(&mut broker)?;
    let unwell = image.run(&image.health)?;
    ensure!(!unwell.status.success(), "the health check of a broker that has ended");

    let mut again = image.start(context, DATA, &alone)?;
    ensure!(kcat(r"-C -t hello -o beginning -e -q -f %k:%s\n", "")? == RECORDS, "what the volume keeps");
    stop(&mut again)?;
    compose::inside(context, &image)
}

/// A container, and what its image says.
struct Image {
    images: Images,
    container: String,
    entrypoint: Vec<String>,
    health: Vec<String>,
}

impl Image {
    fn read(context: &Context) -> Result<Image> {
        let images = context.tools.images()?;
        let container = fs::read_to_string(context.folder.join("container"))?;
        let mut inspect = images.buildah();
        inspect.args(["inspect", &container]);
        let said = run_program(inspect, b"", CLIENT_DEADLINE)?.success()?.stdout;
        let config = &serde_json::from_str::<Value>(&said)?["Docker"]["config"];
        let words = |value: &Value| -> Result<Vec<String>> { Ok(serde_json::from_value(value.clone())?) };
        let entrypoint = words(&config["Entrypoint"])?;
        let mut health = words(&config["Healthcheck"]["Test"])?;
        ensure!(health.first().is_some_and(|word| word == "CMD"), "the health check: {health:?}");
        health.remove(0);
        Ok(Image { images, container, entrypoint, health })
    }

    fn run(&self, words: &[String]) -> Result<Outcome> {
        let mut command = self.images.buildah();
        command.args(["run", "--isolation", "chroot", &self.container, "--"]).args(words);
        run_program(command, b"", CLIENT_DEADLINE)
    }

    /// With a folder of that name as its volume.
    fn start(&self, context: &Context, data: &str, variables: &BTreeMap<String, String>) -> Result<Process> {
        let data = context.folder.join(data);
        if !data.exists() {
            fs::create_dir(&data)?;
            chown(&data, Some(USER), Some(USER))?;
        }
        let mut command = self.images.buildah();
        command.args(["run", "--isolation", "chroot", "--volume"]);
        command.arg(format!("{}:/var/lib/highwater", data.display()));
        for (name, value) in variables {
            command.args(["--env", &format!("{name}={value}")]);
        }
        command.args([&self.container, "--"]).args(&self.entrypoint);
        newcomer::start_by(context, command, READY_DEADLINE)
    }
}

/// An engine tells the program itself; buildah would kill it.
fn stop(broker: &mut Process) -> Result<()> {
    let program = innermost(broker.id())?;
    let program = Pid::from_raw(i32::try_from(program)?).context("a process has an id")?;
    kill_process(program, Signal::TERM)?;
    let status = broker.wait(READY_DEADLINE)?;
    ensure!(status.success(), "after SIGTERM: {status}");
    Ok(())
}

/// What the child of the child of a process is, as far as it goes.
fn innermost(process: u32) -> Result<u32> {
    let mut innermost = process;
    loop {
        let mut children = String::new();
        for task in fs::read_dir(format!("/proc/{innermost}/task"))? {
            children += &fs::read_to_string(task?.path().join("children"))?;
        }
        match children.split_whitespace().next() {
            Some(child) => innermost = child.parse()?,
            None => return Ok(innermost),
        }
    }
}

fn kcat(words: &str, input: &str) -> Result<String> {
    let mut command = Command::new("kcat");
    command.args(["-b", "localhost:9092"]).args(words.split(' '));
    Ok(run_program(command, input.as_bytes(), CLIENT_DEADLINE)?.success()?.stdout)
}
