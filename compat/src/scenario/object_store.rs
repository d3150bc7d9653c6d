//! `highwater tier probe` on a real S3 server that is not ours (moto's), and on a directory: the store does
//! what it must, and what cannot be is refused in words that say what to do.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::Context;
use crate::broker::{binary, tied_to_this_process};
use crate::process::{Outcome, Process, run as run_program};
use crate::wait::eventually;

const READY_DEADLINE: Duration = Duration::from_secs(60);
const PROBE_DEADLINE: Duration = Duration::from_secs(120);
const BUCKET: &str = "highwater";
/// What the program asks of a store, each a line that begins with `ok`.
const EXPECTED: usize = 10;

/// Runs it.
pub fn run(context: &mut Context) -> Result<()> {
    let folder = context.folder.join("bucket");
    fs::create_dir_all(&folder)?;
    let directory = format!("file://{}", folder.display());
    conforms(context, "a directory", &[("store", &directory)], &[])?;

    let (_server, address) = start(context, "open", &[])?;
    create_bucket(&address)?;
    let endpoint = format!("http://{address}");
    let store = format!("s3://{BUCKET}/some/prefix");
    let there = [("store", store.as_str()), ("endpoint", &endpoint), ("allow.http", "true")];
    let keys = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    conforms(context, "moto", &there, &keys)?;

    let absent = [("store", "s3://nowhere"), ("endpoint", &endpoint), ("allow.http", "true")];
    refused(context, "a bucket that is not there", &absent, &keys, 78, "no such bucket")?;
    refused(context, "plain http", &there[..2], &keys, 78, "highwater.tier.allow.http")?;
    let profile = [there[0], there[1], there[2], ("profile", "mine")];
    refused(context, "a profile that is not there", &profile, &[], 78, "is in neither file")?;
    let closed = [there[0], ("endpoint", "http://127.0.0.1:1"), there[2], ("request.retries", "1")];
    refused(context, "a store that is away", &closed, &keys, 74, "not available")?;

    // With permissions from the second request on: the first one makes the bucket.
    let (_strict, address) = start(context, "strict", &[("INITIAL_NO_AUTH_ACTION_COUNT", "1")])?;
    create_bucket(&address)?;
    let endpoint = format!("http://{address}");
    let strict = [there[0], ("endpoint", endpoint.as_str()), there[2]];
    refused(context, "wrong credentials", &strict, &keys, 78, "InvalidAccessKeyId")
}

/// A server on a port of its choice, which it prints.
fn start(context: &Context, name: &str, variables: &[(&str, &str)]) -> Result<(Process, String)> {
    let mut command = context.tools.moto()?;
    let log = context.folder.join(format!("moto-{name}.log"));
    command = tied_to_this_process(&command);
    command.envs(variables.iter().copied());
    let mut server = Process::spawn_logged(command, &log)?;
    let address = eventually(READY_DEADLINE, "moto", || {
        let ended = server.exited()?;
        ensure!(ended.is_none(), "moto ended: {ended:?}");
        let printed = fs::read_to_string(&log)?;
        let address = printed.lines().find_map(|line| line.trim().strip_prefix("* Running on http://"));
        Ok(address.map(str::to_owned))
    })?;
    Ok((server, address))
}

fn create_bucket(address: &str) -> Result<()> {
    let mut stream = TcpStream::connect(address).context("moto")?;
    stream.set_read_timeout(Some(READY_DEADLINE))?;
    write!(
        stream,
        "PUT /{BUCKET} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    ensure!(response.starts_with("HTTP/1.1 200"), "creating a bucket: {response}");
    Ok(())
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
