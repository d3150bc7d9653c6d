use std::collections::BTreeMap;

use super::*;
use crate::broker::testing::{bucket, bucket_tier, commit_offset, open_with, tiered_topic, two_segments};
use crate::env::{Env, Files, RealFiles};
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
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
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
    broker.put_catalogue().await.unwrap();
    assert_eq!(newest(&bucket).await[&CatalogueKind::Offsets].len(), 1);
    broker.close().await.unwrap();
}

fn groups(found: &Found) -> BTreeMap<String, i64> {
    let offset = |(key, value): &(bytes::Bytes, bytes::Bytes)| match GroupRecord::decode(key, Some(value)) {
        Ok(Some(GroupRecord::OffsetCommit { group_id, offset: Some(offset), .. })) => {
            (group_id.to_string(), offset.offset.0)
        }
        other => panic!("{other:?}"),
    };
    found.get(&CatalogueKind::Offsets).into_iter().flatten().map(offset).collect()
}

/// One partition that is stopped freezes nothing, and what was known of it stays known.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_partition_of_the_groups_keeps_its_last_known_offsets() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open_with(directory.path(), &SETTINGS, Some(bucket_tier(&bucket).await));
    drop(two_segments(&broker).await);
    let of = |group: &str| broker.group_partition(group).unwrap().partition;
    commit_offset(&broker, "g0", "t", 0, 7).await;
    let others: Vec<String> = (1..20).map(|number| format!("g{number}")).collect();
    let other = others.iter().find(|other| of(other) != of("g0")).unwrap();
    commit_offset(&broker, other, "t", 0, 8).await;
    let stopped = of("g0");
    broker.put_catalogue().await.unwrap();
    broker.close().await.unwrap();
    drop(broker);
    RealFiles.remove_dir_all(&directory.path().join(format!("{OFFSETS_TOPIC}-{stopped}"))).unwrap();
    let broker = open_with(directory.path(), &SETTINGS, Some(bucket_tier(&bucket).await));
    // The first one learns what belongs to whom from the bucket, the second knows.
    for offset in [9, 10] {
        commit_offset(&broker, other, "t", 0, offset).await;
        assert!(broker.put_catalogue().await.unwrap());
        let found = groups(&newest(&bucket).await);
        assert_eq!(found, BTreeMap::from([("g0".to_owned(), 7), (other.clone(), offset)]));
        let put = broker.tiering.as_ref().unwrap().put.lock().clone();
        assert!(put.stale.contains(&stopped) && put.taken_at > Timestamp(0), "{put:?}");
    }
    broker.close().await.unwrap();
}
