use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;

/// Connections opened, where the limit on descriptors allows.
const CONNECTIONS: usize = 5_000;
/// Most resident memory that one may take, client's end included. DESIGN: 10,000 in less than 100 MiB.
const BYTES_MAX: usize = 10 * 1024;

/// Resident bytes of this process.
#[expect(clippy::disallowed_methods, reason = "the kernel's account of this process, in a test")]
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("every process has it");
    let kibibytes: usize =
        line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number");
    kibibytes * 1024
}

/// Raises the limit on descriptors as far as it goes; gives how many connections fit, both ends in this
/// process.
fn connections_that_fit() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("up to the maximum is allowed");
    maximum.map_or(CONNECTIONS, |maximum| CONNECTIONS.min((maximum as usize).saturating_sub(500) / 2))
}

/// Set for the process that measures.
const ALONE: &str = "HIGHWATER_TEST_ALONE";

/// Runs the measurement in a process of its own: tests beside it would be counted.
#[test]
fn idle_connections_are_cheap() {
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.expect("a runtime").block_on(measure());
    }
    let mut alone = std::process::Command::new(std::env::current_exe().expect("a test has a file"));
    let name = format!("{}::idle_connections_are_cheap", module_path!().split_once("::").expect("a path").1);
    let output = alone.args(["--exact", &name, "--nocapture"]).env(ALONE, "1").output().expect("it starts");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("bytes each"), "{printed}");
    print!("{}", printed.lines().find(|line| line.contains("bytes each")).unwrap_or_default());
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
