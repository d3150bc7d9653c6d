//! Guard and decoder together: they must agree on every byte, and nothing may panic.

mod batches;
mod fetch_writer;
mod golden;
mod lockstep;
mod mutations;
mod schemas;
mod truncations;
mod wall;
