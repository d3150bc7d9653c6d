//! The guard: walks a whole request frame before any decoder sees it.
//!
//! The codec crate reserves memory by counts taken from the wire: one body of four bytes can abort the
//! process, and 16 MiB of honest empty names become some 600 MiB. The guard compares every count and length
//! with the bytes that remain, allocates nothing, and gives a *charge*: what decoding may cost in memory, to
//! be taken from the budgets of the connection and the process before the decoder runs.
//!
//! **Owns** the layout lines and the walker. The budgets are `server`'s.
//! **Does not own** meaning: strings may be no UTF-8, enumerations out of range; decoder and handlers see to
//! that.
//! **Invariants**: a frame that passes is decoded within its charge and the frame's own bytes; guard and
//! decoder consume the same bytes (tests run them in lockstep for every line and version).

mod layout;
mod replies;
mod walk;

use std::ops::RangeInclusive;

use thiserror::Error;

pub use layout::{Field, Kind, Layout};
pub use replies::ReplyGuard;
pub use walk::CHARGE_BYTES_PER_ELEMENT;

use super::frame::{FrameError, FramePrefix, PREFIX_BYTES};
use super::layouts;

/// Default for the largest charge of one request: some 260,000 elements.
pub const CHARGE_BYTES_MAX: u64 = 64 << 20;

/// Why a frame does not reach the decoder. The connection is closed; only `Unsupported` may be answered.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum GuardError {
    /// The header ends early.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// No layout for this key and version: the rest of the frame was not looked at.
    #[error("API key {api_key} version {api_version} is not supported")]
    Unsupported {
        /// As in the header.
        api_key: i16,
        /// As in the header.
        api_version: i16,
    },
    /// A count, length or tag does not fit the bytes.
    #[error("API key {api_key} version {api_version} is malformed at byte {at} of the frame: {fault}")]
    Malformed {
        /// As in the header.
        api_key: i16,
        /// As in the header.
        api_version: i16,
        /// Where walking stopped.
        at: usize,
        /// What was found there.
        fault: Fault,
    },
    /// Honest, but it would cost more memory to decode than one request may.
    #[error(
        "API key {api_key} version {api_version} would take more than {charge_bytes_max} bytes to decode"
    )]
    TooCostly {
        /// As in the header.
        api_key: i16,
        /// As in the header.
        api_version: i16,
        /// The bound.
        charge_bytes_max: u64,
    },
}

/// What the walker stumbles over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Fault {
    /// The bytes end inside a field.
    #[error("the bytes end inside a field")]
    Truncated,
    /// More elements than bytes.
    #[error("a count of {0} exceeds the bytes that remain")]
    Count(u64),
    /// A negative length or count other than the -1 of null.
    #[error("a length or count is negative")]
    Negative,
    /// Null where the version has none.
    #[error("a field is null that must not be")]
    Null,
    /// A variable-length number of more than 32 bits.
    #[error("a variable-length number is too long")]
    Varint,
    /// A known tagged field that does not end at its declared size.
    #[error("tagged field {0} does not end at its declared size")]
    TagSize(u32),
    /// A tagged field that only later versions have.
    #[error("tagged field {0} does not belong to this version")]
    Tag(u32),
}

/// A frame that passed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// Where the body starts.
    pub body_offset: usize,
    /// Where it ends (exclusive). Bytes may follow: Kafka ignores them, and so does the decoder.
    pub body_end: usize,
    /// What decoding may allocate, in bytes.
    pub charge_bytes: u64,
}

/// The layouts of all known requests, parsed, and the bound on one request. Made once, shared by all
/// connections.
#[derive(Debug)]
pub struct Guard {
    layouts: Vec<Layout>,
    charge_bytes_max: u64,
}

impl Guard {
    /// A guard that lets no request through whose charge exceeds `charge_bytes_max`.
    pub fn new(charge_bytes_max: u64) -> Guard {
        let layouts = layouts::LINES
            .iter()
            .map(|line| layout::parse(line).expect("the lines are constants, and a test parses them all"))
            .collect();
        Guard { layouts, charge_bytes_max }
    }

    /// The layout of a key.
    pub fn layout(&self, api_key: i16) -> Option<&Layout> {
        let index = self.layouts.binary_search_by_key(&api_key, |layout| layout.api_key).ok()?;
        self.layouts.get(index)
    }

    /// Walks header and body of a frame (without its length field). `api_key` and `api_version` are those of
    /// its header; that some version can be walked does not mean that it is served.
    pub fn check(&self, api_key: i16, api_version: i16, frame: &[u8]) -> Result<Checked, GuardError> {
        let prefix = FramePrefix::parse(frame)?;
        let layout = self
            .layout(api_key)
            .filter(|layout| layout.versions.contains(&api_version))
            .filter(|_| (prefix.api_key, prefix.api_version) == (api_key, api_version))
            .ok_or(GuardError::Unsupported { api_key, api_version })?;
        let mut walk =
            walk::Walk::new(frame, layout.is_flexible(api_version), api_version, self.charge_bytes_max);
        let walked = walk.fixed(PREFIX_BYTES).and_then(|()| {
            walk.header()?;
            let body_offset = walk.position();
            walk.fields(&layout.fields)?;
            Ok(body_offset)
        });
        match walked {
            Ok(body_offset) => {
                Ok(Checked { body_offset, body_end: walk.position(), charge_bytes: walk.charge_bytes() })
            }
            Err(walk::Stop::TooCostly) => {
                let charge_bytes_max = self.charge_bytes_max;
                Err(GuardError::TooCostly { api_key, api_version, charge_bytes_max })
            }
            Err(walk::Stop::Fault(fault)) => {
                Err(GuardError::Malformed { api_key, api_version, at: walk.position(), fault })
            }
        }
    }
}

impl Default for Guard {
    fn default() -> Guard {
        Guard::new(CHARGE_BYTES_MAX)
    }
}

/// Versions of a layout line, for tests and documents.
pub type Versions = RangeInclusive<i16>;

#[cfg(test)]
mod tests;
