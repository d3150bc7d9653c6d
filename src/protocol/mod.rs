//! (room under construction)

mod piece;

pub use piece::Piece;
