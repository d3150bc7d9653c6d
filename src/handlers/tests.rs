use super::api_versions::{Feature, is_valid_software, supported};
use super::*;
use crate::broker::fixture::BrokerFixture;

fn connection() -> Arc<Connection> {
    let address = "127.0.0.1:9092".parse().expect("a literal address");
    Arc::new(Connection {
        id: 1,
        peer: address,
        local: address,
        listener_name: "PLAINTEXT".to_owned(),
        advertised_host: "127.0.0.1".to_owned(),
        advertised_port: 9092,
        client_software: parking_lot::Mutex::new(None),
    })
}

/// Sends one request through `dispatch`, whose future must be ready at once.
fn ask(connection: &Arc<Connection>, api_key: i16, api_version: i16, body: &'static [u8]) -> Reply {
    let header = RequestHeader { api_key, api_version, correlation_id: 7, client_id: None };
    let fixture = BrokerFixture::start(&[]);
    let context = RequestContext { broker: fixture.broker.clone(), connection: connection.clone(), header };
    let mut handling = dispatch(context, Bytes::from_static(body));
    let mut polling = std::task::Context::from_waker(std::task::Waker::noop());
    match handling.as_mut().poll(&mut polling) {
        std::task::Poll::Ready(reply) => reply,
        std::task::Poll::Pending => panic!("the handler waits"),
    }
}

fn message(reply: Reply) -> Bytes {
    match reply {
        Reply::Message(bytes) => bytes,
        other => panic!("expected a message, got {other:?}"),
    }
}

#[test]
fn the_table_ascends_by_key() {
    assert!(APIS.windows(2).all(|pair| pair[0].key < pair[1].key));
    for api in APIS {
        // `name` fails if `protocol::versions` lacks the key.
        assert!(api.advertised().contains(api.served().start()), "{}", api.name());
    }
}

#[test]
fn api_versions_of_the_future_gets_version_0_with_the_range_of_api_versions() {
    // The body of a version nobody knows yet is not looked at. KIP-511.
    for version in [5, 99, i16::MAX, -1] {
        let bytes = message(ask(&connection(), 18, version, b"\xff\xff\xff\xff"));
        // correlation id, error 35, one row: key 18, versions 0 to 4
        assert_eq!(&bytes[..], b"\0\0\0\x07\0\x23\0\0\0\x01\0\x12\0\0\0\x04", "version {version}");
    }
}

#[test]
fn api_versions_lists_every_api_in_each_version() {
    for version in 0..=4 {
        let body: &[u8] = if version < 3 { b"" } else { b"\x05kcat\x061.7.0\0" };
        let bytes = message(ask(&connection(), 18, version, body));
        assert_eq!(&bytes[..6], b"\0\0\0\x07\0\0", "correlation id, no tagged fields, no error");
        let rows = if version < 3 { bytes[9] } else { bytes[6] - 1 };
        assert_eq!(usize::from(rows), APIS.len(), "version {version}");
    }
}

#[test]
fn api_versions_remembers_the_client_and_refuses_odd_names() {
    let connection = connection();
    let bytes = message(ask(&connection, 18, 3, b"\x10-odd name here!\x061.7.0\0"));
    assert_eq!(&bytes[4..6], 42i16.to_be_bytes());
    assert_eq!(*connection.client_software.lock(), None);
    message(ask(&connection, 18, 3, b"\x05kcat\x061.7.0\0"));
    let expected = ClientSoftware { name: "kcat".to_owned(), version: "1.7.0".to_owned() };
    assert_eq!(*connection.client_software.lock(), Some(expected));
}

#[test]
fn names_of_client_software() {
    let check = |text: &str, valid| assert_eq!(is_valid_software(text), valid, "{text:?}");
    for text in ["a", "7", "apache-kafka-java", "4.3.1", "librdkafka", "a..b", "1.7.0-rc1"] {
        check(text, true);
    }
    for text in ["", "-", ".", "-a", "a-", "a.", "a b", "a_b", "ü", "a\n"] {
        check(text, false);
    }
}

#[test]
fn features_from_zero_need_version_4() {
    let features = [
        Feature { name: "transaction.version", levels: 0..=2 },
        Feature { name: "metadata.version", levels: 7..=25 },
    ];
    let names = |version| {
        let response = supported(version, &features);
        response.supported_features.iter().map(|feature| feature.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(2), [""; 0]);
    assert_eq!(names(3), ["metadata.version"]);
    assert_eq!(names(4), ["transaction.version", "metadata.version"]);
}

#[test]
fn unknown_apis_and_truncated_bodies_close() {
    for (key, version, body) in [(4, 0, &b""[..]), (-1, 0, b""), (18, 3, b"\x05kca")] {
        let reply = ask(&connection(), key, version, body);
        assert!(matches!(reply, Reply::Close(_)), "key {key} version {version}: {reply:?}");
    }
}
