//! One Java program over all its lives, and what it says.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::DEADLINE;
use crate::broker::tied_to_this_process;
use crate::process::{Process, again};
use crate::wait::eventually;

/// A stream's threads finish their transactions.
const STOP_DEADLINE: Duration = Duration::from_secs(60);
/// A virtual machine ended by SIGTERM exits with 128 + 15 after its shutdown hooks.
const EXIT_CODE_TERMINATED: i32 = 143;
/// Of what it said, for an error message.
const TAIL_BYTES: usize = 3_000;

/// A program that can be killed and started again.
pub struct Program {
    /// Its program and words.
    line: Command,
    /// What all its lives said.
    log: PathBuf,
    /// Bytes of it that earlier lives said.
    before: usize,
    process: Process,
}

impl Program {
    /// Starts it; what it says goes into `log`.
    pub fn start(command: &Command, log: PathBuf) -> Result<Program> {
        let line = again(command);
        let process = spawn(&line, &log)?;
        Ok(Program { line, log, before: 0, process })
    }

    /// All it has said, in all its lives.
    pub fn said(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// Waits until it has said `words` in this life.
    pub fn wait_until_it_says(&mut self, words: &str) -> Result<()> {
        eventually(DEADLINE, words, || {
            let ended = self.process.exited()?;
            let said = fs::read(&self.log)?;
            if String::from_utf8_lossy(&said[self.before..]).contains(words) {
                return Ok(Some(()));
            }
            match ended {
                Some(status) => bail!("it ended: {status}"),
                None => Ok(None),
            }
        })
        .with_context(|| self.tail())
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.process.exited()?.is_some())
    }

    /// SIGKILL, and its next life.
    pub fn kill_and_restart(&mut self) -> Result<()> {
        ensure!(!self.has_ended()?, "it ended by itself; {}", self.tail());
        self.process.kill()?;
        self.restart()
    }

    /// SIGTERM, and when it has ended in good order its next life.
    pub fn stop_and_restart(&mut self) -> Result<()> {
        self.stop()?;
        self.restart()
    }

    fn restart(&mut self) -> Result<()> {
        self.before = fs::read(&self.log)?.len();
        self.process = spawn(&self.line, &self.log)?;
        Ok(())
    }

    /// Waits for its end, which must be a good one.
    pub fn finish(&mut self) -> Result<()> {
        let status = self.process.wait(DEADLINE).with_context(|| self.tail())?;
        ensure!(status.success(), "{status}; {}", self.tail());
        Ok(())
    }

    /// SIGTERM, upon which it ends in good order.
    pub fn stop(&mut self) -> Result<()> {
        let status = self.process.terminate(STOP_DEADLINE).with_context(|| self.tail())?;
        ensure!(status.code() == Some(EXIT_CODE_TERMINATED), "{status}; {}", self.tail());
        Ok(())
    }

    /// The end of what it said.
    pub fn tail(&self) -> String {
        let said = self.said().unwrap_or_default();
        let start = said.ceil_char_boundary(said.len().saturating_sub(TAIL_BYTES));
        format!("{} said last:\n{}", self.log.display(), &said[start..])
    }
}

fn spawn(line: &Command, log: &std::path::Path) -> Result<Process> {
    Process::spawn_logged(tied_to_this_process(line), log)
}
