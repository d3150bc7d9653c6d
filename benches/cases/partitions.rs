//! A partition in a storage without threads: appends into the WAL's group, reads for a Fetch response.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use highwater::model::{LeaderEpoch, NodeId, Offset, TopicId, TopicPartition};
use highwater::partition::{
    BrokerDirectory, Catalogue, CatalogueError, CatalogueSnapshot, CheckpointReach, LogConfig, Lookup,
    Partition, PartitionRead, PartitionSpec, Purpose, Storage, StorageOptions,
};
use highwater::protocol::batch::ProducedBatch;
use highwater::protocol::fetch_response::{self, FetchResponse, FetchedPartition, FetchedTopic};
use highwater::protocol::{ErrorCode, Piece};
use highwater::wal::{Lsn, SyncMode, WalOptions};
use tempfile::TempDir;
use uuid::Uuid;

use super::requests::FETCH_VERSION;
use super::{Case, env, folder, wire};

const TOPIC: TopicId = TopicId(Uuid::from_u128(9));
const PARTITION: TopicPartition = TopicPartition { topic_id: TOPIC, partition: 0 };
/// WAL above the last checkpoint before a case makes the next one.
const CHECKPOINT_BYTES: u64 = 8 << 20;

/// A catalogue of one topic of one partition.
struct OneTopic;

impl OneTopic {
    fn spec() -> PartitionSpec {
        let log_config = LogConfig { segment_bytes: 16 << 20, ..LogConfig::default() };
        let name = Arc::from("events");
        PartitionSpec {
            name,
            log_config,
            leader_epoch: LeaderEpoch(1),
            log_start_offset: Offset(0),
            local_log_start_offset: Offset(0),
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
        CatalogueSnapshot { bytes: Vec::new(), end_lsn: Lsn(0), is_live: Box::new(|_| true) }
    }

    fn lookup(&self, topic_partition: TopicPartition) -> Lookup {
        if topic_partition == PARTITION { Lookup::Live(Box::new(OneTopic::spec())) } else { Lookup::Unknown }
    }

    fn tombstones(&self) -> Vec<(TopicId, Arc<str>, i32)> {
        Vec::new()
    }

    fn partitions(&self) -> Vec<(TopicPartition, PartitionSpec)> {
        vec![(PARTITION, OneTopic::spec())]
    }
}

struct Opened {
    storage: Storage,
    partition: Arc<Partition>,
    _folder: TempDir,
}

fn open() -> Result<Opened> {
    let folder = folder()?;
    let options = StorageOptions {
        wal: WalOptions {
            sync: SyncMode::Fsync,
            file_bytes: 8 << 20,
            capacity_bytes: 32 << 20,
            free_bytes_target: 16 << 20,
            ..WalOptions::default()
        },
        tail_bytes: 64 << 20,
        checkpoint_bytes: CHECKPOINT_BYTES,
        checkpoint_interval: Duration::from_secs(60),
        write_back_bytes: 4 << 20,
        disk_reserve_bytes: 0,
        handles_max: 8,
    };
    let env = env();
    let root = folder.path().join("data");
    let directory = BrokerDirectory::open(&env, Path::new(&root), NodeId(1), None)?;
    let storage = Storage::open(env, directory, options, Arc::new(OneTopic))?;
    while storage.provision_step()? {}
    let partition = storage.partition(PARTITION).context("the topic's partition is open")?;
    Ok(Opened { storage, partition, _folder: folder })
}

impl Opened {
    fn append(&self, count: usize, batch: &ProducedBatch) {
        for _ in 0..count {
            let credits = self.storage.try_admit(Purpose::Records, &[batch.bytes.len()]);
            let mut credits = credits.expect("a healthy disk").expect("there is room");
            black_box(self.storage.append(&self.partition, &mut credits, batch).expect("it is online"));
        }
    }

    fn commit(&self) {
        while self.storage.commit_step().expect("a healthy disk") {}
    }

    /// Makes room in the WAL, and on the disk.
    fn checkpoint(&self) {
        self.storage.flush_step(0).expect("a healthy disk");
        self.storage.checkpoint_step(CheckpointReach::All).expect("a healthy disk");
        self.partition.set_log_start_offset(self.partition.watermarks().high_watermark);
        self.partition.log().delete_old_segments().expect("a healthy disk");
        while self.storage.provision_step().expect("a healthy disk") {}
    }
}

/// `count` batches of `bytes`, each admitted on its own: credits, offsets, the copy into the WAL's group.
pub fn appending(count: usize, bytes: u64) -> Result<Box<dyn Case>> {
    Ok(Box::new(Appending { opened: open()?, count, batch: wire::checked(&wire::batch(bytes, 1024)) }))
}

struct Appending {
    opened: Opened,
    count: usize,
    batch: ProducedBatch,
}

impl Case for Appending {
    fn prepare(&mut self) {
        self.opened.commit();
        if self.opened.storage.replay_bytes() > CHECKPOINT_BYTES {
            self.opened.checkpoint();
        }
    }

    fn turn(&mut self) {
        self.opened.append(self.count, &self.batch);
    }
}

/// Where records are read from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Memory.
    Tail,
    /// Files; their bytes are left there.
    Segments,
}

/// One partition of `count` batches, read as a whole, and the response as pieces.
pub fn reading(count: usize, bytes: u64, from: From) -> Result<Box<dyn Case>> {
    let opened = open()?;
    opened.append(count, &wire::checked(&wire::batch(bytes, 1024)));
    opened.commit();
    if from == From::Segments {
        opened.storage.flush_step(0)?;
        opened.storage.checkpoint_step(CheckpointReach::All)?;
    }
    Ok(Box::new(Reading { opened, from, bytes_max: 2 * count as u64 * bytes }))
}

struct Reading {
    opened: Opened,
    from: From,
    bytes_max: u64,
}

impl Case for Reading {
    fn turn(&mut self) {
        let partition = &self.opened.partition;
        let read = partition.read(Offset(0), self.bytes_max, true).expect("it is online");
        let (records, watermarks, from) = match read {
            PartitionRead::Tail(slices, watermarks) => {
                (slices.into_iter().map(Piece::Bytes).collect(), watermarks, From::Tail)
            }
            PartitionRead::Segments(watermarks) => {
                let extents = partition.read_segments(Offset(0), self.bytes_max, true).expect("it is whole");
                let records: Vec<Piece> = extents.into_iter().map(Piece::File).collect();
                (records, watermarks, From::Segments)
            }
            PartitionRead::Empty(_) => panic!("there are records"),
            PartitionRead::Remote(_) => panic!("nothing has left the disk"),
        };
        assert!(from == self.from, "read from elsewhere");
        let partition = FetchedPartition {
            high_watermark: watermarks.high_watermark,
            last_stable_offset: watermarks.high_watermark,
            log_start_offset: watermarks.log_start_offset,
            records,
            ..FetchedPartition::failed(0, ErrorCode::None)
        };
        let topic = FetchedTopic { name: String::new(), topic_id: TOPIC, partitions: vec![partition] };
        let response = FetchResponse {
            throttle_time_ms: 0,
            error_code: ErrorCode::None,
            session_id: 0,
            topics: vec![topic],
            node_endpoints: Vec::new(),
        };
        black_box(fetch_response::encode(FETCH_VERSION, 1, &response).expect("it fits"));
    }
}
