use std::path::Path;

use uuid::Uuid;

use super::{deleted_directory, file, is_deleted_directory, parse_file, partition_directory};
use crate::model::{Offset, TopicId};

#[test]
fn files_are_named_as_kafka_names_them() {
    let path = file(Path::new("/d"), Offset(1234), "log");
    assert_eq!(path, Path::new("/d/00000000000000001234.log"));
    for (name, expected) in [
        ("00000000000000001234.log", Some((Offset(1234), "log"))),
        ("09223372036854775807.index", Some((Offset(i64::MAX), "index"))),
        ("09223372036854775808.index", None),
        ("1234.log", None),
        ("0000000000000000123x.log", None),
        ("+0000000000000000123.log", None),
        ("partition.metadata", None),
        ("00000000000000000000.state.tmp", Some((Offset(0), "state.tmp"))),
    ] {
        assert_eq!(parse_file(name), expected, "{name}");
    }
}

#[test]
fn directories_for_deletion_fit_a_file_system() {
    let id = TopicId(Uuid::from_u128(0xabc));
    assert_eq!(deleted_directory("a.b", 12, id), "a.b-12.00000000000000000000000000000abc-delete");
    let long = deleted_directory(&"t".repeat(249), i32::MAX, id);
    assert_eq!(long.len(), 255);
    for (name, expected) in [
        (long.as_str(), true),
        ("a.b-12.00000000000000000000000000000abc-delete", true),
        (&partition_directory("x-delete", 0), false),
        // A topic's own name may look much like it.
        ("x.y-delete", false),
        ("00000000000000000000000000000abc-delete", false),
    ] {
        assert_eq!(is_deleted_directory(name), expected, "{name}");
    }
}
