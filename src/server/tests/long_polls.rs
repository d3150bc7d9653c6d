use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A budget for one big request and no second one.
const BUDGET_BYTES: u64 = 122 * 1024;

/// What `produce` sends to fill the budget.
static BIG: [u8; 120 * 1024] = [0; 120 * 1024];

/// A handler whose big requests are long polls that keep `held_bytes` and wait until they are asked to hurry;
/// the others are answered at once. And the number of big ones that it was given.
fn polls(held_bytes: u64) -> (Arc<AtomicUsize>, impl RequestHandler) {
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = begun.clone();
    let handler = Fake(move |header: RequestHeader, body: Bytes| {
        if body.is_empty() {
            return done(message(&header, b"at once"));
        }
        counted.fetch_add(1, Ordering::SeqCst);
        done(Reply::waiting(held_bytes, |hurry| async move {
            hurry.asked().await;
            message(&header, b"hurried")
        }))
    });
    (begun, handler)
}

#[tokio::test]
async fn requests_of_long_polls_leave_the_memory_budget() {
    let (begun, handler) = polls(100);
    let server = start(Limits { request_memory_bytes_max: BUDGET_BYTES, ..limits() }, handler);
    let mut clients = Vec::new();
    for id in 0..4 {
        let mut client = Client::connect(&server).await;
        client.send(&produce(id, &BIG)).await;
        clients.push(client);
        eventually(|| begun.load(Ordering::SeqCst) == clients.len()).await;
    }
    let mut other = Client::connect(&server).await;
    other.send(&request(9)).await;
    assert_eq!(other.receive().await.0, 9);
}

#[tokio::test]
async fn long_polls_that_would_keep_too_much_do_not_wait() {
    // Room for one of them in the long polls' part of the budget.
    let (begun, handler) = polls(BUDGET_BYTES / 4 - 1024);
    let server = start(Limits { request_memory_bytes_max: BUDGET_BYTES, ..limits() }, handler);
    let (mut first, mut second) = (Client::connect(&server).await, Client::connect(&server).await);
    first.send(&produce(1, &BIG)).await;
    eventually(|| begun.load(Ordering::SeqCst) == 1).await;
    second.send(&produce(2, &BIG)).await;
    assert_eq!(second.receive().await, (2, b"hurried".to_vec()));
    assert!(first.0.try_read(&mut [0]).is_err(), "the first waits");
}

#[tokio::test]
async fn the_end_of_a_client_is_seen_while_the_budget_is_exhausted() {
    // A request that stays in the budget.
    let handler = Fake(|_, _| done(Reply::pending(std::future::pending())));
    let limits = Limits {
        request_memory_bytes_max: BUDGET_BYTES,
        drain_timeout: Duration::from_millis(50),
        ..limits()
    };
    let server = start(limits, handler);
    let (mut holder, idle) = (Client::connect(&server).await, Client::connect(&server).await);
    holder.send(&produce(1, &BIG)).await;
    eventually(|| server.connections() == 2).await;
    settle().await;
    drop(idle);
    eventually(|| server.connections() == 1).await;
    drop(holder);
    eventually(|| server.connections() == 0).await;
}

#[tokio::test]
async fn long_polls_end_with_their_client() {
    let (_, handler) = polls(100);
    let metrics = metrics();
    let limits = Limits { in_flight_max: 3, ..limits() };
    let server = Server::start(&Env::real(), metrics.clone(), limits, vec![listener()], handler);
    let server = server.expect("a free port on loopback");
    // One has room for further requests, the other has none.
    for requests in [1, 3] {
        let mut client = Client::connect(&server).await;
        for id in 0..requests {
            client.send(&produce(id, b"records")).await;
        }
        eventually(|| server.connections() == 1).await;
        settle().await;
        drop(client);
        eventually(|| server.connections() == 0).await;
    }
    assert!(metrics.render().lines().any(|line| line == "highwater_request_memory_bytes 0"));
}

#[tokio::test]
async fn an_orderly_stop_answers_long_polls_at_once() {
    for in_flight_max in [1, 64] {
        let (begun, handler) = polls(100);
        let server = start(Limits { in_flight_max, ..limits() }, handler);
        let mut client = Client::connect(&server).await;
        client.send(&produce(1, b"records")).await;
        eventually(|| begun.load(Ordering::SeqCst) == 1).await;
        settle().await;
        assert!(within(server.shutdown(PATIENCE)).await, "nothing was cut");
        assert_eq!(client.receive().await, (1, b"hurried".to_vec()));
        assert!(client.is_closed().await);
    }
}
