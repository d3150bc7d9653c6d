use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::*;
use crate::protocol::Piece;

/// A short time that is expected to pass.
const SHORT: Duration = Duration::from_millis(50);

/// A handler whose replies wait for permits, and the number of requests it was given.
fn gated() -> (Arc<Semaphore>, Arc<AtomicUsize>, impl RequestHandler) {
    let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate_of_handler, begun_of_handler) = (gate.clone(), begun.clone());
    let handler = Fake(move |header: RequestHeader, _| {
        begun_of_handler.fetch_add(1, Ordering::SeqCst);
        let gate = gate_of_handler.clone();
        done(Reply::pending(async move {
            gate.acquire().await.expect("never closed").forget();
            message(&header, b"")
        }))
    });
    (gate, begun, handler)
}

#[tokio::test]
async fn what_is_no_request_closes_with_one_line() {
    let check = async |bytes: &[u8], expected: &str| {
        let log = Log::capture();
        let server = start_echo(Limits { request_bytes_max: 1000, ..limits() });
        let (mut bad, mut good) = (Client::connect(&server).await, Client::connect(&server).await);
        bad.send(bytes).await;
        assert_eq!(within(bad.0.read(&mut [0])).await.unwrap_or(0), 0, "{bytes:?}");
        good.send(&request(1)).await;
        assert_eq!(good.receive().await.0, 1);
        eventually(|| server.connections() == 1).await;
        let lines: Vec<_> = log.closed().into_iter().filter(|line| line.contains("WARN")).collect();
        assert!(lines.len() == 1 && lines[0].contains(expected), "{lines:?}");
    };
    check(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", "TLS").await;
    check(b"GET /metrics HTTP/1.1\r\n\r\n", "HTTP").await;
    check(b"\xff\xff\xff\xf0", "negative").await;
    check(b"\x7f\xff\xff\xff", "socket.request.max.bytes").await;
    check(b"\0\0\x03\xe9", "socket.request.max.bytes").await;
    check(b"\0\0\0\0", "less than a header").await;
    check(b"\0\0\0\x08\0\x04\0\0\0\0\0\x01", "API key 4").await;
    check(b"\0\0\0\x0a\0\0\0\x02\0\0\0\x01\xff\xff", "Produce request of version 2").await;
    check(b"\0\0\0\x0a\0\x12\0\0\0\0\0\x01\0\x09", "malformed").await;
}

/// Never leaves the second it is in.
struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

#[tokio::test]
async fn warnings_about_clients_are_bounded() {
    let log = Log::capture();
    let env = Env { clock: Arc::new(StoppedClock), ..Env::real() };
    let handler = Fake(|_, _| done(Reply::None));
    let server = Server::start(&env, metrics(), limits(), vec![listener()], handler).expect("a free port");
    for _ in 0..30 {
        let mut client = Client::connect(&server).await;
        client.send(b"GET / HTTP/1.1").await;
        assert_eq!(within(client.0.read(&mut [0])).await.unwrap_or(0), 0);
    }
    let warnings = log.closed().into_iter().filter(|line| line.contains("WARN")).count();
    assert_eq!(warnings, 10);
}

#[tokio::test]
async fn earlier_requests_are_answered_before_a_malformed_one_closes() {
    let server = start_echo(limits());
    let mut client = Client::connect(&server).await;
    let mut bytes = request(1).to_vec();
    bytes.extend_from_slice(b"\xff\xff\xff\xff");
    client.send(&bytes).await;
    assert_eq!(client.receive().await.0, 1);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn half_a_request_is_cut_off() {
    // The length alone; a part of it; a part of the frame.
    for sent in [2, 4, 9] {
        let log = Log::capture();
        let server = start_echo(Limits { request_timeout: SHORT, ..limits() });
        let mut client = Client::connect(&server).await;
        client.send(&request(1)[..sent]).await;
        assert!(client.is_closed().await);
        eventually(|| !log.closed().is_empty()).await;
        assert!(log.closed()[0].contains("stalled inside a request"), "{:?}", log.closed());
    }
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_off() {
    let log = Log::capture();
    let reply = Bytes::from(vec![7; 32 << 20]);
    let limits = Limits { reply_timeout: SHORT, bytes_per_second_min: u32::MAX, ..limits() };
    let server = start(limits, Fake(move |_, _| done(Reply::Message(reply.clone()))));
    let mut client = Client::connect(&server).await;
    client.send(&request(1)).await;
    eventually(|| !log.closed().is_empty()).await;
    assert!(log.closed()[0].contains("does not read its replies"), "{:?}", log.closed());
}

#[tokio::test]
async fn an_idle_connection_is_closed_with_fin() {
    let log = Log::capture();
    let server = start_echo(Limits { idle_max: SHORT, ..limits() });
    let mut client = Client::connect(&server).await;
    client.send(&request(1)).await;
    assert_eq!(client.receive().await.0, 1);
    assert!(client.is_closed().await, "an end of stream, not a reset");
    eventually(|| !log.closed().is_empty()).await;
    assert!(log.closed()[0].contains("idle"), "{:?}", log.closed());
}

#[tokio::test]
async fn a_connection_that_awaits_a_reply_is_not_idle() {
    let (gate, begun, handler) = gated();
    let server = start(Limits { idle_max: SHORT, ..limits() }, handler);
    let (mut waiting, mut idle) = (Client::connect(&server).await, Client::connect(&server).await);
    waiting.send(&request(1)).await;
    eventually(|| begun.load(Ordering::SeqCst) == 1).await;
    // Twice the time, and a connection opened later was closed meanwhile.
    assert!(idle.is_closed().await);
    let mut idle = Client::connect(&server).await;
    assert!(idle.is_closed().await);
    // It is still read, not only drained.
    waiting.send(&request(2)).await;
    eventually(|| begun.load(Ordering::SeqCst) == 2).await;
    gate.add_permits(2);
    assert_eq!(waiting.receive().await.0, 1);
    assert_eq!(waiting.receive().await.0, 2);
    assert!(waiting.is_closed().await);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_room() {
    let server = start_echo(Limits { connections_max: 2, ..limits() });
    let (mut first, mut second) = (Client::connect(&server).await, Client::connect(&server).await);
    for client in [&mut first, &mut second] {
        client.send(&request(1)).await;
        client.receive().await;
    }
    let mut third = Client::connect(&server).await;
    third.send(&request(3)).await;
    settle().await;
    assert!(third.0.try_read(&mut [0]).is_err(), "not served yet, and not closed");
    assert_eq!(server.connections(), 2);
    drop(first);
    assert_eq!(third.receive().await.0, 3);
}

#[tokio::test]
async fn connections_of_one_address_beyond_its_limit_are_closed() {
    let server = start_echo(Limits { connections_per_ip_max: 1, ..limits() });
    let mut first = Client::connect(&server).await;
    first.send(&request(1)).await;
    first.receive().await;
    let mut second = Client::connect(&server).await;
    assert!(second.is_closed().await);
    first.send(&request(2)).await;
    assert_eq!(first.receive().await.0, 2);
}

#[tokio::test]
async fn requests_in_flight_are_bounded() {
    let (gate, begun, handler) = gated();
    let server = start(Limits { in_flight_max: 3, ..limits() }, handler);
    let mut client = Client::connect(&server).await;
    for id in 0..10 {
        client.send(&request(id)).await;
    }
    eventually(|| begun.load(Ordering::SeqCst) == 3).await;
    settle().await;
    assert_eq!(begun.load(Ordering::SeqCst), 3);
    gate.add_permits(10);
    for id in 0..10 {
        assert_eq!(client.receive().await.0, id);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_replies_begins_no_further_request() {
    // More than the sockets' buffers take.
    let content = Bytes::from(vec![7; 32 << 20]);
    for late in [false, true] {
        let begun = Arc::new(AtomicUsize::new(0));
        let (begun_of_handler, content) = (begun.clone(), content.clone());
        let handler = Fake(move |header: RequestHeader, _| {
            begun_of_handler.fetch_add(1, Ordering::SeqCst);
            let id = Bytes::copy_from_slice(&header.correlation_id.to_be_bytes());
            let reply = Reply::Pieces(vec![Piece::Bytes(id), Piece::Bytes(content.clone())]);
            done(if late { Reply::pending(async { reply }) } else { reply })
        });
        let server = start(limits(), handler);
        let mut client = Client::connect(&server).await;
        for id in 0..3 {
            client.send(&request(id)).await;
            settle().await;
        }
        assert_eq!(begun.load(Ordering::SeqCst), 1, "late: {late}");
        for id in 0..3 {
            assert_eq!(client.receive().await.0, id);
        }
    }
}

#[tokio::test]
async fn sockets_are_not_read_while_the_memory_budget_is_exhausted() {
    let (gate, begun, handler) = gated();
    // Room for two requests of 60 KiB, and not for the beginning of a third.
    let limits = Limits { request_memory_bytes_max: 122 * 1024, ..limits() };
    let server = start(limits, handler);
    let mut clients = Vec::new();
    for id in 0..4 {
        let mut client = Client::connect(&server).await;
        client.send(&produce(id, &[0; 60 * 1024])).await;
        clients.push(client);
        let expected = clients.len().min(2);
        eventually(|| begun.load(Ordering::SeqCst) == expected).await;
    }
    settle().await;
    assert_eq!(begun.load(Ordering::SeqCst), 2, "the third is not read");
    gate.add_permits(1);
    assert_eq!(clients[0].receive().await.0, 0);
    eventually(|| begun.load(Ordering::SeqCst) == 3).await;
    gate.add_permits(3);
    for (id, client) in clients.iter_mut().enumerate().skip(1) {
        assert_eq!(client.receive().await.0, id as i32);
    }
}

#[tokio::test]
async fn a_request_bigger_than_the_budget_is_served() {
    let limits = Limits { request_memory_bytes_max: 8 * 1024, ..limits() };
    let server = start_echo(limits);
    let mut clients = [Client::connect(&server).await, Client::connect(&server).await];
    let frame = produce(5, &vec![0; 1 << 20]);
    // Both have begun before either is whole: one goes beyond the budget, the other waits for it.
    for client in &mut clients {
        client.send(&frame[..1 << 16]).await;
    }
    for client in &mut clients {
        let (mut reading, mut writing) = client.0.split();
        let rest = &frame[1 << 16..];
        let (sent, received) = tokio::join!(within(writing.write_all(rest)), within(reading.read_u64()));
        sent.expect("the server reads");
        assert_eq!(received.expect("a reply"), 4 << 32 | 5);
    }
}
