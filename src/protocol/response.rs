//! Responses: header and body of a message, without the length field in front.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::Encodable;
use thiserror::Error;

use super::{varint, versions};

/// A response that cannot be encoded: a fault in the handler that filled it, never the client's.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// The key is not served, so the header's version is unknown.
    #[error("API key {0} is not served")]
    UnknownKey(i16),
    /// The codec refused the body: a field that the version lacks, or a string that is too long.
    #[error("response to API key {api_key} version {api_version} cannot be encoded: {reason}")]
    Body {
        /// The request's key.
        api_key: i16,
        /// The request's version.
        api_version: i16,
        /// What the codec says.
        reason: String,
    },
}

/// Encodes the header of a response: correlation id, and in flexible versions an empty list of tagged fields.
pub fn put_header(
    buffer: &mut impl BufMut,
    api_key: i16,
    api_version: i16,
    correlation_id: i32,
) -> Result<(), EncodeError> {
    let version =
        versions::response_header_version(api_key, api_version).ok_or(EncodeError::UnknownKey(api_key))?;
    buffer.put_i32(correlation_id);
    if version >= 1 {
        buffer.put_u8(0);
    }
    Ok(())
}

/// Encodes a response, header and body, without the 4-byte length in front, into one exactly sized buffer.
pub fn encode(
    api_key: i16,
    api_version: i16,
    correlation_id: i32,
    body: &impl Encodable,
) -> Result<Bytes, EncodeError> {
    let failed =
        |error: anyhow::Error| EncodeError::Body { api_key, api_version, reason: format!("{error:#}") };
    let mut header = BytesMut::with_capacity(HEADER_BYTES_MAX);
    put_header(&mut header, api_key, api_version, correlation_id)?;
    let mut buffer = BytesMut::with_capacity(header.len() + body.compute_size(api_version).map_err(failed)?);
    buffer.put(header);
    body.encode(&mut buffer, api_version).map_err(failed)?;
    Ok(buffer.freeze())
}

/// Encodes one element of a response, to be put between others.
pub fn encode_part(api_key: i16, api_version: i16, part: &impl Encodable) -> Result<Bytes, EncodeError> {
    let failed =
        |error: anyhow::Error| EncodeError::Body { api_key, api_version, reason: format!("{error:#}") };
    let mut buffer = BytesMut::with_capacity(part.compute_size(api_version).map_err(failed)?);
    part.encode(&mut buffer, api_version).map_err(failed)?;
    Ok(buffer.freeze())
}

/// Encodes the number of elements of an array that is not null; compact in flexible versions.
///
/// # Panics
/// If there are 2^31 of them: they would not fit into a frame.
pub fn put_array_length(buffer: &mut impl BufMut, flexible: bool, length: usize) {
    let length = i32::try_from(length).expect("the elements stand in one frame");
    match flexible {
        true => varint::put_unsigned(buffer, length.unsigned_abs() + 1),
        false => buffer.put_i32(length),
    }
}

/// Correlation id and the count of tagged fields.
const HEADER_BYTES_MAX: usize = 5;

#[cfg(test)]
mod tests;
