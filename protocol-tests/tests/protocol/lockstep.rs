//! Guard and decoder in lockstep: the same bytes consumed, for every layout line in every version.

use bytes::Bytes;
use highwater::protocol::frame::RequestHeader;
use highwater::protocol::guard::Guard;
use highwater::protocol::versions;
use protocol_tests::codec;
use protocol_tests::frames::{Fill, arrays_count, frame};
use protocol_tests::random::Random;

/// Random frames per key and version.
const FRAMES: u64 = 150;

fn agree(guard: &Guard, api_key: i16, api_version: i16, frame: Vec<u8>, name: &str) {
    let frame = Bytes::from(frame);
    let checked = guard.check(api_key, api_version, &frame);
    let checked =
        checked.unwrap_or_else(|error| panic!("{name} {api_version}: guard: {error}\n{frame:02x?}"));
    let (body_offset, body_end, _) = codec::decode(api_key, api_version, &frame)
        .unwrap_or_else(|error| panic!("{name} {api_version}: decoder: {error}\n{frame:02x?}"));
    assert_eq!(
        (checked.body_offset, checked.body_end),
        (body_offset, body_end),
        "{name} {api_version}\n{frame:02x?}"
    );
    if versions::find(api_key).is_some() {
        let (header, offset) = RequestHeader::parse(&frame).expect("the guard passed it");
        assert_eq!((header.api_key, header.api_version, offset), (api_key, api_version, body_offset));
    }
}

#[test]
fn guard_and_decoder_consume_the_same_bytes_of_random_frames() {
    let guard = Guard::new(u64::MAX);
    for &api_key in codec::KEYS {
        let layout = guard.layout(api_key).expect("every decodable request has a layout");
        for api_version in layout.versions.clone() {
            for seed in 0..FRAMES {
                let mut random = Random::new(seed << 32 | (api_key as u64) << 8 | api_version as u64);
                let mut bytes = frame(layout, api_version, Fill::Random, &mut random);
                let trailing = random.below(3);
                bytes.extend(random.bytes(trailing));
                agree(&guard, api_key, api_version, bytes, layout.name);
            }
        }
    }
}

#[test]
fn guard_and_decoder_consume_the_same_bytes_of_frames_with_many_elements() {
    let guard = Guard::new(u64::MAX);
    for &api_key in codec::KEYS {
        let layout = guard.layout(api_key).expect("every decodable request has a layout");
        for api_version in layout.versions.clone() {
            for array in 0..arrays_count(layout, api_version) {
                for tagged in [false, true] {
                    let fill = Fill::Lean { array, elements: 200, tagged };
                    let bytes = frame(layout, api_version, fill, &mut Random::new(0));
                    agree(&guard, api_key, api_version, bytes, layout.name);
                }
            }
        }
    }
}

#[test]
fn every_served_request_is_among_those_compared() {
    for row in versions::SERVED {
        assert!(codec::KEYS.contains(&row.key), "{}", row.name);
    }
}

#[test]
fn truncated_frames_never_pass() {
    let guard = Guard::default();
    for &api_key in codec::KEYS {
        let layout = guard.layout(api_key).expect("every decodable request has a layout");
        for api_version in layout.versions.clone() {
            let mut random = Random::new(api_version as u64);
            let bytes = frame(layout, api_version, Fill::Random, &mut random);
            for end in 0..bytes.len() {
                let checked = guard.check(api_key, api_version, &bytes[..end]);
                assert!(checked.is_err(), "{} {api_version} cut at {end} of {}", layout.name, bytes.len());
            }
        }
    }
}
