//! Tests of the whole room, over the simulated disk.

mod crashes;
mod fixture;
mod reading;
