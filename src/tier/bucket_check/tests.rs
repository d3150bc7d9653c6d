use std::time::Duration;

use parking_lot::Mutex;

use super::super::tests::bucket::FilledBucket;
use super::super::tests::fixture::{MadeSegment, NOW, PARTITION, nonce};
use super::super::update::Stamp;
use super::*;
use crate::log::{AbortedTransaction, Times};
use crate::model::{LeaderEpoch, Offset, ProducerId, TransactionResult};
use crate::store::Operation;
use crate::store::simulated::{Fault, Strike};

/// A bucket with three segments: of several blocks, with an aborted transaction, and small.
async fn filled() -> FilledBucket {
    let mut large = MadeSegment::new(0);
    (0..3).for_each(|at| large.push_records(&[at], 1_000_000));
    let mut aborted = MadeSegment::new(large.end);
    aborted.push_transactional(7, 0);
    aborted.push_marker(7, TransactionResult::Abort);
    aborted.aborted.push(AbortedTransaction {
        producer_id: ProducerId(7),
        first_offset: Offset(3),
        last_offset: Offset(4),
        last_stable_offset: Offset(5),
    });
    let mut small = MadeSegment::new(aborted.end);
    small.push_records(&[9], 10);
    FilledBucket::new(vec![large, aborted, small]).await
}

#[derive(Default)]
struct Heard {
    faults: Mutex<Vec<BucketFault>>,
    bytes: Mutex<u64>,
}

impl BucketWatcher for Heard {
    fn found(&self, fault: &BucketFault) {
        self.faults.lock().push(fault.clone());
    }

    fn read(&self, bytes: u64) {
        *self.bytes.lock() += bytes;
    }
}

/// Says one number after the other, the last one for ever.
struct Said(Mutex<Vec<Option<u64>>>);

impl CurrentManifests for Said {
    fn number(&self, _: TopicPartition) -> BoxFuture<'_, Result<Option<u64>, BucketCheckError>> {
        let mut numbers = self.0.lock();
        let number = if numbers.len() > 1 { numbers.remove(0) } else { numbers[0] };
        Box::pin(std::future::ready(Ok(number)))
    }
}

async fn check_with(
    filled: &FilledBucket,
    manifests: &dyn CurrentManifests,
    sizes_only: bool,
) -> (Result<BucketSummary, BucketCheckError>, Vec<BucketFault>, u64) {
    let heard = Heard::default();
    let check =
        BucketCheck::new(Arc::clone(&filled.store), &filled.env(), manifests, &heard, sizes_only).await;
    let summary = check.run(&[]).await;
    (summary, heard.faults.into_inner(), heard.bytes.into_inner())
}

async fn check(filled: &FilledBucket) -> (BucketSummary, Vec<BucketFault>) {
    let (summary, faults, _) = check_with(filled, &NewestManifests(Arc::clone(&filled.store)), false).await;
    (summary.unwrap(), faults)
}

/// What is told: key and words.
fn told(faults: &[BucketFault]) -> Vec<(&str, &str)> {
    faults.iter().map(|fault| (fault.key.as_str(), fault.what.as_str())).collect()
}

fn segments_bytes(filled: &FilledBucket) -> u64 {
    filled.segment_keys().iter().map(|key| filled.bucket.object(key).unwrap().len() as u64).sum()
}

#[tokio::test]
async fn what_is_whole_is_said_to_be_and_read_by_one_request_each() {
    let filled = filled().await;
    let start = filled.gets();
    let manifests = NewestManifests(Arc::clone(&filled.store));
    let (summary, faults, read) = check_with(&filled, &manifests, false).await;
    let summary = summary.unwrap();
    let bytes = segments_bytes(&filled);
    assert_eq!(told(&faults), []);
    assert_eq!(read, bytes);
    assert_eq!(summary.segments, ObjectCount { objects: 3, bytes });
    assert_eq!((summary.partitions, summary.faults), (1, 0));
    assert_eq!(summary.foreign, ObjectCount::default());
    assert_eq!(summary.unnamed, ObjectCount::default(), "{:?}", filled.bucket.keys());
    assert_eq!(filled.gets() - start, 5, "a root, a leaf, three segments");
}

/// Each byte of each segment object, one of its bits turned: each is found, and by its name.
#[tokio::test]
async fn a_turned_bit_anywhere_is_found() {
    let filled = filled().await;
    for key in filled.segment_keys() {
        let whole = filled.bucket.object(&key).unwrap();
        let step = (whole.len() / 150).max(1);
        for at in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
            let mut damaged = whole.to_vec();
            damaged[at] ^= 1;
            filled.bucket.set_object(&key, damaged);
            let (summary, faults) = check(&filled).await;
            assert_eq!(summary.faults, 1, "byte {at} of {key}");
            assert_eq!(faults[0].key, key, "byte {at}");
        }
        filled.bucket.set_object(&key, whole);
    }
    assert_eq!(check(&filled).await.1, []);
}

#[tokio::test]
async fn what_is_missing_cut_off_or_too_long_is_found_also_without_reading_it() {
    let filled = filled().await;
    let key = filled.segment_keys().remove(1);
    let whole = filled.bucket.object(&key).unwrap();
    let short = format!("it has {} bytes where it should have {}", whole.len() - 1, whole.len());
    let long = format!("it has {} bytes where it should have {}", whole.len() + 1, whole.len());
    let forms = [
        (None, "it is missing"),
        (Some(whole.slice(..whole.len() - 1)), short.as_str()),
        (Some([&whole[..], b"x"].concat().into()), long.as_str()),
    ];
    for (form, words) in forms {
        match form {
            Some(bytes) => filled.bucket.set_object(&key, bytes),
            None => filled.bucket.remove_object(&key),
        }
        for sizes_only in [false, true] {
            let manifests = NewestManifests(Arc::clone(&filled.store));
            let (summary, faults, _) = check_with(&filled, &manifests, sizes_only).await;
            assert_eq!(told(&faults), [(key.as_str(), words)], "{sizes_only}");
            let summary = summary.unwrap();
            assert_eq!((summary.faults, summary.segments.objects), (1, 3));
        }
    }
    // Sizes alone cost no GET but for the manifest.
    filled.bucket.set_object(&key, whole);
    let start = filled.gets();
    let manifests = NewestManifests(Arc::clone(&filled.store));
    let (_, faults, read) = check_with(&filled, &manifests, true).await;
    assert_eq!((told(&faults), read, filled.gets() - start), (vec![], 0, 2));
}

#[tokio::test]
async fn a_damaged_manifest_is_found() {
    let filled = filled().await;
    for kind in [".leaf", ".root"] {
        let key = filled.bucket.keys().into_iter().find(|key| key.ends_with(kind)).unwrap();
        let whole = filled.bucket.object(&key).unwrap();
        let mut damaged = whole.to_vec();
        damaged[60] ^= 1;
        filled.bucket.set_object(&key, damaged);
        let (summary, faults) = check(&filled).await;
        assert_eq!((summary.faults, &faults[0].key), (1, &key));
        assert!(summary.unnamed.objects >= 3, "what it names is named by nothing that can be read");
        filled.bucket.set_object(&key, whole);
    }
    let root = filled.bucket.keys().into_iter().find(|key| key.ends_with(".root")).unwrap();
    filled.bucket.remove_object(&root);
    let said = Said(Mutex::new(vec![Some(filled.root.number)]));
    let (_, faults, _) = check_with(&filled, &said, false).await;
    assert_eq!(told(&faults), [(root.as_str(), "it is missing")]);
}

#[tokio::test]
async fn what_nothing_names_is_counted_and_no_fault() {
    let filled = filled().await;
    let key = filled.segment_keys().remove(0);
    let other = key.replace("00000000000000000000-", "00000000000000000001-");
    filled.bucket.set_object(&other, vec![1; 10]);
    filled.bucket.set_object("topics/readme.txt", vec![1; 7]);
    filled.bucket.set_object("elsewhere/x", vec![1; 7]);
    let (summary, faults) = check(&filled).await;
    assert_eq!(told(&faults), []);
    assert_eq!(summary.unnamed, ObjectCount { objects: 1, bytes: 10 });
    assert_eq!(summary.foreign, ObjectCount { objects: 1, bytes: 7 });
}

/// Of the manifest that follows.
fn next_stamp(root: &Root) -> Stamp {
    Stamp {
        number: root.number + 1,
        root_nonce: nonce(1 << 40),
        leaf_nonce: nonce(1 << 41),
        leader_epoch: LeaderEpoch(1),
        times: Times::both(NOW),
        grace: Duration::from_secs(3600),
    }
}

/// A broker that runs removes segments, from the manifest first.
#[tokio::test]
async fn what_was_removed_meanwhile_is_no_fault() {
    let filled = filled().await;
    let stamp = next_stamp(&filled.root);
    let reader = filled.reader(16 << 20).await;
    let mut leaves = Vec::new();
    let end = Offset(filled.segments[0].end);
    for reference in filled.root.leaves_below(end) {
        leaves.push((*reader.leaf(&filled.root, reference).await.unwrap()).clone());
    }
    let update = filled.root.remove_below(end, &leaves, &stamp).unwrap();
    filled.store.create(&update.root.key, update.root.bytes.clone()).await.unwrap();
    let [removed] = &update.garbage[..] else { panic!("one segment: {:?}", update.garbage) };
    filled.bucket.remove_object(removed);

    // It is told of the former manifest first, and of the newer one when something is missing.
    let said = Said(Mutex::new(vec![Some(filled.root.number), Some(stamp.number)]));
    let (summary, faults, _) = check_with(&filled, &said, false).await;
    assert_eq!(told(&faults), []);
    assert_eq!(summary.unwrap().segments.objects, 2);
    // Were the former one the one that holds, it would be missing.
    let said = Said(Mutex::new(vec![Some(filled.root.number)]));
    let (_, faults, _) = check_with(&filled, &said, false).await;
    assert_eq!(told(&faults), [(removed.as_str(), "it is missing")]);
}

/// A broker that runs writes a leaf anew: what the new one names is read, as long as one can keep up with it.
#[tokio::test]
async fn a_leaf_that_was_written_anew_meanwhile_is_read_from_the_newer_manifest() {
    let filled = filled().await;
    let stamp = next_stamp(&filled.root);
    let reference = &filled.root.leaves[0];
    let leaf = filled.reader(16 << 20).await.leaf(&filled.root, reference).await.unwrap();
    let first = leaf.entries[0];
    let update = filled.root.replace(first.base_offset..first.end_offset, &[first], &leaf, &stamp).unwrap();
    assert_eq!(update.leaf, None, "so small a one stands in the root");
    filled.bucket.set_object(&update.root.key, update.root.bytes.clone());
    filled.bucket.remove_object(&reference.key(PARTITION));
    let (former, newer) = (Some(filled.root.number), Some(stamp.number));
    let said = Said(Mutex::new(vec![former, newer]));
    let (summary, faults, _) = check_with(&filled, &said, true).await;
    let summary = summary.unwrap();
    assert_eq!(told(&faults), []);
    assert_eq!((summary.segments.objects, summary.unread), (3, 0));
    // Each time that one is read, another one holds.
    let turns = [former, newer].repeat(MANIFESTS_FOLLOWED_MAX as usize);
    let (summary, faults, _) = check_with(&filled, &Said(Mutex::new(turns)), true).await;
    let summary = summary.unwrap();
    assert_eq!(told(&faults), []);
    assert_eq!((summary.segments.objects, summary.unread), (3, 0), "it is in the root");
}

#[tokio::test]
async fn segments_without_a_manifest_are_counted() {
    let filled = filled().await;
    filled.bucket.remove_object(&filled.root.key());
    let (summary, faults) = check(&filled).await;
    assert_eq!(told(&faults), []);
    let bytes = segments_bytes(&filled);
    assert_eq!(summary.without_manifest, ObjectCount { objects: 3, bytes });
    assert!(summary.unnamed.objects > 3 && summary.partitions == 0);
}

/// Its objects go with the topic, and nobody misses them.
#[tokio::test]
async fn a_topic_that_was_deleted_meanwhile_is_no_fault() {
    let filled = filled().await;
    for key in filled.bucket.keys() {
        if key.ends_with(".segment") {
            filled.bucket.remove_object(&key);
        }
    }
    let said = Said(Mutex::new(vec![Some(filled.root.number), None]));
    let (summary, faults, _) = check_with(&filled, &said, false).await;
    assert_eq!(told(&faults), []);
    assert_eq!(summary.unwrap().segments.objects, 0);
}

#[tokio::test]
async fn damage_on_the_way_is_no_fault_and_a_store_that_is_away_is_no_verdict() {
    let filled = filled().await;
    filled.bucket.strike(Strike::next(Operation::Get, Fault::Corrupted).of(".segment"));
    assert_eq!(check(&filled).await.1, []);
    filled.bucket.set_away(true);
    let manifests = NewestManifests(Arc::clone(&filled.store));
    let (summary, faults, _) = check_with(&filled, &manifests, false).await;
    assert!(matches!(summary, Err(BucketCheckError::Store(StoreError::Unavailable(_)))), "{summary:?}");
    assert_eq!(told(&faults), []);
}
