use std::path::Path;

use crate::env::simulated::SimulatedWorld;
use crate::model::{TopicId, TopicPartition};
use crate::wal::{
    self, EntryHeader, EntryKind, Lsn, NewIncarnation, OpenedWal, ReplayEnd, ReplayError, ReplayStart,
    SyncMode, WalOptions,
};
use uuid::Uuid;

pub(super) const DIR: &str = "/wal";
pub(super) const WAL_ID: Uuid = Uuid::from_u128(0x5741_4c00_0000_4000_8000_0000_0000_0001);

/// Small enough that a few dozen groups go round the files.
pub(super) fn options() -> WalOptions {
    WalOptions {
        sync: SyncMode::Fsync,
        file_bytes: 128 << 10,
        slot_bytes: 64 << 10,
        group_bytes_max: 8 << 10,
        capacity_bytes: 256 << 10,
        free_bytes_target: 64 << 10,
    }
}

pub(super) fn header(partition: i32) -> EntryHeader {
    let topic_id = TopicId(Uuid::from_u128(9));
    EntryHeader { kind: EntryKind::Records, topic_partition: Some(TopicPartition { topic_id, partition }) }
}

/// A payload that tells which entry it is.
pub(super) fn payload(number: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![number as u8; length.max(8)];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes
}

pub(super) fn number_of(payload: &[u8]) -> u64 {
    let number = u64::from_be_bytes(payload[..8].try_into().unwrap());
    assert!(payload[8..].iter().all(|byte| *byte == number as u8), "entry {number} is not as appended");
    number
}

pub(super) fn open(world: &SimulatedWorld, incarnation: NewIncarnation) -> OpenedWal<u64> {
    wal::create(&world.env(), Path::new(DIR), options(), incarnation).expect("a healthy disk")
}

pub(super) fn open_first(world: &SimulatedWorld) -> OpenedWal<u64> {
    open(world, NewIncarnation::first(WAL_ID))
}

/// A log whose members are numbers, driven by one thread.
pub(super) trait Driven {
    /// Appends entry `number`.
    fn append(&self, number: u64, length: usize) -> wal::Appended;
    /// Writes and syncs what was appended; the members committed.
    fn commit(&mut self) -> Vec<u64>;
    /// A group of its own for one entry.
    fn commit_one(&mut self, number: u64, length: usize) -> Lsn;
}

impl Driven for OpenedWal<u64> {
    fn append(&self, number: u64, length: usize) -> wal::Appended {
        let bytes = payload(number, length);
        let mut credit = self.appender.try_reserve(bytes.len() as u64).expect("there is space");
        self.appender.append(&mut credit, header(number as i32), &bytes, |_| {}, number)
    }

    fn commit(&mut self) -> Vec<u64> {
        let mut members = Vec::new();
        while let Some(written) = self.writer.write_next().expect("a healthy disk") {
            members.extend(self.writer.sync(written).expect("a healthy disk").members);
        }
        members
    }

    fn commit_one(&mut self, number: u64, length: usize) -> Lsn {
        let appended = self.append(number, length);
        assert_eq!(self.commit(), [number]);
        appended.lsn
    }
}

pub(super) fn replay(
    world: &SimulatedWorld,
    start: &ReplayStart,
) -> Result<(Vec<u64>, ReplayEnd), ReplayError<String>> {
    let mut numbers = Vec::new();
    let end = wal::replay(&world.env(), Path::new(DIR), start, &mut |entry| {
        numbers.push(number_of(&entry.payload));
        Ok(())
    })?;
    Ok((numbers, end))
}
