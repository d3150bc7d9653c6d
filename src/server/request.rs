//! What of a frame is looked at before a handler sees it.

use std::fmt::Display;

use bytes::Bytes;

use super::end::End;
use crate::handlers::RequestHeader;
use crate::protocol::frame::FramePrefix;
use crate::protocol::guard::Guard;
use crate::protocol::versions::{self, API_VERSIONS_KEY};

/// A request that may be decoded.
pub(super) struct Request {
    pub(super) header: RequestHeader,
    pub(super) body: Bytes,
    /// Memory that decoding may take beside the frame, in bytes.
    pub(super) decoded_bytes: u64,
}

/// Reads the header and has the guard walk the frame: the one way to a decoder.
///
/// Measured against Kafka 4.3: a request of an unknown key or version closes the connection, whatever its
/// API; only ApiVersions is answered in any version (KIP-511).
pub(super) fn open(guard: &Guard, frame: Bytes) -> Result<Request, End> {
    let prefix = FramePrefix::parse(&frame).map_err(|error| End::Malformed(error.to_string()))?;
    if !versions::is_served(prefix.api_key, prefix.api_version) {
        return unserved(prefix);
    }
    let malformed = |reason: &dyn Display| End::Malformed(format!("{}: {reason}", name(prefix)));
    let checked =
        guard.check(prefix.api_key, prefix.api_version, &frame).map_err(|error| malformed(&error))?;
    let (header, _) = RequestHeader::parse(&frame).map_err(|error| malformed(&error))?;
    // Measured against Kafka 4.3: bytes behind the body are ignored.
    let body = frame.slice(checked.body_offset..checked.body_end);
    Ok(Request { header, body, decoded_bytes: checked.charge_bytes })
}

fn unserved(prefix: FramePrefix) -> Result<Request, End> {
    let FramePrefix { api_key, api_version, correlation_id } = prefix;
    if api_key != API_VERSIONS_KEY {
        return Err(End::Malformed(format!("{} is not served", name(prefix))));
    }
    // The rest of a request from the future may mean anything.
    let header = RequestHeader { api_key, api_version, correlation_id, client_id: None };
    Ok(Request { header, body: Bytes::new(), decoded_bytes: 0 })
}

/// The request as a log line names it.
fn name(prefix: FramePrefix) -> String {
    match versions::find(prefix.api_key) {
        Some(row) => {
            let article = if row.name.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" };
            format!("{article} {} request of version {}", row.name, prefix.api_version)
        }
        None => format!("a request of API key {} and version {}", prefix.api_key, prefix.api_version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_served_ends_the_connection_except_api_versions() {
        let check = |frame: &'static [u8], expected: &str| {
            let words = match open(&Guard::default(), Bytes::from_static(frame)) {
                Ok(Request { header, body, .. }) => {
                    format!("{} {} {}", header.api_key, header.api_version, body.len())
                }
                Err(end) => end.to_string(),
            };
            assert!(words.contains(expected), "{frame:?}: {words}");
        };
        check(b"\0\x12\0\0\0\0\0\x01\xff\xff", "18 0 0");
        check(b"\0\x12\0\0\0\0\0\x01\xff\xffbehind", "18 0 0");
        check(b"\0\x03\0\x01\0\0\0\x01\xff\xff\0\0\0\0behind", "3 1 4");
        check(b"\0\x12\0\x63\0\0\0\x01", "18 99 0");
        check(b"\0\x03\0\x01\0\0\0\x01\xff\xff\x7f\xff\xff\xff", "a Metadata request of version 1");
        check(b"\0\0\0\x02\0\0\0\x01\xff\xff", "a Produce request of version 2 is not served");
        check(b"\0\x04\0\0\0\0\0\x01\xff\xff", "API key 4 and version 0");
        check(b"\0\x12\0\0\0\0\0\x01\0\x05ab", "an ApiVersions request of version 0: ");
        check(b"\0\x12\0", "the frame of 3 bytes ends");
    }
}
