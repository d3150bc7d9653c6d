//! From bytes to a request, from a response to bytes: the same for every handler.

use bytes::Bytes;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::{Reply, RequestHeader};
use crate::protocol::response::EncodeError;
use crate::protocol::{ErrorCode, response};

/// Decodes a body that the guard has checked.
pub(super) fn decode<Request: Decodable>(header: &RequestHeader, mut body: Bytes) -> Result<Request, Reply> {
    let request = Request::decode(&mut body, header.api_version);
    request.map_err(|_| Reply::Close("a request that cannot be decoded"))
}

/// Encodes the response to a request.
pub(super) fn answer(header: &RequestHeader, response: &impl Encodable) -> Reply {
    match response::encode(header.api_key, header.api_version, header.correlation_id, response) {
        Ok(bytes) => Reply::Message(bytes),
        Err(error) => unencodable(&error),
    }
}

/// A fault of ours. The client must not wait for an answer that never comes.
pub(super) fn unencodable(error: &EncodeError) -> Reply {
    tracing::error!(%error, "a response could not be encoded");
    Reply::Close("a response could not be encoded")
}

/// Text of a response.
pub(super) fn text(text: impl AsRef<str>) -> StrBytes {
    StrBytes::from_string(text.as_ref().to_owned())
}

/// What goes wrong with one item of a request: its code, and words for the `error_message` field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into() }
    }

    /// The words for `error_message`.
    pub(super) fn words(&self) -> Option<StrBytes> {
        Some(text(&self.message))
    }
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Failure {
        Failure::new(code, code.message())
    }
}
