use super::partition_of;

#[test]
fn a_groups_partition_is_kafkas() {
    // What Java 17 says: `"...".hashCode()`.
    for (key, hash) in [
        ("", 0_i64),
        ("a", 97),
        ("console-consumer-12345", 158_455_506),
        ("größe", 98_762_257),
        ("\u{1F980}", 1_772_802),
        // Its hash is the smallest number, which has no absolute value.
        ("polygenelubricants", 0),
    ] {
        for partitions in [1, 7, 50] {
            let expected = i32::try_from(hash.abs() % i64::from(partitions)).unwrap();
            assert_eq!(partition_of(key, partitions), expected, "{key} of {partitions}");
        }
    }
}
