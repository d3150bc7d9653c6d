//! Tests of the whole room, over the simulated disk.

mod fixture;
mod reading;
