use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::super::keys::ObjectKey;
use super::super::leaf::MANIFEST_OBJECT_BYTES_MAX;
use super::super::remote_log::RemoteLog;
use super::super::remote_reader::{RemoteReader, RemoteReaderOptions};
use super::super::tests::fixture::{NOW, PARTITION, entry, nonce};
use super::*;
use crate::env::Env;
use crate::model::Timestamp;
use crate::store::Operation;
use crate::store::simulated::SimulatedBucket;

const GRACE: Duration = Duration::from_secs(600);

/// A bucket of which only names and manifest objects matter, and a broker's view of one manifest.
struct Bucket {
    objects: HashMap<String, Bytes>,
    root: Root,
    /// Names of all that counts, by the plainest of rules.
    expected: Vec<ManifestEntry>,
    now: Timestamp,
    nonces: u64,
    /// Of the update that cost most.
    puts_max: usize,
    bytes_max: usize,
    gets: usize,
}

impl Bucket {
    fn new() -> Bucket {
        Bucket {
            objects: HashMap::new(),
            root: Root::empty(PARTITION, Offset(0)),
            expected: Vec::new(),
            now: NOW,
            nonces: 1 << 40,
            puts_max: 0,
            bytes_max: 0,
            gets: 0,
        }
    }

    fn stamp(&mut self) -> Stamp {
        self.nonces += 2;
        Stamp {
            number: self.root.number + 1,
            root_nonce: nonce(self.nonces),
            leaf_nonce: nonce(self.nonces + 1),
            leader_epoch: LeaderEpoch(1),
            times: Times::both(self.now),
            grace: GRACE,
        }
    }

    fn leaf(&mut self, reference: &LeafReference) -> Leaf {
        if reference.is_inline() {
            return Leaf::clone(self.root.tail.as_ref().unwrap());
        }
        self.gets += 1;
        let bytes = &self.objects[&reference.key(PARTITION)];
        Leaf::decode(bytes, PARTITION, reference).unwrap()
    }

    fn apply(&mut self, update: Update) {
        let puts: Vec<ManifestObject> = update.leaf.iter().chain([&update.root]).cloned().collect();
        self.puts_max = self.puts_max.max(puts.len());
        for object in puts {
            self.bytes_max = self.bytes_max.max(object.bytes.len());
            assert!(self.objects.insert(object.key, object.bytes).is_none(), "a name is used once");
        }
        // What a broker that starts would see.
        let bytes = &self.objects[&update.root.key];
        assert_eq!(Root::decode(bytes, PARTITION, update.next.number).as_ref(), Ok(&update.next));
        self.root = update.next;
        for key in update.garbage {
            assert!(self.objects.remove(&key).is_some(), "{key} was garbage before");
        }
    }

    fn add(&mut self, entries: &[ManifestEntry]) {
        let last = self.root.leaf_for(entries.len()).copied().map(|reference| self.leaf(&reference));
        entries.iter().for_each(|entry| {
            self.objects.insert(entry.key(PARTITION), Bytes::new());
        });
        let stamp = self.stamp();
        let update = self.root.add(entries, last.as_ref(), &stamp).unwrap();
        self.apply(update);
        self.expected.extend_from_slice(entries);
    }

    fn remove_below(&mut self, offset: Offset) {
        // As the broker does it: the root alone says how far a removal has come, also after a crash.
        while self.root.log_start_offset < offset {
            let below = self.root.leaves_below(offset).to_vec();
            let leaves: Vec<Leaf> = below.iter().map(|reference| self.leaf(reference)).collect();
            let stamp = self.stamp();
            let update = self.root.remove_below(offset, &leaves, &stamp).unwrap();
            self.apply(update);
        }
        self.expected.retain(|entry| entry.end_offset > offset);
    }

    fn replace(&mut self, at: usize, entries: &[ManifestEntry], leaf: &Leaf, range: Range<Offset>) {
        let count = leaf.entries.iter().filter(|entry| range.contains(&entry.base_offset)).count();
        entries.iter().for_each(|entry| {
            self.objects.insert(entry.key(PARTITION), Bytes::new());
        });
        let stamp = self.stamp();
        let update = self.root.replace(range, entries, leaf, &stamp).unwrap();
        self.apply(update);
        self.expected.splice(at..at + count, entries.iter().copied());
    }

    /// All that counts, as a reader finds it.
    fn content(&mut self) -> Vec<ManifestEntry> {
        let references = self.root.leaves.clone();
        references.iter().flat_map(|reference| self.leaf(reference).live(reference).to_vec()).collect()
    }

    /// Every object is named or waits for its grace; everything that is named is there.
    fn check(&mut self) {
        let content = self.content();
        assert_eq!(content, self.expected);
        assert_eq!(self.root.segments(), content.len() as u64);
        assert_eq!(self.root.log_bytes(), content.iter().map(|entry| entry.log_bytes).sum::<u64>());
        for (reference, leaf) in self.root.leaves.clone().iter().map(|it| (it, self.leaf(it))) {
            assert!(leaf.live(reference).iter().all(|entry| entry.max_timestamp <= reference.max_timestamp));
        }
        let mut named: BTreeSet<String> = self.root.named().collect();
        named.extend(content.iter().map(|entry| entry.key(PARTITION)));
        let there: BTreeSet<String> = self.objects.keys().cloned().collect();
        assert_eq!(named, there);
        assert!(there.iter().all(|key| ObjectKey::parse(key).is_some()));
        for entry in &content {
            let reference = *self.root.leaf_of(entry.base_offset).unwrap();
            assert!(reference.base_offset <= entry.base_offset && entry.end_offset <= reference.end_offset);
        }
        assert!(self.puts_max <= 2, "{} PUTs", self.puts_max);
        assert!(self.bytes_max <= MANIFEST_OBJECT_BYTES_MAX, "{} bytes", self.bytes_max);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(usize, i64),
    Remove(u64),
    Replace(u64, usize, usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (prop_oneof![1usize..6, 1usize..200], 0i64..3).prop_map(|(count, gap)| Step::Add(count, gap)),
        2 => any::<u64>().prop_map(Step::Remove),
        2 => (any::<u64>(), 1usize..20, 0usize..3).prop_map(|(at, count, by)| Step::Replace(at, count, by)),
        1 => (1u64..900).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..25)
}

fn take(bucket: &mut Bucket, step: &Step) {
    let end = bucket.root.end_offset.0;
    match *step {
        Step::Add(count, gap) => {
            bucket.add(&segments(end + gap * 7, count as i64));
        }
        Step::Remove(at) => {
            // Mostly a little, sometimes all and more.
            let start = bucket.root.log_start_offset.0;
            let span = (end + 150 - start).max(1) as u64;
            bucket.remove_below(Offset(start + (at % span) as i64));
        }
        Step::Replace(at, count, by) if !bucket.expected.is_empty() => {
            let at = (at % bucket.expected.len() as u64) as usize;
            let first = bucket.expected[at];
            let reference = *bucket.root.leaf_of(first.base_offset).unwrap();
            let leaf = bucket.leaf(&reference);
            let place = leaf.entries.iter().position(|entry| *entry == first).unwrap();
            let replaced = &leaf.entries[place..leaf.entries.len().min(place + count)];
            let range = first.base_offset..replaced.last().unwrap().end_offset;
            bucket.nonces += 1;
            let new = ManifestEntry {
                end_offset: range.end,
                object: ObjectName { base_offset: range.start, nonce: nonce(bucket.nonces) },
                ..entry(range.start.0)
            };
            bucket.replace(at, &[new][..by.min(1)], &leaf, range);
        }
        Step::Replace(..) => {}
        Step::Wait(seconds) => bucket.now.0 += seconds as i64 * 1000,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn whatever_is_changed_the_manifest_names_what_counts(steps in steps()) {
        let mut bucket = Bucket::new();
        for step in &steps {
            take(&mut bucket, step);
            bucket.check();
        }
    }
}

#[tokio::test]
async fn a_hundred_thousand_segments_are_opened_with_one_small_object() {
    let mut bucket = Bucket::new();
    for at in 0..625 {
        let entries: Vec<ManifestEntry> = (0..160).map(|n| entry((at * 160 + n) * 100)).collect();
        bucket.add(&entries);
        bucket.now.0 += 1000;
    }
    assert_eq!(bucket.root.segments(), 100_000);
    // The broker reads the root, and for one look-up one leaf.
    let root = bucket.objects[&bucket.root.key()].clone();
    assert!(root.len() <= MANIFEST_OBJECT_BYTES_MAX, "{}", root.len());
    bucket.root = Root::decode(&root, PARTITION, bucket.root.number).unwrap();
    bucket.gets = 0;
    let reference = *bucket.root.leaf_of(Offset(5_000_050)).unwrap();
    let leaf = bucket.leaf(&reference);
    assert!(leaf.entries.iter().any(|entry| entry.base_offset == Offset(5_000_000)));
    assert_eq!(bucket.gets, 1);
    bucket.expected = (0..100_000).map(|at| entry(at * 100)).collect();
    bucket.check();
    assert_eq!((bucket.puts_max, bucket.root.retired.len()), (2, RETIRED_MAX));
    // Leaves are nearly full, so that many more fit.
    assert_eq!(bucket.root.leaves.len(), 209);
    open_in_a_second(&bucket).await;
    // All of it goes, in bounded steps.
    let number = bucket.root.number;
    bucket.remove_below(Offset(9_999_950));
    bucket.check();
    assert_eq!(bucket.root.segments(), 1);
    assert_eq!(bucket.root.number - number, 209_u64.div_ceil(LEAVES_PER_REMOVAL_MAX as u64));
}

/// As a broker does: the root, and what one look-up needs.
async fn open_in_a_second(filled: &Bucket) {
    let env = Env::real();
    let bucket = SimulatedBucket::new(env.clock.clone(), 1);
    let manifest = filled.objects.iter().filter(|(key, _)| key.contains("/manifest/"));
    manifest.for_each(|(key, bytes)| bucket.set_object(key, bytes.clone()));
    let options = RemoteReaderOptions { memory_bytes: 16 << 20, disk: None };
    let reader = Arc::new(RemoteReader::open(bucket.open(&env), &env, &options).await);
    let begun = env.clock.monotonic();
    let root = reader.root(PARTITION, filled.root.number).await.unwrap();
    let found = RemoteLog::new(reader, root).segment_of(Offset(5_000_050)).await.unwrap().unwrap();
    let took = env.clock.monotonic() - begun;
    assert_eq!((found.base_offset, bucket.requests(Operation::Get)), (Offset(5_000_000), 2));
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// So many from that offset on.
fn segments(from: i64, count: i64) -> Vec<ManifestEntry> {
    (0..count).map(|at| entry(from + at * 100)).collect()
}

/// One object names a few segments, and every so often a second one: the bound is 40 PUTs for 16
/// segments, a GiB, with those of the segments.
#[test]
fn segments_that_come_one_by_one_cost_little_more_than_a_root_each() {
    const SEGMENTS: i64 = 1600;
    let mut bucket = Bucket::new();
    let (mut leaves, mut roots) = (0, 0);
    for at in 0..SEGMENTS {
        let last = bucket.root.leaf_for(1).copied().map(|reference| bucket.leaf(&reference));
        let stamp = bucket.stamp();
        let update = bucket.root.add(&[entry(at * 100)], last.as_ref(), &stamp).unwrap();
        (leaves, roots) = (leaves + i64::from(update.leaf.is_some()), roots + 1);
        bucket.objects.insert(entry(at * 100).key(PARTITION), Bytes::new());
        bucket.apply(update);
        bucket.now.0 += 60_000;
    }
    bucket.expected = segments(0, SEGMENTS);
    bucket.check();
    let puts = SEGMENTS + leaves + roots;
    assert!(16 * puts <= 34 * SEGMENTS, "{puts} for {SEGMENTS}, {leaves} leaves");
    // They are as good as full.
    assert!(bucket.root.leaves.len() <= 5);
}

#[test]
fn replaced_objects_wait_for_their_grace() {
    let mut bucket = Bucket::new();
    bucket.add(&segments(0, 40));
    let leaf = bucket.leaf(&bucket.root.leaves[0].clone());
    let merged = ManifestEntry {
        end_offset: Offset(200),
        object: ObjectName { base_offset: Offset(0), nonce: nonce(77) },
        ..entry(0)
    };
    bucket.replace(0, &[merged], &leaf, Offset(0)..Offset(200));
    let old = [entry(0).key(PARTITION), entry(100).key(PARTITION), leaf.key(PARTITION)];
    assert!(old.iter().all(|key| bucket.objects.contains_key(key)));
    bucket.now.0 += 600_000 - 1;
    bucket.add(&[entry(4000)]);
    assert!(old.iter().all(|key| bucket.objects.contains_key(key)));
    bucket.now.0 += 1;
    bucket.add(&[entry(4100)]);
    assert!(old.iter().all(|key| !bucket.objects.contains_key(key)));
    bucket.check();
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let mut bucket = Bucket::new();
    bucket.add(&[&segments(0, 2)[..], &segments(300, 37)].concat());
    let (root, stamp) = (bucket.root.clone(), bucket.stamp());
    let leaf = bucket.leaf(&root.leaves[0]);
    let other = Leaf { nonce: nonce(99), ..leaf.clone() };
    let add = |entries: &[ManifestEntry], last: Option<&Leaf>| root.add(entries, last, &stamp);
    let replace = |from: i64, to: i64, entries: &[ManifestEntry]| {
        root.replace(Offset(from)..Offset(to), entries, &leaf, &stamp)
    };
    let (some, many) = (segments(4000, 33), segments(4000, 513));
    let unsound = ManifestEntry { head_bytes: 0, ..entry(4000) };
    let again = Stamp { number: root.number, ..stamp };
    for (name, result) in [
        ("none", add(&[], Some(&leaf))),
        ("over the last", add(&[entry(3999)], Some(&leaf))),
        ("over each other", add(&[entry(4000), entry(4050)], Some(&leaf))),
        ("too many", add(&many, Some(&leaf))),
        ("unsound", add(&[unsound], Some(&leaf))),
        ("another leaf", add(&some, Some(&other))),
        ("no leaf", add(&some, None)),
        ("a number again", root.add(&[entry(4000)], Some(&leaf), &again)),
        ("no leaf", root.remove_below(Offset(50), &[], &stamp)),
        ("another leaf", root.remove_below(Offset(50), std::slice::from_ref(&other), &stamp)),
        ("within a segment", replace(50, 200, &[])),
        ("end within", replace(0, 150, &[])),
        ("backwards", replace(300, 200, &[])),
        ("larger", replace(0, 100, &[ManifestEntry { end_offset: Offset(101), ..entry(0) }])),
        ("another leaf", root.replace(Offset(0)..Offset(100), &[], &other, &stamp)),
    ] {
        assert!(matches!(result, Err(TierError::Misplaced(_))), "{name}: {result:?}");
    }
    let fuller = segments(4000, 512);
    assert!(add(&fuller, Some(&leaf)).is_ok());
    let mut full = root.clone();
    full.leaves = vec![full.leaves[0]; LEAVES_MAX];
    assert!(matches!(full.add(&fuller, Some(&leaf), &stamp), Err(TierError::Full(_))));
    assert!(full.add(&fuller[..1], Some(&leaf), &stamp).is_ok(), "the last leaf still takes some");
}

/// A reader that began while the clock was behind is at it all the same when that is right again.
#[test]
fn what_is_replaced_while_the_clock_is_behind_is_kept_for_the_whole_grace() {
    let mut bucket = Bucket::new();
    bucket.add(&[entry(0)]);
    let behind = Times { believed: Timestamp(NOW.0 - 86_400_000), stamp: NOW };
    let leaf = bucket.leaf(&bucket.root.leaves[0].clone());
    let stamp = Stamp { times: behind, ..bucket.stamp() };
    let update = bucket.root.add(&[entry(100)], Some(&leaf), &stamp).unwrap();
    bucket.apply(update);
    for (since, is_kept) in [(0, true), (600_000 - 1, true), (600_000, false)] {
        let leaf = bucket.leaf(&bucket.root.leaves[0].clone());
        let stamp = Stamp { times: Times::both(Timestamp(NOW.0 + since)), ..bucket.stamp() };
        let update = bucket.root.add(&[entry(200)], Some(&leaf), &stamp).unwrap();
        assert_eq!(update.garbage.is_empty(), is_kept, "after {since} ms: {:?}", update.garbage);
    }
}

#[test]
fn a_removal_raises_the_log_start_alone() {
    let mut bucket = Bucket::new();
    bucket.add(&[entry(0), entry(100)]);
    // Within a segment: it stays whole, and nothing else is written than the root.
    let leaf = bucket.leaf(&bucket.root.leaves[0].clone());
    let stamp = bucket.stamp();
    let update = bucket.root.remove_below(Offset(50), &[leaf], &stamp).unwrap();
    assert!(update.leaf.is_none() && update.garbage.is_empty());
    assert_eq!((update.next.log_start_offset, update.next.segments()), (Offset(50), 2));
    bucket.apply(update);
    // Never back.
    bucket.remove_below(Offset(10));
    assert_eq!(bucket.root.log_start_offset, Offset(50));
    // Above all that was uploaded: segments that begin below may still follow.
    bucket.remove_below(Offset(250));
    assert_eq!((bucket.root.end_offset, bucket.root.segments()), (Offset(200), 0));
    bucket.add(&[entry(200)]);
    bucket.check();
    let stamp =
        Stamp::after(&bucket.root, &crate::env::SystemRandom, LeaderEpoch(2), Times::both(NOW), GRACE);
    assert_eq!(stamp.number, bucket.root.number + 1);
    assert_ne!(stamp.root_nonce, stamp.leaf_nonce);
}
