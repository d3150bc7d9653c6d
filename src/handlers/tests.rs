use super::api_versions::{Feature, is_valid_software, supported};
use std::ops::RangeInclusive;

use super::testing::TestBroker;
use super::*;
use crate::protocol::versions::API_VERSIONS_KEY;

/// Sends one request through `dispatch`, whose future must be ready at once.
fn ask(test: &TestBroker, api_key: i16, api_version: i16, body: &'static [u8]) -> Reply {
    let header = RequestHeader { api_key, api_version, correlation_id: 7, client_id: None };
    let context = RequestContext { broker: test.broker.clone(), connection: test.connection.clone(), header };
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

#[tokio::test]
async fn api_versions_of_the_future_gets_version_0_with_the_range_of_api_versions() {
    let test = TestBroker::start();
    // The body of a version nobody knows yet is not looked at. KIP-511.
    for version in [5, 99, i16::MAX, -1] {
        let bytes = message(ask(&test, 18, version, b"\xff\xff\xff\xff"));
        // correlation id, error 35, one row: key 18, versions 0 to 4
        assert_eq!(&bytes[..], b"\0\0\0\x07\0\x23\0\0\0\x01\0\x12\0\0\0\x04", "version {version}");
    }
}

#[tokio::test]
async fn api_versions_lists_every_api_in_each_version() {
    let test = TestBroker::start();
    for version in 0..=4 {
        let body: &[u8] = if version < 3 { b"" } else { b"\x05kcat\x061.7.0\0" };
        let bytes = message(ask(&test, 18, version, body));
        assert_eq!(&bytes[..6], b"\0\0\0\x07\0\0", "correlation id, no tagged fields, no error");
        let rows = if version < 3 { bytes[9] } else { bytes[6] - 1 };
        assert_eq!(usize::from(rows), APIS.len(), "version {version}");
    }
}

#[tokio::test]
async fn api_versions_remembers_the_client_and_refuses_odd_names() {
    let test = TestBroker::start();
    let software = &test.connection.client_software;
    let bytes = message(ask(&test, 18, 3, b"\x10-odd name here!\x061.7.0\0"));
    assert_eq!(&bytes[4..6], 42i16.to_be_bytes());
    assert_eq!(*software.lock(), None);
    message(ask(&test, 18, 3, b"\x05kcat\x061.7.0\0"));
    let expected = ClientSoftware { name: "kcat".to_owned(), version: "1.7.0".to_owned() };
    assert_eq!(*software.lock(), Some(expected));
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

#[tokio::test]
async fn unknown_apis_and_truncated_bodies_close() {
    let test = TestBroker::start();
    for (key, version, body) in [(4, 0, &b""[..]), (-1, 0, b""), (18, 3, b"\x05kca")] {
        let reply = ask(&test, key, version, body);
        assert!(matches!(reply, Reply::Close(_)), "key {key} version {version}: {reply:?}");
    }
}

const LIST_GROUPS: i16 = 16;
const LIST_GROUPS_ASKS_FROM: i16 = 3;

#[tokio::test]
async fn every_api_closes_on_bytes_that_are_no_request() {
    let test = TestBroker::start();
    for api in APIS.iter().filter(|api| api.key != API_VERSIONS_KEY) {
        // Old versions of ListGroups ask nothing: nothing can be wrong with them.
        let asks = |version: &i16| api.key != LIST_GROUPS || *version >= LIST_GROUPS_ASKS_FROM;
        for version in api.served().filter(asks) {
            let reply = ask(&test, api.key, version, b"\xff");
            assert!(matches!(reply, Reply::Close(_)), "{} {version}: {reply:?}", api.name());
        }
    }
}

/// Rows of the coverage document's table of API keys: key, name, served, advertised, state.
fn coverage() -> Vec<[&'static str; 5]> {
    let rows = include_str!("../../docs/coverage.md").lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [key, name, _kafka, served, advertised, state, ..] = cells[..] else { return None };
        key.parse::<i16>().is_ok().then_some([key, name, served, advertised, state])
    });
    rows.collect()
}

#[test]
fn the_coverage_document_says_what_the_table_says() {
    let shown = |range: RangeInclusive<i16>| match (range.start(), range.end()) {
        (start, end) if start == end => start.to_string(),
        (start, end) => format!("{start}-{end}"),
    };
    let expected: Vec<[String; 4]> = APIS
        .iter()
        .map(|api| [api.key.to_string(), api.name().to_owned(), shown(api.served()), shown(api.advertised())])
        .collect();
    let rows = coverage();
    assert!(rows.len() > 80, "the table was not found");
    let served = rows.iter().filter(|[.., state]| *state == "served");
    let documented: Vec<[String; 4]> = served
        .map(|[key, name, served, advertised, _]| {
            [key, name, served, advertised].map(|cell| cell.to_string())
        })
        .collect();
    assert_eq!(documented, expected);
    let others = rows.iter().filter(|[.., state]| *state != "served");
    assert!(others.clone().all(|[_, _, served, advertised, _]| (*served, *advertised) == ("-", "-")));
}
