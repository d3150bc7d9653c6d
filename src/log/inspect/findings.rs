use std::fmt;
use std::path::PathBuf;

use crate::log::LogError;
use crate::model::Offset;

/// Whether somebody must act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// Something durable is damaged or missing.
    Error,
    /// Worth knowing, and the broker deals with it.
    Note,
}

/// One thing that a verification found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// In which file or directory.
    pub path: PathBuf,
    /// At which byte, where that is known.
    pub position: Option<u64>,
    /// At which offset of the log, where that is known.
    pub offset: Option<Offset>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub advice: &'static str,
}

impl Finding {
    /// Damage in a file.
    pub fn error(path: impl Into<PathBuf>, what: impl Into<String>, advice: &'static str) -> Finding {
        let (path, what) = (path.into(), what.into());
        Finding { severity: Severity::Error, path, position: None, offset: None, what, advice }
    }

    /// What needs no action.
    pub fn note(path: impl Into<PathBuf>, what: impl Into<String>, advice: &'static str) -> Finding {
        Finding { severity: Severity::Note, ..Finding::error(path, what, advice) }
    }

    /// The same at a byte of the file.
    pub fn at(self, position: u64) -> Finding {
        Finding { position: Some(position), ..self }
    }

    /// The same at an offset of the log.
    pub fn at_offset(self, offset: Offset) -> Finding {
        Finding { offset: Some(offset), ..self }
    }

    /// Damage as the log reported it.
    pub fn of(error: LogError, advice: &'static str) -> Finding {
        match error {
            LogError::Corrupt { path, position, what } => Finding::error(path, what, advice).at(position),
            LogError::Read { path, source } => {
                Finding::error(path, format!("it cannot be read: {source}"), advice)
            }
            other => Finding::error(PathBuf::new(), other.to_string(), advice),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Note => "note",
        };
        write!(f, "{word:<5}  {}", self.path.display())?;
        if let Some(position) = self.position {
            write!(f, " at byte {position}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, ", offset {offset}")?;
        }
        write!(f, ": {}\n       what to do: {}", self.what, self.advice)
    }
}

/// Who hears of what a verification finds, and how far it is.
pub trait Watcher {
    /// One thing was found.
    fn found(&mut self, finding: Finding);
    /// So many bytes more were read.
    fn read(&mut self, bytes: u64);
}
