//! `partition.metadata`: which incarnation of the topic a directory belongs to. Kafka's format, version 0.

use std::io;
use std::path::Path;

use uuid::Uuid;

use crate::env::Files;
use crate::log::{LogError, names};
use crate::model::TopicId;

/// More than the two lines can take.
const BYTES_MAX: u64 = 1024;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Characters of 16 bytes in base64 without padding.
const ID_CHARACTERS: usize = 22;

/// What the file says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Metadata {
    /// There is none, or an interrupted start left part of one.
    Unreadable,
    /// It names this topic id.
    Of(TopicId),
}

pub(super) fn encode(topic_id: TopicId) -> String {
    format!("version: 0\ntopic_id: {}\n", to_base64(topic_id))
}

pub(super) fn read(files: &dyn Files, directory: &Path) -> Result<Metadata, LogError> {
    let path = directory.join(names::METADATA);
    match files.read(&path, BYTES_MAX) {
        Ok(bytes) => Ok(decode(&bytes).map_or(Metadata::Unreadable, Metadata::Of)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
            Ok(Metadata::Unreadable)
        }
        Err(error) => Err(LogError::reading(&path)(error)),
    }
}

fn decode(bytes: &[u8]) -> Option<TopicId> {
    let mut lines = std::str::from_utf8(bytes).ok()?.lines();
    if lines.next()? != "version: 0" {
        return None;
    }
    from_base64(lines.next()?.strip_prefix("topic_id: ")?)
}

/// As Kafka writes topic ids: URL-safe base64 without padding.
fn to_base64(id: TopicId) -> String {
    let number = u128::from_be_bytes(*id.0.as_bytes());
    let character = |at: usize| {
        // 21 characters of 6 bits, and 2 bits left for the last one.
        let six = if at < 21 { (number >> (122 - 6 * at)) & 63 } else { (number & 3) << 4 };
        char::from(ALPHABET[six as usize])
    };
    (0..ID_CHARACTERS).map(character).collect()
}

fn from_base64(text: &str) -> Option<TopicId> {
    if text.len() != ID_CHARACTERS {
        return None;
    }
    let mut number: u128 = 0;
    for (at, byte) in text.bytes().enumerate() {
        let six = ALPHABET.iter().position(|&known| known == byte)? as u128;
        number = if at < 21 { number << 6 | six } else { number << 2 | six >> 4 };
    }
    Some(TopicId(Uuid::from_u128(number)))
}

#[cfg(test)]
mod tests;
