use super::*;

#[test]
fn durations_have_the_unit_that_suits_them() {
    for (ms, expected) in
        [(-5, "0.0s"), (999, "0.9s"), (59_999, "59.9s"), (60_000, "1m00s"), (3_900_000, "1h05m")]
    {
        assert_eq!(duration(ms), expected, "{ms}");
    }
}

#[test]
fn sizes_have_the_unit_that_suits_them() {
    for (bytes, expected) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_048_575, "1.0 MiB"),
        (3_565_158, "3.4 MiB"),
        (5 << 40, "5.0 TiB"),
        (u64::MAX, "16384.0 PiB"),
    ] {
        assert_eq!(size(bytes), expected, "{bytes}");
    }
}
