//! `partition.metadata`: which incarnation of the topic a directory belongs to. Kafka's format, version 0.

use std::io;
use std::path::Path;

use uuid::Uuid;

use crate::env::Files;
use crate::log::{LogError, names};
use crate::model::{TopicId, base64_id, parse_base64_id};

/// More than the two lines can take.
const BYTES_MAX: u64 = 1024;

/// What the file says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Metadata {
    /// There is none, or an interrupted start left part of one.
    Unreadable,
    /// It names this topic id.
    Of(TopicId),
}

pub(super) fn encode(topic_id: TopicId) -> String {
    format!("version: 0\ntopic_id: {}\n", base64_id(topic_id.0.as_bytes()))
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
    let id = parse_base64_id(lines.next()?.strip_prefix("topic_id: ")?)?;
    Some(TopicId(Uuid::from_bytes(id)))
}

#[cfg(test)]
mod tests;
