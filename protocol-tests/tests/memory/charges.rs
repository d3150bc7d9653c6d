//! The charge bounds what the decoder allocates.

use bytes::Bytes;
use highwater::protocol::guard::Guard;
use protocol_tests::codec;
use protocol_tests::frames::{Fill, arrays_count, frame};
use protocol_tests::random::Random;

use crate::{SLACK_BYTES, alone, measured};

/// Elements of the array that is made large: enough to outweigh the slack.
const ELEMENTS: usize = 5_000;

/// Every array of every request and version, filled with its smallest elements, with and without tagged
/// fields.
#[test]
fn decoding_never_takes_more_than_the_charge() {
    let _alone = alone();
    let guard = Guard::new(u64::MAX);
    for &api_key in codec::KEYS {
        let layout = guard.layout(api_key).expect("every decodable request has a layout");
        // The shapes differ little between versions: the first, the last and the first flexible one stand for
        // all.
        let (first, last) = layout.versions.clone().into_inner();
        let flexible = layout.flexible_from.unwrap_or(first).clamp(first, last);
        for api_version in [first, flexible, last] {
            for array in 0..arrays_count(layout, api_version) {
                for tagged in [false, true] {
                    let fill = Fill::Lean { array, elements: ELEMENTS, tagged };
                    let frame = Bytes::from(frame(layout, api_version, fill, &mut Random::new(0)));
                    let checked = guard.check(api_key, api_version, &frame).expect("valid");
                    let (decoded, grown) = measured(|| codec::decode(api_key, api_version, &frame));
                    decoded.expect("valid");
                    let charge = checked.charge_bytes as usize;
                    let name = layout.name;
                    assert!(
                        grown <= charge + SLACK_BYTES,
                        "{name} {api_version}, array {array}, tagged {tagged}: {grown} bytes for {charge}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_guard_allocates_nothing() {
    let _alone = alone();
    let guard = Guard::default();
    for &api_key in codec::KEYS {
        let layout = guard.layout(api_key).expect("every decodable request has a layout");
        for api_version in layout.versions.clone() {
            let bytes = frame(layout, api_version, Fill::Random, &mut Random::new(5));
            let (_, grown) = measured(|| (0..100).all(|_| guard.check(api_key, api_version, &bytes).is_ok()));
            assert!(grown <= SLACK_BYTES, "{} {api_version}: {grown}", layout.name);
        }
    }
}
