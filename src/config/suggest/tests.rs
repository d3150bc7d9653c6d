use super::*;

#[test]
fn distances() {
    for (from, to, expected) in [
        ("", "", 0),
        ("a", "", 1),
        ("", "ab", 2),
        ("kitten", "sitting", 3),
        ("abc", "abc", 0),
        ("ab", "ba", 2),
    ] {
        assert_eq!(edit_distance(from.as_bytes(), to.as_bytes()), expected, "{from} {to}");
    }
}

#[test]
fn a_slip_finds_its_key_and_a_stranger_none() {
    let known = ["log.retention.ms", "log.retention.hours", "num.partitions"];
    for (unknown, expected) in [
        ("log.retension.ms", Some("log.retention.ms")),
        ("num.partition", Some("num.partitions")),
        ("log.retention.hour", Some("log.retention.hours")),
        ("my.own.thing", None),
        ("", None),
    ] {
        assert_eq!(nearest(unknown, known.into_iter()), expected, "{unknown}");
    }
    let long = "x".repeat(KEY_BYTES_MAX + 1);
    assert_eq!(nearest(&long, [long.as_str()].into_iter()), None, "bounded");
}
