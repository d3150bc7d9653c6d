//! The log over a simulated disk.

mod round_trip;
mod support;
