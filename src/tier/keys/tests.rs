use super::*;

const PARTITION: TopicPartition = TopicPartition {
    topic_id: TopicId(Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10)),
    partition: 7,
};
const TOPIC: &str = "topics/01020304-0506-0708-090a-0b0c0d0e0f10";

#[test]
fn keys_are_written_and_read_back() {
    let nonce = Nonce([0xa0; 16]);
    let segment = ObjectKey::Segment(PARTITION, ObjectName { base_offset: Offset(4711), nonce });
    let hex = "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0";
    for (key, text) in [
        (segment, format!("{TOPIC}/7/segments/00000000000000004711-{hex}.segment")),
        (ObjectKey::Leaf(PARTITION, nonce), format!("{TOPIC}/7/manifest/{hex}.leaf")),
        (ObjectKey::Root(PARTITION, 12), format!("{TOPIC}/7/manifest/00000000000000000012.root")),
    ] {
        assert_eq!(key.to_string(), text);
        assert_eq!(ObjectKey::parse(&text), Some(key));
        // A letter less, anywhere, and it is not ours.
        for at in 0..text.len() {
            let mut other = text.clone();
            other.remove(at);
            assert_ne!(ObjectKey::parse(&other), Some(key), "{other}");
        }
    }
    assert!(segment.to_string().starts_with(&format!("{}/", partition_folder(PARTITION))));
}

#[test]
fn what_others_wrote_is_not_ours() {
    let hex = "a0".repeat(16);
    for key in [
        String::new(),
        "topics/".to_owned(),
        format!("{TOPIC}/7/segments/4711-{hex}.segment"),
        format!("{TOPIC}/7/segments/00000000000000004711-{}.segment", hex.to_uppercase()),
        format!("{TOPIC}/7/segments/+0000000000000004711-{hex}.segment"),
        format!("{TOPIC}/7/segments/99999999999999999999-{hex}.segment"),
        format!("{TOPIC}/07/manifest/{hex}.leaf"),
        format!("{TOPIC}/-1/manifest/{hex}.leaf"),
        format!("{TOPIC}/7/manifest/{hex}.leaf/more"),
        format!("{TOPIC}/7/manifest/{hex}.root"),
        format!("{TOPIC}/7/other/{hex}.leaf"),
        format!("wal/{TOPIC}/7/manifest/{hex}.leaf"),
        format!("topics/0102030405060708090a0b0c0d0e0f10/7/manifest/{hex}.leaf"),
    ] {
        assert_eq!(ObjectKey::parse(&key), None, "{key}");
    }
}
