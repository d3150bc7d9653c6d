//! Outside programs: run to their end with a deadline, or kept running and ended by id.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait::eventually;

/// How a program ended and what it said.
pub struct Outcome {
    /// The program and its arguments, for messages.
    pub line: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output; bytes that are not UTF-8 replaced.
    pub stdout: String,
    /// Standard error; bytes that are not UTF-8 replaced.
    pub stderr: String,
}

impl Outcome {
    /// The outcome, if the program exited with 0.
    pub fn success(self) -> Result<Outcome> {
        if self.status.success() {
            return Ok(self);
        }
        bail!("`{}`: {}\n{}{}", self.line, self.status, self.stdout, self.stderr);
    }
}

/// Runs a program to its end with `input` on its standard input.
pub fn run(mut command: Command, input: &[u8], deadline: Duration) -> Result<Outcome> {
    let line = line_of(&command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::spawn(command)?;
    let mut stdin = process.take_stdin()?;
    let input = input.to_vec();
    // A program may exit without reading all of its input: that is not this side's failure.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let stdout = drain(process.take_stdout()?);
    let stderr = drain(process.take_stderr()?);
    let status = process.wait(deadline).with_context(|| format!("`{line}`"))?;
    writer.join().map_err(|_| anyhow!("the input thread of `{line}` panicked"))?;
    Ok(Outcome { line, status, stdout: collected(stdout)?, stderr: collected(stderr)? })
}

/// The program and its arguments as one would type them.
pub fn line_of(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy);
    words.collect::<Vec<_>>().join(" ")
}

/// The same program with the same words: a command starts one process only as its channels are taken over.
pub fn again(command: &Command) -> Command {
    let mut again = Command::new(command.get_program());
    again.args(command.get_args());
    again
}

fn drain(mut source: impl Read + Send + 'static) -> JoinHandle<std::io::Result<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes)?;
        Ok(bytes)
    })
}

fn collected(thread: JoinHandle<std::io::Result<Vec<u8>>>) -> Result<String> {
    let bytes = thread.join().map_err(|_| anyhow!("an output thread panicked"))??;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A program that runs beside us; killed by its id when dropped.
pub struct Process {
    child: Child,
    line: String,
}

impl Process {
    /// Starts a program.
    pub fn spawn(mut command: Command) -> Result<Process> {
        let line = line_of(&command);
        let child = command.spawn().with_context(|| format!("cannot start `{line}`"))?;
        Ok(Process { child, line })
    }

    /// Starts a program whose output and errors go to the file `log` (appended).
    pub fn spawn_logged(mut command: Command, log: &Path) -> Result<Process> {
        let file = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Process::spawn(command)
    }

    /// Our end of a piped standard input.
    pub fn take_stdin(&mut self) -> Result<ChildStdin> {
        self.child.stdin.take().with_context(|| format!("`{}` has no piped standard input", self.line))
    }

    /// Our end of a piped standard output.
    pub fn take_stdout(&mut self) -> Result<ChildStdout> {
        self.child.stdout.take().with_context(|| format!("`{}` has no piped standard output", self.line))
    }

    /// Our end of a piped standard error.
    pub fn take_stderr(&mut self) -> Result<ChildStderr> {
        self.child.stderr.take().with_context(|| format!("`{}` has no piped standard error", self.line))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let child = &mut self.child;
        eventually(deadline, "the process to end", || Ok(child.try_wait()?))
    }

    /// SIGTERM, then waits for its end.
    pub fn terminate(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait(deadline)
    }

    /// Any signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = Pid::from_raw(i32::try_from(self.child.id())?).context("a child has an id")?;
        Ok(kill_process(id, signal)?)
    }

    /// SIGKILL, then reaps it. Nothing of the process runs when this returns.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone is what we want.
        drop(self.kill());
    }
}
