//! Reading the log back: verify all of it, then visit it.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use bytes::{Bytes, BytesMut};

use super::error::{Corruption, ReplayError};
use super::frame::FrameKind;
use super::log_file::{Found, LogFile, Place};
use super::options::{EntryHeader, EntryKind, Lsn, NewIncarnation, ReplayStart};
use super::ring::{file_number, file_path};
use super::scan::{Scan, Scanning};
use crate::env::{Env, side_by_side};

/// Distance between the end of one incarnation and the start of the next: more than any torn tail holds, so
/// that no LSN is used twice.
const INCARNATION_GAP_BYTES: u64 = 1 << 30;

/// An entry as it was appended (and patched).
#[derive(Clone, Debug)]
pub struct ReplayedEntry {
    /// The LSN that `append` returned for it.
    pub lsn: Lsn,
    /// What it is and whose.
    pub header: EntryHeader,
    /// Its payload; a slice of its frame's buffer.
    pub payload: Bytes,
}

/// Where the log broke off without loss: an unacknowledged group that did not reach the disk whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// Path of the file that holds what is cut off.
    pub file: String,
    /// Where that begins.
    pub offset: u64,
    /// The LSN at which the log ends now.
    pub lsn: Lsn,
}

/// What replay found.
#[derive(Clone, Debug)]
pub struct ReplayEnd {
    /// Exclusive end of the last whole frame.
    pub end_lsn: Lsn,
    /// Frames with entries.
    pub groups: u64,
    /// Entries visited.
    pub entries: u64,
    /// What was cut off, if anything was.
    pub torn: Option<TornTail>,
    next: NewIncarnation,
}

impl ReplayEnd {
    /// The incarnation for this start to write into. Until a checkpoint that names it is durable, the
    /// replayed frames stay as they are.
    pub fn next_incarnation(&self) -> NewIncarnation {
        self.next.clone()
    }
}

/// Replays the log from `start`: visits every entry of every whole frame, in order.
///
/// The files are made durable before they are trusted: a killed process may have left pages that no sync
/// covered, and what a segment gets from them must not be lost under it by a power cut. Everything is
/// verified before the first entry is visited, so a corrupt log changes nothing.
pub fn replay<E>(
    env: &Env,
    dir: &Path,
    start: &ReplayStart,
    visit: &mut dyn FnMut(ReplayedEntry) -> Result<(), E>,
) -> Result<ReplayEnd, ReplayError<E>> {
    replay_in_passes(env, dir, start, &[None], visit)
}

/// Like [`replay`], but all metadata before all records: records are understood by the catalogue as it was at
/// the end, not by what it was when they were written. A log start that moved later has unlinked segments
/// already.
pub fn replay_metadata_first<E>(
    env: &Env,
    dir: &Path,
    start: &ReplayStart,
    visit: &mut dyn FnMut(ReplayedEntry) -> Result<(), E>,
) -> Result<ReplayEnd, ReplayError<E>> {
    replay_in_passes(env, dir, start, &[Some(EntryKind::Metadata), Some(EntryKind::Records)], visit)
}

/// `None` stands for entries of every kind.
fn replay_in_passes<E>(
    env: &Env,
    dir: &Path,
    start: &ReplayStart,
    passes: &[Option<EntryKind>],
    visit: &mut dyn FnMut(ReplayedEntry) -> Result<(), E>,
) -> Result<ReplayEnd, ReplayError<E>> {
    let log = Log::open(env, dir, *start)?;
    let walk = log.walk()?;
    if let Some(corruption) = walk.corruption {
        return Err(ReplayError::Corrupt(corruption));
    }
    let mut entries = 0;
    let mut buffer = BytesMut::new();
    for kind in passes {
        // Most frames hold records only, and need not be read for what they do not hold.
        let groups = walk.frames.iter().filter(|found| found.header.kind == FrameKind::Group);
        for found in groups.filter(|found| *kind != Some(EntryKind::Metadata) || found.metadata) {
            let wanted = |entry: &ReplayedEntry| kind.is_none_or(|kind| kind == entry.header.kind);
            let (payload, found) = log.entries(found, &mut buffer)?;
            for entry in found.into_iter().filter(wanted) {
                visit(entry).map_err(ReplayError::Visitor)?;
                entries += 1;
            }
            // Unless the visitor keeps some of it, its memory serves the next frame.
            buffer = payload.try_into_mut().unwrap_or_default();
        }
    }
    let held: BTreeSet<u64> = walk.frames.iter().map(|found| log.files[found.place.0].number).collect();
    let next = NewIncarnation {
        wal_id: start.wal_id,
        incarnation: walk.incarnation_max.max(start.incarnation) + 1,
        start_lsn: walk.end.max(walk.lsn_max).plus(INCARNATION_GAP_BYTES),
        held_files: held.into_iter().collect(),
    };
    let groups = walk.frames.iter().filter(|found| found.header.kind == FrameKind::Group).count() as u64;
    Ok(ReplayEnd { end_lsn: walk.end, groups, entries, torn: walk.torn, next })
}

pub(super) struct Log {
    start: ReplayStart,
    pub(super) files: Vec<LogFile>,
}

pub(super) struct Walk {
    pub(super) frames: Vec<Found>,
    pub(super) end: Lsn,
    incarnation_max: u64,
    lsn_max: Lsn,
    pub(super) torn: Option<TornTail>,
    pub(super) corruption: Option<Corruption>,
}

impl Log {
    /// Makes every file durable; what is read of them then comes from the disk.
    fn open(env: &Env, dir: &Path, start: ReplayStart) -> io::Result<Log> {
        let mut files = Vec::new();
        for name in env.files.list(dir)? {
            let Some(number) = file_number(&name) else { continue };
            files.push(LogFile::open_to_replay(&*env.files, file_path(dir, number), number)?);
        }
        let durable = side_by_side(env.files.lanes(), &files, LogFile::make_durable);
        durable.into_iter().collect::<io::Result<()>>()?;
        env.files.sync_dir(dir)?;
        Ok(Log { start, files })
    }

    /// To look at it only: what is read may be what the cache holds, and nothing is synced.
    pub(super) fn open_to_look(env: &Env, dir: &Path, start: ReplayStart) -> io::Result<Log> {
        let mut files = Vec::new();
        for name in env.files.list(dir)? {
            let Some(number) = file_number(&name) else { continue };
            files.push(LogFile::open_to_look(&*env.files, file_path(dir, number), number)?);
        }
        Ok(Log { start, files })
    }

    /// Follows the chain from the start to its end, and judges that end.
    pub(super) fn walk(&self) -> io::Result<Walk> {
        let heads = self.heads()?;
        let ReplayStart { lsn, previous_crc, .. } = self.start;
        let located = self.locate_start(&heads)?;
        let is_located = !located.is_empty();
        let places = if is_located { located } else { self.search_start()? };
        let mut chain = Chain::new(lsn, previous_crc, places);
        let mut frames: Vec<Found> = Vec::new();
        let mut buffer = BytesMut::new();
        while let Some(found) = self.next_frame(&chain, &heads, &mut buffer)? {
            chain.follow(&found);
            frames.push(found);
        }
        let end = chain.lsn;
        let Scan { later, incarnation_max, lsn_max, .. } = if is_located {
            self.scanning().behind(&self.files, end, &chain.ends)?
        } else {
            self.scanning().everywhere(&self.files, end)?
        };
        let proof = later.iter().find(|found| found.header.durable_lsn > end);
        let corruption = proof.map(|proof| self.corruption(&chain, &later[0], proof));
        let torn = later.first().map(|first| {
            let (file, offset) = chain.implied_place(first);
            TornTail { file: self.name(file), offset, lsn: end }
        });
        Ok(Walk { frames, end, incarnation_max, lsn_max, torn, corruption })
    }

    /// The first frame of every file that begins with one of this log, whatever its lap.
    fn heads(&self) -> io::Result<Vec<Found>> {
        let mut heads = Vec::new();
        for file in 0..self.files.len() {
            heads.extend(self.header_at((file, 0))?.filter(|head| head.header.wal_id == self.start.wal_id));
        }
        Ok(heads)
    }

    /// Where the frame of the start may be: inside a file, since only whole files are trimmed. Frames below
    /// it are needed no more, so only their headers are looked at.
    fn locate_start(&self, heads: &[Found]) -> io::Result<Vec<Place>> {
        let mut below: Vec<&Found> = heads.iter().filter(|head| self.is_current(head)).collect();
        below.retain(|head| head.header.lsn <= self.start.lsn);
        below.sort_by_key(|head| std::cmp::Reverse(head.header.lsn));
        let mut places = Vec::new();
        for head in below {
            let Some(place) = self.hop_to_start(head)? else { continue };
            places.push(place);
            if self.header_at(place)?.is_some_and(|found| found.header.lsn == self.start.lsn) {
                return Ok(places);
            }
        }
        Ok(places)
    }

    /// The same if no whole frames lead there.
    fn search_start(&self) -> io::Result<Vec<Place>> {
        Ok(self.scanning().everywhere(&self.files, self.start.lsn)?.exact.into_iter().collect())
    }

    /// Follows the headers of one file up to the start's LSN.
    fn hop_to_start(&self, head: &Found) -> io::Result<Option<Place>> {
        let (file, mut offset) = head.place;
        let mut lsn = head.header.lsn;
        while lsn < self.start.lsn {
            let found = self.header_at((file, offset))?.filter(|found| self.is_current(found));
            // A larger LSN than expected follows an oversized entry, which has a file of its own.
            let Some(found) = found.filter(|f| (lsn..=self.start.lsn).contains(&f.header.lsn)) else { break };
            if found.header.lsn == self.start.lsn {
                return Ok(Some(found.place));
            }
            lsn = found.header.end_lsn();
            offset += found.header.padded_bytes();
        }
        Ok((lsn == self.start.lsn).then_some((file, offset)))
    }

    fn scanning(&self) -> Scanning {
        Scanning { wal_id: self.start.wal_id, incarnation: self.start.incarnation }
    }

    /// The frame that continues the chain: behind the last one, or at the beginning of another file, or
    /// behind the last frame of a file that was left for an oversized entry.
    fn next_frame(&self, chain: &Chain, heads: &[Found], buffer: &mut BytesMut) -> io::Result<Option<Found>> {
        let beginnings = heads.iter().filter(|head| head.header.lsn == chain.lsn).map(|head| head.place);
        for place in chain.last().into_iter().chain(beginnings).chain(chain.earlier()) {
            let Some(mut found) = self.header_at(place)? else { continue };
            let continues = found.header.lsn == chain.lsn && found.header.previous_crc == chain.crc;
            if continues && self.is_current(&found) && self.files[place.0].confirm(&mut found, buffer)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn is_current(&self, found: &Found) -> bool {
        found.header.wal_id == self.start.wal_id && found.header.incarnation == self.start.incarnation
    }

    fn header_at(&self, place: Place) -> io::Result<Option<Found>> {
        self.files[place.0].header_at(place)
    }

    fn entries(&self, found: &Found, buffer: &mut BytesMut) -> io::Result<(Bytes, Vec<ReplayedEntry>)> {
        self.try_entries(found, buffer)?.map_err(|message| {
            let (file, offset) = found.place;
            let message = format!("{} at byte {offset}: {message}", self.name(file));
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
    }

    /// A frame's entries, or what is wrong with them.
    pub(super) fn try_entries(
        &self,
        found: &Found,
        buffer: &mut BytesMut,
    ) -> io::Result<Result<(Bytes, Vec<ReplayedEntry>), String>> {
        self.files[found.place.0].entries(found, buffer)
    }

    fn corruption(&self, chain: &Chain, next: &Found, proof: &Found) -> Corruption {
        let (file, offset) = chain.implied_place(next);
        let (proof_file, proof_offset) = proof.place;
        let message = format!(
            "no whole frame is there, but the frame at LSN {} ({} at byte {proof_offset}) says that \
             everything below LSN {} was durable",
            proof.header.lsn,
            self.name(proof_file),
            proof.header.durable_lsn,
        );
        Corruption { file: self.name(file), offset, lsn: chain.lsn, message }
    }

    fn name(&self, file: usize) -> String {
        self.files[file].path.display().to_string()
    }
}

/// How far the walk has come.
struct Chain {
    lsn: Lsn,
    crc: u32,
    /// The places behind the last frame of each file visited, the latest last.
    ends: Vec<Place>,
}

impl Chain {
    fn new(lsn: Lsn, crc: u32, ends: Vec<Place>) -> Chain {
        Chain { lsn, crc, ends }
    }

    fn last(&self) -> Option<Place> {
        self.ends.last().copied()
    }

    fn earlier(&self) -> impl Iterator<Item = Place> + '_ {
        self.ends.iter().rev().skip(1).copied()
    }

    fn follow(&mut self, found: &Found) {
        let (file, offset) = found.place;
        self.ends.retain(|(other, _)| *other != file);
        self.ends.push((file, offset + found.header.padded_bytes()));
        self.lsn = found.header.end_lsn();
        self.crc = found.crc;
    }

    /// Where the missing frame should be: as far before the next whole one as their LSNs differ, or, if the
    /// file does not reach that far back, behind the last one.
    fn implied_place(&self, next: &Found) -> Place {
        let (file, offset) = next.place;
        match offset.checked_sub(next.header.lsn.0 - self.lsn.0) {
            Some(offset) => (file, offset),
            None => self.last().unwrap_or(next.place),
        }
    }
}
