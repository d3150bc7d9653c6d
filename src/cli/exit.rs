use std::process::ExitCode;

/// How the process ends. Two more are clap's: 0 after `--help`, 2 for a command line that it cannot read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Stopped as asked; everything is on disk. Of `dump` and `verify`: everything is whole.
    Stopped,
    /// Something else than the below. Of `dump` and `verify`: something is damaged.
    Failed,
    /// EX_IOERR: the storage failed, or holds what must not be touched.
    Storage,
    /// EX_CONFIG: a setting cannot be used.
    Configuration,
}

impl Exit {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Stopped => 0,
            Exit::Failed => 1,
            Exit::Storage => 74,
            Exit::Configuration => 78,
        }
    }

    /// The one with the higher number: of several things, the worst counts.
    pub fn max_by_code(self, other: Exit) -> Exit {
        if other.code() > self.code() { other } else { self }
    }

    /// What a room below asks for by number; a number that is none of these is a failure.
    pub fn of_code(code: u8) -> Exit {
        let all = [Exit::Stopped, Exit::Storage, Exit::Configuration];
        all.into_iter().find(|exit| exit.code() == code).unwrap_or(Exit::Failed)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
