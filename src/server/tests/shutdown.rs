use tokio::sync::oneshot;

use super::*;

#[tokio::test]
async fn requests_under_way_are_finished() {
    let (release, released) = oneshot::channel::<()>();
    let released = Mutex::new(Some(released));
    let handler = Fake(move |header: RequestHeader, _| {
        let released = released.lock().take().expect("one request");
        done(Reply::pending(async move {
            released.await.expect("the test releases it");
            message(&header, b"")
        }))
    });
    let server = start(limits(), handler);
    let (mut busy, mut idle) = (Client::connect(&server).await, Client::connect(&server).await);
    busy.send(&request(1)).await;
    eventually(|| server.connections() == 2).await;
    settle().await;
    let address = address(&server);
    let stopping = tokio::spawn(server.shutdown(PATIENCE));
    assert!(idle.is_closed().await);
    within(async {
        // The listener's socket is closed a moment later.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!stopping.is_finished());
    release.send(()).expect("the reply waits");
    assert_eq!(busy.receive().await.0, 1);
    assert!(busy.is_closed().await);
    assert!(within(stopping).await.expect("no panic"), "all were finished");
}

#[tokio::test]
async fn a_deadline_ends_what_does_not_finish() {
    let server = start(limits(), Fake(|_, _| done(Reply::pending(std::future::pending()))));
    let mut client = Client::connect(&server).await;
    client.send(&request(1)).await;
    eventually(|| server.connections() == 1).await;
    settle().await;
    assert!(!within(server.shutdown(Duration::from_millis(10))).await);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let server = start_echo(limits());
    let taken = Listener { port: address(&server).port(), ..listener() };
    let refuse = Fake(|_, _| done(Reply::None));
    let refused = Server::start(&Env::real(), metrics(), limits(), vec![taken], refuse);
    let words = refused.err().expect("the port is taken").to_string();
    assert!(words.contains(&address(&server).port().to_string()) && words.contains("PLAINTEXT"), "{words}");
}
