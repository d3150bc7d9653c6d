//! The wait, over a storage that commits only when the test says so.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::cluster::{Change, EmbeddedMetadata, Transaction};
use crate::env::simulated::SimulatedWorld;
use crate::handlers::produce::outcome::Outcome;
use crate::handlers::produce::wait::until_safe;
use crate::handlers::testing::{batch, idempotent};
use crate::log::LogConfig;
use crate::metadata::{BrokerConfigs, TopicImage, TopicRecord, keys};
use crate::model::{NodeId, Timestamp, TopicId, TopicPartition};
use crate::partition::{
    BrokerDirectory, Catalogue, Partition, Purpose, Storage, StorageOptions, Verification,
};
use crate::protocol::batch::{ProduceRules, validate_produced};
use crate::wal::WalOptions;

const LONG: Duration = Duration::from_secs(3600);
const TOPIC_ID: TopicId = TopicId(uuid::Uuid::from_u128(1));

/// A storage without threads, with one partition.
struct Stepped {
    storage: Arc<Storage>,
    partition: Arc<Partition>,
    _metadata: Arc<EmbeddedMetadata>,
}

impl Stepped {
    fn open() -> Stepped {
        let env = SimulatedWorld::new(1).env();
        let directory = BrokerDirectory::open(&env, Path::new("/data"), NodeId(1), None).unwrap();
        let configs = |_: &TopicImage, _: &Arc<BrokerConfigs>| LogConfig::default();
        let metadata = Arc::new(EmbeddedMetadata::new(Arc::new(configs)));
        let catalogue: Arc<dyn Catalogue> = metadata.clone();
        let storage = Arc::new(Storage::open(env, directory, options(), catalogue).unwrap());
        metadata.attach(&storage);
        while storage.provision_step().unwrap() {}
        let record = TopicRecord {
            topic_id: TOPIC_ID.0,
            partitions: 1,
            replication_factor: 1,
            configs: BTreeMap::new(),
            created_at_boot: metadata.boot(),
            growths: Vec::new(),
        };
        let change = Change::Put(keys::topic("t"), serde_json::to_vec(&record).unwrap());
        metadata.begin(&Transaction { compares: Vec::new(), changes: vec![change] }).unwrap().unwrap();
        while storage.commit_step().unwrap() {}
        let id = TopicPartition { topic_id: TOPIC_ID, partition: 0 };
        let spec = metadata.partition_spec(metadata.image().topic("t").unwrap(), id);
        let partition = storage.open_partition(id, &spec).unwrap();
        Stepped { storage, partition, _metadata: metadata }
    }

    /// Admits a batch, as the ordered part of the handler does.
    fn admitted(&self, records: bytes::Bytes) -> Outcome {
        let batch = validate_produced(&records, Timestamp(1_000), &rules()).unwrap();
        let mut credits = self.storage.try_admit(Purpose::Records, &[records.len()]).unwrap().unwrap();
        let mut outcome = Outcome::Checked {
            partition: self.partition.clone(),
            batch,
            verification: Verification::Ongoing,
        };
        outcome.append(&self.storage, &mut credits);
        assert_eq!(code(&outcome), None);
        outcome
    }
}

fn options() -> StorageOptions {
    StorageOptions {
        wal: WalOptions {
            file_bytes: 64 << 10,
            slot_bytes: 16 << 10,
            group_bytes_max: 4 << 10,
            capacity_bytes: 256 << 10,
            free_bytes_target: 32 << 10,
            ..WalOptions::default()
        },
        tail_bytes: 64 << 10,
        checkpoint_bytes: 96 << 10,
        checkpoint_interval: LONG,
        write_back_bytes: 4 << 20,
        disk_reserve_bytes: 0,
        handles_max: 8,
    }
}

fn rules() -> ProduceRules {
    ProduceRules { api_version: 13, batch_bytes_max: 1 << 20, ..ProduceRules::lenient() }
}

/// The code of a refusal.
fn code(outcome: &Outcome) -> Option<i16> {
    outcome.refusal().map(|refusal| refusal.failure.code.code())
}

/// Polls the wait, lets `then` happen, and polls it again. Returns whether it was over the first time.
async fn ready_before(
    stepped: &Stepped,
    acks: i16,
    outcomes: &mut [Outcome],
    then: impl FnOnce(&Storage),
) -> bool {
    let mut waiting = pin!(until_safe(&stepped.storage, acks, outcomes.iter_mut().collect(), LONG));
    let polled = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let ready = matches!(polled, Poll::Ready(()));
    then(&stepped.storage);
    if !ready {
        waiting.await;
    }
    ready
}

fn commit(storage: &Storage) {
    while storage.commit_step().unwrap() {}
}

#[tokio::test]
async fn trap_45_acks_1_and_all_wait_for_the_log() {
    for acks in [-1, 1] {
        let stepped = Stepped::open();
        let mut outcomes = [stepped.admitted(batch(&[1])), stepped.admitted(batch(&[2]))];
        assert!(!ready_before(&stepped, acks, &mut outcomes, commit).await, "acks {acks}");
        assert!(outcomes.iter().all(|outcome| code(outcome).is_none()));
        assert_eq!(stepped.partition.watermarks().high_watermark.0, 2);
    }
}

#[tokio::test]
async fn trap_41_a_duplicate_is_not_answered_before_its_original_is_committed() {
    for acks in [-1, 1] {
        let stepped = Stepped::open();
        let _original = stepped.admitted(idempotent(7, 0, 0, 2));
        let mut again = [stepped.admitted(idempotent(7, 0, 0, 2))];
        assert!(!ready_before(&stepped, acks, &mut again, commit).await, "acks {acks}");
        assert_eq!(code(&again[0]), None);
        let mut again = [stepped.admitted(idempotent(7, 0, 0, 2))];
        assert!(ready_before(&stepped, acks, &mut again, |_| {}).await, "now it is");
    }
}

#[tokio::test]
async fn trap_42_five_requests_are_admitted_before_the_first_is_durable() {
    let stepped = Stepped::open();
    let mut outcomes: Vec<_> =
        (0..5).map(|sequence| stepped.admitted(idempotent(7, 0, sequence, 1))).collect();
    assert_eq!(stepped.partition.watermarks().high_watermark.0, 0);
    assert!(!ready_before(&stepped, -1, &mut outcomes, commit).await);
    assert!(outcomes.iter().all(|outcome| code(outcome).is_none()));
}

#[tokio::test]
async fn a_storage_that_fails_is_an_error_for_what_was_not_committed() {
    let stepped = Stepped::open();
    let committed = stepped.admitted(idempotent(7, 0, 0, 1));
    commit(&stepped.storage);
    let fresh = stepped.admitted(batch(&[1]));
    let duplicate_of_fresh = {
        let _original = stepped.admitted(idempotent(7, 0, 1, 1));
        stepped.admitted(idempotent(7, 0, 1, 1))
    };
    let mut outcomes = [committed, fresh, duplicate_of_fresh];
    assert!(!ready_before(&stepped, -1, &mut outcomes, |storage| storage.fail("a test")).await);
    assert_eq!(outcomes.each_ref().map(code), [None, Some(56), Some(56)]);
}

#[tokio::test]
async fn trap_44_a_time_out_is_told_only_of_what_is_not_known_to_be_committed() {
    let stepped = Stepped::open();
    let committed = stepped.admitted(batch(&[1]));
    commit(&stepped.storage);
    let mut outcomes = [committed, stepped.admitted(batch(&[2]))];
    until_safe(&stepped.storage, -1, outcomes.iter_mut().collect(), Duration::ZERO).await;
    assert_eq!(outcomes.each_ref().map(code), [None, Some(7)]);
}
