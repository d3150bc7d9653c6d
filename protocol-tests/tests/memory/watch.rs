//! Says which mutant it was: when a test fails, and when it hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long one mutant may take; most take microseconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Names the one mutant that is to be tried, as `line:seed`.
const VARIABLE: &str = "MUTANT";

/// Watches over a run through mutants.
pub struct Watch {
    test: &'static str,
    current: Arc<[AtomicU64; 2]>,
    /// The watching thread ends when this is dropped.
    _end: Sender<()>,
}

impl Watch {
    /// Watches a test.
    pub fn over(test: &'static str) -> Watch {
        let current = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let (end, ended) = channel();
        let watched = current.clone();
        std::thread::spawn(move || {
            let mut last = None;
            loop {
                match ended.recv_timeout(PATIENCE) {
                    Err(RecvTimeoutError::Timeout) if last == Some(loaded(&watched)) => {
                        eprintln!("no end of this one: {}", repetition(test, loaded(&watched)));
                        std::process::abort();
                    }
                    Err(RecvTimeoutError::Timeout) => last = Some(loaded(&watched)),
                    _ => return,
                }
            }
        });
        Watch { test, current, _end: end }
    }

    /// The mutant that comes next: number `seed` of what stands in line `line` (from 0).
    pub fn next(&self, line: usize, seed: u64) {
        self.current[0].store(line as u64, Ordering::Relaxed);
        self.current[1].store(seed, Ordering::Relaxed);
    }
}

/// Whether no mutant is left out: then a test can say how many there must be of a kind.
pub fn is_whole() -> bool {
    std::env::var_os(VARIABLE).is_none()
}

/// Whether only one mutant is to be tried, and this is not it.
pub fn left_out(line: usize, seed: Option<u64>) -> bool {
    let Ok(only) = std::env::var(VARIABLE) else { return false };
    let (only_line, only_seed) = only.split_once(':').expect("line:seed");
    only_line != line.to_string() || seed.is_some_and(|seed| only_seed != seed.to_string())
}

fn loaded(current: &[AtomicU64; 2]) -> [u64; 2] {
    [current[0].load(Ordering::Relaxed), current[1].load(Ordering::Relaxed)]
}

/// What to type.
fn repetition(test: &str, [line, seed]: [u64; 2]) -> String {
    format!("{VARIABLE}={line}:{seed} cargo test --package protocol-tests --test memory {test}")
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to repeat it: {}", repetition(self.test, loaded(&self.current)));
        }
    }
}
