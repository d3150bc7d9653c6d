use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{ApiVersionsResponse, MetadataResponse};
use kafka_protocol::protocol::StrBytes;

use super::*;

#[test]
fn trap_3_the_header_of_api_versions_is_always_version_0() {
    for version in 0..=4 {
        let body = ApiVersionsResponse::default().with_error_code(35);
        let bytes = encode(18, version, 0x0102_0304, &body).expect("encodable");
        assert_eq!(&bytes[..6], [1, 2, 3, 4, 0, 35], "version {version}");
    }
}

#[test]
fn flexible_responses_carry_an_empty_list_of_tagged_fields() {
    let body = MetadataResponse::default();
    let plain = encode(3, 8, 9, &body).expect("encodable");
    let flexible = encode(3, 9, 9, &body).expect("encodable");
    assert_eq!(&plain[..8], [0, 0, 0, 9, 0, 0, 0, 0], "throttle time follows at once");
    assert_eq!(&flexible[..9], [0, 0, 0, 9, 0, 0, 0, 0, 0], "a tagged field count stands before it");
}

#[test]
fn a_body_that_the_version_cannot_carry_is_an_error() {
    let long = StrBytes::from_string("x".repeat(40_000));
    let body = MetadataResponse::default()
        .with_topics(vec![MetadataResponseTopic::default().with_name(Some(long.into()))]);
    assert!(matches!(encode(3, 1, 9, &body), Err(EncodeError::Body { api_key: 3, api_version: 1, .. })));
    assert!(matches!(encode(5, 0, 9, &body), Err(EncodeError::UnknownKey(5))));
}
