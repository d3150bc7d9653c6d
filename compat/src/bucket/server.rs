//! S3 servers that no one here wrote.
//!
//! **Owns** their processes, and what is asked of them from the side: by curl, which signs its requests.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::broker::{free_port, tied_to_this_process};
use crate::process::{Process, run as run_program};
use crate::tools::Tools;
use crate::wait::eventually;

/// The name of each one's bucket.
pub const BUCKET: &str = "highwater";
/// Whoever has these may do everything. moto asks nobody who he is, unless it is told to.
pub const ACCESS_KEY: &str = "highwater";
/// MinIO takes none of less than eight letters.
pub const SECRET_KEY: &str = "no-secret";
const READY_DEADLINE: Duration = Duration::from_secs(60);
const ASK_DEADLINE: Duration = Duration::from_secs(60);
/// moto has larger objects on disk: it would have a whole tier in memory.
const IN_MEMORY_BYTES: &str = "262144";
/// Keys of a page, and pages that are asked for at most.
const PAGE_KEYS: usize = 1_000;
const PAGES_MAX: usize = 1_000;
/// How often a page is asked for at most.
const PAGE_TRIES_MAX: usize = 5;

/// Which one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Quick to install and to start.
    Moto,
    /// What people run.
    Minio,
}

/// One that runs.
pub struct Server {
    address: SocketAddr,
    /// Killed when dropped.
    _process: Process,
}

impl Server {
    /// Starts it, with environment variables, on a port of its own; with one empty bucket. `name` is that of
    /// its log in `folder`.
    pub fn start(
        kind: Kind,
        tools: &Tools,
        folder: &Path,
        name: &str,
        variables: &[(&str, &str)],
    ) -> Result<Server> {
        let log = folder.join(format!("s3-{name}.log"));
        let port = free_port()?;
        let mut command = match kind {
            Kind::Moto => tools.moto()?,
            Kind::Minio => tools.minio(&folder.join(format!("s3-{name}")), port)?,
        };
        command.env("MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", IN_MEMORY_BYTES);
        command.env("MINIO_ROOT_USER", ACCESS_KEY).env("MINIO_ROOT_PASSWORD", SECRET_KEY);
        command.envs(variables.iter().copied());
        let mut process = Process::spawn_logged(tied_to_this_process(&command), &log)?;
        let address = eventually(READY_DEADLINE, &format!("{kind:?}"), || {
            let ended = process.exited()?;
            ensure!(ended.is_none(), "{kind:?} ended: {ended:?}: {}", fs::read_to_string(&log)?);
            match kind {
                Kind::Moto => printed_address(&log),
                Kind::Minio => Ok(Some(SocketAddr::from(([127, 0, 0, 1], port)))),
            }
        })?;
        let server = Server { address, _process: process };
        let mut said = String::new();
        eventually(READY_DEADLINE, "a bucket", || match server.ask("PUT", &format!("/{BUCKET}")) {
            Ok(_) => Ok(Some(())),
            Err(error) => {
                said = error.to_string();
                Ok(None)
            }
        })
        .with_context(|| said)?;
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// One request without a body; the body of its answer. Words of a query stand in the order of the
    /// alphabet: curl signs them as they are.
    fn ask(&self, method: &str, target: &str) -> Result<String> {
        let mut command = Command::new("curl");
        command.args(["-sS", "--fail-with-body", "--aws-sigv4", "aws:amz:us-east-1:s3", "-X", method]);
        command.args(["-u", &format!("{ACCESS_KEY}:{SECRET_KEY}")]);
        command.arg(format!("http://{}{target}", self.address));
        Ok(run_program(command, b"", ASK_DEADLINE)?.success()?.stdout)
    }

    /// moto answers 500 where an object goes away while it lists: then, and whatever else it says, it is
    /// asked again.
    fn page(&self, prefix: &str, after: &str) -> Result<String> {
        let target =
            format!("/{BUCKET}?list-type=2&max-keys={PAGE_KEYS}&prefix={prefix}&start-after={after}");
        let mut tries = (1..PAGE_TRIES_MAX).map(|_| self.ask("GET", &target));
        tries.find(Result::is_ok).unwrap_or_else(|| self.ask("GET", &target))
    }

    /// Keys that begin with `prefix`, without it.
    pub fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        let mut after = String::new();
        let escaped = |key: &str| key.replace('/', "%2F");
        for _ in 0..PAGES_MAX {
            let page = self.page(&escaped(prefix), &escaped(&after))?;
            let on_page = keys.len();
            for piece in page.split("<Key>").skip(1) {
                let key = piece.split("</Key>").next().unwrap_or_default();
                keys.push(key.strip_prefix(prefix).context("a key of somebody else")?.to_owned());
            }
            if keys.len() < on_page + PAGE_KEYS {
                return Ok(keys);
            }
            after = format!("{prefix}{}", keys[keys.len() - 1]);
        }
        Ok(keys)
    }
}

/// moto prints on which port it listens.
fn printed_address(log: &Path) -> Result<Option<SocketAddr>> {
    let printed = fs::read_to_string(log)?;
    let address = printed.lines().find_map(|line| line.trim().strip_prefix("* Running on http://"));
    Ok(address.map(str::parse).transpose()?)
}
