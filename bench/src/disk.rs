//! What the disk itself does with a sync, in the same round: nothing that waits for it can be quicker.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::figures::Figures;
use crate::raw::{percentiles, wait_until};

/// No measurement of one kind takes longer.
const TIME_MAX: Duration = Duration::from_secs(8);
const APPENDS: usize = 2_000;
const OVERWRITES: usize = 2_000;
const APPEND_BYTES: usize = 4 << 10;
const OVERWRITE_BYTES: usize = 64 << 10;
const PREPARED_BYTES: u64 = 64 << 20;

/// Percentiles of write + fdatasync: 4 KiB appended to a file that grows, 64 KiB over what was written.
/// A trial does one part of `divisor`.
pub fn measure(folder: &Path, divisor: usize) -> Result<Figures> {
    let mut figures = Figures::new();
    let path = folder.join("fdatasync");
    let file = File::create(&path)?;
    let appended = timed(APPENDS / divisor, None, |at| {
        file.write_all_at(&[7; APPEND_BYTES], (at * APPEND_BYTES) as u64)?;
        file.sync_data()
    })?;
    percentiles(&mut figures, "append_4k_", appended);
    fs::remove_file(&path)?;
    percentiles(&mut figures, "overwrite_64k_", overwritten(folder, OVERWRITES / divisor, None)?);
    Ok(figures)
}

/// Milliseconds of each write of 64 KiB over what was written, with its fdatasync: one after the other, or so
/// many a second, from the moment on at which each was due.
pub fn overwritten(folder: &Path, count: usize, per_second: Option<f64>) -> Result<Vec<f32>> {
    let path = folder.join("fdatasync");
    let file = File::create(&path)?;
    for chunk in 0..PREPARED_BYTES >> 20 {
        file.write_all_at(&vec![1; 1 << 20], chunk << 20)?;
    }
    file.sync_all()?;
    let buffer = vec![7; OVERWRITE_BYTES];
    let places = PREPARED_BYTES as usize / OVERWRITE_BYTES;
    let times_ms = timed(count, per_second, |at| {
        file.write_all_at(&buffer, ((at % places) * OVERWRITE_BYTES) as u64)?;
        file.sync_data()
    })?;
    fs::remove_file(path)?;
    Ok(times_ms)
}

/// Milliseconds of each call.
fn timed(
    count: usize,
    per_second: Option<f64>,
    mut write: impl FnMut(usize) -> std::io::Result<()>,
) -> Result<Vec<f32>> {
    let start = Instant::now();
    let mut times_ms = Vec::with_capacity(count);
    for at in 0..count {
        let before = match per_second {
            Some(per_second) => wait_until(start + Duration::from_secs_f64(at as f64 / per_second)),
            None => Instant::now(),
        };
        if start.elapsed() > TIME_MAX {
            break;
        }
        write(at)?;
        times_ms.push(before.elapsed().as_secs_f32() * 1e3);
    }
    Ok(times_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_measured() {
        let folder = tempfile::tempdir().unwrap();
        let figures = measure(folder.path(), 200).unwrap();
        assert!(
            figures["append_4k_p50_ms"] > 0.0 && figures["append_4k_p99_ms"] >= figures["append_4k_p50_ms"]
        );
        assert!(figures["overwrite_64k_p999_ms"] >= figures["overwrite_64k_p99_ms"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
