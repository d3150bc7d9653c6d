use super::super::layout::parse;
use super::*;

/// Walks `bytes` as the body of version 1 of a message; the first version that is flexible is 1 or none.
fn walk(flexible: bool, fields: &'static str, bytes: &[u8]) -> Result<(usize, u64), Stop> {
    let line = format!("1 Example 0-1 {} {fields}", if flexible { "1+" } else { "-" });
    let layout = parse(Box::leak(line.into_boxed_str())).expect("valid");
    let mut walk = Walk::new(bytes, flexible, 1, 100 * CHARGE_BYTES_PER_ELEMENT);
    walk.fields(&layout.fields)?;
    Ok((walk.position(), walk.charge_bytes() / CHARGE_BYTES_PER_ELEMENT))
}

#[track_caller]
fn check(flexible: bool, fields: &'static str, bytes: &[u8], expected: Result<(usize, u64), Fault>) {
    assert_eq!(walk(flexible, fields, bytes), expected.map_err(Stop::Fault), "{fields} {bytes:?}");
}

#[test]
fn plain_fields() {
    check(false, "b h i l u", &[0; 31], Ok((31, 0)));
    check(false, "b h i l u", &[0; 30], Err(Fault::Truncated));
    check(false, "b1+ i0-0 h", &[0; 3], Ok((3, 0)));
    check(false, "s", &[0, 2, b'a', b'b'], Ok((4, 0)));
    check(false, "s", &[0, 2, b'a'], Err(Fault::Truncated));
    check(false, "s", &[0xff, 0xff], Err(Fault::Null));
    check(false, "?s", &[0xff, 0xff], Ok((2, 0)));
    check(false, "?s", &[0xff, 0xfe], Err(Fault::Negative));
    check(false, "d", &[0, 0, 0, 1, 9], Ok((5, 0)));
    check(false, "d", &[0x7f, 0xff, 0xff, 0xff, 9], Err(Fault::Truncated));
    check(false, "d", &[0xff; 4], Err(Fault::Null));
    check(false, "?d", &[0xff; 4], Ok((4, 0)));
    check(false, "?d", &[0x80, 0, 0, 0], Err(Fault::Negative));
}

#[test]
fn compact_fields() {
    check(true, "s", &[3, b'a', b'b', 0], Ok((4, 0)));
    check(true, "s", &[0, 0], Err(Fault::Null));
    check(true, "?s", &[0, 0], Ok((2, 0)));
    check(true, "?d", &[0, 0], Ok((2, 0)));
    check(true, "d", &[0xff, 0xff, 0xff, 0xff, 0x0f, 0], Err(Fault::Truncated));
    check(true, "s", &[0x80, 0x80, 0x80, 0x80, 0x80, 0], Err(Fault::Varint));
    check(true, "s", &[1], Err(Fault::Truncated));
}

#[test]
fn arrays() {
    check(false, "*i", &[0, 0, 0, 1, 0, 0, 0, 9], Ok((8, 1)));
    check(false, "*i", &[0, 0, 0, 2, 0, 0, 0, 9], Err(Fault::Truncated));
    check(false, "*i", &[0xff; 4], Err(Fault::Null));
    check(false, "?*i", &[0xff; 4], Ok((4, 0)));
    check(false, "?*i", &[0xff, 0xff, 0xff, 0xfe], Err(Fault::Negative));
    check(false, "*s", &[0, 0, 0, 2, 0, 0, 0, 1, 9], Ok((9, 2)));
    check(false, "[s [b]]", &[0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 7, 7], Ok((12, 3)));
    check(true, "[s [b]]", &[2, 1, 3, 7, 0, 7, 0, 0, 0], Ok((9, 3)));
    check(true, "?[s]", &[0, 0], Ok((2, 0)));
    check(true, "[s]", &[0, 0], Err(Fault::Null));
}

#[test]
fn counts_beyond_the_bytes() {
    check(false, "[s]", &[0x7f, 0xff, 0xff, 0xff], Err(Fault::Count(0x7fff_ffff)));
    check(false, "*b", &[0, 0, 0, 3, 1, 2], Err(Fault::Count(3)));
    check(true, "[s]", &[0xff, 0xff, 0xff, 0xff, 0x0f], Err(Fault::Count(0xffff_fffe)));
    check(true, "b", &[1, 0xff, 0xff, 0xff, 0xff, 0x0f], Err(Fault::Count(0xffff_ffff)));
    check(true, "b", &[1, 2, 9, 0, 9], Err(Fault::Count(2)));
}

#[test]
fn nullable_structs() {
    check(true, "?{s i}", &[0xff, 0], Ok((2, 0)));
    check(true, "?{s i}", &[1, 2, b'a', 0, 0, 0, 9, 0, 0], Ok((9, 0)));
    check(true, "{s}", &[2, b'a', 0, 0], Ok((4, 0)));
}

#[test]
fn tagged_fields() {
    check(true, "b", &[1, 1, 9, 3, 1, 2, 3], Ok((7, 2)));
    check(true, "b", &[1, 1, 9, 4, 1, 2, 3], Err(Fault::Truncated));
    check(true, "b @0?s", &[1, 1, 0, 2, 2, b'a'], Ok((6, 2)));
    check(true, "b @0?s", &[1, 1, 0, 3, 2, b'a', 9], Err(Fault::TagSize(0)));
    check(true, "b @0?s", &[1, 1, 0, 1, 2, b'a'], Err(Fault::Truncated));
    check(true, "b @0?s", &[1, 1, 0, 9, 2, b'a'], Err(Fault::Truncated));
    check(true, "b @1{i l}", &[&[1, 1, 1, 13][..], &[0; 13]].concat(), Ok((17, 2)));
    check(true, "b @1l0-0", &[&[1, 1, 1, 8][..], &[0; 8]].concat(), Err(Fault::Tag(1)));
    check(true, "b @0*u", &[&[1, 1, 0, 17, 2][..], &[0; 16]].concat(), Ok((21, 3)));
}

#[test]
fn the_position_of_a_fault_counts_from_the_frame() {
    let layout = parse("1 Example 0-1 0+ b @0?s").expect("valid");
    let bytes = [1, 1, 0, 1, 2, b'a', b'z'];
    let mut walk = Walk::new(&bytes, true, 1, u64::MAX);
    assert_eq!(walk.fields(&layout.fields), Err(Stop::Fault(Fault::Truncated)));
    assert_eq!(walk.position(), 5, "behind the length of the string that leaves its tag");
}

#[test]
fn the_charge_stops_the_walk() {
    let mut bytes = vec![0, 0, 0, 101];
    bytes.extend_from_slice(&[0; 202]);
    assert_eq!(walk(false, "*s", &bytes), Err(Stop::TooCostly));
    bytes[3] = 100;
    assert_eq!(walk(false, "*s", &bytes), Ok((204, 100)));
}
