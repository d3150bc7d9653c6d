use super::*;

#[test]
fn unsigned_numbers_come_back() {
    for value in
        [0, 1, 127, 128, 300, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_456, u32::MAX - 1, u32::MAX]
    {
        let mut buffer = Vec::new();
        put_unsigned(&mut buffer, value);
        let mut rest = &buffer[..];
        assert_eq!(unsigned(&mut rest), Some(value));
        assert!(rest.is_empty());
    }
}

#[test]
fn signed_numbers_are_zigzag() {
    for (bytes, value) in [
        (&[0x00][..], 0),
        (&[0x01], -1),
        (&[0x02], 1),
        (&[0x7f], -64),
        (&[0x80, 0x01], 64),
        (&[0xfe, 0xff, 0xff, 0xff, 0x0f], i32::MAX),
        (&[0xff, 0xff, 0xff, 0xff, 0x0f], i32::MIN),
    ] {
        assert_eq!(signed(&mut &bytes[..]), Some(value));
        assert_eq!(signed_long(&mut &bytes[..]), Some(i64::from(value)));
    }
    let smallest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(signed_long(&mut &smallest[..]), Some(i64::MIN));
}

#[test]
fn numbers_that_end_early_or_run_too_long_are_refused() {
    for bytes in
        [&[][..], &[0x80], &[0xff, 0xff], &[0xff, 0xff, 0xff, 0xff, 0x1f], &[0x80, 0x80, 0x80, 0x80, 0x80, 0]]
    {
        assert_eq!(unsigned(&mut &bytes[..]), None, "{bytes:?}");
    }
    for bytes in [&[0xff; 9][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], &[0x80; 11]]
    {
        assert_eq!(signed_long(&mut &bytes[..]), None, "{bytes:?}");
    }
}
