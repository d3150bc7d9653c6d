//! Reading the log back: verify all of it, then visit it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::error::{Corruption, ReplayError};
use super::frame::{FRAME_HEADER_BYTES, FrameEntry, FrameHeader, FrameKind, parse_entries};
use super::options::{EntryHeader, EntryKind, Lsn, NewIncarnation, ReplayStart};
use super::ring::{file_number, file_path};
use super::scan::{self, Scan};
use crate::env::{Env, File, Files, OpenMode};

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
    for kind in passes {
        for found in walk.frames.iter().filter(|found| found.header.kind == FrameKind::Group) {
            let wanted = |entry: &ReplayedEntry| kind.is_none_or(|kind| kind == entry.header.kind);
            for entry in log.entries(found)?.into_iter().filter(wanted) {
                visit(entry).map_err(ReplayError::Visitor)?;
                entries += 1;
            }
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

/// A file of the log.
pub(super) struct LogFile {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
    pub(super) length: u64,
}

/// Index of a file in `Log::files`, and a byte position in it.
pub(super) type Place = (usize, u64);

/// A frame with right CRCs, and where it is.
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) header: FrameHeader,
    pub(super) crc: u32,
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
    /// Makes every file durable and forgets what is cached of it.
    fn open(env: &Env, dir: &Path, start: ReplayStart) -> io::Result<Log> {
        let mut files = Vec::new();
        for name in env.files.list(dir)? {
            let Some(number) = file_number(&name) else { continue };
            let path = file_path(dir, number);
            let file = env.files.open(&path, OpenMode::Write).map_err(|error| named(&path, &error))?;
            file.sync_data().map_err(|error| named(&path, &error))?;
            file.drop_cache().map_err(|error| named(&path, &error))?;
            let length = file.length()?;
            files.push(LogFile { number, path, file, length });
        }
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
        let mut chain = Chain::new(lsn, previous_crc, self.locate_start(&heads)?);
        let mut frames: Vec<Found> = Vec::new();
        while let Some(found) = self.next_frame(&chain, &heads)? {
            chain.follow(&found);
            frames.push(found);
        }
        let end = chain.lsn;
        let Scan { later, incarnation_max, lsn_max, .. } = self.scan(end)?;
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
    /// it are needed no more, so only their headers are looked at; if one of those is damaged, the scan
    /// finds the rest.
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
        if places.is_empty() {
            places = self.scan(self.start.lsn)?.exact.into_iter().collect();
        }
        Ok(places)
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

    fn scan(&self, from: Lsn) -> io::Result<Scan> {
        scan::scan(&self.files, self.start.wal_id, self.start.incarnation, from)
    }

    /// The frame that continues the chain: behind the last one, or at the beginning of another file, or
    /// behind the last frame of a file that was left for an oversized entry.
    fn next_frame(&self, chain: &Chain, heads: &[Found]) -> io::Result<Option<Found>> {
        let beginnings = heads.iter().filter(|head| head.header.lsn == chain.lsn).map(|head| head.place);
        for place in chain.last().into_iter().chain(beginnings).chain(chain.earlier()) {
            let Some(found) = self.header_at(place)? else { continue };
            let continues = found.header.lsn == chain.lsn && found.header.previous_crc == chain.crc;
            if continues && self.is_current(&found) && self.payload(&found)?.is_some() {
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

    fn payload(&self, found: &Found) -> io::Result<Option<Bytes>> {
        self.files[found.place.0].payload(found)
    }

    fn entries(&self, found: &Found) -> io::Result<Vec<ReplayedEntry>> {
        self.try_entries(found)?.map_err(|message| {
            let (file, offset) = found.place;
            let message = format!("{} at byte {offset}: {message}", self.name(file));
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
    }

    /// A frame's entries, or what is wrong with them.
    pub(super) fn try_entries(&self, found: &Found) -> io::Result<Result<Vec<ReplayedEntry>, String>> {
        self.files[found.place.0].entries(found)
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

impl LogFile {
    /// Opens a file that is only read.
    pub(super) fn open_to_look(files: &dyn Files, path: PathBuf, number: u64) -> io::Result<LogFile> {
        let file = files.open(&path, OpenMode::Read).map_err(|error| named(&path, &error))?;
        let length = file.length()?;
        Ok(LogFile { number, path, file, length })
    }

    /// A frame's entries, or what is wrong with them.
    pub(super) fn entries(&self, found: &Found) -> io::Result<Result<Vec<ReplayedEntry>, String>> {
        let Some(payload) = self.payload(found)? else {
            return Ok(Err("the checksum of its entries is wrong".to_owned()));
        };
        let lsn = |offset: usize| found.header.lsn.plus(offset as u64);
        let replayed =
            |e: FrameEntry| ReplayedEntry { lsn: lsn(e.offset), header: e.header, payload: e.payload };
        let entries = parse_entries(&payload, found.header.entries);
        Ok(entries.map(|entries| entries.into_iter().map(replayed).collect()))
    }

    pub(super) fn header_at(&self, place: Place) -> io::Result<Option<Found>> {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        if place.1 + bytes.len() as u64 > self.length {
            return Ok(None);
        }
        self.file.read_exact_at(&mut bytes, place.1).map_err(|error| named(&self.path, &error))?;
        Ok(FrameHeader::parse(&bytes).map(|(header, crc)| Found { place, header, crc }))
    }

    /// A frame's entries as bytes; `None` if they are not what the header says. The length is checked
    /// against the file before memory is taken.
    pub(super) fn payload(&self, found: &Found) -> io::Result<Option<Bytes>> {
        let start = found.place.1 + FRAME_HEADER_BYTES as u64;
        let length = found.header.payload_bytes;
        if start + u64::from(length) > self.length {
            return Ok(None);
        }
        let mut bytes = vec![0; length as usize];
        self.file.read_exact_at(&mut bytes, start).map_err(|error| named(&self.path, &error))?;
        let right = crc32c::crc32c(&bytes) == found.header.payload_crc;
        Ok(right.then(|| Bytes::from(bytes)))
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

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
