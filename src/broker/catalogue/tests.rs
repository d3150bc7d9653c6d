use std::collections::BTreeMap;

use super::*;
use crate::broker::testing::{bucket_tier, commit_offset, open_with, tiered_topic, two_segments};
use crate::env::Env;
use crate::group::GroupRecord;
use crate::metadata::TierOwner;
use crate::store::simulated::SimulatedBucket;
use crate::tier::{list_catalogues, read_catalogue, read_chunk};

const SETTINGS: [(&str, &str); 4] = [
    ("highwater.tier.store", "file:///simulated"),
    ("remote.log.manager.task.interval.ms", "3600000"),
    ("highwater.tier.catalogue.interval.ms", "86400000"),
    ("offsets.topic.num.partitions", "3"),
];

type Found = BTreeMap<CatalogueKind, Vec<(bytes::Bytes, bytes::Bytes)>>;

async fn newest(bucket: &SimulatedBucket) -> Found {
    let store = bucket.open(&Env::real());
    let numbers = list_catalogues(&*store).await.unwrap();
    let root = read_catalogue(&*store, numbers[0]).await.unwrap();
    let mut found = Found::new();
    for chunk in &root.chunks {
        found.entry(chunk.kind).or_default().extend(read_chunk(&*store, chunk).await.unwrap());
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_tells_topics_ends_and_offsets() {
    let directory = tempfile::tempdir().unwrap();
    let bucket = SimulatedBucket::new(Env::real().clock, 1);
    let broker = open_with(directory.path(), &SETTINGS, Some(bucket_tier(&bucket).await));
    let partition = two_segments(&broker).await;
    drop(tiered_topic(&broker, "tiered").await);
    let group = "g";
    commit_offset(&broker, group, "t", 0, 7).await;
    assert!(broker.put_catalogue().await.unwrap());
    let found = newest(&bucket).await;
    let keys: Vec<_> = found[&CatalogueKind::Metadata].iter().map(|(key, _)| &key[..]).collect();
    assert!(keys.contains(&&b"topics/t"[..]) && keys.contains(&&b"boot"[..]), "{keys:?}");
    assert!(!keys.contains(&keys::TIER_OWNER.as_bytes()));
    let id = CataloguedPartition::key(partition.topic_partition());
    let (_, value) = found[&CatalogueKind::Partitions].iter().find(|(key, _)| key[..] == id).unwrap();
    let catalogued = CataloguedPartition::decode(value).unwrap();
    assert_eq!((catalogued.log_start_offset, catalogued.log_end_offset), (Offset(0), Offset(15)));
    assert!(catalogued.aborted_are_all && catalogued.aborted.is_empty());
    let (key, value) = &found[&CatalogueKind::Offsets][0];
    let Ok(Some(GroupRecord::OffsetCommit { group_id, offset: Some(offset), .. })) =
        GroupRecord::decode(key, Some(value))
    else {
        panic!("{key:?}")
    };
    assert_eq!((&*group_id, offset.offset), (group, Offset(7)));

    assert!(!broker.put_catalogue().await.unwrap(), "nothing has changed");
    commit_offset(&broker, group, "t", 0, 8).await;
    assert!(broker.put_catalogue().await.unwrap());
    let owner = broker.metadata.entries_after(None, usize::MAX);
    let owner = owner.iter().find(|(key, _)| key == keys::TIER_OWNER).unwrap();
    assert!(TierOwner::decode(&owner.1).unwrap().confirmed);
    broker.close().await.unwrap();
    drop(partition);
    drop(broker);

    // While groups are loading nothing is put that forgets them.
    let broker = open_with(directory.path(), &SETTINGS, Some(bucket_tier(&bucket).await));
    loop {
        match broker.put_catalogue().await {
            Ok(_) => break,
            Err(CatalogueError::OffsetsMissing(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(newest(&bucket).await[&CatalogueKind::Offsets].len(), 1);
    broker.close().await.unwrap();
}
