//! `highwater tier probe` on real S3 servers that are not ours (moto's, MinIO), and on a directory: the store
//! does what it must, and what cannot be is refused in words that say what to do.

pub mod azure;
pub mod identity;

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::Context;
use crate::broker::{binary, tied_to_this_process};
use crate::bucket::{ACCESS_KEY, BUCKET, Kind, SECRET_KEY, Server};
use crate::process::{Outcome, Process, run as run_program};
use crate::wait::eventually;

const READY_DEADLINE: Duration = Duration::from_secs(60);
const PROBE_DEADLINE: Duration = Duration::from_secs(120);
/// What the program asks of a store, each a line that begins with `ok`.
const EXPECTED: usize = 10;

/// Runs it.
pub fn run(context: &mut Context) -> Result<()> {
    let folder = context.folder.join("bucket");
    fs::create_dir_all(&folder)?;
    let directory = format!("file://{}", folder.display());
    conforms(context, "a directory", &[("store", &directory)], &[])?;

    let server = Server::start(Kind::Moto, context.tools, &context.folder, "open", &[])?;
    asked_as_it_should_be(context, &server, "moto")?;
    // With permissions from the second request on: the first one makes the bucket.
    let late = [("INITIAL_NO_AUTH_ACTION_COUNT", "1")];
    let strict = Server::start(Kind::Moto, context.tools, &context.folder, "strict", &late)?;
    knows_nobody(context, &strict)
}

/// The same on MinIO.
pub fn run_minio(context: &mut Context) -> Result<()> {
    let server = Server::start(Kind::Minio, context.tools, &context.folder, "open", &[])?;
    asked_as_it_should_be(context, &server, "MinIO")?;
    knows_nobody(context, &server)
}

/// It conforms, and what cannot be is refused.
fn asked_as_it_should_be(context: &mut Context, server: &Server, what: &str) -> Result<()> {
    let endpoint = format!("http://{}", server.address());
    let store = format!("s3://{BUCKET}/some/prefix");
    let there = [("store", store.as_str()), ("endpoint", &endpoint), ("allow.http", "true")];
    let keys = keys(ACCESS_KEY);
    conforms(context, what, &there, &keys)?;

    let absent = [("store", "s3://nowhere"), ("endpoint", &endpoint), ("allow.http", "true")];
    refused(context, "a bucket that is not there", &absent, &keys, 78, "no such bucket")?;
    refused(context, "plain http", &there[..2], &keys, 78, "highwater.tier.allow.http")?;
    let profile = [there[0], there[1], there[2], ("profile", "mine")];
    refused(context, "a profile that is not there", &profile, &[], 78, "is in neither file")?;
    let closed = [there[0], ("endpoint", "http://127.0.0.1:1"), there[2], ("request.retries", "1")];
    refused(context, "a store that is away", &closed, &keys, 74, "not available")
}

/// A key that nobody was given.
fn knows_nobody(context: &mut Context, server: &Server) -> Result<()> {
    let endpoint = format!("http://{}", server.address());
    let store = format!("s3://{BUCKET}/some/prefix");
    let there = [("store", store.as_str()), ("endpoint", &endpoint), ("allow.http", "true")];
    refused(context, "wrong credentials", &there, &keys("nobody"), 78, "InvalidAccessKeyId")
}

fn keys(access_key: &str) -> [(&str, &str); 2] {
    [("AWS_ACCESS_KEY_ID", access_key), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)]
}

/// A server, once it takes connections at its address.
fn listening(command: &Command, log: &Path, at: SocketAddr) -> Result<Process> {
    let mut process = Process::spawn_logged(tied_to_this_process(command), log)?;
    eventually(READY_DEADLINE, "a server to listen", || {
        ensure!(process.exited()?.is_none(), "it ended: {}", fs::read_to_string(log)?);
        Ok(TcpStream::connect(at).ok())
    })?;
    Ok(process)
}

/// `highwater tier probe` with those settings of `highwater.tier.`, and no variables but those.
fn probe(context: &Context, settings: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Outcome> {
    let mut command = Command::new(binary()?);
    command.env_clear().env("HOME", &context.folder).envs(variables.iter().copied());
    command.args(["tier", "probe", "--override", "highwater.tier.part.bytes=5242880"]);
    for (key, value) in settings {
        command.args(["--override", &format!("highwater.tier.{key}={value}")]);
    }
    run_program(command, b"", PROBE_DEADLINE)
}

fn conforms(
    context: &mut Context,
    what: &str,
    settings: &[(&str, &str)],
    variables: &[(&str, &str)],
) -> Result<()> {
    let outcome = probe(context, settings, variables)?.success()?;
    let ok = outcome.stdout.lines().filter(|line| line.starts_with("ok ")).count();
    ensure!(ok == EXPECTED, "{what}: {}", outcome.stdout);
    context.transcript.section(what);
    context.transcript.add(&outcome.stdout);
    Ok(())
}

fn refused(
    context: &mut Context,
    what: &str,
    settings: &[(&str, &str)],
    variables: &[(&str, &str)],
    code: i32,
    words: &str,
) -> Result<()> {
    let outcome = probe(context, settings, variables)?;
    ensure!(outcome.status.code() == Some(code), "{what}: {} {}", outcome.status, outcome.stderr);
    ensure!(outcome.stderr.contains(words), "{what}: {}", outcome.stderr);
    context.transcript.section(what);
    context.transcript.add(&format!("is refused, with {code} and the words {words:?}"));
    Ok(())
}
