use std::path::{Path, PathBuf};

use super::ends::GAP;
use super::*;
use crate::broker::testing::{
    PATIENCE, append_records, bucket, bucket_tier, commit_offset, eventually, open_with, segments,
    tiered_topic,
};
use crate::broker::tests::machine::options;
use crate::broker::tests::transactions::{marker, transactional};
use crate::broker::tests::verify::expect_whole;
use crate::broker::tiering::tests::{read_on, set_tiered};
use crate::broker::{Broker, TierOwnerError};
use crate::cluster::EmbeddedMetadata;
use crate::env::simulated::{CrashPlan, SimulatedWorld};
use crate::env::{Files, RealFiles};
use crate::metadata::{BrokerConfigs, TierRecord};
use crate::model::{LeaderEpoch, NodeId, Offset, TransactionResult};
use crate::partition::{Appender, CheckpointReach, Purpose, TransactionMarker, Verification};
use crate::partition::{BrokerDirectory, Catalogue, LogConfig, OpenError, Partition, Storage};
use crate::store::simulated::SimulatedBucket;
use crate::store::{Answer, Body, Created, Listing, Parts};
use crate::tier::{ObjectKey, Root};
use crate::wal::SyncMode;

const SETTINGS: [(&str, &str); 4] = [
    ("highwater.tier.store", "file:///simulated"),
    ("remote.log.manager.task.interval.ms", "3600000"),
    ("highwater.tier.catalogue.interval.ms", "86400000"),
    ("offsets.topic.num.partitions", "3"),
];
const DEAD: RestoreOptions =
    RestoreOptions { take_over: true, old_node_is_dead: true, allow_empty: Vec::new() };
const LOOK: RestoreOptions =
    RestoreOptions { take_over: false, old_node_is_dead: false, allow_empty: Vec::new() };

#[derive(Default)]
struct Heard {
    notes: Vec<String>,
    partitions: Vec<RestoredPartition>,
}

impl RestoreWatcher for Heard {
    fn note(&mut self, words: &str) {
        self.notes.push(words.to_owned());
    }

    fn partition(&mut self, partition: &RestoredPartition, done: usize, all: usize) {
        self.partitions.push(partition.clone());
        assert!(done == self.partitions.len() && done <= all);
    }
}

async fn open(directory: &Path, bucket: &SimulatedBucket) -> Arc<Broker> {
    open_with(directory, &SETTINGS, Some(bucket_tier(bucket).await))
}

fn config(directory: &Path) -> ServerConfig {
    let flags = [("log.dirs".to_owned(), directory.to_str().unwrap().to_owned())];
    ServerConfig::load(&RealFiles, None, std::iter::empty(), &flags).unwrap().0
}

async fn restored(
    env: &Env,
    directory: &Path,
    bucket: &SimulatedBucket,
    options: &RestoreOptions,
) -> Result<(Restored, Heard), RestoreError> {
    let mut heard = Heard::default();
    let store = bucket.open(&Env::real());
    let restored = restore(env, &store, &config(directory), options, &mut heard).await?;
    Ok((restored, heard))
}

/// A bucket with a tiered topic of three segments, another one that was never tiered, and offsets of a group;
/// and the partition's end as it was published.
async fn lost_node(bucket: &SimulatedBucket) -> (tempfile::TempDir, Arc<Broker>, Arc<Partition>) {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path(), bucket).await;
    let partition = tiered_topic(&broker, "t").await;
    segments(&broker, &partition, 3).await;
    broker.see_to_the_tier().await;
    commit_offset(&broker, "g", "t", 0, 33).await;
    broker.put_catalogue().await.unwrap();
    (directory, broker, partition)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_node_goes_on_where_the_bucket_ends() {
    let bucket = bucket();
    let (old_directory, old, partition) = lost_node(&bucket).await;
    let (id, cluster_id) = (partition.topic_partition(), old.cluster_id().to_owned());
    let (old_epoch, old_producer) = (partition.leader_epoch(), old.allocate_producer_id().await.unwrap());
    let directory = tempfile::tempdir().unwrap();
    let (told, heard) = restored(&Env::real(), directory.path(), &bucket, &DEAD).await.unwrap();
    assert_eq!((told.owner, told.topics, told.partitions, told.offsets), (Some(2), 1, 1, 1));
    assert_eq!(told.cluster_id, cluster_id);
    let expected = (Offset(0), Offset(30), Offset(35 + GAP));
    let found = &heard.partitions[0];
    assert_eq!((found.log_start_offset, found.restored_end_offset, found.log_end_offset), expected);

    let broker = open(directory.path(), &bucket).await;
    broker.own_tier().await.unwrap();
    assert_eq!(broker.cluster_id(), cluster_id);
    let partition = broker.partition(id).expect("it has its id");
    assert_eq!(partition.topic().as_ref(), "t");
    assert_eq!(partition.watermarks().log_end_offset, Offset(35 + GAP));
    assert_eq!(partition.watermarks().last_stable_offset, Offset(35 + GAP));
    assert!(partition.leader_epoch().0 > old_epoch.0 + (1 << 20), "{}", partition.leader_epoch());
    assert!(broker.allocate_producer_id().await.unwrap().0 > old_producer.0 + (1 << 39));
    // From the beginning, over the gap, to what is produced then.
    append_records(&broker, &partition, 4).await;
    let read = read_on(&broker, &partition, 0).await;
    assert_eq!(read, [(0, 10), (10, 10), (20, 10), (30, 0), (34 + GAP, 0), (35 + GAP, 4)]);
    assert_eq!(read_on(&broker, &partition, 33).await, read[4..], "from what was committed");
    // A position of before is still part of the log.
    let (_, end) = partition.end_offset_for(old_epoch).unwrap();
    assert!(end >= Offset(35), "{end}");
    let group = broker.group_partition("g").unwrap();
    let offsets = eventually(|| broker.committed_offsets(group)).await;
    assert_eq!(offsets.len(), 1);
    // It goes on copying, the gap too, and puts catalogues of its own.
    broker.storage().flush_step(0).unwrap();
    eventually(|| partition.log().roll_if_due().unwrap().then_some(())).await;
    broker.storage().checkpoint_step(CheckpointReach::All).unwrap();
    broker.see_to_the_tier().await;
    assert!(broker.image().tier(id).unwrap().remote_end_offset >= Offset(35 + GAP));
    broker.retain().await.unwrap();
    assert!(partition.watermarks().local_log_start_offset >= Offset(35 + GAP));
    assert_eq!(read_on(&broker, &partition, 0).await, read, "also from there");
    assert!(broker.put_catalogue().await.unwrap());

    // The old node comes back.
    let tiering = old.tiering.as_ref().unwrap();
    tiering.ownership().confirmed(1);
    tiering.ownership().check().await.unwrap_err();
    assert!(old.tier_lost().await.contains("owner 2"));
    old.close().await.unwrap();
    broker.close().await.unwrap();
    drop((broker, partition, old));

    // And starts again, as does the new one.
    let broker = open(directory.path(), &bucket).await;
    broker.own_tier().await.unwrap();
    assert_eq!(broker.partition(id).unwrap().watermarks().log_end_offset, Offset(39 + GAP));
    broker.close().await.unwrap();
    let broker = open(old_directory.path(), &bucket).await;
    assert!(matches!(broker.own_tier().await, Err(TierOwnerError::Foreign(_))));
    broker.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_take_over_nothing_is_changed() {
    let bucket = bucket();
    let (_old_directory, old, _) = lost_node(&bucket).await;
    let directory = tempfile::tempdir().unwrap();
    let keys = bucket.keys();
    let (told, heard) = restored(&Env::real(), directory.path(), &bucket, &LOOK).await.unwrap();
    assert_eq!((told.owner, told.partitions, heard.partitions.len()), (None, 1, 1));
    assert_eq!(bucket.keys(), keys);
    assert_eq!(RealFiles.list(directory.path()).unwrap(), Vec::<String>::new());
    old.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_with_anything_in_it_is_refused() {
    let bucket = bucket();
    let (old_directory, old, _) = lost_node(&bucket).await;
    old.close().await.unwrap();
    drop(old);
    for options in [DEAD, LOOK] {
        let refused = restored(&Env::real(), old_directory.path(), &bucket, &options).await.err().unwrap();
        assert_eq!(refused.exit_code(), 78);
        assert!(refused.to_string().contains("not empty"), "{refused}");
    }
    assert!(!bucket.keys().contains(&Owner::key_of(2)), "and nothing is taken over");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_bucket_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let bucket = bucket();
    let refused = restored(&Env::real(), directory.path(), &bucket, &DEAD).await.err().unwrap();
    assert_eq!(refused.exit_code(), 78);
    assert_eq!(bucket.keys(), Vec::<String>::new());
    assert_eq!(RealFiles.list(directory.path()).unwrap(), Vec::<String>::new());
}

fn roots(bucket: &SimulatedBucket) -> Vec<String> {
    let is_root = |key: &String| matches!(ObjectKey::parse(key), Some(ObjectKey::Root(..)));
    bucket.keys().into_iter().filter(is_root).collect()
}

/// A manifest that is newer than the catalogue counts; one of which something is missing does not.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_manifest_that_is_whole_is_taken() {
    let bucket = bucket();
    let (_old_directory, old, partition) = lost_node(&bucket).await;
    segments(&old, &partition, 2).await;
    old.see_to_the_tier().await;
    old.close().await.unwrap();
    let newest = roots(&bucket).pop().unwrap();
    let look = async || {
        let directory = tempfile::tempdir().unwrap();
        restored(&Env::real(), directory.path(), &bucket, &LOOK).await
    };
    let (_, heard) = look().await.unwrap();
    let (restored_end, tier) = (heard.partitions[0].restored_end_offset, heard.partitions[0].tier.unwrap());
    assert!(restored_end > Offset(30) && tier.remote_end_offset == restored_end);
    // A segment that only the newest names is gone.
    let of = |end: Offset| format!("{:020}-", end.0);
    let lost = bucket.keys().into_iter().find(|key| key.contains(&of(Offset(30)))).unwrap();
    bucket.remove_object(&lost);
    let (_, heard) = look().await.unwrap();
    assert_eq!(heard.partitions[0].restored_end_offset, Offset(30));
    // So is the other one's root: refused, for what it names would be collected.
    for root in roots(&bucket).into_iter().filter(|root| *root != newest) {
        bucket.set_object(&root, "damaged");
    }
    let refused = look().await.err().unwrap();
    assert!(matches!(refused, RestoreError::Damaged { .. }), "{refused}");
}

/// It tells where producers and leader epochs were.
#[tokio::test(flavor = "multi_thread")]
async fn a_last_segment_that_is_missing_is_named() {
    let bucket = bucket();
    let (_old_directory, old, _) = lost_node(&bucket).await;
    old.close().await.unwrap();
    let of_last = format!("{:020}-", 20);
    let lost = bucket.keys().into_iter().find(|key| key.contains(&of_last)).unwrap();
    bucket.remove_object(&lost);
    let directory = tempfile::tempdir().unwrap();
    let refused = restored(&Env::real(), directory.path(), &bucket, &LOOK).await.err().unwrap();
    assert_eq!(refused.exit_code(), 1, "{refused}");
    let words = refused.to_string();
    assert!(words.contains(&lost) && words.contains("it is missing, and a manifest names it"), "{words}");
}

/// It may have been deleted since the catalogue: whoever knows that says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_which_nothing_is_left_is_restored_empty_only_where_that_is_allowed() {
    let bucket = bucket();
    let (_old_directory, old, _) = lost_node(&bucket).await;
    old.close().await.unwrap();
    let is_segment = |key: &String| matches!(ObjectKey::parse(key), Some(ObjectKey::Segment(..)));
    let (segments, others): (Vec<_>, Vec<_>) =
        bucket.keys().into_iter().filter(|key| key.starts_with("topics/")).partition(is_segment);
    // First what names the segments, then these too.
    for keys in [others, segments] {
        keys.iter().for_each(|key| bucket.remove_object(key));
        for options in [LOOK, DEAD] {
            let directory = tempfile::tempdir().unwrap();
            let refused = restored(&Env::real(), directory.path(), &bucket, &options).await.err().unwrap();
            assert!(matches!(refused, RestoreError::Gone { remote_end_offset: Offset(30), .. }), "{refused}");
            assert!(refused.to_string().contains("--allow-empty t;"), "{refused}");
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let options = RestoreOptions { allow_empty: vec!["t".to_owned()], ..LOOK };
    let (_, heard) = restored(&Env::real(), directory.path(), &bucket, &options).await.unwrap();
    let partition: &RestoredPartition = &heard.partitions[0];
    assert_eq!((partition.restored_end_offset, partition.tier), (Offset(0), None::<TierRecord>));
    assert_eq!((partition.lost_end_offset, partition.log_end_offset), (Some(Offset(30)), Offset(35 + GAP)));
}

/// What it had before is to go, and what it got since the catalogue is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_tiered_again_is_restored_from_its_newest_manifest() {
    let bucket = bucket();
    let (_old_directory, old, partition) = lost_node(&bucket).await;
    let id = partition.topic_partition();
    set_tiered(&old, false).await;
    set_tiered(&old, true).await;
    let look = async || {
        let directory = tempfile::tempdir().unwrap();
        restored(&Env::real(), directory.path(), &bucket, &LOOK).await.unwrap().1.partitions.remove(0)
    };
    // The catalogue is of a moment when nothing was copied anew; then of one when something was.
    old.put_catalogue().await.unwrap();
    assert_eq!(look().await.tier, None, "what is there is to go");
    old.see_to_the_tier().await;
    for _ in 0..2 {
        let (found, current) = (look().await.tier.unwrap(), old.image().tier(id).unwrap());
        assert_eq!((found.manifest, found.remote_end_offset), (current.manifest, current.remote_end_offset));
        old.put_catalogue().await.unwrap();
        segments(&old, &partition, 2).await;
        old.see_to_the_tier().await;
    }
    old.close().await.unwrap();
}

/// A bucket whose node puts another catalogue, and takes the former ones away, while somebody reads them.
struct Live {
    store: Arc<dyn ObjectStore>,
    bucket: SimulatedBucket,
    /// What comes in the place of what is there, at the first look at a chunk.
    next: parking_lot::Mutex<Option<Vec<(String, bytes::Bytes)>>>,
}

fn catalogue_of(bucket: &SimulatedBucket) -> Vec<(String, bytes::Bytes)> {
    let keys = bucket.keys().into_iter().filter(|key| key.starts_with("catalogue/"));
    keys.map(|key| (key.clone(), bucket.object(&key).unwrap())).collect()
}

fn replace_catalogue(bucket: &SimulatedBucket, objects: Vec<(String, bytes::Bytes)>) {
    catalogue_of(bucket).iter().for_each(|(key, _)| bucket.remove_object(key));
    objects.into_iter().for_each(|(key, bytes)| bucket.set_object(&key, bytes));
}

impl ObjectStore for Live {
    fn put<'a>(&'a self, key: &'a str, body: Vec<bytes::Bytes>) -> Answer<'a, ()> {
        self.store.put(key, body)
    }

    fn put_large<'a>(&'a self, key: &'a str, length: u64, parts: &'a mut dyn Parts) -> Answer<'a, ()> {
        self.store.put_large(key, length, parts)
    }

    fn create<'a>(&'a self, key: &'a str, body: bytes::Bytes) -> Answer<'a, Created> {
        self.store.create(key, body)
    }

    fn get<'a>(&'a self, key: &'a str, range: Option<std::ops::Range<u64>>) -> Answer<'a, Body> {
        if key.ends_with(".chunk")
            && let Some(next) = self.next.lock().take()
        {
            replace_catalogue(&self.bucket, next);
        }
        self.store.get(key, range)
    }

    fn size<'a>(&'a self, key: &'a str) -> Answer<'a, Option<u64>> {
        self.store.size(key)
    }

    fn delete<'a>(&'a self, keys: &'a [String]) -> Answer<'a, ()> {
        self.store.delete(keys)
    }

    fn list(&self, prefix: &str) -> Listing {
        self.store.list(prefix)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_a_node_that_lives_on_follows_its_catalogues() {
    let bucket = bucket();
    let (_old_directory, old, partition) = lost_node(&bucket).await;
    let before = catalogue_of(&bucket);
    for offset in [34, 35] {
        append_records(&old, &partition, 1).await;
        commit_offset(&old, "g", "t", 0, offset).await;
        old.put_catalogue().await.unwrap();
    }
    old.close().await.unwrap();
    let next = Some(catalogue_of(&bucket));
    replace_catalogue(&bucket, before);
    let live = Live { store: bucket.open(&Env::real()), bucket: bucket.clone(), next: next.into() };
    let store: Arc<dyn ObjectStore> = Arc::new(live);
    let directory = tempfile::tempdir().unwrap();
    let mut heard = Heard::default();
    restore(&Env::real(), &store, &config(directory.path()), &LOOK, &mut heard).await.unwrap();
    assert_eq!(heard.partitions[0].log_end_offset, Offset(37 + GAP));
}

/// The old node puts one late, when another has long followed it, under a number that is free.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_of_the_newest_leader_counts_before_a_higher_number() {
    let bucket = bucket();
    let (_old_directory, old, partition) = lost_node(&bucket).await;
    let id = partition.topic_partition();
    segments(&old, &partition, 1).await;
    old.see_to_the_tier().await;
    let current = old.image().tier(id).unwrap();
    old.close().await.unwrap();
    let key = ObjectKey::Root(id, current.manifest).to_string();
    let root = Root::decode_any(&bucket.object(&key).unwrap()).unwrap();
    let late = Root {
        number: root.number + 1,
        leader_epoch: LeaderEpoch(root.leader_epoch.0 - 1),
        log_start_offset: Offset(9),
        ..root
    };
    bucket.set_object(&late.key(), late.encode());
    let directory = tempfile::tempdir().unwrap();
    let (_, heard) = restored(&Env::real(), directory.path(), &bucket, &LOOK).await.unwrap();
    let told = &heard.partitions[0];
    assert_eq!((told.tier.unwrap().manifest, told.log_start_offset), (current.manifest, Offset(0)));
}

fn storage(world: &SimulatedWorld) -> Result<(Arc<Storage>, Arc<EmbeddedMetadata>), OpenError> {
    let env = world.env();
    let directory = BrokerDirectory::open(&env, Path::new(DATA), NodeId(1), None)?;
    let log_config = |_: &TopicImage, _: &Arc<BrokerConfigs>| LogConfig::default();
    let metadata = Arc::new(EmbeddedMetadata::new(Arc::new(log_config)));
    let catalogue: Arc<dyn Catalogue> = metadata.clone();
    let options = options(SyncMode::Fsync);
    let storage = Arc::new(Storage::open(env, directory, options, catalogue)?);
    Ok((storage, metadata))
}

const DATA: &str = "/data";

/// At every operation of the disk, by a power cut and by a kill: no broker starts on what is left, and the
/// next restore makes the same of it. Once it is whole, it stays so.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_may_be_cut_off_anywhere_and_run_again() {
    let bucket = bucket();
    let (_old_directory, old, partition) = lost_node(&bucket).await;
    let id = partition.topic_partition();
    old.close().await.unwrap();
    let (mut points, mut whole) = (0, 0);
    for point in 0.. {
        let world = SimulatedWorld::new(point);
        world.files.crash_at(world.files.operations() + point);
        let ended = restored(&world.env(), Path::new(DATA), &bucket, &DEAD).await;
        assert_eq!(ended.is_err(), world.files.crashed(), "{point}: {:?}", ended.err());
        let is_over = !world.files.crashed();
        points += 1;
        let plans = CrashPlan::all(point, 1).into_iter().map(|plan| world.after_crash(plan));
        for left in plans.chain([world.after_kill()]) {
            let opened = storage(&left);
            let is_whole = match opened {
                Ok((storage, _)) => storage.partition(id).is_some(),
                Err(error) => {
                    assert!(matches!(error, OpenError::RestoreUnfinished(_)), "{point}: {error}");
                    false
                }
            };
            if is_whole {
                whole += 1;
                continue;
            }
            assert!(!is_over, "{point}");
            // A look at an empty directory makes one of it; a restore does not begin with that.
            let left = if is_marked(&left) { left } else { SimulatedWorld::new(point) };
            restored(&left.env(), Path::new(DATA), &bucket, &DEAD)
                .await
                .unwrap_or_else(|error| panic!("{point}: {error}"));
            expect_whole(&left);
            let (storage, metadata) = storage(&left).unwrap_or_else(|error| panic!("{point}: {error}"));
            let partition = storage.partition(id).unwrap();
            // Each that came far enough has skipped what the one before may have given out.
            let end = partition.watermarks().log_end_offset.0 - 35;
            assert!(end > 0 && end % GAP == 0, "{end}");
            assert_eq!(metadata.image().tier(id).unwrap().remote_end_offset, Offset(30));
        }
        if is_over {
            break;
        }
    }
    assert!(points > 30 && whole >= 3, "{points} points, {whole} whole");
}

fn is_marked(world: &SimulatedWorld) -> bool {
    world.files.exists(&PathBuf::from(DATA).join("restore.unfinished")).unwrap()
}

/// As it is, but no segment is closed for its age.
fn without_rolling(config: LogConfig) -> LogConfig {
    LogConfig { segment_age_max: Duration::MAX, ..config }
}

/// Closes the active segment of a log whose segments are otherwise left open; `config` has them closed.
async fn close_segment(broker: &Broker, partition: &Arc<Partition>, config: LogConfig) {
    broker.storage().flush_step(0).unwrap();
    partition.log().set_config(config);
    eventually(|| partition.log().roll_if_due().unwrap().then_some(())).await;
    partition.log().set_config(without_rolling(config));
}

/// Markers of producers' transactions, as their coordinator ended them: on the disk, below a checkpoint.
async fn end_transactions(
    broker: &Broker,
    partition: &Arc<Partition>,
    ended: impl Iterator<Item = (i64, TransactionResult)>,
) {
    let storage = broker.storage();
    let end = partition.watermarks().log_end_offset;
    let markers: Vec<_> =
        ended.map(|(producer_id, result)| (partition.clone(), marker((producer_id, 0), result, 1))).collect();
    let payloads = vec![TransactionMarker::PAYLOAD_BYTES; markers.len()];
    let mut credits = storage.admit(Purpose::Records, &payloads, PATIENCE).await.unwrap();
    assert!(storage.append_markers(&mut credits, &markers).iter().all(Result::is_ok));
    drop(credits);
    partition.committed(end.plus(markers.len() as i64)).await.unwrap();
    storage.flush_step(0).unwrap();
    storage.checkpoint_step(CheckpointReach::All).unwrap();
}

/// Two transactions with records in the segment that is copied, and markers behind it.
async fn torn(broker: &Broker, partition: &Arc<Partition>) {
    let storage = broker.storage();
    let config = partition.log().config();
    partition.log().set_config(without_rolling(config));
    let appender = Appender { is_client: true, verification: Verification::NotRequired };
    for producer_id in [7, 8] {
        let batch = transactional((producer_id, 0), 0);
        let mut credits = storage.admit(Purpose::Records, &[batch.bytes.len()], PATIENCE).await.unwrap();
        storage.append_by(appender, partition, &mut credits, &batch).unwrap();
    }
    partition.committed(Offset(2)).await.unwrap();
    close_segment(broker, partition, config).await;
    let ended = [(7, TransactionResult::Commit), (8, TransactionResult::Abort)];
    end_transactions(broker, partition, ended.into_iter()).await;
}

/// The catalogue knows how they had ended, as long as it is as old as the manifest.
#[tokio::test(flavor = "multi_thread")]
async fn torn_transactions_end_as_the_catalogue_says() {
    use TransactionResult::{Abort, Commit};
    for (is_told, expected) in [(true, [(Commit, true), (Abort, true)]), (false, [(Abort, false); 2])] {
        let bucket = bucket();
        let old_directory = tempfile::tempdir().unwrap();
        let old = open(old_directory.path(), &bucket).await;
        let partition = tiered_topic(&old, "t").await;
        let id = partition.topic_partition();
        if !is_told {
            old.put_catalogue().await.unwrap();
        }
        torn(&old, &partition).await;
        // Not the one with the markers.
        while old.image().tier(id).is_none() {
            old.see_to_the_tier().await;
        }
        assert_eq!(old.image().tier(id).unwrap().remote_end_offset, Offset(2));
        if is_told {
            old.put_catalogue().await.unwrap();
        }
        old.close().await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (_, heard) = restored(&Env::real(), directory.path(), &bucket, &DEAD).await.unwrap();
        let ended = &heard.partitions[0].ended;
        let found: Vec<_> = ended.iter().map(|ended| (ended.result, ended.is_known)).collect();
        assert_eq!(found, expected);
        let broker = open(directory.path(), &bucket).await;
        let partition = broker.partition(id).unwrap();
        let watermarks = partition.watermarks();
        assert_eq!(watermarks.last_stable_offset, watermarks.log_end_offset, "nothing is held back");
        let aborted: Vec<i64> = partition
            .local_aborted(Offset(0), Offset(2))
            .unwrap()
            .iter()
            .map(|aborted| aborted.producer_id.0)
            .collect();
        assert_eq!(aborted, if is_told { vec![8] } else { vec![7, 8] });
        broker.close().await.unwrap();
    }
}

/// Before its own first catalogue: what it may have given out is skipped all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_node_that_is_lost_at_once_is_restored_further_on() {
    let bucket = bucket();
    let (_old_directory, old, partition) = lost_node(&bucket).await;
    let (id, leader_epoch) = (partition.topic_partition(), partition.leader_epoch());
    old.close().await.unwrap();
    let mut ends = Vec::new();
    for _ in 0..3 {
        let directory = tempfile::tempdir().unwrap();
        restored(&Env::real(), directory.path(), &bucket, &DEAD).await.unwrap();
        let broker = open(directory.path(), &bucket).await;
        let partition = broker.partition(id).unwrap();
        let producer_id = broker.allocate_producer_id().await.unwrap();
        ends.push((partition.watermarks().log_end_offset, partition.leader_epoch(), producer_id));
        let group = broker.group_partition("g").unwrap();
        assert_eq!(eventually(|| broker.committed_offsets(group)).await.len(), 1, "offsets are handed on");
        append_records(&broker, &partition, 100).await;
        broker.close().await.unwrap();
    }
    let first = (Offset(35 + GAP), leader_epoch.0 + (1 << 20));
    assert!(ends[0].0 == first.0 && ends[0].1.0 > first.1, "{ends:?}");
    for pair in ends.windows(2) {
        assert!(pair[1].0.0 >= pair[0].0.0 + GAP, "{ends:?}");
        assert!(pair[1].1.0 >= pair[0].1.0 + (1 << 20), "{ends:?}");
        assert!(pair[1].2.0 > pair[0].2.0 + (1 << 39), "{ends:?}");
    }
}

mod compacted;
mod settings;
