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

/// Metadata 12 of one topic with so many partitions, each with so many replicas, and tagged fields in each.
fn metadata_reply(partitions: u16, replicas: u8, tagged: u8) -> Vec<u8> {
    let compact = |count: u32| {
        let count = count + 1;
        [0, 7, 14, 21].map(|shift| (count >> shift) as u8 & 0x7f | if shift < 21 { 0x80 } else { 0 })
    };
    // Correlation id, tagged fields, throttle time, no broker, cluster id and controller; one topic.
    let mut reply = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2];
    reply.extend_from_slice(&[0, 0, 2, b't']);
    reply.extend_from_slice(&[0; 17]);
    reply.extend_from_slice(&compact(u32::from(partitions)));
    let mut partition = vec![0; 14];
    for _ in 0..2 {
        partition.push(replicas + 1);
        partition.resize(partition.len() + 4 * usize::from(replicas), 0);
    }
    partition.push(1);
    partition.push(tagged);
    for tag in 0..tagged {
        partition.extend_from_slice(&[tag, 0]);
    }
    for _ in 0..partitions {
        reply.extend_from_slice(&partition);
    }
    reply.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
    reply
}

/// Our own client reads answers of large clusters; those that cost much more than they are long are lies.
#[test]
fn an_honest_reply_of_any_size_passes() {
    let guard = ReplyGuard::new();
    for (partitions, replicas, tagged, passes) in
        [(1, 1, 0, true), (u16::MAX, 3, 0, true), (50_000, 9, 0, true), (30_000, 1, 100, false)]
    {
        let reply = metadata_reply(partitions, replicas, tagged);
        let checked = guard.check(3, 12, &reply);
        let what = format!("{partitions} {replicas} {tagged}: {checked:?}");
        match passes {
            true => assert_eq!(checked.map(|checked| checked.body_end).ok(), Some(reply.len()), "{what}"),
            false => assert!(matches!(checked, Err(GuardError::TooCostly { .. })), "{what}"),
        }
    }
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
