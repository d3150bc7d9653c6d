use uuid::Uuid;

use super::{decode, encode};
use crate::model::TopicId;

#[test]
fn the_file_is_as_kafka_writes_it() {
    // Kafka's `Uuid.toString` of these numbers (URL-safe base64 without padding).
    for (number, text) in [
        (0, "AAAAAAAAAAAAAAAAAAAAAA"),
        (1, "AAAAAAAAAAAAAAAAAAAAAQ"),
        (u128::MAX, "_____________________w"),
        (0xfb << 120, "-wAAAAAAAAAAAAAAAAAAAA"),
    ] {
        let id = TopicId(Uuid::from_u128(number));
        let content = encode(id);
        assert_eq!(content, format!("version: 0\ntopic_id: {text}\n"));
        assert_eq!(decode(content.as_bytes()), Some(id));
    }
}

#[test]
fn anything_else_is_unreadable() {
    for content in [
        "",
        "version: 0\n",
        "version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n",
        "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAA\n",
        "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAA!\n",
        "\0\0\0\0",
    ] {
        assert_eq!(decode(content.as_bytes()), None, "{content:?}");
    }
}
