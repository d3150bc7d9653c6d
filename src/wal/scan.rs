//! Looking for frames that the chain does not reach.

use std::io;

use uuid::Uuid;

use super::frame::FRAME_ALIGNMENT;
use super::options::Lsn;
use super::replay::{Found, LogFile, Place};

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

/// Tries a header at every multiple of the alignment: nowhere else can a frame begin.
pub(super) fn scan(files: &[LogFile], wal_id: Uuid, incarnation: u64, from: Lsn) -> io::Result<Scan> {
    let mut scan = Scan::default();
    for (index, file) in files.iter().enumerate() {
        let mut offset = 0;
        while offset < file.length {
            let found = file.header_at((index, offset))?.filter(|found| found.header.wal_id == wal_id);
            offset += FRAME_ALIGNMENT;
            let Some(found) = found else { continue };
            scan.incarnation_max = scan.incarnation_max.max(found.header.incarnation);
            scan.lsn_max = scan.lsn_max.max(found.header.lsn);
            let is_later = found.header.incarnation == incarnation && found.header.lsn >= from;
            if is_later && file.payload(&found)?.is_some() {
                scan.later.push(found);
            }
        }
    }
    scan.later.sort_by_key(|found| found.header.lsn);
    scan.exact = scan.later.first().filter(|found| found.header.lsn == from).map(|found| found.place);
    Ok(scan)
}
