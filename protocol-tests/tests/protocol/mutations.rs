//! Frames with bytes changed: whatever passes the guard, the decoder takes or refuses, in step and without a
//! panic.

use bytes::Bytes;
use highwater::protocol::guard::Guard;
use protocol_tests::codec;
use protocol_tests::frames::{Fill, frame};
use protocol_tests::mutate::mutant;
use protocol_tests::random::Random;

/// Mutated frames per key and version.
const MUTANTS: u64 = 400;

#[test]
fn mutated_frames_are_refused_or_decoded_in_step() {
    let guard = Guard::default();
    let (mut refused, mut decoded, mut undecodable) = (0, 0, 0);
    for &api_key in codec::KEYS {
        let layout = guard.layout(api_key).expect("every decodable request has a layout");
        for api_version in layout.versions.clone() {
            for seed in 0..MUTANTS {
                let seed = seed << 32 | (api_key as u64) << 8 | api_version as u64;
                let mut random = Random::new(seed);
                let whole = frame(layout, api_version, Fill::Random, &mut random);
                let bytes = mutant(&whole, &whole, &mut random);
                let Ok(checked) = guard.check(api_key, api_version, &bytes) else {
                    refused += 1;
                    continue;
                };
                let bytes = Bytes::from(bytes);
                match codec::decode(api_key, api_version, &bytes) {
                    Ok((body_offset, body_end, _)) => {
                        let expected = (checked.body_offset, checked.body_end);
                        assert_eq!(
                            (body_offset, body_end),
                            expected,
                            "{} {api_version}, seed {seed}",
                            layout.name
                        );
                        decoded += 1;
                    }
                    Err(_) => undecodable += 1,
                }
            }
        }
    }
    assert!(refused > 1_000 && decoded > 1_000 && undecodable > 0, "{refused} {decoded} {undecodable}");
}

#[test]
fn noise_is_survived() {
    let guard = Guard::default();
    for &api_key in codec::KEYS {
        let layout = guard.layout(api_key).expect("every decodable request has a layout");
        for api_version in layout.versions.clone() {
            let mut random = Random::new((api_key as u64) << 8 | api_version as u64);
            for length in (0..200).step_by(7) {
                let mut bytes = api_key.to_be_bytes().to_vec();
                bytes.extend_from_slice(&api_version.to_be_bytes());
                bytes.extend(random.bytes(length));
                if let Ok(checked) = guard.check(api_key, api_version, &bytes)
                    && let Ok((body_offset, body_end, _)) = codec::decode(api_key, api_version, &bytes.into())
                {
                    assert_eq!((body_offset, body_end), (checked.body_offset, checked.body_end));
                }
            }
        }
    }
}
