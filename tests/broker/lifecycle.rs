//! Start, probes, signals and exit codes.

use std::io::Write;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::batches::batch;
use crate::client::Client;
use crate::eventually::eventually;
use crate::hostile::deaf;
use crate::process::{DEADLINE, Process, command, listeners_file, run_to_end};
use crate::requests::{FETCH, fetch};
use crate::wire;

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn it_serves_when_it_says_so_and_ends_with_0_when_asked() {
    for signal in [Signal::TERM, Signal::INT] {
        let directory = directory();
        let process = Process::start(directory.path());
        drop(process.connect());
        for (path, status) in [("/readyz", "200"), ("/healthz", "200"), ("/metrics", "200"), ("/", "404")] {
            let response = process.http_get(path);
            assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {response}");
        }
        process.signal(signal);
        let (code, log) = process.end();
        assert_eq!(code, Some(0), "{log}");
        for words in
            ["Transitioning from RECOVERY to RUNNING: PLAINTEXT on 127.0.0.1:", "everything is on disk"]
        {
            assert!(log.contains(words), "{words} is not in {log}");
        }
        assert_eq!(listeners_file(directory.path()), None, "its ports are closed");
    }
}

#[test]
fn it_starts_again_after_a_kill_and_after_a_stop() {
    let directory = directory();
    let identity =
        || std::process::Command::new("cat").arg(directory.path().join("meta.properties")).output();
    let process = Process::start(directory.path());
    let first = identity().expect("cat can be run").stdout;
    process.signal(Signal::KILL);
    assert_eq!(process.end().0, None, "it was killed");
    for _ in 0..2 {
        let process = Process::start(directory.path());
        assert_eq!(identity().expect("cat can be run").stdout, first, "the cluster keeps its id");
        process.signal(Signal::TERM);
        let (code, log) = process.end();
        assert_eq!(code, Some(0), "{log}");
    }
}

#[test]
fn mistakes_end_with_their_code_and_say_what_to_do() {
    let taken = directory();
    let process = Process::start(taken.path());
    let port = process.connect().peer_addr().expect("it is connected").port();
    let own = directory();
    let with = |overrides: &[&str]| {
        let mut command = command(own.path());
        for pair in overrides {
            command.args(["--override", pair]);
        }
        run_to_end(&mut command)
    };
    let taken_directory = format!("log.dirs={}", taken.path().display());
    let taken_port = format!("listeners=PLAINTEXT://127.0.0.1:{port}");
    for (overrides, code, words) in [
        (
            &["num.partitions=0"][..],
            78,
            "num.partitions=0 (--override) cannot be used: Value must be at least 1",
        ),
        (&["listeners=SSL://:0"], 78, "TLS or SASL, which are not served yet"),
        (&[taken_directory.as_str()], 78, "in use by another process"),
        (&[taken_port.as_str()], 1, "choose another one with listeners="),
        (&["nothing"], 2, "key=value"),
    ] {
        let (ended, log) = with(overrides);
        assert_eq!(ended, Some(code), "{overrides:?}: {log}");
        assert!(log.contains(words), "{overrides:?}: {words} is not in {log}");
    }
}

/// Small enough that a reply of a megabyte does not fit between broker and client.
const SEND_BUFFER: &str = "socket.send.buffer.bytes=4096";

/// A consumer that does not read its reply: it holds up an orderly end until its time is over.
fn deaf_consumer(process: &Process) -> Client {
    let mut client = process.client();
    let topic = client.create_topic("greetings", 1, &[]);
    client.append(&topic, 0, batch(&[&"x".repeat(1_000_000)]));
    let mut deaf = deaf(process);
    deaf.send(FETCH, &fetch(FETCH, &topic, 0, 0));
    process.wait_for_requests_in_progress(1);
    deaf
}

#[test]
fn a_second_signal_stops_at_once() {
    let directory = directory();
    let process =
        Process::start_with(directory.path(), &["highwater.shutdown.timeout.ms=600000", SEND_BUFFER]);
    let _consumer = deaf_consumer(&process);
    process.signal(Signal::TERM);
    eventually(DEADLINE, "the first signal to be seen", || {
        process.http_get("/readyz").contains("503 Service Unavailable").then_some(())
    });
    process.signal(Signal::TERM);
    let (code, log) = process.end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("SIGTERM again: stopped at once"), "{log}");
    let again = Process::start(directory.path());
    again.signal(Signal::TERM);
    assert_eq!(again.end().0, Some(0), "nothing was harmed");
}

#[test]
fn who_waits_too_long_does_not_hold_up_the_end() {
    let directory = directory();
    let process = Process::start_with(directory.path(), &["highwater.shutdown.timeout.ms=5000", SEND_BUFFER]);
    let _consumer = deaf_consumer(&process);
    // 60 % of five seconds for requests; the rest is enough for a checkpoint of nothing.
    process.signal(Signal::TERM);
    let (code, log) = process.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("requests that took too long were cut off"), "{log}");
}

#[test]
fn a_consumer_that_waits_for_records_does_not_hold_up_the_end() {
    let directory = directory();
    let process = Process::start_with(directory.path(), &["highwater.shutdown.timeout.ms=600000"]);
    let mut stream = process.connect();
    wire::create_topic(&mut stream, "greetings");
    // Longer than this test may take.
    stream.write_all(&wire::fetch("greetings", DEADLINE * 10)).expect("it reads");
    process.wait_for_requests_in_progress(1);
    process.signal(Signal::TERM);
    let (code, log) = process.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("cut off"), "{log}");
}
