//! Bounds that users set: retention over both places, and what uploads may take.

use super::*;

/// `retention.bytes` and `retention.ms` count what is in the tier: it goes from there, oldest first.
#[tokio::test(flavor = "multi_thread")]
async fn retention_reaches_into_the_tier() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 4).await;
    while remote_end(&broker, &partition) != Some(45) {
        settled(&broker, &partition, || true).await;
        broker.see_to_the_tier().await;
    }
    broker.retain().await.unwrap();
    assert_eq!(partition.watermarks().local_log_start_offset, Offset(45), "all has left the disk");
    let remote = broker.oldest_remote(&partition).await.unwrap().unwrap();
    assert_eq!((remote.oldest.len(), partition.log().size_bytes()), (5, 0));
    let newest_three: u64 = remote.oldest[2..].iter().map(|segment| segment.bytes).sum();
    for (bytes, start) in [(remote.bytes, 0), (newest_three + 1, 10), (newest_three, 20)] {
        alter(&broker, &[("retention.bytes", &bytes.to_string())]).await;
        broker.retain().await.unwrap();
        assert_eq!(partition.watermarks().log_start_offset, Offset(start), "{bytes} bytes may stay");
        broker.see_to_the_tier().await;
        assert_eq!(kinds(&bucket).0 as i64, 5 - start / 10, "{:?}", bucket.keys());
    }
    let found = broker.fetch(&[from_offset(&partition, 0, 1 << 20)], ALL).await.remove(0).result;
    assert!(matches!(found, Err(FetchFailure::Read(_))), "what is gone is out of range");
    // Their records are of 1970.
    alter(&broker, &[("retention.bytes", "-1"), ("retention.ms", "86400000")]).await;
    broker.retain().await.unwrap();
    broker.see_to_the_tier().await;
    assert_eq!(partition.watermarks().log_start_offset, Offset(45));
    assert_eq!(kinds(&bucket).0, 0, "{:?}", bucket.keys());
}

/// A store that hangs keeps no other topic's records, and no answer that is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_hangs_holds_up_nothing_else() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 2).await;
    broker.see_to_the_tier().await;
    broker.retain().await.unwrap();
    let patient = async |directory: &Path, bucket: &SimulatedBucket| {
        let wait = [("remote.fetch.max.wait.ms", "3600000")];
        let settings: Vec<_> = SETTINGS.into_iter().chain(wait).collect();
        let broker = open_with(directory, &settings, Some(bucket_tier(bucket).await));
        broker.own_tier().await.unwrap();
        broker
    };
    let (broker, partition) = restarted(patient, (broker, partition), directory.path(), &bucket).await;
    let id = partition.topic_partition().topic_id.to_string();
    bucket.strike(Strike::next(Request::Get, Fault::Slow(Duration::from_secs(3600))).of(&id).times(100));
    let other = tiered_topic(&broker, "other").await;
    let change = |value: &str| ("remote.storage.enable".to_owned(), Operation::Set(value.to_owned()));
    let alteration = ConfigAlteration {
        target: ConfigTarget::Topic("other".to_owned()),
        operations: vec![
            change("false"),
            ("remote.log.delete.on.disable".to_owned(), Operation::Set("true".to_owned())),
            ("retention.ms".to_owned(), Operation::Set("86400000".to_owned())),
        ],
        replace: false,
    };
    broker.alter_configs(&[alteration], false).await.remove(0).unwrap();
    segments(&broker, &other, 2).await;
    let requests = [from_offset(&partition, 0, 1 << 20), from_offset(&other, 0, 1 << 20)];
    let fetched = crate::env::time::timeout(PATIENCE, broker.fetch(&requests, ALL)).await;
    let fetched = fetched.expect("what is on disk is answered with");
    assert!(fetched[0].bytes == 0 && fetched[1].bytes > 0);
    drop(fetched);
    // Its records are of 1970.
    let retaining = tokio::spawn(async move { broker.retain().await });
    eventually(|| (other.watermarks().log_start_offset >= Offset(20)).then_some(())).await;
    retaining.abort();
}

/// `highwater.tier.upload.bytes.per.second`: what was sent is paid for before more is.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_take_no_more_than_their_bandwidth() {
    const BYTES_PER_SECOND: u64 = 8_000;
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let rate = BYTES_PER_SECOND.to_string();
    let settings: Vec<_> =
        SETTINGS.into_iter().chain([("highwater.tier.upload.bytes.per.second", &*rate)]).collect();
    let broker = open_with(directory.path(), &settings, Some(bucket_tier(&bucket).await));
    broker.own_tier().await.unwrap();
    let partition = tiered(&broker).await;
    segments(&broker, &partition, 5).await;
    let clock = Env::real().clock;
    let begun = clock.monotonic();
    broker.see_to_the_tier().await;
    let took = clock.monotonic() - begun;
    let objects = bucket.keys().into_iter().filter(|key| key.ends_with(".segment"));
    let bytes: Vec<_> = objects.map(|key| bucket.object(&key).unwrap().len() as u64).collect();
    assert_eq!(bytes.len(), 5);
    // The last one is not paid for yet.
    let paid = bytes[..4].iter().sum::<u64>() as f64 / BYTES_PER_SECOND as f64;
    assert!(took.as_secs_f64() >= paid && paid > 0.1, "{bytes:?} took {took:?}");
}

/// What a topic of the same name had goes; what the new one has stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_made_again_under_its_name_begins_anew() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 3).await;
    broker.see_to_the_tier().await;
    let former = partition.topic_partition().topic_id;
    broker.delete_topic(former).await.unwrap();
    drop(partition);
    let partition = tiered(&broker).await;
    assert_ne!(partition.topic_partition().topic_id, former);
    segments(&broker, &partition, 2).await;
    deletions_end(&broker).await;
    broker.retain().await.unwrap();
    assert_eq!(kinds(&bucket), (2, 0, 1), "{:?}", bucket.keys());
    assert!(bucket.keys().iter().all(|key| !key.contains(&former.to_string())));
    let watermarks = partition.watermarks();
    assert_eq!((watermarks.log_start_offset, watermarks.local_log_start_offset), (Offset(0), Offset(20)));
    read_on(&broker, &partition, 0).await;
}
