use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;
use crate::env::time::timeout;
use crate::model::Timestamp;

/// Longest wait for anything in these tests; none of them takes a tenth of it.
const DEADLINE: Duration = Duration::from_secs(10);

fn any_port() -> AdminListener {
    AdminListener { host: Host::Named("127.0.0.1".to_owned()), port: 0 }
}

async fn get_path(address: SocketAddr, path: &str) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut response = String::new();
        stream.read_to_string(&mut response).await.expect("it answers and closes");
        response
    };
    timeout(DEADLINE, exchange).await.expect("in time")
}

#[tokio::test]
async fn each_phase_answers_its_probes() {
    let server = AdminServer::bind(&any_port()).await.expect("any port");
    let address = server.address();
    assert_ne!(address.port(), 0);
    let (health, metrics) = (Arc::new(Health::default()), Metrics::new(Timestamp(0), 10));
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(server.serve(health.clone(), metrics, async {
        let _ = stopped.await;
    }));
    for (phase, alive, ready) in [
        (Phase::Starting, "200 OK", "503 Service Unavailable"),
        (Phase::Ready, "200 OK", "200 OK"),
        (Phase::Stopping, "200 OK", "503 Service Unavailable"),
        (Phase::Failed, "503 Service Unavailable", "503 Service Unavailable"),
    ] {
        health.set(phase);
        for (path, status) in [("/healthz", alive), ("/readyz", ready)] {
            let response = get_path(address, path).await;
            assert!(response.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{phase:?} {path}: {response}");
            assert!(
                response.ends_with(&format!("\r\n\r\n{}\n", phase.word())),
                "{phase:?} {path}: {response}"
            );
        }
    }
    health.set(Phase::Ready);
    assert_eq!(health.phase(), Phase::Failed, "a failed process stays failed");

    let response = get_path(address, "/metrics").await;
    assert!(response.contains("content-type: application/openmetrics-text"), "{response}");
    assert!(response.ends_with("# EOF\n"), "{response}");
    assert!(get_path(address, "/etc/passwd").await.starts_with("HTTP/1.1 404"));

    stop.send(()).expect("it serves");
    timeout(DEADLINE, served).await.expect("in time").expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_tier_nothing_is_told_before_the_broker_is_open_or_where_there_is_none() {
    let server = AdminServer::bind(&any_port()).await.expect("any port");
    let (address, late_broker) = (server.address(), server.broker());
    let (health, metrics) = (Arc::new(Health::default()), Metrics::new(Timestamp(0), 10));
    let served = tokio::spawn(server.serve(health, metrics, std::future::pending()));
    let paths = ["/tier", "/tier/after/t/0", "/tier/partition/t/0", "/tier/segments/t/0/0"];
    for path in paths {
        let response = get_path(address, path).await;
        assert!(response.starts_with("HTTP/1.1 503"), "{path}: {response}");
        assert!(response.ends_with("the broker is not open yet\n"), "{path}: {response}");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let broker = crate::broker::testing::open(directory.path(), &[]);
    late_broker.set(&broker);
    for path in paths {
        let response = get_path(address, path).await;
        assert!(response.starts_with("HTTP/1.1 404"), "{path}: {response}");
    }
    assert!(get_path(address, "/tier").await.contains("highwater.tier.store"));
    // What is no number is a mistake of who asks.
    assert!(get_path(address, "/tier/segments/t/0/x").await.starts_with("HTTP/1.1 400"));
    broker.close().await.expect("it closes");
    served.abort();
}

#[tokio::test]
async fn a_taken_port_says_what_to_do() {
    let first = AdminServer::bind(&any_port()).await.expect("any port");
    let taken = AdminListener { port: first.address().port(), ..any_port() };
    let message = AdminServer::bind(&taken).await.err().expect("it is taken").to_string();
    assert!(message.contains(&first.address().to_string()), "{message}");
    assert!(message.contains("highwater.admin.listener"), "{message}");
}

#[tokio::test]
async fn a_header_without_end_is_cut_off() {
    let server = AdminServer::bind(&any_port()).await.expect("any port");
    let address = server.address();
    let (health, metrics) = (Arc::new(Health::default()), Metrics::new(Timestamp(0), 10));
    let served = tokio::spawn(server.serve(health, metrics, std::future::pending()));
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let line = format!("x: {}\r\n", "y".repeat(8_000));
        stream.write_all(b"GET /healthz HTTP/1.1\r\n").await.expect("it reads");
        // 8 MB of headers: far above any bound. A write fails once the other side has closed.
        for _ in 0..1_000 {
            if stream.write_all(line.as_bytes()).await.is_err() {
                break;
            }
        }
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response).await;
        response
    };
    let response = timeout(DEADLINE, exchange).await.expect("it does not read for ever");
    let response = String::from_utf8_lossy(&response);
    assert!(response.is_empty() || response.starts_with("HTTP/1.1 431"), "{response}");
    served.abort();
}
