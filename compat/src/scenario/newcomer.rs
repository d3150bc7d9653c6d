//! The first minute: `highwater` without arguments, kcat on localhost:9092.
//!
//! Its ports are fixed, so it runs in a network namespace of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{CLIENT_DEADLINE, Context};
use crate::broker::{binary, serves, tied_to_this_process};
use crate::namespace;
use crate::process::{Process, run as run_program};
use crate::wait::eventually;

const KAFKA: &str = "127.0.0.1:9092";
const ADMIN: &str = "127.0.0.1:9644";
const READY_DEADLINE: Duration = Duration::from_secs(10);

/// In a network namespace of its own.
pub fn run(context: &mut Context) -> Result<()> {
    let seen = namespace::run_inside(context, "--net", "newcomer")?;
    context.transcript.add(&seen);
    Ok(())
}

/// The scenario proper.
pub fn inside(context: &mut Context) -> Result<()> {
    namespace::loopback_up()?;

    let mut broker = start(context)?;
    kcat(context, "-L", "")?;
    kcat(context, "-P -t hello -K :", "greeting:hello\ngreeting:world\n")?;
    kcat(context, r"-C -t hello -o beginning -e -q -f %k:%s\n", "")?;
    for path in ["/healthz", "/readyz", "/metrics"] {
        let response = get(path)?;
        ensure!(response.starts_with("HTTP/1.1 200 "), "{path}: {response}");
        context.transcript.add(&format!("{path} is well"));
    }
    let status = broker.terminate(READY_DEADLINE)?;
    ensure!(status.success(), "after SIGTERM: {status}");

    let mut again = start(context)?;
    kcat(context, r"-C -t hello -o beginning -e -q -f %k:%s\n", "")?;
    ensure!(context.folder.join("data").is_dir(), "the data does not lie under ./data");
    let status = again.terminate(READY_DEADLINE)?;
    ensure!(status.success(), "after SIGTERM: {status}");
    Ok(())
}

fn start(context: &Context) -> Result<Process> {
    let mut command = Command::new(binary()?);
    command.current_dir(&context.folder);
    start_by(context, command, READY_DEADLINE)
}

/// Starts a broker on the default ports, and waits until it serves.
pub(super) fn start_by(context: &Context, mut command: Command, deadline: Duration) -> Result<Process> {
    command.stdin(Stdio::null());
    let log = context.folder.join("highwater.log");
    let mut broker = Process::spawn_logged(tied_to_this_process(&command), &log)?;
    eventually(deadline, "localhost:9092", || {
        let ended = broker.exited()?;
        ensure!(ended.is_none(), "highwater ended: {ended:?}");
        Ok(serves(KAFKA)?.then_some(()))
    })?;
    Ok(broker)
}

fn kcat(context: &mut Context, words: &str, input: &str) -> Result<()> {
    let mut command = Command::new("kcat");
    command.args(["-b", "localhost:9092"]).args(words.split(' '));
    let seen = run_program(command, input.as_bytes(), CLIENT_DEADLINE)?.success()?;
    context.transcript.section(&format!("kcat -b localhost:9092 {words}"));
    context.transcript.outcome(&seen);
    Ok(())
}

fn get(path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(ADMIN).context("the admin listener")?;
    stream.set_read_timeout(Some(READY_DEADLINE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}
