use super::*;

#[test]
fn times_are_written_as_people_read_them() {
    for (ms, expected) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399_999, "2000-02-28T23:59:59Z"),
        (951_782_400_000, "2000-02-29T00:00:00Z"),
        (951_868_800_000, "2000-03-01T00:00:00Z"),
        (4_107_542_399_000, "2100-02-28T23:59:59Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        (1_735_689_599_000, "2024-12-31T23:59:59Z"),
        (-1, "1969-12-31T23:59:59Z"),
    ] {
        assert_eq!(utc(ms), expected, "{ms}");
    }
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
