//! The broker as a process, over real sockets.

mod eventually;
mod lifecycle;
mod process;
mod wire;
