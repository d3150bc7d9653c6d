//! Which file holds what: placement of frames, free space, trimming. Pure book-keeping, no input or output.
//!
//! Credits are safe because of one bound. A frame never spans files, so the end of a file is wasted when the
//! next frame does not fit; that waste is below `frame_bytes_max`. Each file therefore counts as usable only
//! up to `frame_bytes_max` before its pre-written end, and whatever is promised within that sum finds a
//! place.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::NoCredit;
use super::frame::{ENTRY_PAYLOAD_BYTES_MAX, FrameKind, entry_cost};
use super::options::{Lsn, ReplayStart, WalOptions};
use crate::env::File;

/// Files made for one oversized entry each, at most, in use or not.
const DEDICATED_FILES_MAX: usize = 16;
/// Distance between the frames at which replay can begin.
const MARK_SPACING_BYTES: u64 = 1 << 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Use {
    /// Holds nothing that is needed.
    Free,
    /// Takes the next frames.
    Current,
    /// Holds frames; free again once all of them are trimmed.
    Full,
    /// Made for one oversized entry that has not come yet.
    Ready,
    /// The same, promised to a credit.
    Promised,
}

pub(super) struct RingFile {
    pub(super) number: u64,
    pub(super) file: Arc<dyn File>,
    /// Pre-written up to here: writing below it cannot want for space.
    pub(super) provisioned: u64,
    written: u64,
    /// Exclusive end of the frames in it.
    end_lsn: Lsn,
    dedicated: bool,
    state: Use,
}

/// A frame at which replay can begin, and the header CRC of the frame before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    pub(super) lsn: Lsn,
    pub(super) previous_crc: u32,
}

/// Where a frame goes.
#[derive(Clone)]
pub(super) struct Placement {
    pub(super) number: u64,
    pub(super) file: Arc<dyn File>,
    pub(super) offset: u64,
}

/// What was promised to a credit.
#[derive(Default, Debug)]
pub(super) struct Grant {
    pub(super) bytes: u64,
    /// Files for oversized entries, each with its size.
    pub(super) dedicated: Vec<(u64, u64)>,
}

/// The next step of the provisioner.
pub(super) enum Work {
    /// Unlink a file that is needed no more.
    Remove(PathBuf),
    /// Pre-write a file from its provisioned end.
    Extend { number: u64, path: PathBuf, from: u64, to: u64 },
    /// Make a file and pre-write this much of it.
    Create { number: u64, path: PathBuf, bytes: u64, dedicated: bool },
}

/// How free space can grow.
enum Growth {
    NewFile,
    Slot { number: u64, from: u64 },
}

/// Figures for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalStatus {
    /// Bytes that can be promised now.
    pub free_bytes: u64,
    /// Bytes of all files.
    pub file_bytes: u64,
    /// Whether the last attempt to pre-write found the disk full.
    pub disk_full: bool,
}

pub(super) struct Ring {
    options: WalOptions,
    dir: PathBuf,
    files: BTreeMap<u64, RingFile>,
    free: VecDeque<u64>,
    current: Option<u64>,
    removable: VecDeque<PathBuf>,
    demands: VecDeque<u64>,
    marks: VecDeque<Mark>,
    /// Just behind the last written frame.
    tail: Mark,
    /// Just behind the last one with entries. Between it and the tail there is nothing to replay.
    entries_end: Lsn,
    next_number: u64,
    /// Sum over free files and the current one, before what is promised.
    usable: u64,
    promised: u64,
    /// The most that somebody asked for and did not get since something was promised: more than the target
    /// of free space may be needed for it.
    wanted: u64,
    /// The provisioner may have something to do.
    pub(super) attention: bool,
    pub(super) disk_full: bool,
    /// No more credit is given.
    pub(super) stopped: bool,
    /// Nothing is committed any more.
    pub(super) failed: bool,
}

/// The path of a file of the log.
pub(super) fn file_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}.wal"))
}

/// The number in a file's name, if it is a name of ours.
pub(super) fn file_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".wal")?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

impl Ring {
    pub(super) fn new(options: WalOptions, dir: PathBuf, tail: Mark) -> Ring {
        Ring {
            options,
            dir,
            files: BTreeMap::new(),
            free: VecDeque::new(),
            current: None,
            removable: VecDeque::new(),
            demands: VecDeque::new(),
            marks: VecDeque::from([tail]),
            tail,
            entries_end: tail.lsn,
            next_number: 0,
            usable: 0,
            promised: 0,
            wanted: 0,
            attention: true,
            disk_full: false,
            stopped: false,
            failed: false,
        }
    }

    /// Takes over a file that an earlier start left. One that is `held` has frames below the tail.
    pub(super) fn adopt(&mut self, number: u64, file: Arc<dyn File>, length: u64, held: bool) {
        self.next_number = self.next_number.max(number + 1);
        let state = if held { Use::Full } else { Use::Free };
        let oversized = length > self.options.file_bytes;
        let provisioned = length - length % super::frame::FRAME_ALIGNMENT;
        let end_lsn = self.tail.lsn;
        let file = RingFile { number, file, provisioned, written: 0, end_lsn, dedicated: oversized, state };
        self.files.insert(number, file);
        if !held {
            self.release(number);
        }
        self.count_usable();
    }

    /// Frames above this get a file of their own.
    pub(super) fn frame_bytes_max(&self) -> u64 {
        self.options.frame_bytes_max()
    }

    /// Promises space for entries with these payload lengths, or says why not. Nothing is promised in part.
    pub(super) fn reserve(&mut self, payloads: impl IntoIterator<Item = usize>) -> Result<Grant, NoCredit> {
        if self.stopped {
            return Err(NoCredit::Stopped);
        }
        let mut bytes = 0;
        let mut oversized = Vec::new();
        for payload in payloads {
            if payload > ENTRY_PAYLOAD_BYTES_MAX {
                return Err(NoCredit::TooLarge);
            }
            match entry_cost(payload) {
                cost if cost > self.options.frame_bytes_max() => oversized.push(cost),
                cost => bytes += cost,
            }
        }
        if oversized.len() > DEDICATED_FILES_MAX || bytes > self.options.promise_bytes_max() {
            return Err(NoCredit::TooLarge);
        }
        if bytes > self.free_bytes() {
            self.wanted = self.wanted.max(bytes);
            self.attention = true;
            return Err(self.full());
        }
        let dedicated = self.promise_files(oversized)?;
        self.promised += bytes;
        self.wanted = 0;
        Ok(Grant { bytes, dedicated })
    }

    fn full(&self) -> NoCredit {
        if self.disk_full { NoCredit::DiskFull } else { NoCredit::Full }
    }

    /// Finds a ready file for each oversized entry, or asks the provisioner for those that are missing.
    fn promise_files(&mut self, mut costs: Vec<u64>) -> Result<Vec<(u64, u64)>, NoCredit> {
        costs.sort_unstable_by(|a, b| b.cmp(a));
        let mut ready: Vec<(u64, u64)> = self
            .files
            .values()
            .filter(|f| f.state == Use::Ready)
            .map(|f| (f.provisioned, f.number))
            .collect();
        ready.sort_unstable_by(|a, b| b.cmp(a));
        // Both from the largest down: if the n-th largest file holds the n-th largest entry, all fit.
        let missing: Vec<u64> = costs
            .iter()
            .enumerate()
            .filter(|(index, cost)| ready.get(*index).is_none_or(|(size, _)| size < cost))
            .map(|(_, cost)| *cost)
            .collect();
        if missing.is_empty() {
            let taken: Vec<(u64, u64)> =
                ready[..costs.len()].iter().map(|(size, number)| (*number, *size)).collect();
            taken.iter().for_each(|(number, _)| self.file_mut(*number).state = Use::Promised);
            return Ok(taken);
        }
        self.attention = true;
        for cost in missing {
            if self.demands.len() < DEDICATED_FILES_MAX && !self.demands.contains(&cost) {
                self.demands.push_back(cost);
            }
        }
        Err(self.full())
    }

    /// Takes back what a credit did not use.
    pub(super) fn give_back(&mut self, grant: Grant) {
        self.promised -= grant.bytes;
        for (number, _) in grant.dedicated {
            self.file_mut(number).state = Use::Ready;
        }
    }

    /// Finds the place of the next frame, which ends at `end_lsn`. Its entries have paid for `padded` bytes.
    pub(super) fn place(&mut self, padded: u64, end_lsn: Lsn) -> Placement {
        self.promised = self.promised.checked_sub(padded).expect("a frame is paid for out of credits");
        loop {
            if let Some(number) = self.current {
                let file = self.file_mut(number);
                if file.provisioned - file.written >= padded {
                    let placement = file.take(padded, end_lsn);
                    self.count_usable();
                    return placement;
                }
                file.state = Use::Full;
            }
            let next = self.free.pop_front().expect("credits cover every frame: see the bound above");
            let file = self.file_mut(next);
            file.state = Use::Current;
            file.written = 0;
            self.current = Some(next);
        }
    }

    /// The place of a frame that alone fills a promised file.
    pub(super) fn place_dedicated(&mut self, number: u64, padded: u64, end_lsn: Lsn) -> Placement {
        let file = self.file_mut(number);
        debug_assert!(file.state == Use::Promised && file.provisioned >= padded);
        file.state = Use::Full;
        file.take(padded, end_lsn)
    }

    /// The place of a frame that nobody reserved for, if there is space to spare.
    pub(super) fn place_unreserved(&mut self, padded: u64, end_lsn: Lsn) -> Option<Placement> {
        if self.free_bytes() < padded {
            return None;
        }
        self.promised += padded;
        Some(self.place(padded, end_lsn))
    }

    /// Records that a frame was written, so that replay can begin at it or behind it.
    pub(super) fn written(&mut self, kind: FrameKind, frame: Mark, first_in_file: bool, tail: Mark) {
        let last = self.marks.back().map_or(Lsn(0), |mark| mark.lsn);
        if first_in_file || frame.lsn.0 - last.0 >= MARK_SPACING_BYTES {
            self.marks.push_back(frame);
        }
        self.tail = tail;
        if kind == FrameKind::Group {
            self.entries_end = tail.lsn;
        }
    }

    /// The frame from which replay sees every entry at and above `below`.
    pub(super) fn mark_below(&self, below: Lsn) -> Mark {
        if below >= self.entries_end {
            return self.tail;
        }
        let index = self.marks.partition_point(|mark| mark.lsn <= below);
        *self.marks.get(index.saturating_sub(1)).unwrap_or(&self.tail)
    }

    /// Frees the files whose frames all end at or below `below`. Returns whether there is more credit now.
    pub(super) fn trim(&mut self, below: Lsn) -> bool {
        let below = below.min(self.tail.lsn);
        let before = self.usable;
        let done = self.files.values().filter(|file| file.state == Use::Full && file.end_lsn <= below);
        let done: Vec<u64> = done.map(|file| file.number).collect();
        done.into_iter().for_each(|number| self.release(number));
        while self.marks.len() > 1 && self.marks[1].lsn <= below {
            self.marks.pop_front();
        }
        self.count_usable();
        self.attention = true;
        self.usable > before
    }

    /// A file's frames are needed no more: it is used again, unless it is surplus.
    fn release(&mut self, number: u64) {
        let ordinary = self.files.values().filter(|file| !file.dedicated).count();
        let file = self.file_mut(number);
        if file.dedicated || ordinary > self.options.files_max() {
            self.files.remove(&number);
            self.removable.push_back(file_path(&self.dir, number));
        } else {
            self.file_mut(number).state = Use::Free;
            self.free.push_back(number);
        }
    }

    /// What the provisioner does next; `None` when there is enough free space.
    pub(super) fn next_work(&mut self) -> Option<Work> {
        if let Some(path) = self.removable.pop_front() {
            return Some(Work::Remove(path));
        }
        if let Some(work) = self.next_dedicated() {
            return Some(work);
        }
        let slot_bytes = self.options.slot_bytes;
        Some(match self.growth()? {
            Growth::NewFile => self.creation(slot_bytes, false),
            Growth::Slot { number, from } => {
                let to = (from / slot_bytes + 1) * slot_bytes;
                Work::Extend { number, path: file_path(&self.dir, number), from, to }
            }
        })
    }

    /// How free space can grow, if it has to and the capacity allows it.
    fn growth(&self) -> Option<Growth> {
        if self.usable >= self.options.free_bytes_target && self.free_bytes() >= self.wanted {
            return None;
        }
        let mut open = self.current.iter().chain(&self.free).map(|number| &self.files[number]);
        if let Some(file) = open.find(|file| file.provisioned < self.options.file_bytes) {
            return Some(Growth::Slot { number: file.number, from: file.provisioned });
        }
        // At a start all files may be held: then one more is needed.
        let ordinary = self.files.values().filter(|file| !file.dedicated).count();
        let nothing_left = self.current.is_none() && self.free.is_empty();
        (ordinary < self.options.files_max() || nothing_left).then_some(Growth::NewFile)
    }

    fn next_dedicated(&mut self) -> Option<Work> {
        let cost = *self.demands.front()?;
        if self.files.values().filter(|file| file.dedicated).count() >= DEDICATED_FILES_MAX {
            // Those that wait unclaimed give way; those that hold frames are freed by the next trim.
            let unclaimed =
                self.files.values().find(|file| file.state == Use::Ready).map(|file| file.number)?;
            self.files.remove(&unclaimed);
            return Some(Work::Remove(file_path(&self.dir, unclaimed)));
        }
        self.demands.pop_front();
        Some(self.creation(cost, true))
    }

    fn creation(&mut self, bytes: u64, dedicated: bool) -> Work {
        let number = self.next_number;
        self.next_number += 1;
        Work::Create { number, path: file_path(&self.dir, number), bytes, dedicated }
    }

    /// A file was pre-written further. It may have been filled, trimmed and removed in the meantime.
    pub(super) fn extended(&mut self, number: u64, to: u64) {
        if let Some(file) = self.files.get_mut(&number) {
            file.provisioned = to;
        }
        self.disk_full = false;
        self.count_usable();
    }

    /// A file was made, and its name and content are durable.
    pub(super) fn created(&mut self, number: u64, file: Arc<dyn File>, bytes: u64, dedicated: bool) {
        let state = if dedicated { Use::Ready } else { Use::Free };
        let (written, end_lsn) = (0, Lsn(0));
        let file = RingFile { number, file, provisioned: bytes, written, end_lsn, dedicated, state };
        self.files.insert(number, file);
        if !dedicated {
            self.free.push_back(number);
        }
        self.disk_full = false;
        self.count_usable();
    }

    /// Bytes that can be promised now.
    pub(super) fn free_bytes(&self) -> u64 {
        self.usable.saturating_sub(self.promised)
    }

    pub(super) fn status(&self) -> WalStatus {
        let file_bytes = self.files.values().map(|file| file.provisioned).sum();
        WalStatus { free_bytes: self.free_bytes(), file_bytes, disk_full: self.disk_full }
    }

    /// The replay start of a mark in this log.
    pub(super) fn replay_start(mark: Mark, wal_id: uuid::Uuid, incarnation: u64) -> ReplayStart {
        ReplayStart { wal_id, incarnation, lsn: mark.lsn, previous_crc: mark.previous_crc }
    }

    fn count_usable(&mut self) {
        let waste = self.options.frame_bytes_max();
        let open = self.current.iter().chain(&self.free).map(|number| &self.files[number]);
        self.usable = open.map(|file| (file.provisioned - file.written_now()).saturating_sub(waste)).sum();
        self.attention |= self.growth().is_some();
    }

    fn file_mut(&mut self, number: u64) -> &mut RingFile {
        self.files.get_mut(&number).expect("a file leaves the map only when nothing refers to it")
    }
}

impl RingFile {
    /// A free file's frames are of an earlier lap: they count as nothing.
    fn written_now(&self) -> u64 {
        if self.state == Use::Free { 0 } else { self.written }
    }

    fn take(&mut self, padded: u64, end_lsn: Lsn) -> Placement {
        let offset = self.written;
        self.written += padded;
        self.end_lsn = end_lsn;
        Placement { number: self.number, file: Arc::clone(&self.file), offset }
    }
}
