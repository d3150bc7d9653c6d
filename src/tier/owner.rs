//! Who may write to a bucket: a chain of objects that are never deleted, of which the last one counts.
//! Format: `docs/formats/tier.md`.

use std::fmt;

use super::fields::{CLUSTER_ID_BYTES_MAX, CRC_BYTES, Reader, Writer, begin, checked};
use super::keys::{Nonce, number};
use crate::model::{NodeId, Timestamp};

const MAGIC: &[u8; 8] = b"HWTIEROW";
const VERSION: u16 = 1;
/// The object, at most.
pub(super) const OWNER_BYTES_MAX: usize = 8 + 4 + 16 + 8 + 4 + 8 + 4 + CLUSTER_ID_BYTES_MAX + CRC_BYTES;
/// Under it lie all owners there ever were.
pub(super) const OWNERS: &str = "owner";

/// Who owns a bucket from a number on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// From 1; one more than the owner's before.
    pub number: u64,
    /// Told by this owner alone.
    pub nonce: Nonce,
    /// Of the broker.
    pub node_id: NodeId,
    /// When it took over, by its clock.
    pub since: Timestamp,
    /// Whose broker it is; its text is cut to 256 bytes.
    pub cluster_id: String,
}

impl Owner {
    /// Key of an owner's object.
    pub fn key_of(number: u64) -> String {
        format!("{OWNERS}/{number:020}.owner")
    }

    /// The number in a key; `None`: it is none of ours.
    pub fn parse_key(key: &str) -> Option<u64> {
        let name = key.strip_prefix(OWNERS)?.strip_prefix('/')?.strip_suffix(".owner")?;
        number(name).filter(|number| Owner::key_of(*number) == key)
    }

    /// Its object.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default().begin_own(MAGIC, VERSION, self.nonce);
        to.u64(self.number);
        to.i32(self.node_id.0);
        to.i64(self.since.0);
        to.cluster_id(&self.cluster_id);
        to.finish()
    }

    /// Reads the owner of that number; otherwise says what is wrong with it.
    pub fn decode(bytes: &[u8], number: u64) -> Result<Owner, &'static str> {
        let mut from = begin(checked(bytes)?, MAGIC, VERSION)?;
        let owner = Owner::read(&mut from).ok_or("its fields make no sense")?;
        if !from.0.is_empty() || owner.number != number {
            return Err("it has another number, or bytes left over");
        }
        Ok(owner)
    }

    fn read(from: &mut Reader<'_>) -> Option<Owner> {
        let (nonce, number) = (from.nonce()?, from.u64()?);
        let node_id = NodeId(from.i32()?);
        let since = from.timestamp()?;
        let cluster_id = from.cluster_id()?;
        Some(Owner { number, nonce, node_id, since, cluster_id })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owner { number, node_id, cluster_id, since, .. } = self;
        write!(f, "owner {number}: node {node_id} of cluster {cluster_id}, since {}", since.utc_seconds())
    }
}

#[cfg(test)]
mod tests;
