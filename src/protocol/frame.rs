//! Request frames: the header in front of every request body.

use thiserror::Error;

use super::versions;

/// Bytes of the header that mean the same in every version: key, version, correlation id.
pub const PREFIX_BYTES: usize = 8;

/// Longest client id: its length is an `int16` on the wire.
pub const CLIENT_ID_BYTES_MAX: usize = i16::MAX as usize;

/// Why a frame's header cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum FrameError {
    /// The frame ends inside the header.
    #[error("the frame of {length} bytes ends inside the request header")]
    Truncated {
        /// The frame's length in bytes.
        length: usize,
    },
    /// No request of this key is served, so the rest of the header cannot be told apart from the body.
    #[error("API key {0} is not served")]
    UnknownKey(i16),
    /// The client id is no UTF-8 string.
    #[error("the client id is not a valid string")]
    ClientId,
}

/// The first eight bytes of a frame: enough to answer a request whose rest cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FramePrefix {
    /// Which request.
    pub api_key: i16,
    /// In which version.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
}

impl FramePrefix {
    /// Reads the prefix of a frame (without its length field).
    pub fn parse(frame: &[u8]) -> Result<FramePrefix, FrameError> {
        let Some(prefix) = frame.first_chunk::<PREFIX_BYTES>() else {
            return Err(FrameError::Truncated { length: frame.len() });
        };
        let [k0, k1, v0, v1, c0, c1, c2, c3] = *prefix;
        Ok(FramePrefix {
            api_key: i16::from_be_bytes([k0, k1]),
            api_version: i16::from_be_bytes([v0, v1]),
            correlation_id: i32::from_be_bytes([c0, c1, c2, c3]),
        })
    }
}

/// The header of a request, versions 1 and 2 (KIP-482).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestHeader {
    /// Which request.
    pub api_key: i16,
    /// In which version; not necessarily a served one.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// What the client calls itself, at most [`CLIENT_ID_BYTES_MAX`] bytes.
    pub client_id: Option<String>,
}

impl RequestHeader {
    /// Reads the header of a frame (without its length field); gives it and where the body starts.
    ///
    /// Tagged fields of a version 2 header are stepped over, none is known.
    pub fn parse(frame: &[u8]) -> Result<(RequestHeader, usize), FrameError> {
        let FramePrefix { api_key, api_version, correlation_id } = FramePrefix::parse(frame)?;
        let version =
            versions::request_header_version(api_key, api_version).ok_or(FrameError::UnknownKey(api_key))?;
        let truncated = FrameError::Truncated { length: frame.len() };
        let mut rest = &frame[PREFIX_BYTES..];
        // The client id keeps its two-byte length in flexible headers too (KIP-482).
        let length = rest.split_off(..2).ok_or_else(|| truncated.clone())?;
        let client_id = match i16::from_be_bytes([length[0], length[1]]) {
            -1 => None,
            length => {
                let length = usize::try_from(length).map_err(|_| FrameError::ClientId)?;
                let bytes = rest.split_off(..length).ok_or_else(|| truncated.clone())?;
                Some(str::from_utf8(bytes).map_err(|_| FrameError::ClientId)?.to_owned())
            }
        };
        if version >= 2 {
            skip_tagged_fields(&mut rest).ok_or(truncated)?;
        }
        let header = RequestHeader { api_key, api_version, correlation_id, client_id };
        Ok((header, frame.len() - rest.len()))
    }
}

fn skip_tagged_fields(rest: &mut &[u8]) -> Option<()> {
    // Each field takes at least two bytes, so a false count ends with the bytes.
    for _ in 0..super::varint::unsigned(rest)? {
        super::varint::unsigned(rest)?;
        let size = super::varint::unsigned(rest)?;
        rest.split_off(..usize::try_from(size).ok()?)?;
    }
    Some(())
}

#[cfg(test)]
mod tests;
