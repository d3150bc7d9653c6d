use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;
use crate::env::alone::{alone, is_alone, resident_bytes};

/// Connections opened, where the limit on descriptors allows.
const CONNECTIONS: usize = 5_000;
/// Most resident memory that one may take, client's end included. DESIGN: 10,000 in less than 100 MiB.
const BYTES_MAX: usize = 10 * 1024;

/// Raises the limit on descriptors as far as it goes; gives how many connections fit, both ends in this
/// process.
fn connections_that_fit() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("up to the maximum is allowed");
    maximum.map_or(CONNECTIONS, |maximum| CONNECTIONS.min((maximum as usize).saturating_sub(500) / 2))
}

#[test]
fn idle_connections_are_cheap() {
    if is_alone() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.expect("a runtime").block_on(measure());
    }
    let printed = alone(module_path!(), "idle_connections_are_cheap");
    print!("{}", printed.lines().find(|line| line.contains("bytes each")).expect("it tells"));
}

async fn measure() {
    let count = connections_that_fit();
    let server = start_echo(limits());
    let mut clients = Vec::with_capacity(count);
    // One before the count begins, so that what is allocated once is not counted.
    let mut first = Client::connect(&server).await;
    first.send(&request(0)).await;
    first.receive().await;
    let before = resident_bytes();
    while clients.len() < count {
        let mut client = Client::connect(&server).await;
        // Each has been in use once: what a request needs must be gone when it is answered.
        client.send(&request(1)).await;
        client.receive().await;
        clients.push(client);
    }
    assert_eq!(server.connections(), count + 1);
    let each = resident_bytes().saturating_sub(before) / count;
    println!("{count} idle connections: {each} bytes each, client's end included");
    assert!(each <= BYTES_MAX, "{each} bytes each");
}
