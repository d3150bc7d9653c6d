//! Objects read as the files that they are.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::raw::wait_until;

const PIECE_BYTES: usize = 1 << 20;

/// Reads all files once, by so many readers; how many bytes they have.
pub fn all(files: &[PathBuf], readers: usize) -> Result<u64> {
    std::thread::scope(|scope| {
        let readers: Vec<_> =
            shares(files, readers).map(|files| scope.spawn(move || read(files, |_| true))).collect();
        readers.into_iter().map(|reader| reader.join().ok().context("a reader panicked")?).sum()
    })
}

/// Does something while so many readers read at that rate each, in bytes a second; each begins again when it
/// is through.
pub fn beside<T>(files: &[PathBuf], readers: usize, rate: u64, work: impl FnOnce() -> T) -> Result<T> {
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = |files| {
            let start = Instant::now();
            let mut all = 0;
            while !ends.load(Ordering::Relaxed) {
                all += read(files, |bytes| {
                    wait_until(start + Duration::from_secs_f64((all + bytes) as f64 / rate as f64));
                    !ends.load(Ordering::Relaxed)
                })?;
            }
            anyhow::Ok(())
        };
        let readers: Vec<_> =
            shares(files, readers).map(|files| scope.spawn(move || reader(files))).collect();
        let done = work();
        ends.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().ok().context("a reader panicked")??;
        }
        Ok(done)
    })
}

fn shares(files: &[PathBuf], readers: usize) -> std::slice::Chunks<'_, PathBuf> {
    files.chunks(files.len().div_ceil(readers).max(1))
}

/// Reads files one after the other while `goes_on`, which hears of how many bytes were read.
fn read(files: &[PathBuf], mut goes_on: impl FnMut(u64) -> bool) -> Result<u64> {
    let (mut buffer, mut bytes) = (vec![0; PIECE_BYTES], 0);
    for path in files {
        let mut file = File::open(path).with_context(|| path.display().to_string())?;
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => bytes += read as u64,
            }
            if !goes_on(bytes) {
                return Ok(bytes);
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &std::path::Path) -> Vec<PathBuf> {
        (0..5)
            .map(|at| {
                let path = folder.join(at.to_string());
                std::fs::write(&path, vec![7; 3 << 20]).unwrap();
                path
            })
            .collect()
    }

    #[test]
    fn every_file_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(all(&files(folder.path()), 2).unwrap(), 15 << 20);
        assert_eq!(all(&[], 2).unwrap(), 0);
    }

    #[test]
    fn readers_go_on_as_long_as_the_work_and_end_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (files, start) = (files(folder.path()), Instant::now());
        // Of 15 MiB each reader has 6 or 3: at 60 MiB a second it is through within this.
        let worked = beside(&files, 3, 60 << 20, || wait_until(start + Duration::from_millis(300))).unwrap();
        assert_eq!(worked, start + Duration::from_millis(300));
        std::fs::remove_file(&files[0]).unwrap();
        assert!(beside(&files, 3, 60 << 20, || wait_until(start + Duration::from_millis(400))).is_err());
    }
}
