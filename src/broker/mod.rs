//! (room under construction)

/// Stands in for the broker until its room is built: handlers need something to be given.
pub struct Broker;
