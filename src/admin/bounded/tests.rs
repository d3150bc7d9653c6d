use tokio::io::AsyncReadExt;

use super::*;
use crate::env::time::timeout;

const DEADLINE: Duration = Duration::from_secs(10);

async fn listener(connections_max: usize, life_max: Duration) -> (BoundedListener, SocketAddr) {
    let inner = TcpListener::bind("127.0.0.1:0").await.expect("any port");
    let address = inner.local_addr().expect("it is bound");
    (BoundedListener::new(inner, connections_max, life_max), address)
}

#[tokio::test]
async fn a_silent_connection_ends_when_its_time_is_over() {
    let (mut listener, address) = listener(1, Duration::from_millis(20)).await;
    let _client = TcpStream::connect(address).await.expect("it listens");
    let (mut stream, _) = timeout(DEADLINE, listener.accept()).await.expect("in time");
    let read = timeout(DEADLINE, stream.read_u8()).await.expect("in time");
    assert_eq!(read.expect_err("nothing was sent").kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn one_more_waits_until_one_has_gone() {
    let (mut listener, address) = listener(1, DEADLINE).await;
    let _clients = (TcpStream::connect(address).await, TcpStream::connect(address).await);
    let first = timeout(DEADLINE, listener.accept()).await.expect("in time");
    let second = timeout(Duration::from_millis(20), listener.accept()).await;
    assert!(second.is_err(), "the second is not accepted beside the first");
    drop(first);
    timeout(DEADLINE, listener.accept()).await.expect("now there is room");
}
