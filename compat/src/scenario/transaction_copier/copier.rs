//! One copier, over all its lives.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::broker::tied_to_this_process;
use crate::process::Process;
use crate::tools::Tools;

const TOOL: &str = "org.apache.kafka.tools.TransactionalMessageCopier";
/// One that died with offsets pending holds its successor for so long.
const TRANSACTION_TIMEOUT_MS: u32 = 5_000;
/// It dies of what its client takes for fatal.
const LIVES_MAX: u32 = 40;

/// A copier of one partition.
pub struct Copier {
    /// Its program and words.
    line: Command,
    process: Process,
    /// What its lives before this one have copied.
    before: u64,
    /// What this one says it has copied.
    copied: Arc<AtomicU64>,
    lives: u32,
    done: bool,
}

impl Copier {
    /// Starts it.
    pub fn start(tools: &Tools, bootstrap: &str, per_transaction: u32, partition: u32) -> Result<Copier> {
        let mut command = tools.java(TOOL);
        command.args(["--broker-list", bootstrap, "--input-topic", "in", "--output-topic", "out"]);
        command.args(["--input-partition", &partition.to_string()]);
        command.args(["--transactional-id", &format!("copier-{partition}"), "--consumer-group", "copiers"]);
        command.args(["--transaction-size", &per_transaction.to_string()]);
        command.args(["--transaction-timeout", &TRANSACTION_TIMEOUT_MS.to_string()]);
        command.args(["--enable-random-aborts", "--use-group-metadata"]);
        let copied = Arc::default();
        let process = spawn(&command, &copied)?;
        Ok(Copier { line: command, process, before: 0, copied, lives: 1, done: false })
    }

    /// Messages in its committed transactions, as far as it said.
    pub fn copied(&self) -> u64 {
        self.before + self.copied.load(Ordering::Relaxed)
    }

    /// Whether it has found nothing more to copy. One that gave up starts again.
    pub fn is_done(&mut self) -> Result<bool> {
        match self.process.exited()? {
            _ if self.done => {}
            Some(status) if status.success() => self.done = true,
            Some(_) => self.start_again()?,
            None => {}
        }
        Ok(self.done)
    }

    /// SIGKILL, and its next life.
    pub fn kill_and_restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.start_again()
    }

    fn start_again(&mut self) -> Result<()> {
        ensure!(self.lives < LIVES_MAX, "a copier gave up {LIVES_MAX} times");
        self.lives += 1;
        self.before = self.copied();
        self.copied = Arc::default();
        self.process = spawn(&self.line, &self.copied)?;
        Ok(())
    }
}

/// It says in every round, as JSON, how much it has copied.
fn spawn(line: &Command, copied: &Arc<AtomicU64>) -> Result<Process> {
    let mut command = tied_to_this_process(line);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process::spawn(command)?;
    let output = process.take_stdout()?;
    let copied = copied.clone();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Ok(total) = total(&line) {
                copied.store(total, Ordering::Relaxed);
            }
        }
    });
    Ok(process)
}

fn total(line: &str) -> Result<u64> {
    let (_, rest) = line.split_once(r#""totalProcessed":"#).context("no status")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Ok(digits.parse()?)
}
