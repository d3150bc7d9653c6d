use bytes::Bytes;

use crate::env::FileExtent;

/// A part of a response: responses are lists of pieces, so that record bytes are never copied into them.
#[derive(Clone)]
pub enum Piece {
    /// Encoded bytes, or a slice of the in-memory tail.
    Bytes(Bytes),
    /// A run of a segment file.
    File(FileExtent),
}

impl Piece {
    /// Length in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::File(extent) => extent.length,
        }
    }
}
