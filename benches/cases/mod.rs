//! What is measured, for both benches: `micro` takes the time of each case, `instructions` counts.
//!
//! A case runs on one thread, from fixed seeds, and its files lie in memory where there is room for that
//! (`/dev/shm`): our code is measured, and not the disk.

mod commits;
mod connection;
mod partitions;
mod requests;
mod wire;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use highwater::env::simulated::{SeededRandom, SimulatedClock};
use highwater::env::{Env, Files, RealFiles};
use tempfile::TempDir;

/// One path through the code, walked again and again.
pub trait Case {
    /// What the next turn needs; not measured.
    fn prepare(&mut self) {}
    /// What is measured.
    fn turn(&mut self);
}

/// A case by name.
pub struct Entry {
    /// Where it belongs, and its size.
    pub name: &'static str,
    /// Bytes that pass in one turn: of a frame, or of records.
    pub bytes: u64,
    /// Makes it.
    pub open: fn() -> Result<Box<dyn Case>>,
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// All of them.
pub const ALL: &[Entry] = &[
    entry("decode/1-partition", 16 * KIB, || wire::decoding(1, 16 * KIB)),
    entry("decode/100-partitions", 100 * KIB, || wire::decoding(100, KIB)),
    entry("scan/1KiB", KIB, || wire::scanning(KIB, KIB)),
    entry("scan/16KiB", 16 * KIB, || wire::scanning(16 * KIB, KIB)),
    entry("scan/64KiB", 64 * KIB, || wire::scanning(64 * KIB, KIB)),
    entry("scan/1MiB", MIB, || wire::scanning(MIB, KIB)),
    entry("scan/64KiB-of-100B", 64 * KIB, || wire::scanning(64 * KIB, 100)),
    entry("append/32x1KiB", 32 * KIB, || partitions::appending(32, KIB)),
    entry("append/32x16KiB", 32 * 16 * KIB, || partitions::appending(32, 16 * KIB)),
    entry("append/8x64KiB", 8 * 64 * KIB, || partitions::appending(8, 64 * KIB)),
    entry("commit/1x1KiB", KIB, || commits::committing(1, KIB)),
    entry("commit/60x1KiB", 60 * KIB, || commits::committing(60, KIB)),
    entry("commit/60x16KiB", 60 * 16 * KIB, || commits::committing(60, 16 * KIB)),
    entry("fetch/tail-16x64KiB", MIB, || partitions::reading(16, 64 * KIB, partitions::From::Tail)),
    entry("fetch/segments-16x64KiB", MIB, || partitions::reading(16, 64 * KIB, partitions::From::Segments)),
    entry("request/produce-1KiB", KIB, || requests::producing(KIB)),
    entry("request/produce-64KiB", 64 * KIB, || requests::producing(64 * KIB)),
    entry("request/fetch-16x64KiB", MIB, || requests::fetching(16, 64 * KIB)),
];

const fn entry(name: &'static str, bytes: u64, open: fn() -> Result<Box<dyn Case>>) -> Entry {
    Entry { name, bytes, open }
}

/// A clock that stands, seeded randomness, real files.
fn env() -> Env {
    Env {
        clock: Arc::new(SimulatedClock::default()),
        random: Arc::new(SeededRandom::new(1)),
        files: Arc::new(RealFiles),
    }
}

/// A folder in memory if there is room for what a case writes, else where temporary files lie.
fn folder() -> Result<TempDir> {
    const IN_MEMORY: &str = "/dev/shm";
    const FREE_BYTES_MIN: u64 = 2 << 30;
    let free = RealFiles.free_bytes(Path::new(IN_MEMORY)).unwrap_or(0);
    Ok(if free < FREE_BYTES_MIN { tempfile::tempdir()? } else { tempfile::tempdir_in(IN_MEMORY)? })
}
