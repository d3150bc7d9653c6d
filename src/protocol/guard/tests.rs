use super::*;
use crate::protocol::versions;

fn header(api_key: i16, api_version: i16) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend_from_slice(&api_key.to_be_bytes());
    frame.extend_from_slice(&api_version.to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, 1, 0, 1, b'c']);
    frame
}

#[test]
fn every_line_is_parsed_and_found_by_its_key() {
    let guard = Guard::default();
    assert!(guard.layouts.is_sorted_by_key(|layout| layout.api_key));
    for line in layouts::LINES {
        let layout = layout::parse(line).expect("valid");
        assert_eq!(guard.layout(layout.api_key), Some(&layout));
    }
}

#[test]
fn every_served_version_has_a_layout_with_the_same_name_and_flexibility() {
    let guard = Guard::default();
    for row in versions::SERVED {
        let layout = guard.layout(row.key).expect(row.name);
        assert_eq!(layout.name, row.name);
        let flexible_from = layout.flexible_from.unwrap_or(versions::NEVER_FLEXIBLE);
        assert_eq!(flexible_from, row.flexible_from, "{}", row.name);
        for version in row.served.clone() {
            assert!(layout.versions.contains(&version), "{} {version}", row.name);
        }
    }
}

#[test]
fn a_checked_frame_tells_its_body_and_charge() {
    let guard = Guard::default();
    // Metadata 1: an array of two names.
    let mut frame = header(3, 1);
    let body_offset = frame.len();
    frame.extend_from_slice(&[0, 0, 0, 2, 0, 1, b'a', 0, 1, b'b']);
    let body_end = frame.len();
    let expected = Checked { body_offset, body_end, charge_bytes: 2 * CHARGE_BYTES_PER_ELEMENT };
    assert_eq!(guard.check(3, 1, &frame), Ok(expected.clone()));
    frame.extend_from_slice(b"bytes that Kafka ignores too");
    assert_eq!(guard.check(3, 1, &frame), Ok(expected));
}

#[test]
fn keys_and_versions_without_layout_are_unsupported() {
    let guard = Guard::default();
    for (api_key, api_version) in
        [(4, 0), (-1, 0), (0, 2), (0, 14), (18, 5), (18, -1), (52, 0), (i16::MAX, 0)]
    {
        let frame = header(api_key, api_version);
        assert_eq!(
            guard.check(api_key, api_version, &frame),
            Err(GuardError::Unsupported { api_key, api_version })
        );
    }
    let mismatch = guard.check(3, 2, &header(3, 1));
    assert_eq!(mismatch, Err(GuardError::Unsupported { api_key: 3, api_version: 2 }));
}

#[test]
fn an_honest_request_above_the_limit_is_too_costly() {
    let mut frame = header(3, 1);
    frame.extend_from_slice(&1_000_i32.to_be_bytes());
    frame.extend_from_slice(&[0; 2_000]);
    let charge = 1_000 * CHARGE_BYTES_PER_ELEMENT;
    assert_eq!(Guard::new(charge).check(3, 1, &frame).map(|checked| checked.charge_bytes), Ok(charge));
    let too_costly = GuardError::TooCostly { api_key: 3, api_version: 1, charge_bytes_max: charge - 1 };
    assert_eq!(Guard::new(charge - 1).check(3, 1, &frame), Err(too_costly));
}
