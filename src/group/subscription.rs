//! Topics that a member of type `consumer` says it reads.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::record::Reader;

/// `ConsumerProtocolSubscription`: the protocol type whose metadata begins with it.
pub(super) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// Adds the topics of one member's metadata. Read as version 0, which all versions begin with; `None` if it
/// is not that.
pub(super) fn add_topics(metadata: &Bytes, topics: &mut BTreeSet<Arc<str>>) -> Option<()> {
    let mut reader = Reader::new(metadata, "ConsumerProtocolSubscription");
    reader.int16().ok().filter(|version| *version >= 0)?;
    // A name is two bytes at least.
    for _ in 0..reader.count(2).ok()? {
        topics.insert(reader.string().ok()?);
    }
    reader.nullable_bytes().ok()?;
    Some(())
}
