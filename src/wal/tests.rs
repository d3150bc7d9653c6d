//! The log over a simulated disk.

mod crash;
mod damage;
mod failure;
mod far;
mod life;
mod round_trip;
mod space;
mod support;
mod threads;
mod together;
