use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::oneshot;

use super::*;

#[tokio::test]
async fn replies_leave_in_order_and_later_ones_work_meanwhile() {
    let (release, released) = oneshot::channel::<()>();
    let released = Mutex::new(Some(released));
    let polled = Arc::new(AtomicUsize::new(0));
    let seen = polled.clone();
    let handler = Fake(move |header: RequestHeader, _| {
        let first = released.lock().take();
        let polled = polled.clone();
        done(Reply::pending(async move {
            polled.fetch_add(1, Ordering::SeqCst);
            if let Some(first) = first {
                first.await.expect("the test releases it");
            }
            message(&header, b"")
        }))
    });
    let server = start(limits(), handler);
    let mut client = Client::connect(&server).await;
    for id in 0..5 {
        client.send(&request(id)).await;
    }
    // All five are at work though the first is not answered; none overtakes it.
    eventually(|| seen.load(Ordering::SeqCst) == 5).await;
    assert!(client.0.try_read(&mut [0]).is_err(), "nothing may be sent yet");
    release.send(()).expect("the first reply waits");
    for id in 0..5 {
        assert_eq!(client.receive().await.0, id);
    }
}

#[tokio::test]
async fn requests_without_reply_leave_no_gap() {
    let handler = Fake(|header: RequestHeader, _| match header.correlation_id {
        1 => done(Reply::None),
        3 => done(Reply::pending(async { Reply::None })),
        _ => done(message(&header, b"")),
    });
    let server = start(limits(), handler);
    let mut client = Client::connect(&server).await;
    // Together in one packet, as a pipelining client sends them.
    let together: Vec<u8> = (1..=4).flat_map(|id| request(id).to_vec()).collect();
    client.send(&together).await;
    assert_eq!(client.receive().await.0, 2);
    assert_eq!(client.receive().await.0, 4);
}

#[tokio::test]
async fn a_reply_that_closes_comes_after_earlier_ones() {
    let log = Log::capture();
    let handler = Fake(|header: RequestHeader, _| match header.correlation_id {
        1 => done(Reply::pending(async move {
            settle().await;
            message(&header, b"")
        })),
        _ => done(Reply::Close("enough of it")),
    });
    let server = start(limits(), handler);
    let mut client = Client::connect(&server).await;
    client.send(&request(1)).await;
    client.send(&request(2)).await;
    assert_eq!(client.receive().await.0, 1);
    assert!(client.is_closed().await);
    eventually(|| !log.closed().is_empty()).await;
    assert!(log.closed().iter().any(|line| line.contains("enough of it")), "{:?}", log.closed());
}

#[tokio::test]
async fn requests_of_every_size_arrive_whole() {
    // Around the first read, the trusted size and its doublings.
    let sizes = [0, 1, 4000, 4096, 4097, 60_000, 131_000, 131_072, 140_000, 262_144, 1 << 20, 3_000_001];
    let handler = Fake(|header: RequestHeader, body: Bytes| {
        let answer = crc32c::crc32c(&body).to_be_bytes();
        done(message(&header, &answer))
    });
    let server = start(limits(), handler);
    let mut client = Client::connect(&server).await;
    let records: Vec<u8> = (0..3_000_001u32).map(|index| (index % 251) as u8).collect();
    for pass in 0..2 {
        for size in sizes {
            let frame = produce(size as i32, &records[..size]);
            // Alone, then with a small request behind it in the same packet.
            client.send(&frame).await;
            if pass == 1 {
                client.send(&request(-1)).await;
            }
            // Behind the length: key, version, correlation id, no client id.
            let expected = crc32c::crc32c(&frame[4 + 10..]).to_be_bytes().to_vec();
            assert_eq!(client.receive().await, (size as i32, expected));
            if pass == 1 {
                assert_eq!(client.receive().await.0, -1);
            }
        }
    }
}

#[tokio::test]
async fn a_panic_ends_its_connection_only() {
    let log = Log::capture();
    let handler = Fake(|header: RequestHeader, _| match header.correlation_id {
        13 => panic!("on purpose, by a test"),
        _ => done(message(&header, b"")),
    });
    let server = start(limits(), handler);
    let (mut one, mut other) = (Client::connect(&server).await, Client::connect(&server).await);
    one.send(&request(13)).await;
    assert!(one.is_closed().await);
    other.send(&request(1)).await;
    assert_eq!(other.receive().await.0, 1);
    assert_eq!(server.connections(), 1);
    assert!(log.closed()[0].contains("panicked"), "{:?}", log.closed());
}

#[tokio::test]
async fn the_connection_knows_its_addresses() {
    struct Tell;
    impl RequestHandler for Tell {
        fn handle(&self, connection: &Arc<Connection>, header: RequestHeader, _: Bytes) -> Handling {
            let advertised = format!("{}:{}", connection.advertised_host, connection.advertised_port);
            let text = format!("{} {advertised} {}", connection.listener_name, connection.peer);
            done(message(&header, text.as_bytes()))
        }
    }
    let mut internet = listener();
    internet.name = "INTERNET".to_owned();
    internet.advertised = AdvertisedListener { host: Some("kafka.example".to_owned()), port: Some(443) };
    let everywhere = Listener { host: Host::All, ..listener() };
    let listeners = vec![everywhere, internet];
    let server = Server::start(&Env::real(), metrics(), limits(), listeners, Tell).expect("free ports");
    for (index, advertised) in [None, Some("kafka.example:443")].into_iter().enumerate() {
        let port = server.listeners()[index].address.port();
        let came_to = format!("127.0.0.1:{port}");
        let mut client = Client(within(TcpStream::connect(&came_to)).await.expect("the server listens"));
        client.send(&request(1)).await;
        let from = client.0.local_addr().expect("connected");
        let name = ["PLAINTEXT", "INTERNET"][index];
        let expected = format!("{name} {} {from}", advertised.unwrap_or(&came_to));
        assert_eq!(String::from_utf8(client.receive().await.1).expect("text"), expected);
    }
}

/// Many connections on several threads, requests pipelined, replies awaited off the ordered path: each client
/// sees its own in order, and afterwards nothing is left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn order_holds_on_many_threads() {
    const CLIENTS: usize = 32;
    const REQUESTS: i32 = 500;
    let handler = Fake(|header: RequestHeader, body: Bytes| match header.correlation_id % 5 {
        0 => done(message(&header, b"")),
        1 => done(Reply::None),
        2 => Box::pin(async move {
            tokio::task::yield_now().await;
            message(&header, &body.len().to_be_bytes())
        }),
        _ => done(Reply::pending(async move {
            // From another thread, as a commit wakes it.
            let other = tokio::spawn(async move { message(&header, b"late") });
            other.await.expect("no panic")
        })),
    });
    let metrics = metrics();
    let limits = Limits { in_flight_max: 8, request_memory_bytes_max: 1 << 20, ..limits() };
    let server = Server::start(&Env::real(), metrics.clone(), limits, vec![listener()], handler);
    let server = server.expect("a free port on loopback");
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let stream = within(TcpStream::connect(address(&server))).await.expect("the server listens");
        clients.spawn(async move {
            let (reading, mut writing) = stream.into_split();
            let sending = tokio::spawn(async move {
                for id in 0..REQUESTS {
                    let frame =
                        if id % 7 == 0 { produce(id, &vec![0; 50 * id as usize]) } else { request(id) };
                    writing.write_all(&frame).await.expect("the server reads");
                }
                writing
            });
            let mut reading = tokio::io::BufReader::new(reading);
            for id in (0..REQUESTS).filter(|id| id % 5 != 1) {
                let length = within(reading.read_i32()).await.expect("a reply");
                assert_eq!(within(reading.read_i32()).await.expect("a reply"), id);
                within(reading.read_exact(&mut vec![0; length as usize - 4])).await.expect("a whole reply");
            }
            drop(sending.await.expect("no panic"));
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("no panic");
    }
    eventually(|| server.connections() == 0).await;
    let shown = metrics.render();
    let shows = |name: &str, value: usize| {
        let line = format!("{name} {value}");
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
    };
    shows("highwater_requests_in_progress", 0);
    shows("highwater_request_memory_bytes", 0);
    shows("highwater_connections", 0);
    shows("highwater_connections_accepted_total", CLIENTS);
}
