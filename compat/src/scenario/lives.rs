//! Programs that are killed and started again, and are heard over all their lives.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::broker::tied_to_this_process;
use crate::process::{Process, again, line_of};

/// Some give up what their client takes for fatal, and start again.
const LIVES_MAX: u32 = 60;
const END_DEADLINE: Duration = Duration::from_secs(60);

/// What makes a program's command line from the number of its life, which begins with 1.
pub type Line = Box<dyn Fn(u32) -> Command>;

/// The same in every life: a program and words behind its own.
pub fn same(program: Command, words: Vec<String>) -> Line {
    each_life(program, move |_| words.clone())
}

/// A program with words behind its own that depend on the life.
pub fn each_life(program: Command, words: impl Fn(u32) -> Vec<String> + 'static) -> Line {
    Box::new(move |life| {
        let mut command = again(&program);
        command.args(words(life));
        command
    })
}

/// A line that a program said.
pub struct Said {
    /// Which program.
    pub who: usize,
    /// Without its line feed.
    pub line: String,
}

/// One program.
pub struct Lives {
    who: usize,
    line: Line,
    /// Where everything goes that it says.
    told: Sender<Said>,
    /// What its lives write to standard error.
    errors: PathBuf,
    process: Process,
    input: Option<ChildStdin>,
    life: u32,
}

impl Lives {
    /// Starts it.
    pub fn start(who: usize, line: Line, told: &Sender<Said>, errors: PathBuf) -> Result<Lives> {
        let told = told.clone();
        let (process, input) = spawn(line(1), who, &told, &errors)?;
        Ok(Lives { who, line, told, errors, process, input: Some(input), life: 1 })
    }

    /// SIGKILL, and its next life.
    pub fn kill_and_restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.start_again()
    }

    /// Stops it in its tracks (SIGSTOP), or lets it go on (SIGCONT).
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Whether its process has ended, well or not.
    pub fn ended(&mut self) -> Result<bool> {
        Ok(self.process.exited()?.is_some())
    }

    /// Whether it ended well. One that gave up starts again.
    pub fn is_done(&mut self) -> Result<bool> {
        match self.process.exited()? {
            Some(status) if status.success() => return Ok(true),
            Some(_) => self.start_again()?,
            None => {}
        }
        Ok(false)
    }

    /// Ends its input, and waits for its end; one that gives up then is no matter.
    pub fn finish(mut self) -> Result<()> {
        self.input = None;
        let ended = self.process.wait(END_DEADLINE);
        ended.with_context(|| format!("`{}`", line_of(&(self.line)(self.life)))).map(drop)
    }

    fn start_again(&mut self) -> Result<()> {
        self.life += 1;
        let command = (self.line)(self.life);
        ensure!(self.life <= LIVES_MAX, "`{}` gave up {LIVES_MAX} times", line_of(&command));
        let (process, input) = spawn(command, self.who, &self.told, &self.errors)?;
        self.process = process;
        self.input = Some(input);
        Ok(())
    }
}

fn spawn(
    command: Command,
    who: usize,
    told: &Sender<Said>,
    errors: &PathBuf,
) -> Result<(Process, ChildStdin)> {
    let errors = File::options().create(true).append(true).open(errors)?;
    let mut command = tied_to_this_process(&command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
    let mut process = Process::spawn(command)?;
    let input = process.take_stdin()?;
    let output = process.take_stdout()?;
    let told = told.clone();
    thread::spawn(move || listen(output, who, &told));
    Ok((process, input))
}

/// Until its death; a line that this cut is left out.
fn listen(output: ChildStdout, who: usize, told: &Sender<Said>) {
    let mut output = BufReader::new(output);
    let mut line = String::new();
    while output.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
        line.pop();
        if told.send(Said { who, line: std::mem::take(&mut line) }).is_err() {
            break;
        }
    }
}
