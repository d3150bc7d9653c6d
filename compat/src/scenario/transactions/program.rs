//! One running program, asked and heard.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::process::Process;

/// For one command; Apache Kafka's restart may lie in it.
const DEADLINE: Duration = Duration::from_secs(90);

/// A program under the contract.
pub struct Program {
    process: Process,
    input: ChildStdin,
    lines: Receiver<String>,
}

/// What it answered.
pub struct Answer {
    /// Before its last line.
    pub lines: Vec<String>,
    /// `ok`, or `error` and a name.
    pub last: String,
}

impl Program {
    /// Starts it.
    pub fn start(mut command: Command) -> Result<Program> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::spawn(command)?;
        let input = process.take_stdin()?;
        let output = process.take_stdout()?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Program { process, input, lines })
    }

    /// Gives it one command and waits for the whole answer.
    pub fn ask(&mut self, command: &str) -> Result<Answer> {
        let asked = Instant::now();
        writeln!(self.input, "{command}").with_context(|| format!("it ended before {command:?}"))?;
        let mut lines = Vec::new();
        loop {
            let left = DEADLINE.saturating_sub(asked.elapsed());
            let line = self.lines.recv_timeout(left).with_context(|| format!("no answer to {command:?}"))?;
            if line == "ok" || line.starts_with("error ") {
                return Ok(Answer { lines, last: line });
            }
            lines.push(line);
        }
    }

    /// Ends its input, and waits for its end.
    pub fn finish(self) -> Result<()> {
        let Program { mut process, input, .. } = self;
        drop(input);
        let status = process.wait(DEADLINE)?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }
}
