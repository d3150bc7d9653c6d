use crate::model::Offset;
use crate::tier::tests::bucket::FilledBucket;
use crate::tier::tests::fixture::{MadeSegment, PARTITION};
use crate::tier::{RemoteLog, SegmentBody, TierError};

/// Of more than one block, with a batch that lies over the end of the first.
fn segment() -> MadeSegment {
    let mut segment = MadeSegment::new(0);
    for at in 0..5 {
        segment.push_records(&[at, at], 150_000);
    }
    segment
}

async fn read(filled: &FilledBucket, log: &RemoteLog) -> Result<Vec<u8>, TierError> {
    let entry = log.segment_of(Offset(0)).await?.unwrap();
    let mut body = SegmentBody::open(&*filled.store, PARTITION, &entry).await?;
    let mut bytes = Vec::new();
    while let Some(batch) = body.next_batch().await? {
        bytes.extend_from_slice(&batch);
    }
    assert_eq!(body.into_state().offset, entry.end_offset);
    Ok(bytes)
}

#[tokio::test]
async fn all_batches_come_by_one_request_and_a_turned_bit_is_found() {
    let filled = FilledBucket::new(vec![segment()]).await;
    let log = filled.log(16 << 20).await.unwrap();
    assert_eq!(read(&filled, &log).await.unwrap(), filled.segments[0].bytes);
    let before = filled.gets();
    read(&filled, &log).await.unwrap();
    assert_eq!(filled.gets() - before, 1);
    let key = filled.segment_keys().remove(0);
    let whole = filled.bucket.object(&key).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 50) {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 4;
        filled.bucket.set_object(&key, bytes);
        assert!(read(&filled, &log).await.is_err_and(|error| error.is_damage()), "byte {at}");
    }
}
