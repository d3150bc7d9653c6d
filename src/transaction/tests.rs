//! A shard under a driver that plays the coordinator.

mod driver;
mod steps;
