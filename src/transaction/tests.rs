//! A shard under a driver that plays the coordinator.

mod admin;
mod driver;
mod epochs;
mod random;
mod steps;
mod tables;
mod times;
