//! Requests and replies as Apache Kafka 4.3.1 encodes them (`golden/Generate.java`): the guard walks requests
//! to their last byte, the decoder finds every value that Kafka set, and what is encoded again is the same to
//! the byte; replies by the broker's own writers too.

use std::collections::BTreeSet;

use highwater::protocol::frame::RequestHeader;
use highwater::protocol::guard::Guard;
use highwater::protocol::{fetch_response, versions};
use kafka_protocol::messages::FetchResponse;
use protocol_tests::golden::{CORRELATION_ID, Golden, replies, replies_of, requests};
use protocol_tests::pieces::joined;
use protocol_tests::schema::{self, Schema};
use protocol_tests::{codec, values};

use crate::fetch_writer::ours;

/// Flavors that carry what no broker writes: tagged fields that nobody knows.
const UNKNOWN: &str = "unknown";

#[test]
fn kafkas_own_requests_pass_whole_and_come_back_the_same() {
    let guard = Guard::default();
    for golden in requests() {
        let Golden { api_key, api_version, ref frame, .. } = golden;
        let name = golden.name();
        let checked = guard.check(api_key, api_version, frame);
        let checked = checked.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(checked.body_end, frame.len(), "{name}");
        let (body_offset, body_end, _) = codec::decode(api_key, api_version, frame).expect(&name);
        assert_eq!((checked.body_offset, checked.body_end), (body_offset, body_end), "{name}");
        let again = codec::round_trip(api_key, api_version, frame).expect(&name);
        assert_eq!(again, frame, "{name}");
    }
}

#[test]
fn kafkas_own_replies_come_back_the_same() {
    for golden in replies() {
        let Golden { api_key, api_version, ref frame, .. } = golden;
        let name = golden.name();
        let (correlation_id, _) = codec::decode_reply(api_key, api_version, frame).expect(&name);
        assert_eq!(correlation_id, CORRELATION_ID, "{name}");
        let again = codec::round_trip_reply(api_key, api_version, frame).expect(&name);
        assert_eq!(again, frame, "{name}");
    }
}

#[test]
fn served_replies_leave_the_broker_as_they_leave_kafka() {
    let mut compared = BTreeSet::new();
    for golden in replies() {
        let Golden { api_key, api_version, ref frame, .. } = golden;
        if versions::is_served(api_key, api_version) {
            let name = golden.name();
            let (_, reply) = codec::decode_reply(api_key, api_version, frame).expect(&name);
            let written = reply.reply(api_key, api_version, CORRELATION_ID).expect(&name);
            assert_eq!(written, frame, "{name}");
            compared.insert((api_key, api_version));
        }
    }
    assert_eq!(compared, served());
}

/// Every key and version that reaches a handler.
fn served() -> BTreeSet<(i16, i16)> {
    versions::SERVED.iter().flat_map(|row| row.served.clone().map(|version| (row.key, version))).collect()
}

#[test]
fn the_fetch_writer_writes_what_kafka_writes() {
    let mut compared = BTreeSet::new();
    for golden in replies_of(fetch_response::FETCH_KEY) {
        let (_, reply) =
            codec::decode_reply(golden.api_key, golden.api_version, &golden.frame).expect("Kafka's");
        let reply: &FetchResponse = reply.any().downcast_ref().expect("a Fetch response");
        // Where a golden reply holds what this broker never says, there is nothing to compare.
        let Some(ours) = ours(reply) else { continue };
        let pieces = fetch_response::encode(golden.api_version, CORRELATION_ID, &ours).expect("encodable");
        assert_eq!(joined(&pieces), golden.frame, "{}", golden.name());
        compared.insert((golden.flavor, golden.api_version));
    }
    for version in 4..=18 {
        let full = if version < 12 { "full" } else { "served" };
        assert!(compared.contains(&(full, version)) && compared.contains(&("bare", version)), "{version}");
    }
}

/// The body by Kafka's schema, against what the decoder found.
#[track_caller]
fn same_values(golden: &Golden, schema: &Schema, body_offset: usize, decoded: &codec::Decoded) {
    let read = values::read(schema, &golden.frame[body_offset..]);
    let decoded = values::printed(&format!("{decoded:?}"));
    if let Some(difference) = values::difference(&read, &decoded) {
        panic!("{}: {difference}", golden.name());
    }
}

#[test]
fn the_decoder_finds_the_values_that_kafka_set_under_kafkas_names() {
    let schemas = schema::all();
    let schema = |is_request, golden: &Golden| {
        let wanted = |schema: &&Schema| schema.is_request == is_request && schema.api_key == golden.api_key;
        let mut found = schemas.iter().filter(wanted);
        found.find(|schema| schema.versions.contains(&golden.api_version)).expect("every frame has a schema")
    };
    for golden in requests() {
        let decoded = codec::decode(golden.api_key, golden.api_version, &golden.frame);
        let (body_offset, _, decoded) = decoded.expect("Kafka's own");
        same_values(&golden, schema(true, &golden), body_offset, &decoded);
    }
    for golden in replies() {
        let decoded = codec::decode_reply(golden.api_key, golden.api_version, &golden.frame);
        let schema = schema(false, &golden);
        let tagged = schema.flexible && golden.api_key != versions::API_VERSIONS_KEY;
        let body_offset = size_of::<i32>() + usize::from(tagged);
        same_values(&golden, schema, body_offset, &decoded.expect("Kafka's own").1);
    }
}

#[test]
fn the_headers_of_kafkas_own_requests_are_read() {
    for golden in requests().iter().filter(|golden| versions::is_served(golden.api_key, golden.api_version)) {
        let Golden { api_key, api_version, flavor, .. } = *golden;
        let (header, _) = RequestHeader::parse(&golden.frame).expect("Kafka's own");
        let client_id = match flavor {
            "null" => None,
            "bare" => Some(String::new()),
            _ => Some("client".to_owned()),
        };
        let expected = RequestHeader { api_key, api_version, correlation_id: CORRELATION_ID, client_id };
        assert_eq!(header, expected, "{}", golden.name());
    }
}

#[test]
fn every_version_of_every_layout_has_its_golden_bytes() {
    let guard = Guard::default();
    let layouts = codec::KEYS.iter().map(|&key| guard.layout(key).expect("a known key"));
    let mut known = BTreeSet::new();
    for layout in layouts {
        for version in layout.versions.clone() {
            known.extend(["full", "bare"].map(|flavor| (layout.api_key, version, flavor)));
            if layout.is_flexible(version) {
                known.insert((layout.api_key, version, UNKNOWN));
            }
        }
    }
    for frames in [requests(), replies()] {
        let golden = frames.iter().map(|golden| (golden.api_key, golden.api_version, golden.flavor));
        let golden: BTreeSet<_> =
            golden.filter(|(_, _, flavor)| ["full", "bare", UNKNOWN].contains(flavor)).collect();
        assert_eq!(golden, known);
    }
}
