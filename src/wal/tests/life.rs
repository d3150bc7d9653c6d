//! A broker in miniature: numbered entries, a checkpoint, and what was acknowledged, over many lives of one
//! disk.

use std::path::Path;

use bytes::{Buf, BufMut};
use uuid::Uuid;

use super::support::{DIR, WAL_ID, header, number_of, payload};
use crate::env::simulated::{SeededRandom, SimulatedWorld};
use crate::env::{Files, Random};
use crate::wal::{self, Lsn, NewIncarnation, OpenedWal, ReplayStart, SyncMode, WalOptions, Written};

const CHECKPOINT: &str = "/checkpoint";

/// What the outside world knows. Entries are numbered from 0 in the order of their appends.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Known {
    /// Entries below this were acknowledged.
    pub(super) acknowledged: u64,
    /// Entries below this were written: a killed process loses none of them.
    pub(super) written: u64,
    /// Entries below this were appended: nothing else may appear.
    pub(super) appended: u64,
}

/// One start of the process.
pub(super) struct Life {
    world: SimulatedWorld,
    log: OpenedWal<u64>,
    random: SeededRandom,
    /// LSN of the first entry that the checkpoint does not cover, entry by entry.
    lsns: Vec<(u64, Lsn)>,
    unsynced: Option<Written<u64>>,
    /// Entries below this are in the checkpoint.
    covered: u64,
    pub(super) known: Known,
}

/// Why a life ended.
pub(super) type Death = String;

pub(super) fn life_options(sync: SyncMode) -> WalOptions {
    WalOptions {
        sync,
        file_bytes: 64 << 10,
        slot_bytes: 32 << 10,
        group_bytes_max: 12 << 10,
        capacity_bytes: 128 << 10,
        free_bytes_target: 48 << 10,
    }
}

/// Reads the disk back: how many entries there are, and the incarnation to write into.
pub(super) fn recover(world: &SimulatedWorld, known: Known) -> Result<(u64, NewIncarnation), Death> {
    if !world.files.exists(Path::new(CHECKPOINT)).map_err(text)? {
        assert_eq!(known.acknowledged, 0, "the checkpoint is durable before anything is acknowledged");
        return Ok((0, NewIncarnation::first(WAL_ID)));
    }
    let bytes = world.files.read(Path::new(CHECKPOINT), 1024).map_err(text)?;
    let (start, covered) = decode(&bytes);
    let mut next = covered;
    let end = wal::replay::<String>(&world.env(), Path::new(DIR), &start, &mut |entry| {
        let number = number_of(&entry.payload);
        assert!(number <= next, "entry {number} follows {next}");
        next = next.max(number + 1);
        Ok(())
    });
    Ok((next, end.map_err(text)?.next_incarnation()))
}

impl Life {
    /// Recovers, checks what was found against what is known, and makes the recovery's checkpoint durable.
    pub(super) fn start(
        world: &SimulatedWorld,
        seed: u64,
        sync: SyncMode,
        known: Known,
    ) -> Result<Life, Death> {
        let (found, incarnation) = recover(world, known)?;
        assert!(
            (known.acknowledged..=known.appended).contains(&found),
            "{found} entries were recovered of {known:?}"
        );
        let known = Known { acknowledged: found, written: found, appended: found };
        let start = incarnation.start_lsn;
        let dir = Path::new(DIR);
        let log = wal::create(&world.env(), dir, life_options(sync), incarnation).map_err(text)?;
        let random = SeededRandom::new(seed);
        let life = Life {
            world: world.clone(),
            log,
            random,
            lsns: Vec::new(),
            unsynced: None,
            covered: found,
            known,
        };
        life.checkpoint(life.log.replay_start, found)?;
        life.log.appender.trim(start);
        Ok(life)
    }

    /// One random step. `known` is kept up to date also when it fails.
    pub(super) fn step(&mut self) -> Result<(), Death> {
        match self.random.next_u64() % 16 {
            0..6 => self.append(),
            6..9 => self.write()?,
            9..12 => self.sync()?,
            12 => drop(self.log.writer.idle().map_err(text)?),
            13 => drop(self.log.provisioner.step().map_err(text)?),
            14 => drop(self.log.writer.sync_all().map_err(text)?),
            _ => self.trim()?,
        }
        Ok(())
    }

    pub(super) fn append(&mut self) {
        // Mostly small entries, some that fill a group, a few that need a file of their own.
        let length = match self.random.next_u64() {
            choice if choice % 40 == 0 => 17 << 10,
            choice => 8 + (choice % 5000) as usize,
        };
        let number = self.known.appended;
        let bytes = payload(number, length);
        let Ok(mut credit) = self.log.appender.try_reserve(bytes.len() as u64) else { return };
        let appended = self.log.appender.append(&mut credit, header(0), &bytes, |_| {}, number);
        self.lsns.push((number, appended.lsn));
        self.known.appended += 1;
    }

    pub(super) fn write(&mut self) -> Result<(), Death> {
        self.sync()?;
        let written = self.log.writer.write_next().map_err(text)?;
        if let Some(written) = &written {
            self.known.written = written.members.last().unwrap() + 1;
        }
        self.unsynced = written;
        Ok(())
    }

    pub(super) fn sync(&mut self) -> Result<(), Death> {
        let Some(written) = self.unsynced.take() else { return Ok(()) };
        let committed = self.log.writer.sync(written).map_err(text)?;
        self.known.acknowledged = committed.members.last().unwrap() + 1;
        Ok(())
    }

    /// Covers a part of what was acknowledged by a checkpoint (as if segments held it), then trims.
    fn trim(&mut self) -> Result<(), Death> {
        let uncovered = self.known.acknowledged - self.covered;
        self.covered += self.random.next_u64() % (uncovered + 1);
        let covered = self.covered;
        self.lsns.retain(|(number, _)| *number >= covered);
        let below = self.lsns.first().map_or(self.log.appender.appended_lsn(), |(_, lsn)| *lsn);
        self.checkpoint(self.log.appender.replay_start(below), covered)?;
        self.log.appender.trim(below);
        Ok(())
    }

    fn checkpoint(&self, start: ReplayStart, covered: u64) -> Result<(), Death> {
        self.world.files.replace(Path::new(CHECKPOINT), &encode(&start, covered)).map_err(text)
    }
}

fn text(error: impl Into<Box<dyn std::error::Error>>) -> Death {
    error.into().to_string()
}

fn encode(start: &ReplayStart, covered: u64) -> Vec<u8> {
    let mut bytes = start.wal_id.as_bytes().to_vec();
    bytes.put_u64(start.incarnation);
    bytes.put_u64(start.lsn.0);
    bytes.put_u32(start.previous_crc);
    bytes.put_u64(covered);
    bytes
}

fn decode(mut bytes: &[u8]) -> (ReplayStart, u64) {
    let start = ReplayStart {
        wal_id: Uuid::from_u128(bytes.get_u128()),
        incarnation: bytes.get_u64(),
        lsn: Lsn(bytes.get_u64()),
        previous_crc: bytes.get_u32(),
    };
    (start, bytes.get_u64())
}
