//! One commit of the WAL: seal, write, sync. What stands in the group was appended before.

use std::path::Path;

use anyhow::Result;
use highwater::model::{TopicId, TopicPartition};
use highwater::wal::{self, EntryHeader, EntryKind, NewIncarnation, OpenedWal, SyncMode, WalOptions};
use tempfile::TempDir;
use uuid::Uuid;

use super::{Case, env, folder};

/// A group of `entries`, each of `entry_bytes`: less than a group may hold, so that it is one.
pub fn committing(entries: usize, entry_bytes: u64) -> Result<Box<dyn Case>> {
    let folder = folder()?;
    let options = WalOptions {
        sync: SyncMode::Fsync,
        file_bytes: 8 << 20,
        capacity_bytes: 32 << 20,
        free_bytes_target: 16 << 20,
        ..WalOptions::default()
    };
    let directory = folder.path().join("wal");
    let incarnation = NewIncarnation::first(Uuid::from_u128(1));
    let log = wal::create(&env(), Path::new(&directory), options, incarnation)?;
    Ok(Box::new(Committing {
        log,
        entries,
        payload: vec![7; usize::try_from(entry_bytes)?],
        _folder: folder,
    }))
}

struct Committing {
    log: OpenedWal<u64>,
    entries: usize,
    payload: Vec<u8>,
    _folder: TempDir,
}

impl Committing {
    /// Frees all of the log, as a checkpoint does; its files are used again.
    fn make_room(&mut self) {
        self.log.appender.trim(self.log.appender.durable_lsn());
        while self.log.provisioner.step().expect("a healthy disk") {}
    }
}

impl Case for Committing {
    fn prepare(&mut self) {
        let payloads = || std::iter::repeat_n(self.payload.len(), self.entries);
        let mut credit = match self.log.appender.try_reserve_all(payloads()) {
            Ok(credit) => credit,
            Err(_) => {
                self.make_room();
                let payloads = std::iter::repeat_n(self.payload.len(), self.entries);
                self.log.appender.try_reserve_all(payloads).expect("all of the log is free")
            }
        };
        let topic_partition = Some(TopicPartition { topic_id: TopicId(Uuid::from_u128(2)), partition: 0 });
        let header = EntryHeader { kind: EntryKind::Records, topic_partition };
        for number in 0..self.entries {
            self.log.appender.append(&mut credit, header, &self.payload, |_| {}, number as u64);
        }
    }

    fn turn(&mut self) {
        let written = self.log.writer.write_next().expect("a healthy disk").expect("a group waits");
        let committed = self.log.writer.sync(written).expect("a healthy disk");
        assert_eq!(committed.members.len(), self.entries, "all in one group");
    }
}
