//! Guard and decoder together: they must agree on every byte, and nothing may panic.

mod batches;
mod lockstep;
mod mutations;
