//! What the tests of this room share.

pub(super) mod bucket;
pub(super) mod fixture;
