//! Clients that are fed lines of the real input, and what consumers print, as digests.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::process::Process;
use crate::stream::{Digest, LogStream};

const PRODUCE_DEADLINE: Duration = Duration::from_secs(900);
const CONSUME_DEADLINE: Duration = Duration::from_secs(300);
const SEED: u64 = 0x5eed;

/// What one client is fed.
pub struct Input {
    /// Each has a stream of its own.
    pub partitions: Vec<u64>,
    /// Whether each line begins with its partition.
    pub named: bool,
    /// Of each partition, keys and values together.
    pub bytes_each: u64,
}

/// A client that takes lines on its standard input, and the thread that feeds it.
pub struct Feeding {
    process: Process,
    feeder: JoinHandle<Result<Vec<Digest>>>,
}

impl Feeding {
    /// Starts a client and feeds it. `pace` is called before each line of the first partition, with what that
    /// has had, and may wait.
    pub fn start(
        mut command: Command,
        input: Input,
        pace: impl FnMut(&Digest) -> Result<()> + Send + 'static,
    ) -> Result<Feeding> {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Process::spawn(command)?;
        let to = BufWriter::new(process.take_stdin()?);
        let feeder = std::thread::spawn(move || write_lines(&input, to, pace));
        Ok(Feeding { process, feeder })
    }

    /// Fails if the client has ended.
    pub fn check_alive(&mut self) -> Result<()> {
        ensure!(self.process.exited()?.is_none(), "a producer ended early");
        Ok(())
    }

    /// Waits until the client has had everything acknowledged; what it was fed, by partition.
    pub fn finish(mut self) -> Result<Vec<Digest>> {
        let digests = self.feeder.join().map_err(|_| anyhow!("a feeder panicked"))?;
        let status = self.process.wait(PRODUCE_DEADLINE)?;
        ensure!(status.success(), "a producer ended with {status}");
        digests
    }
}

/// Writes `bytes_each` of every partition's stream, line by line in turn; what that was, by partition.
fn write_lines(
    input: &Input,
    mut to: BufWriter<ChildStdin>,
    mut pace: impl FnMut(&Digest) -> Result<()>,
) -> Result<Vec<Digest>> {
    let mut streams: Vec<LogStream> = input.partitions.iter().map(|id| LogStream::new(SEED + id)).collect();
    let mut digests = vec![Digest::default(); streams.len()];
    while digests[0].bytes < input.bytes_each {
        pace(&digests[0])?;
        for ((stream, digest), partition) in streams.iter_mut().zip(&mut digests).zip(&input.partitions) {
            let line = stream.next_line();
            let text = format!("{}\t{}", line.key, line.value);
            if input.named {
                write!(to, "{partition}\t")?;
            }
            writeln!(to, "{text}")?;
            digest.add_line(text.as_bytes());
        }
    }
    to.flush()?;
    Ok(digests)
}

/// What a consumer prints, one record a line.
pub fn digest_of_output(mut command: Command) -> Result<Digest> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process::spawn(command)?;
    let mut digest = Digest::default();
    for line in BufReader::new(process.take_stdout()?).split(b'\n') {
        digest.add_line(&line.context("a consumer's output")?);
    }
    let status = process.wait(CONSUME_DEADLINE)?;
    ensure!(status.success(), "a consumer ended with {status}");
    Ok(digest)
}

/// What is left of a partition's stream of so many records without the first ones.
pub fn digest_of_rest(partition: u64, records: u64, skipped: u64) -> Digest {
    let mut stream = LogStream::new(SEED + partition);
    let mut digest = Digest::default();
    for place in 0..records {
        let line = stream.next_line();
        if place >= skipped {
            digest.add_line(format!("{}\t{}", line.key, line.value).as_bytes());
        }
    }
    digest
}

/// So many records of each of these streams, one after the other.
pub fn digest_of(streams: &[(u64, u64)]) -> Digest {
    let mut digest = Digest::default();
    for (partition, records) in streams {
        let mut stream = LogStream::new(SEED + partition);
        for _ in 0..*records {
            let line = stream.next_line();
            digest.add_line(format!("{}\t{}", line.key, line.value).as_bytes());
        }
    }
    digest
}
