//! The guard of our own client: walks a reply before it is decoded. Whoever answers may be no broker at all.

use super::super::layouts;
use super::layout::{self, Layout};
use super::{CHARGE_BYTES_MAX, Checked, GuardError, walk};

/// What a reply may be charged for each of its bytes, if that is more than [`CHARGE_BYTES_MAX`]: an element
/// of these layouts takes four bytes at least, so that an honest reply passes whatever its size, which
/// whoever reads it has bounded. Only tagged fields are smaller, and there are none.
const CHARGE_FACTOR: u64 = super::CHARGE_BYTES_PER_ELEMENT / 4;

/// The layouts of the replies that this program reads as a client.
#[derive(Debug)]
pub struct ReplyGuard {
    layouts: Vec<Layout>,
}

impl ReplyGuard {
    /// Parses the lines.
    pub fn new() -> ReplyGuard {
        let layouts = layouts::REPLIES
            .iter()
            .map(|line| layout::parse(line).expect("the lines are constants, and a test parses them all"))
            .collect();
        ReplyGuard { layouts }
    }

    /// All of them.
    pub fn layouts(&self) -> &[Layout] {
        &self.layouts
    }

    /// Walks header and body of a reply, without its length field, to a request of this key and version.
    pub fn check(&self, api_key: i16, api_version: i16, frame: &[u8]) -> Result<Checked, GuardError> {
        let layout = self
            .layouts
            .iter()
            .find(|layout| layout.api_key == api_key && layout.versions.contains(&api_version))
            .ok_or(GuardError::Unsupported { api_key, api_version })?;
        let is_flexible = layout.is_flexible(api_version);
        let charge_bytes_max = CHARGE_BYTES_MAX.max(frame.len() as u64 * CHARGE_FACTOR);
        let mut walk = walk::Walk::new(frame, is_flexible, api_version, charge_bytes_max);
        let walked = walk.reply_header().and_then(|()| {
            let body_offset = walk.position();
            walk.fields(&layout.fields)?;
            Ok(body_offset)
        });
        match walked {
            Ok(body_offset) => {
                let (body_end, charge_bytes) = (walk.position(), walk.charge_bytes());
                Ok(Checked { body_offset, body_end, charge_bytes })
            }
            Err(walk::Stop::TooCostly) => {
                Err(GuardError::TooCostly { api_key, api_version, charge_bytes_max })
            }
            Err(walk::Stop::Fault(fault)) => {
                Err(GuardError::Malformed { api_key, api_version, at: walk.position(), fault })
            }
        }
    }
}

impl Default for ReplyGuard {
    fn default() -> ReplyGuard {
        ReplyGuard::new()
    }
}
