use bytes::{BufMut, BytesMut};
use kafka_protocol::messages;
use kafka_protocol::protocol::{Encodable, StrBytes};

use super::*;

fn encoded(api_key: i16, api_version: i16, client_id: Option<&'static str>, tagged: bool) -> BytesMut {
    let mut header = messages::RequestHeader::default()
        .with_request_api_key(api_key)
        .with_request_api_version(api_version)
        .with_correlation_id(7)
        .with_client_id(client_id.map(StrBytes::from_static_str));
    if tagged {
        header = header
            .with_unknown_tagged_field(300, vec![1; 200].into())
            .with_unknown_tagged_field(301, vec![].into());
    }
    let version = versions::request_header_version(api_key, api_version).expect("served");
    let mut frame = BytesMut::new();
    header.encode(&mut frame, version).expect("encodable");
    frame
}

#[test]
fn headers_of_both_versions_are_read() {
    for (api_key, api_version, client_id, tagged) in [
        (0, 3, Some("kcat"), false),
        (0, 9, Some("kcat"), true),
        (3, 0, None, false),
        (18, 3, Some(""), false),
        (18, 99, Some("from the future"), true),
        (60, 0, None, true),
    ] {
        let mut frame = encoded(api_key, api_version, client_id, tagged);
        let body_offset = frame.len();
        frame.put_slice(b"body");
        let (header, offset) = RequestHeader::parse(&frame).expect("valid");
        assert_eq!(offset, body_offset);
        let expected = RequestHeader {
            api_key,
            api_version,
            correlation_id: 7,
            client_id: client_id.map(str::to_owned),
        };
        assert_eq!(header, expected);
        for end in 0..body_offset {
            assert_eq!(RequestHeader::parse(&frame[..end]), Err(FrameError::Truncated { length: end }));
        }
    }
}

#[test]
fn false_lengths_are_refused() {
    let cases: [(&str, &[u8], FrameError); 4] = [
        ("unknown key", &[0, 5, 0, 0, 0, 0, 0, 1, 0xff, 0xff], FrameError::UnknownKey(5)),
        ("negative client id", &[0, 3, 0, 0, 0, 0, 0, 1, 0xff, 0xfe], FrameError::ClientId),
        ("not a string", &[0, 3, 0, 0, 0, 0, 0, 1, 0, 1, 0xff], FrameError::ClientId),
        (
            "tagged fields without end",
            &[0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
            FrameError::Truncated { length: 15 },
        ),
    ];
    for (name, frame, error) in cases {
        assert_eq!(RequestHeader::parse(frame).expect_err(name), error, "{name}");
    }
}

#[test]
fn the_prefix_of_any_request_is_read() {
    let frame = [0x7f, 0xff, 0x00, 0x09, 0x80, 0x00, 0x00, 0x01];
    let prefix = FramePrefix { api_key: i16::MAX, api_version: 9, correlation_id: i32::MIN + 1 };
    assert_eq!(FramePrefix::parse(&frame), Ok(prefix));
}
