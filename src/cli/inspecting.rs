//! `highwater dump` and `highwater verify`: what they print, and with what number they end.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::arguments::{DumpArguments, VerifyArguments};
use super::configuration;
use super::exit::Exit;
use crate::env::{Env, Files};
use crate::inspect::{self, DumpError, DumpOptions, Finding, Outcome, Summary, VerifyError, Watcher};

/// Directories above a dumped file in which a running broker would have left its ports.
const ANCESTORS: usize = 3;
/// Bytes between two signs of life on a terminal.
const PROGRESS_BYTES: u64 = 64 << 20;

/// Prints files in words or JSON.
pub fn dump(arguments: &DumpArguments) -> Exit {
    let env = Env::real();
    let options = DumpOptions { records: arguments.records, json: arguments.json };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut worst = Exit::Stopped;
    for path in &arguments.paths {
        if may_race(&*env.files, path) {
            eprintln!(
                "highwater: a broker may be running on this directory (listeners.json is there): \
                 what it is writing now can look torn"
            );
        }
        let dumped = inspect::dump(&*env.files, path, options, &mut out);
        let exit = match dumped.and_then(|outcome| Ok(out.flush().map(|()| outcome)?)) {
            Ok(Outcome::Whole) => Exit::Stopped,
            Ok(Outcome::Damaged) => Exit::Failed,
            // Whoever reads has seen enough.
            Err(DumpError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                return worst;
            }
            Err(error) => {
                eprintln!("highwater: {error}");
                Exit::Storage
            }
        };
        worst = worst.max_by_code(exit);
    }
    worst
}

fn may_race(files: &dyn Files, path: &Path) -> bool {
    let absolute = files.absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut directories = absolute.ancestors().take(ANCESTORS);
    directories.any(|directory| matches!(files.exists(&directory.join(inspect::LISTENERS)), Ok(true)))
}

/// Prints findings as they come, and now and then how far it is.
struct Teller {
    shows_progress: bool,
    read: u64,
    shown: u64,
    /// Why nothing more can be printed, if anything.
    mute: Option<io::Error>,
}

impl Watcher for Teller {
    fn found(&mut self, finding: Finding) {
        self.clear();
        self.print(&finding.to_string());
    }

    fn read(&mut self, bytes: u64) {
        self.read += bytes;
        if self.shows_progress && self.read - self.shown >= PROGRESS_BYTES {
            self.shown = self.read;
            eprint!("\r{} MiB read ", self.read >> 20);
        }
    }
}

impl Teller {
    /// Prints a line; `println!` would panic where nobody reads any more.
    fn print(&mut self, line: &str) {
        if self.mute.is_none() {
            self.mute = writeln!(io::stdout(), "{line}").err();
        }
    }

    fn clear(&mut self) {
        if self.shown > 0 {
            eprint!("\r\x1b[K");
        }
    }
}

/// Checks a data directory.
pub fn verify(arguments: &VerifyArguments) -> Exit {
    let env = Env::real();
    let root = match directory(&env, arguments) {
        Ok(root) => root,
        Err(exit) => return exit,
    };
    let shows_progress = io::stderr().is_terminal();
    let mut teller = Teller { shows_progress, read: 0, shown: 0, mute: None };
    let verified = inspect::verify(&env, &root, &mut teller);
    teller.clear();
    match verified {
        Ok(summary) => {
            teller.print(&words(&root, &summary));
            if let Some(error) = teller.mute.filter(|error| error.kind() != io::ErrorKind::BrokenPipe) {
                eprintln!("highwater: cannot write what was found: {error}");
                return Exit::Storage;
            }
            match summary {
                Summary { unreadable: 1.., .. } => Exit::Storage,
                Summary { errors: 1.., .. } => Exit::Failed,
                _ => Exit::Stopped,
            }
        }
        Err(error) => {
            eprintln!("highwater: {error}");
            match error {
                VerifyError::NotADataDirectory(_) | VerifyError::Newer(_) => Exit::Configuration,
                VerifyError::Unreadable(_) => Exit::Storage,
            }
        }
    }
}

/// The directory named, else that of the configuration.
fn directory(env: &Env, arguments: &VerifyArguments) -> Result<PathBuf, Exit> {
    if let Some(directory) = &arguments.directory {
        return Ok(directory.clone());
    }
    match configuration::load(env, arguments.config.as_deref(), &[]) {
        Ok((config, _)) => Ok(config.log_dir),
        Err(error) => {
            eprintln!("highwater: {error}");
            Err(Exit::Configuration)
        }
    }
}

fn words(root: &Path, summary: &Summary) -> String {
    let Summary { logs, .. } = summary;
    let verdict = match (summary.errors, summary.notes) {
        (0, 0) => "clean".to_owned(),
        (0, notes) => format!("clean, {notes} notes"),
        (errors, notes) => format!("{errors} ERRORS, {notes} notes"),
    };
    format!(
        "{}: {verdict}\n  {} topics, {} partitions: {} segments with {} record batches, {} bytes; \
         {} indexes, {} states\n  write-ahead log: {} bytes, {} frames with {} entries to be replayed; \
         {} bytes of segments are written again from it\n  {:.2} s, nothing was changed",
        root.display(),
        summary.topics,
        summary.partitions,
        logs.segments,
        logs.batches,
        logs.bytes,
        logs.indexes,
        logs.states,
        summary.wal_bytes,
        summary.wal_frames,
        summary.wal_entries,
        logs.tail_bytes,
        summary.duration.as_secs_f64(),
    )
}
