use super::*;
use crate::env::Env;
use crate::env::simulated::SimulatedWorld;
use crate::store::Operation;
use crate::store::simulated::{Fault, SimulatedBucket, Strike};
use crate::tier::catalogue::CHUNK_ENTRIES_BYTES;
use crate::tier::catalogue_reader::{list_catalogues, read_chunk};

type Entries = Vec<(CatalogueKind, String, String)>;

struct Case {
    bucket: SimulatedBucket,
    store: Arc<dyn ObjectStore>,
    env: Env,
}

fn case() -> Case {
    let env = SimulatedWorld::new(3).env();
    let bucket = SimulatedBucket::new(env.clock.clone(), 3);
    let store = bucket.open(&env);
    Case { bucket, store, env }
}

impl Case {
    fn writer(&self) -> CatalogueWriter {
        CatalogueWriter::new(self.store.clone(), self.env.random.clone())
    }

    /// Keys of roots, and how many chunks there are.
    fn found(&self) -> (usize, usize) {
        let (roots, chunks): (Vec<_>, Vec<_>) =
            self.bucket.keys().into_iter().partition(|key| key.ends_with(".root"));
        (roots.len(), chunks.len())
    }

    async fn newest(&self) -> Entries {
        let number = list_catalogues(&*self.store).await.unwrap()[0];
        let root = read_catalogue(&*self.store, number).await.unwrap();
        let mut entries = Vec::new();
        for chunk in &root.chunks {
            for (key, value) in read_chunk(&*self.store, chunk).await.unwrap() {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                entries.push((chunk.kind, text(&key), text(&value)));
            }
        }
        entries
    }
}

fn stamp(owner: u64) -> CatalogueStamp {
    CatalogueStamp { owner, taken_at: Timestamp(1), node_id: NodeId(1), cluster_id: "c".to_owned() }
}

/// Some megabytes of two kinds, in which one value may differ.
fn entries(changed: usize) -> Entries {
    let of = |kind, count: usize| {
        (0..count).map(move |at| {
            let value = if at == changed { "other" } else { "value" };
            (kind, format!("key {at:06}"), value.repeat(20))
        })
    };
    of(CatalogueKind::Metadata, 9000).chain(of(CatalogueKind::Offsets, 9000)).collect()
}

async fn put(writer: &mut CatalogueWriter, entries: &Entries, owner: u64) -> Result<bool, TierError> {
    writer.open().await?;
    let mut draft = CatalogueDraft::default();
    for (kind, key, value) in entries {
        writer.add(&mut draft, *kind, key.as_bytes(), value.as_bytes()).await?;
    }
    writer.finish(draft, &stamp(owner)).await
}

#[tokio::test]
async fn what_did_not_change_is_not_put_again() {
    let (case, all) = (case(), entries(usize::MAX));
    let mut writer = case.writer();
    assert_eq!(put(&mut writer, &all, 1).await, Ok(true));
    assert_eq!(case.newest().await, all);
    let (_, chunks) = case.found();
    assert!(chunks > 4, "{chunks}");
    let puts = case.bucket.requests(Operation::Put);
    assert_eq!(put(&mut writer, &all, 1).await, Ok(false));
    assert_eq!(case.bucket.requests(Operation::Put), puts);
    let changed = entries(4000);
    assert_eq!(put(&mut writer, &changed, 1).await, Ok(true));
    assert_eq!(case.newest().await, changed);
    assert_eq!(case.bucket.requests(Operation::Put), puts + 2, "a chunk of each kind");
    // A new key moves no other chunk.
    let mut more = changed.clone();
    more.insert(0, (CatalogueKind::Metadata, "first".to_owned(), "value".to_owned()));
    assert_eq!(put(&mut writer, &more, 1).await, Ok(true));
    assert_eq!(case.newest().await, more);
    assert!(case.bucket.requests(Operation::Put) <= puts + 4);
}

#[tokio::test]
async fn two_catalogues_stay_and_nothing_that_they_do_not_name() {
    let case = case();
    case.bucket.set_object("catalogue/somebody-elses", "not ours");
    let mut writer = case.writer();
    for round in 0..6 {
        assert_eq!(put(&mut writer, &entries(round * 1000), 1).await, Ok(true));
    }
    let (roots, _) = case.found();
    assert_eq!(roots, 2);
    // The next process, and the next owner.
    for owner in [1, 2] {
        let mut writer = case.writer();
        for round in 0..3 {
            put(&mut writer, &entries(round), owner).await.unwrap();
        }
        let numbers = list_catalogues(&*case.store).await.unwrap();
        assert_eq!((numbers.len(), numbers[0].owner), (2, owner), "{numbers:?}");
        let mut named = 1;
        let mut chunks = HashSet::new();
        for number in numbers {
            let root = read_catalogue(&*case.store, number).await.unwrap();
            chunks.extend(root.chunks.iter().map(ChunkReference::key));
            named += 1;
        }
        assert_eq!(case.bucket.keys().len(), named + chunks.len());
    }
}

#[tokio::test]
async fn a_catalogue_that_fails_leaves_the_one_before() {
    let all = entries(usize::MAX);
    for (operation, fault) in [
        (Operation::Put, Fault::Unavailable),
        (Operation::Put, Fault::AnswerLost),
        (Operation::Create, Fault::Unavailable),
        (Operation::Create, Fault::LandsLate),
        (Operation::Delete, Fault::Unavailable),
    ] {
        let case = case();
        let mut writer = case.writer();
        put(&mut writer, &all, 1).await.unwrap();
        case.bucket.strike(Strike::next(operation, fault).times(100));
        let failed = put(&mut writer, &entries(1), 1).await.is_err();
        // What lands late may be found there in time.
        let is_as_said = failed == (operation != Operation::Delete) || fault == Fault::LandsLate;
        assert!(is_as_said, "{operation:?} {fault:?}");
        case.bucket.clear_faults();
        if failed && fault != Fault::LandsLate {
            assert_eq!(case.newest().await, all, "{operation:?} {fault:?}");
        }
        for round in 2..5 {
            assert_eq!(put(&mut writer, &entries(round), 1).await, Ok(true), "{operation:?} {fault:?}");
        }
        assert_eq!(case.newest().await, entries(4));
        assert_eq!(case.found().0, 2, "{operation:?} {fault:?}");
    }
}

/// Whatever becomes of the damaged one: who restores takes the highest number that is whole.
#[tokio::test]
async fn a_damaged_catalogue_is_followed_by_a_higher_number() {
    let case = case();
    let mut writer = case.writer();
    for round in 0..3 {
        assert!(put(&mut writer, &entries(round), 1).await.unwrap());
    }
    let before = list_catalogues(&*case.store).await.unwrap();
    case.bucket.set_object(&CatalogueKey::Root(before[0]).key(), "damaged");
    case.bucket.strike(Strike::next(Operation::Delete, Fault::Unavailable).times(100));
    let mut writer = case.writer();
    writer.open().await.unwrap();
    assert_eq!(writer.newest.as_ref().map(|root| root.number), Some(before[1]), "the one before counts");
    assert!(put(&mut writer, &entries(5), 1).await.unwrap());
    assert_eq!(case.newest().await, entries(5));
    let after = list_catalogues(&*case.store).await.unwrap();
    assert!(after[0] > before[0] && after.contains(&before[1]), "{after:?}");
    case.bucket.clear_faults();
    assert!(put(&mut writer, &entries(6), 1).await.unwrap());
    assert_eq!(case.found().0, 2);
    // All are: the next one's number is above these too.
    let before = list_catalogues(&*case.store).await.unwrap();
    for number in &before {
        case.bucket.set_object(&CatalogueKey::Root(*number).key(), "damaged");
    }
    assert!(put(&mut case.writer(), &entries(7), 1).await.unwrap());
    let after = list_catalogues(&*case.store).await.unwrap();
    assert!(after.len() == 1 && after[0] > before[0], "{after:?}");
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let case = case();
    let mut writer = case.writer();
    let value = vec![0; CATALOGUE_ENTRY_BYTES_MAX];
    let added = writer.add(&mut CatalogueDraft::default(), CatalogueKind::Metadata, b"key", &value).await;
    assert!(matches!(added, Err(TierError::Full(_))), "{added:?}");
}

/// A tenth of a large node: 100,000 partitions and a million offsets.
#[tokio::test]
async fn a_large_catalogue_is_put_in_pieces_and_a_commit_costs_one() {
    const PARTITIONS: i32 = 10_000;
    const OFFSETS: i32 = 100_000;
    const GROUPS: i32 = 50;
    /// Of an offset, with a group and a topic of twenty letters each.
    const OFFSET_BYTES_MAX: usize = 130;
    const PARTITION_BYTES_MAX: usize = 64;
    let case = case();
    let mut writer = case.writer();
    let id = |partition| TopicPartition { topic_id: crate::model::TopicId::ZERO, partition };
    for committed in [1_u64, 1, 2] {
        writer.open().await.unwrap();
        let (puts, mut held_max) = (case.bucket.requests(Operation::Put), 0);
        let mut draft = CatalogueDraft::default();
        for partition in 0..PARTITIONS {
            let value = CataloguedPartition::default().encode();
            let key = CataloguedPartition::key(id(partition));
            writer.add(&mut draft, CatalogueKind::Partitions, &key, &value).await.unwrap();
            held_max = draft.entries.content().len().max(held_max);
        }
        for section in 0..GROUPS {
            for at in 0..OFFSETS / GROUPS {
                let key = format!("a-group-of-letters{section:02}a-topic-of-letters-{at:06}");
                // One group has committed something since.
                let offset = if section == 7 && at == 9 { committed } else { 1 };
                let value = [&offset.to_be_bytes()[..], &[0; 50]].concat();
                writer.add(&mut draft, CatalogueKind::Offsets, key.as_bytes(), &value).await.unwrap();
                held_max = draft.entries.content().len().max(held_max);
            }
            writer.end_section(&mut draft, CatalogueKind::Offsets, section).await.unwrap();
        }
        let chunks = draft.chunks.clone();
        writer.finish(draft, &stamp(1)).await.unwrap();
        let bytes: usize = chunks.iter().map(|chunk| chunk.bytes as usize).sum();
        let bound = PARTITIONS as usize * PARTITION_BYTES_MAX + OFFSETS as usize * OFFSET_BYTES_MAX;
        assert!(bytes <= bound, "{bytes} bytes, of {bound}");
        assert!(held_max <= CHUNK_ENTRIES_BYTES, "{held_max} bytes are held at once");
        assert!(chunks.len() * 10 <= CATALOGUE_CHUNKS_MAX, "{} chunks", chunks.len());
        let puts = case.bucket.requests(Operation::Put) - puts;
        assert!(puts == chunks.len() as u64 || puts == u64::from(committed > 1), "{puts} of {committed}");
    }
}

/// One that fails each minute must not fill the bucket.
#[tokio::test]
async fn a_draft_that_is_given_up_leaves_nothing() {
    let case = case();
    let mut writer = case.writer();
    assert!(put(&mut writer, &entries(1), 1).await.unwrap());
    let before = case.bucket.keys();
    for changed in 2..5 {
        let mut draft = CatalogueDraft::default();
        for (kind, key, value) in &entries(changed) {
            writer.add(&mut draft, *kind, key.as_bytes(), value.as_bytes()).await.unwrap();
        }
        assert!(case.bucket.keys().len() > before.len());
        writer.give_up(draft).await;
        assert_eq!(case.bucket.keys(), before);
    }
    assert!(put(&mut writer, &entries(9), 1).await.unwrap());
    assert_eq!(case.newest().await, entries(9));
}

/// A partition that could not be opened is told of as before.
#[tokio::test]
async fn what_the_newest_catalogue_says_of_a_partition_is_known_after_a_start() {
    let case = case();
    let id =
        |partition| TopicPartition { topic_id: crate::model::TopicId(uuid::Uuid::from_u128(7)), partition };
    let of = |end| CataloguedPartition { log_end_offset: crate::model::Offset(end), ..Default::default() };
    let mut writer = case.writer();
    writer.open().await.unwrap();
    let mut draft = CatalogueDraft::default();
    for partition in 0..3 {
        let (key, value) = (CataloguedPartition::key(id(partition)), of(i64::from(partition)).encode());
        writer.add(&mut draft, CatalogueKind::Partitions, &key, &value).await.unwrap();
    }
    assert!(writer.finish(draft, &stamp(1)).await.unwrap());
    let mut writer = case.writer();
    writer.open().await.unwrap();
    let known = writer.known_partitions(&HashSet::from([id(2), id(9)])).await.unwrap();
    assert_eq!(known, HashMap::from([(id(2), of(2))]));
}
