use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::env::simulated::SimulatedWorld;
use crate::env::{FileExtent, Files};
use crate::log::{LogConfig, LogDirectory, LogError, LogState, PartitionLog, RecoveryPoint};
use crate::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TopicId, TopicPartition};
use crate::protocol::batch::{BatchBuilder, BatchHeader, NewRecord};

pub(super) const TOPIC: &str = "orders";
pub(super) const DATA: &str = "/data";
pub(super) const PARTITION: TopicPartition =
    TopicPartition { topic_id: TopicId(Uuid::from_u128(0x1234_5678_9abc_def0)), partition: 3 };

/// Small segments and a dense index, so that a few batches meet every rule.
pub(super) fn small() -> LogConfig {
    LogConfig { segment_bytes: 1000, index_interval_bytes: 200, ..LogConfig::default() }
}

/// What a test says about a batch.
#[derive(Clone, Copy)]
pub(super) struct Batch {
    pub base: i64,
    pub records: i32,
    pub timestamp: i64,
    pub value_bytes: usize,
    pub leader_epoch: i32,
    /// Producer id, epoch, first sequence.
    pub producer: Option<(i64, i16, i32)>,
}

pub(super) const BATCH: Batch =
    Batch { base: 0, records: 1, timestamp: 1000, value_bytes: 20, leader_epoch: 1, producer: None };

impl Batch {
    pub(super) fn build(&self) -> Bytes {
        let mut builder = BatchBuilder::new();
        builder.base_offset = Offset(self.base);
        builder.partition_leader_epoch = LeaderEpoch(self.leader_epoch);
        if let Some((id, producer_epoch, sequence)) = self.producer {
            builder.producer_id = ProducerId(id);
            builder.producer_epoch = ProducerEpoch(producer_epoch);
            builder.base_sequence = sequence;
        }
        for record in 0..self.records {
            let value = vec![(self.base as u8).wrapping_add(record as u8); self.value_bytes];
            let timestamp = Timestamp(self.timestamp + i64::from(record));
            builder.push(NewRecord { timestamp, value: Some(&value), ..NewRecord::default() });
        }
        Bytes::from(builder.build())
    }
}

/// `count` one-record batches from `base` on, timestamps 1000 + 10 * offset, by producer 7 from its
/// sequence `base`.
pub(super) fn row(base: i64, count: i64) -> Vec<Bytes> {
    let one = |offset: i64| {
        let producer = Some((7, 0, i32::try_from(offset).unwrap()));
        Batch { base: offset, timestamp: 1000 + 10 * offset, producer, ..BATCH }.build()
    };
    (base..base + count).map(one).collect()
}

pub(super) fn directory(world: &SimulatedWorld) -> Arc<LogDirectory> {
    if !world.files.exists(DATA.as_ref()).unwrap() {
        world.files.create_dir_all(DATA.as_ref()).unwrap();
        world.files.sync_dir("/".as_ref()).unwrap();
    }
    LogDirectory::new(world.env(), PathBuf::from(DATA), 100, None)
}

pub(super) fn path(name: &str) -> PathBuf {
    PathBuf::from(DATA).join(format!("{TOPIC}-3")).join(name)
}

pub(super) fn open(
    world: &SimulatedWorld,
    config: LogConfig,
    offset: i64,
    log_start: i64,
) -> Result<(PartitionLog, LogState), LogError> {
    open_tiered(world, config, [offset, log_start, log_start])
}

/// With the recovery offset, the log start, and the local one.
pub(super) fn open_tiered(
    world: &SimulatedWorld,
    config: LogConfig,
    [offset, log_start_offset, local_log_start_offset]: [i64; 3],
) -> Result<(PartitionLog, LogState), LogError> {
    let point = RecoveryPoint {
        offset: Offset(offset),
        log_start_offset: Offset(log_start_offset),
        local_log_start_offset: Offset(local_log_start_offset),
    };
    PartitionLog::open(&directory(world), TOPIC, PARTITION, config, point)
}

pub(super) fn create(world: &SimulatedWorld, config: LogConfig) -> PartitionLog {
    PartitionLog::create(&directory(world), TOPIC, PARTITION, config).unwrap()
}

/// A log with the row `0..count`.
pub(super) fn filled(world: &SimulatedWorld, config: LogConfig, count: i64) -> PartitionLog {
    let log = create(world, config);
    log.append(&row(0, count)).unwrap();
    log
}

pub(super) fn bytes_of(extents: &[FileExtent]) -> Vec<u8> {
    let mut all = Vec::new();
    for extent in extents {
        let mut bytes = vec![0; usize::try_from(extent.length).unwrap()];
        extent.file.read_exact_at(&mut bytes, extent.offset).unwrap();
        all.extend_from_slice(&bytes);
    }
    all
}

/// Base offsets of the batches in `bytes`.
pub(super) fn bases(mut bytes: &[u8]) -> Vec<i64> {
    let mut bases = Vec::new();
    while !bytes.is_empty() {
        let header = BatchHeader::parse(bytes).unwrap();
        bases.push(header.base_offset.0);
        bytes = &bytes[header.size_bytes()..];
    }
    bases
}

/// Everything from the local log start to the written end.
pub(super) fn content(log: &PartitionLog) -> Vec<u8> {
    let mut all = Vec::new();
    let mut from = log.local_log_start_offset();
    let end = log.written_end_offset();
    while from < end {
        let read = log.read(from, end, u64::MAX, true).unwrap();
        assert!(read.next_offset > from, "a read from {from} below the end {end} makes progress");
        all.extend(bytes_of(&read.extents));
        from = read.next_offset;
    }
    all
}

pub(super) fn names(world: &SimulatedWorld) -> Vec<String> {
    world.files.list(&path("")).unwrap()
}

pub(super) const HOUR: Duration = Duration::from_secs(3600);
