//! Looking for frames that the chain does not reach.

use std::io;

use bytes::BytesMut;
use uuid::Uuid;

use super::frame::{FRAME_ALIGNMENT, FRAME_HEADER_BYTES, FrameHeader, MAGIC};
use super::log_file::{FIRST_LOOK_BYTES, Found, LogFile, Place};
use super::options::Lsn;

/// Read at once.
const READ_BYTES: usize = 1 << 20;

/// What lies in the files of one log.
#[derive(Default)]
pub(super) struct Scan {
    /// All whole frames of the incarnation at or above the LSN asked for, in the order of their LSNs.
    pub(super) later: Vec<Found>,
    /// Where a frame with exactly that LSN lies.
    pub(super) exact: Option<Place>,
    /// The highest incarnation of any header, and the highest LSN.
    pub(super) incarnation_max: u64,
    pub(super) lsn_max: Lsn,
}

/// What is looked for.
pub(super) struct Scanning {
    pub(super) wal_id: Uuid,
    pub(super) incarnation: u64,
}

impl Scanning {
    /// Looks everywhere: for a start that no whole frames lead to.
    pub(super) fn everywhere(&self, files: &[LogFile], from: Lsn) -> io::Result<Scan> {
        let mut look = Look::new(self, from);
        for (index, file) in files.iter().enumerate() {
            look.at(file, index, 0, file.length)?;
        }
        Ok(look.finish())
    }

    /// Looks where the chain could have gone on from `from`, its end: behind the last frame of every file
    /// that it went through (`ends`), and from the begin of the others. A file's frames follow each other
    /// without a gap, so what is behind the first look cannot be of this lap, unless something in the first
    /// look is: then all of the file is looked at (ADR 16).
    pub(super) fn behind(&self, files: &[LogFile], from: Lsn, ends: &[Place]) -> io::Result<Scan> {
        let mut look = Look::new(self, from);
        for (index, file) in files.iter().enumerate() {
            let end = ends.iter().find(|(number, _)| *number == index);
            let begin = end.map_or(0, |(_, offset)| *offset);
            let near = begin.saturating_add(FIRST_LOOK_BYTES).min(file.length);
            look.is_striking = false;
            look.at(file, index, begin, near)?;
            if look.is_striking {
                look.at(file, index, near, file.length)?;
            }
        }
        Ok(look.finish())
    }
}

struct Look<'a> {
    sought: &'a Scanning,
    from: Lsn,
    scan: Scan,
    /// A frame of this lap was met, whole or not.
    is_striking: bool,
    block: Vec<u8>,
    payload: BytesMut,
}

impl Look<'_> {
    fn new(sought: &Scanning, from: Lsn) -> Look<'_> {
        let (block, payload) = (vec![0; READ_BYTES], BytesMut::new());
        Look { sought, from, scan: Scan::default(), is_striking: false, block, payload }
    }

    /// Tries a header at every multiple of the alignment: nowhere else can a frame begin.
    fn at(&mut self, file: &LogFile, index: usize, begin: u64, end: u64) -> io::Result<()> {
        let mut block = std::mem::take(&mut self.block);
        let mut offset = begin;
        while offset < end {
            let count = usize::try_from(end - offset).unwrap_or(READ_BYTES).min(READ_BYTES);
            file.read(&mut block[..count], offset)?;
            for (step, bytes) in block[..count].chunks(FRAME_ALIGNMENT as usize).enumerate() {
                if bytes.starts_with(&MAGIC) {
                    let place = (index, offset + step as u64 * FRAME_ALIGNMENT);
                    self.header(file, place, bytes)?;
                }
            }
            offset += count as u64;
        }
        self.block = block;
        Ok(())
    }

    fn header(&mut self, file: &LogFile, place: Place, bytes: &[u8]) -> io::Result<()> {
        let parsed = bytes.get(..FRAME_HEADER_BYTES).and_then(FrameHeader::parse);
        let Some((header, crc)) = parsed else {
            // A frame of whatever lap that is damaged.
            self.is_striking = true;
            return Ok(());
        };
        if header.wal_id != self.sought.wal_id {
            return Ok(());
        }
        self.scan.incarnation_max = self.scan.incarnation_max.max(header.incarnation);
        self.scan.lsn_max = self.scan.lsn_max.max(header.lsn);
        if header.incarnation != self.sought.incarnation || header.lsn < self.from {
            return Ok(());
        }
        self.is_striking = true;
        let mut found = Found { place, header, crc, metadata: true };
        if file.confirm(&mut found, &mut self.payload)? {
            self.scan.later.push(found);
        }
        Ok(())
    }

    fn finish(self) -> Scan {
        let mut scan = self.scan;
        scan.later.sort_by_key(|found| found.header.lsn);
        scan.exact =
            scan.later.first().filter(|found| found.header.lsn == self.from).map(|found| found.place);
        scan
    }
}
