//! Requests as Apache Kafka 4.3.1 encodes them (`golden/Generate.java`), every field set: the guard walks
//! them to their last byte, and the decoder loses nothing of them.

use std::collections::BTreeSet;

use bytes::Bytes;
use highwater::protocol::frame::RequestHeader;
use highwater::protocol::guard::Guard;
use highwater::protocol::versions;
use protocol_tests::codec;

const REQUESTS: &str = include_str!("../../golden/requests.txt");

/// Key, version and frame of each line.
fn requests() -> impl Iterator<Item = (i16, i16, Bytes)> {
    REQUESTS.lines().map(|line| {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("a line has three words");
        let (key, version) = (word().parse().expect("a key"), word().parse().expect("a version"));
        let digits = word();
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
        (key, version, (0..digits.len()).step_by(2).map(byte).collect())
    })
}

#[test]
fn kafkas_own_requests_pass_whole_and_come_back_the_same() {
    let guard = Guard::default();
    for (api_key, api_version, frame) in requests() {
        let name = guard.layout(api_key).expect("a known key").name;
        let checked = guard.check(api_key, api_version, &frame);
        let checked = checked.unwrap_or_else(|error| panic!("{name} {api_version}: {error}"));
        assert_eq!(checked.body_end, frame.len(), "{name} {api_version}");
        let (body_offset, body_end, _) = codec::decode(api_key, api_version, &frame).expect(name);
        assert_eq!((checked.body_offset, checked.body_end), (body_offset, body_end), "{name} {api_version}");
        let again = codec::round_trip(api_key, api_version, &frame).expect(name);
        assert_eq!(again, frame, "{name} {api_version}");
    }
}

#[test]
fn the_headers_of_kafkas_own_requests_are_read() {
    for (api_key, api_version, frame) in
        requests().filter(|&(key, version, _)| versions::is_served(key, version))
    {
        let (header, _) = RequestHeader::parse(&frame).expect("Kafka's own");
        let expected =
            RequestHeader { api_key, api_version, correlation_id: 7, client_id: Some("client".to_owned()) };
        assert_eq!(header, expected);
    }
}

#[test]
fn every_version_of_every_layout_has_its_golden_bytes() {
    let golden: BTreeSet<_> = requests().map(|(key, version, _)| (key, version)).collect();
    let guard = Guard::default();
    let known = codec::KEYS.iter().flat_map(|&key| {
        let versions = guard.layout(key).expect("every decodable request has a layout").versions.clone();
        versions.map(move |version| (key, version))
    });
    assert_eq!(golden, known.collect());
}
