//! Memory of a broker that does nothing, alone and with many connections.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use compat::broker::ask;
use compat::tools::Tools;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::figures::{Figures, Label};
use crate::{machine, start};

const CONNECTIONS: u64 = 10_000;
/// File handles beside connections.
const OTHER_FILES: u64 = 1_000;
const PATIENCE: Duration = Duration::from_secs(20);
/// What is settled by then, is settled.
const SETTLE: Duration = Duration::from_secs(2);
/// More than the answer to ApiVersions has.
const ANSWER_BYTES_MAX: usize = 1 << 16;

/// ApiVersions (key 18) version 0, correlation id 7, no client id.
const REQUEST: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// Lets this process, and what it starts, have a file handle for each connection; how many are possible.
pub fn raise_limit() -> Result<u64> {
    let wanted = CONNECTIONS + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(CONNECTIONS);
    }
    let maximum = limit.maximum.map(|maximum| maximum.max(wanted));
    let raised = Rlimit { current: Some(wanted), maximum };
    if setrlimit(Resource::Nofile, raised).is_ok() {
        return Ok(CONNECTIONS);
    }
    let maximum = limit.maximum.context("a limit that cannot be raised is one")?;
    setrlimit(Resource::Nofile, Rlimit { current: Some(maximum), maximum: limit.maximum })?;
    Ok(maximum.saturating_sub(OTHER_FILES))
}

/// A new broker: resident when it has settled, and what connections add that have asked one question each.
pub fn measure(tools: &Tools, label: &Label, folder: &Path, connections: u64) -> Result<Figures> {
    let (mut broker, _) = start::empty(tools, label, folder)?;
    wait(SETTLE);
    let before = machine::process(broker.id())?;
    let address: SocketAddr = broker.bootstrap().parse()?;
    let open: Result<Vec<TcpStream>> = (0..connections).map(|_| connected(address)).collect();
    let open = open.with_context(|| format!("{connections} connections"))?;
    wait(SETTLE);
    let after = machine::process(broker.id())?;
    drop(open);
    broker.stop()?;
    Ok(Figures::from([
        ("idle_rss_mib".to_owned(), before.rss_mib),
        ("idle_rss_peak_mib".to_owned(), before.rss_peak_mib),
        ("connections".to_owned(), connections as f64),
        ("connected_rss_mib".to_owned(), after.rss_mib),
        ("connections_mib".to_owned(), after.rss_mib - before.rss_mib),
    ]))
}

/// A connection that has asked once.
fn connected(address: SocketAddr) -> Result<TcpStream> {
    Ok(ask(address, &REQUEST, PATIENCE, 0..ANSWER_BYTES_MAX + 1)?.0)
}

fn wait(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}
