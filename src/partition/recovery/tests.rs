use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::env::simulated::{CrashPlan, SimulatedWorld};
use crate::log::LogConfig;
use crate::model::{LeaderEpoch, NodeId, Offset, TopicId, TopicPartition};
use crate::partition::{
    BrokerDirectory, Catalogue, CatalogueError, CatalogueSnapshot, Lookup, Member, PartitionSpec, Purpose,
    Storage, StorageOptions, stranded,
};
use crate::protocol::batch::{BatchBuilder, BatchHeader, NewRecord};
use crate::wal::{EntryHeader, EntryKind, Lsn, WalOptions};

const ROOT: &str = "/data";
const ID: TopicPartition = TopicPartition { topic_id: TopicId(Uuid::from_u128(7)), partition: 0 };

/// One topic that was always there.
struct OneTopic;

impl OneTopic {
    fn spec() -> PartitionSpec {
        PartitionSpec {
            name: "orders".into(),
            log_config: LogConfig::default(),
            leader_epoch: LeaderEpoch(0),
            log_start_offset: Offset(0),
        }
    }
}

impl Catalogue for OneTopic {
    fn restore(&self, _: &[u8]) -> Result<(), CatalogueError> {
        Ok(())
    }

    fn replay(&self, _: &[u8]) -> Result<(), CatalogueError> {
        Ok(())
    }

    fn begin_boot(&self) {}

    fn snapshot(&self) -> CatalogueSnapshot {
        CatalogueSnapshot { bytes: Vec::new(), end_lsn: Lsn(0), is_live: Box::new(|id| id == ID) }
    }

    fn lookup(&self, id: TopicPartition) -> Lookup {
        if id == ID { Lookup::Live(OneTopic::spec()) } else { Lookup::Unknown }
    }

    fn tombstones(&self) -> Vec<(TopicId, Arc<str>, i32)> {
        Vec::new()
    }

    fn partitions(&self) -> Vec<(TopicPartition, PartitionSpec)> {
        vec![(ID, OneTopic::spec())]
    }
}

fn open(world: &SimulatedWorld) -> Storage {
    let options = StorageOptions {
        wal: WalOptions {
            file_bytes: 4 << 20,
            capacity_bytes: 32 << 20,
            free_bytes_target: 16 << 20,
            ..WalOptions::default()
        },
        tail_bytes: 8 << 20,
        checkpoint_bytes: 16 << 20,
        checkpoint_interval: Duration::from_secs(60),
        write_back_bytes: 4 << 20,
        disk_reserve_bytes: 0,
        handles_max: 8,
    };
    let env = world.env();
    let directory = BrokerDirectory::open(&env, Path::new(ROOT), NodeId(1), None).unwrap();
    let storage = Storage::open(env, directory, options, Arc::new(OneTopic)).unwrap();
    while storage.provision_step().unwrap() {}
    storage
}

/// A batch of one large record.
fn batch(base_offset: i64) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.base_offset = Offset(base_offset);
    builder.partition_leader_epoch = LeaderEpoch(0);
    builder.push(NewRecord { value: Some(&vec![7; 600 << 10]), ..NewRecord::default() });
    Bytes::from(builder.build())
}

/// Has the WAL commit batches as they are, past every check.
fn commit(storage: &Storage, batches: &[Bytes]) {
    for batch in batches {
        let mut credits = storage.try_admit(Purpose::Metadata, &[batch.len()]).unwrap().expect("room");
        let entry = EntryHeader { kind: EntryKind::Records, topic_partition: Some(ID) };
        storage.wal().append(credits.wal(), entry, batch, |_| (), Member::Metadata);
        while storage.commit_step().unwrap() {}
        while storage.provision_step().unwrap() {}
    }
}

#[test]
fn what_a_log_was_given_before_it_was_found_damaged_is_kept_as_well() {
    let world = SimulatedWorld::new(1);
    let storage = open(&world);
    // More than what is gathered before segments get it. What overlaps cannot follow: that stands for damage.
    let mut overlapping = BatchBuilder::new();
    overlapping.base_offset = Offset(7);
    overlapping.push(NewRecord::default()).push(NewRecord::default());
    commit(&storage, &(0..8).map(batch).collect::<Vec<_>>());
    commit(&storage, &[Bytes::from(overlapping.build())]);
    drop(storage);

    let restarted = world.after_kill();
    let recovered = open(&restarted);
    let reason = recovered.stopped_reason(ID).expect("its log cannot take the WAL's batches");
    assert!(reason.contains("overlaps the end 8"), "{reason}");
    // The WAL was given up, and what segments hold was not synced.
    let after = restarted.after_crash(CrashPlan::DropUnsynced);
    let kept = stranded::load(&after.files, Path::new(ROOT), ID).unwrap();
    let bases: Vec<i64> = kept.iter().map(|batch| BatchHeader::parse(batch).unwrap().base_offset.0).collect();
    assert_eq!(bases, [0, 1, 2, 3, 4, 5, 6, 7, 7]);
}
