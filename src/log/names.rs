//! Names in a log directory. Kafka's own, so that its tools read them; `.state` is ours.

use std::path::{Path, PathBuf};

use crate::model::{Offset, TopicId};

pub(super) const METADATA: &str = "partition.metadata";
pub(super) const LOG: &str = "log";
pub(super) const OFFSET_INDEX: &str = "index";
pub(super) const TIME_INDEX: &str = "timeindex";
pub(super) const TRANSACTION_INDEX: &str = "txnindex";
/// What a segment has beside its `.log`.
pub(super) const INDEXES: [&str; 3] = [OFFSET_INDEX, TIME_INDEX, TRANSACTION_INDEX];
pub(super) const STATE: &str = "state";
/// A segment that is to take the place of others, as Kafka calls it.
pub(super) const CLEANED: &str = "log.cleaned";
/// Which segments take the place of which: there while that is under way.
pub(super) const SWAP: &str = "segments.swap";
/// What `Files::replace` leaves behind when it is interrupted.
pub(super) const TEMPORARY_SUFFIX: &str = ".tmp";
const DELETE_SUFFIX: &str = "-delete";
const STRAY_SUFFIX: &str = "-stray";

/// The longest file name of every file system we know.
const NAME_BYTES_MAX: usize = 255;

/// Digits of an offset in a file name: sorted by name is sorted by offset.
const OFFSET_DIGITS: usize = 20;

/// `<topic>-<partition>`.
pub(super) fn partition_directory(topic: &str, partition: i32) -> String {
    format!("{topic}-{partition}")
}

/// `<topic>-<partition>.<topic id>-delete`; the topic is shortened where the name would be too long for a
/// file system, as Kafka does it.
pub(super) fn deleted_directory(topic: &str, partition: i32, topic_id: TopicId) -> String {
    aside(topic, partition, topic_id, DELETE_SUFFIX)
}

/// The same with `-stray`: a directory of which the catalogue knows nothing.
pub(super) fn stray_directory(topic: &str, partition: i32, topic_id: TopicId) -> String {
    aside(topic, partition, topic_id, STRAY_SUFFIX)
}

fn aside(topic: &str, partition: i32, topic_id: TopicId, kind: &str) -> String {
    let suffix = format!("-{partition}.{}{kind}", topic_id.0.as_simple());
    let kept = topic.len().min(NAME_BYTES_MAX - suffix.len());
    // Topic names are ASCII; a name that is not keeps what is whole.
    let kept = (0..=kept).rev().find(|&end| topic.is_char_boundary(end)).unwrap_or(0);
    format!("{}{suffix}", &topic[..kept])
}

/// Whether a directory was renamed for deletion.
pub(super) fn is_deleted_directory(name: &str) -> bool {
    let Some((_, id)) = name.strip_suffix(DELETE_SUFFIX).and_then(|rest| rest.rsplit_once('.')) else {
        return false;
    };
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a directory was set aside because the catalogue knew nothing of it.
pub(super) fn is_stray_directory(name: &str) -> bool {
    name.ends_with(STRAY_SUFFIX)
}

/// `<20 digits>.<extension>` in `directory`.
pub(super) fn file(directory: &Path, offset: Offset, extension: &str) -> PathBuf {
    directory.join(format!("{:0width$}.{extension}", offset.0, width = OFFSET_DIGITS))
}

/// The offset and extension of a name of that shape.
pub(super) fn parse_file(name: &str) -> Option<(Offset, &str)> {
    let (digits, extension) = name.split_once('.')?;
    if digits.len() != OFFSET_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((Offset(digits.parse().ok()?), extension))
}

#[cfg(test)]
mod tests;
