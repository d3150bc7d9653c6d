//! A reply in pieces as the bytes that leave.

use bytes::{BufMut, Bytes, BytesMut};
use highwater::protocol::Piece;

/// All pieces in a row.
pub fn joined(pieces: &[Piece]) -> Bytes {
    let mut joined = BytesMut::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => joined.put_slice(bytes),
            Piece::File(extent) => {
                let mut bytes = vec![0; usize::try_from(extent.length).expect("it fits memory")];
                extent.file.read_exact_at(&mut bytes, extent.offset).expect("the extent is whole");
                joined.put_slice(&bytes);
            }
        }
    }
    joined.freeze()
}
