//! Whether a broker serves: a Metadata request, byte by byte, so that no client's patience is measured.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

const ATTEMPT_DEADLINE: Duration = Duration::from_secs(2);
const RESPONSE_BYTES_MAX: usize = 1 << 20;

/// Metadata (key 3) version 1, correlation id 7, no client id, all topics.
const REQUEST: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/// Whether the broker names at least one broker (itself) in its metadata. False while it cannot be reached.
pub fn serves(address: &str) -> Result<bool> {
    let address: SocketAddr = address.parse().with_context(|| format!("{address} is no address"))?;
    Ok(brokers_count(address).is_ok_and(|count| count > 0))
}

fn brokers_count(address: SocketAddr) -> Result<i32> {
    let (_, response) = ask(address, &REQUEST, ATTEMPT_DEADLINE, 12..RESPONSE_BYTES_MAX)?;
    // Correlation id, then the array of brokers.
    let count = response[4..8].try_into().context("four bytes")?;
    Ok(i32::from_be_bytes(count))
}

/// Sends a frame over a connection of its own; gives that, and the answer without its length, which must be
/// one of `lengths`.
pub fn ask(
    address: SocketAddr,
    frame: &[u8],
    deadline: Duration,
    lengths: Range<usize>,
) -> Result<(TcpStream, Vec<u8>)> {
    let mut stream = TcpStream::connect_timeout(&address, deadline)?;
    stream.set_read_timeout(Some(deadline))?;
    stream.write_all(frame)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length))?;
    ensure!(lengths.contains(&length), "a response of {length} bytes");
    let mut response = vec![0; length];
    stream.read_exact(&mut response)?;
    Ok((stream, response))
}

/// A loopback port that was free a moment ago.
///
/// Below the range from which the kernel takes ports for outgoing connections (32768 and up): one of those
/// could sit on the port of a broker that was killed and is about to start again.
pub fn free_port() -> Result<u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u32 = 12_000;
    static TRIED: AtomicU32 = AtomicU32::new(0);
    // Runs side by side begin at different places.
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let place = start.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = FIRST + u16::try_from(place)?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port from {FIRST} on is free")
}
