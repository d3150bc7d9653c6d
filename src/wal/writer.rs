use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::appender::{Shared, Wake};
use super::error::WalError;
use super::frame::{FRAME_ALIGNMENT, FrameHeader, FrameKind};
use super::options::{Lsn, ReplayStart, SyncMode};
use super::ring::{Mark, Placement};
use crate::env::File;

/// A group that is in the page cache.
#[derive(Debug)]
#[must_use = "its members wait for `sync`"]
pub struct Written<M> {
    /// What was appended with the group's entries, in their order.
    pub members: Vec<M>,
    /// Exclusive end of the group's frame.
    pub end_lsn: Lsn,
    /// Size of the frame on disk.
    pub bytes: u64,
    /// Number of entries.
    pub entries: u32,
}

/// A group that will survive what the sync mode promises.
#[derive(Debug)]
pub struct Committed<M> {
    /// What was appended with the group's entries, in their order.
    pub members: Vec<M>,
    /// Everything below is committed.
    pub end_lsn: Lsn,
}

/// Writes and syncs groups, in order. Owned by one thread, or stepped by a simulation.
pub struct WalWriter<M> {
    shared: Arc<Shared<M>>,
    sync: SyncMode,
    /// Files with writes that no sync has covered; two at most in `Fsync` mode, in `Os` mode each file once.
    unsynced: Vec<(u64, Arc<dyn File>)>,
    previous_crc: u32,
    written_end: Lsn,
    /// Exclusive end of the last frame that carries entries.
    group_end: Lsn,
    /// The `durable_lsn` that the last frame carries.
    published: Lsn,
    failed: bool,
}

impl<M: Send> WalWriter<M> {
    pub(super) fn new(shared: Arc<Shared<M>>, start: ReplayStart, sync: SyncMode) -> WalWriter<M> {
        WalWriter {
            shared,
            sync,
            unsynced: Vec::new(),
            previous_crc: start.previous_crc,
            written_end: start.lsn,
            group_end: start.lsn,
            published: start.lsn,
            failed: false,
        }
    }

    /// Seals the next group and writes it; `None` if there is none. After an error every later call fails.
    pub fn write_next(&mut self) -> Result<Option<Written<M>>, WalError> {
        self.check()?;
        let Some(placed) = self.shared.take_group() else { return Ok(None) };
        let header = self.header(FrameKind::Group, placed.lsn);
        let sealed = placed.group.seal(header, &self.shared.pool);
        self.write_frame(FrameKind::Group, &sealed.frame, sealed.crc, placed.lsn, &placed.placement)?;
        self.group_end = self.written_end;
        let bytes = sealed.frame.len() as u64;
        let (members, entries) = (sealed.members, sealed.entries);
        Ok(Some(Written { members, end_lsn: self.written_end, bytes, entries }))
    }

    /// Commits a written group, and all before it: `fdatasync` in `Fsync` mode, nothing in `Os` mode. After
    /// an error nothing is committed any more: the members are dropped, and every later call fails.
    pub fn sync(&mut self, written: Written<M>) -> Result<Committed<M>, WalError> {
        self.check()?;
        if self.sync == SyncMode::Fsync {
            self.sync_all()?;
        }
        Ok(Committed { members: written.members, end_lsn: written.end_lsn })
    }

    /// Makes everything written durable, in either mode, and returns the new `durable_lsn`.
    pub fn sync_all(&mut self) -> Result<Lsn, WalError> {
        self.check()?;
        while let Some((_, file)) = self.unsynced.last() {
            let result = file.sync_data();
            self.or_fail("sync", result)?;
            self.unsynced.pop();
        }
        self.shared.set_durable_lsn(self.written_end);
        Ok(self.written_end)
    }

    /// Files with writes that no sync has covered. A failed sync of one of them is a failed sync of the log.
    pub fn unsynced_files(&self) -> Vec<Arc<dyn File>> {
        self.unsynced.iter().map(|(_, file)| Arc::clone(file)).collect()
    }

    /// Publishes `durable_lsn` with an empty frame if the last group's own durability is not on disk yet.
    /// Returns whether it did. Without it, damage to the last acknowledged group looks like a torn tail.
    pub fn idle(&mut self) -> Result<bool, WalError> {
        self.check()?;
        if self.shared.durable_lsn().min(self.group_end) <= self.published {
            return Ok(false);
        }
        let Some((lsn, placement)) = self.shared.take_idle() else { return Ok(false) };
        let encoded = self.header(FrameKind::Idle, lsn).encode();
        let mut frame = encoded.to_vec();
        frame.resize(FRAME_ALIGNMENT as usize, 0);
        self.write_frame(FrameKind::Idle, &frame.into(), FrameHeader::crc_of(&encoded), lsn, &placement)?;
        if self.sync == SyncMode::Fsync {
            self.sync_all()?;
        }
        Ok(true)
    }

    /// Blocks until there is a group to write, the time is over, or the log is shut down.
    pub fn wait(&self, timeout: Duration) -> Wake {
        self.shared.wait(timeout)
    }

    fn header(&self, kind: FrameKind, lsn: Lsn) -> FrameHeader {
        FrameHeader {
            kind,
            entries: 0,
            wal_id: self.shared.wal_id,
            incarnation: self.shared.incarnation,
            lsn,
            durable_lsn: self.shared.durable_lsn(),
            payload_bytes: 0,
            previous_crc: self.previous_crc,
            payload_crc: 0,
        }
    }

    fn write_frame(
        &mut self,
        kind: FrameKind,
        frame: &Bytes,
        crc: u32,
        lsn: Lsn,
        to: &Placement,
    ) -> Result<(), WalError> {
        assert_eq!(lsn, self.written_end, "frames are written in the order of their LSNs");
        let published = self.shared.durable_lsn();
        let result = to.file.write_all_at(frame, to.offset);
        if self.unsynced.last().is_none_or(|(number, _)| *number != to.number) {
            self.unsynced.retain(|(number, _)| *number != to.number);
            self.unsynced.push((to.number, Arc::clone(&to.file)));
        }
        self.or_fail("write", result)?;
        let mark = Mark { lsn, previous_crc: self.previous_crc };
        self.written_end = lsn.plus(frame.len() as u64);
        self.previous_crc = crc;
        self.published = published;
        let tail = Mark { lsn: self.written_end, previous_crc: crc };
        let mut ring = self.shared.space.ring();
        ring.written(kind, mark, to.offset == 0, tail);
        if ring.attention {
            self.shared.space.call_provisioner();
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), WalError> {
        if !self.failed && self.shared.space.ring().failed {
            // The provisioner found the disk broken.
            self.failed = true;
            self.shared.fail();
        }
        if self.failed { Err(WalError::Fatal("it has failed before".to_owned())) } else { Ok(()) }
    }

    fn or_fail(&mut self, what: &str, result: io::Result<()>) -> Result<(), WalError> {
        let Err(error) = result else { return Ok(()) };
        self.failed = true;
        self.shared.fail();
        Err(WalError::Fatal(format!("a {what} returned: {error}")))
    }
}
