//! Memory: what passes the guard costs no more than its charge, and the shapes of frame that abort a process
//! built on the codec crate alone are refused without taking any.
//!
//! The allocator counts for the whole process, so only one test runs at a time: each begins with
//! `alone()`.

mod abort_shapes;
mod batches;
mod charges;
mod dispatch;
mod mutants;
mod watch;

use std::sync::{Mutex, MutexGuard, PoisonError};

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

static ALONE: Mutex<()> = Mutex::new(());

/// What the test harness itself may allocate beside us.
pub const SLACK_BYTES: usize = 64 << 10;

/// Held by each test from its first line: the others wait.
pub fn alone() -> MutexGuard<'static, ()> {
    // A failed test leaves nothing behind that another could stumble over.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most that the process has had in memory, in bytes, since the last call if the kernel lets it be
/// counted anew. Libraries written in C, which do not ask our allocator, are included.
#[expect(clippy::disallowed_methods, reason = "the kernel tells it in a file")]
fn resident_peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells every process");
    // Where this is not allowed the peak only grows: then less is measured, nothing wrongly.
    drop(std::fs::write("/proc/self/clear_refs", "5"));
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line about the peak");
    let kib = line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number");
    kib << 10
}

/// Runs `work`, and gives its result and by how many bytes the process grew at most as the kernel counts.
pub fn measured_by_kernel<T>(work: impl FnOnce() -> T) -> (T, usize) {
    resident_peak_bytes();
    let before = resident_peak_bytes();
    let result = work();
    (result, resident_peak_bytes().saturating_sub(before))
}

/// Runs `work`, and gives its result and by how many bytes the process grew at most.
pub fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let result = work();
    (result, ALLOCATOR.peak_usage().saturating_sub(before))
}
