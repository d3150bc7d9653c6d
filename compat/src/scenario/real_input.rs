//! The real input: a log stream through kcat and the Java producer at once, the broker killed in the middle.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::{Context, create_topic, kcat_command};
use crate::broker::Broker;
use crate::process::Process;
use crate::stream::{Digest, LogStream};
use crate::wait::eventually;

const PRODUCE_DEADLINE: Duration = Duration::from_secs(900);
const CONSUME_DEADLINE: Duration = Duration::from_secs(300);
/// Two partitions written by one kcat each, two by one Java producer, none by two clients: so that what each
/// must hold is known exactly.
const PARTITIONS: u64 = 4;
const SEED: u64 = 0x5eed;

/// A client that takes lines on its standard input, and the thread that feeds it.
struct Feeding {
    process: Process,
    feeder: JoinHandle<Result<Vec<Digest>>>,
}

/// How far the feeders are. They wait for each other in the middle, so that every client has work left when
/// the broker dies.
#[derive(Default)]
struct Progress {
    /// Feeders that have reached the middle.
    halfway: AtomicUsize,
    /// Bytes fed after the middle.
    bytes_beyond: AtomicU64,
}

const CLIENTS: usize = 3;

/// Everything that was sent is there, in order and once, although the broker died half-way.
pub fn run(context: &mut Context) -> Result<()> {
    let mut broker = context.start()?;
    create_topic(context, &broker, "stream", u32::try_from(PARTITIONS)?)?;
    let bytes_each = context.scale.stream_bytes / PARTITIONS;
    let progress = Arc::new(Progress::default());
    let mut clients = Vec::new();
    for partition in [0, 1] {
        let input = Input { partitions: vec![partition], named: false, bytes_each };
        clients.push(feed(kcat_producer(&broker, partition), input, &progress)?);
    }
    let mut java = context.tools.java("LogProducer");
    java.args(["--bootstrap-server", broker.bootstrap(), "stream"]);
    clients.push(feed(java, Input { partitions: vec![2, 3], named: true, bytes_each }, &progress)?);

    let middle = context.scale.stream_bytes / 16;
    eventually(PRODUCE_DEADLINE, "the middle of the input", || {
        for client in &mut clients {
            ensure!(client.process.exited()?.is_none(), "a producer ended early");
        }
        Ok((progress.bytes_beyond.load(Ordering::Relaxed) >= middle).then_some(()))
    })?;
    broker.kill()?;
    broker.restart()?;

    let mut sent = Vec::new();
    for client in clients {
        sent.extend(client.finish()?);
    }
    compare(context, &broker, &sent)
}

fn kcat_producer(broker: &Broker, partition: u64) -> Command {
    // -E: a broker that is away for a moment is no reason to give up.
    let words = format!(
        r"-P -E -q -t stream -p {partition} -K \t -z snappy -X enable.idempotence=true
          -X message.timeout.ms=300000 -X queue.buffering.max.kbytes=4096 -X reconnect.backoff.max.ms=200"
    );
    kcat_command(broker, &words)
}

/// What one client is fed.
struct Input {
    partitions: Vec<u64>,
    /// Whether each line begins with its partition.
    named: bool,
    bytes_each: u64,
}

/// Starts a client and feeds it.
fn feed(mut command: Command, input: Input, progress: &Arc<Progress>) -> Result<Feeding> {
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Process::spawn(command)?;
    let to = BufWriter::new(process.take_stdin()?);
    let progress = Arc::clone(progress);
    let feeder = std::thread::spawn(move || write_lines(&input, to, &progress));
    Ok(Feeding { process, feeder })
}

/// Writes `bytes_each` of every partition's stream, line by line in turn; what that was, by partition.
fn write_lines(input: &Input, mut to: impl Write, progress: &Progress) -> Result<Vec<Digest>> {
    let mut streams: Vec<LogStream> = input.partitions.iter().map(|id| LogStream::new(SEED + id)).collect();
    let mut digests = vec![Digest::default(); streams.len()];
    let mut is_first_half = true;
    while digests[0].bytes < input.bytes_each {
        if is_first_half && digests[0].bytes * 2 >= input.bytes_each {
            is_first_half = false;
            progress.halfway.fetch_add(1, Ordering::Relaxed);
            eventually(PRODUCE_DEADLINE, "the other clients", || {
                Ok((progress.halfway.load(Ordering::Relaxed) == CLIENTS).then_some(()))
            })?;
        }
        for ((stream, digest), partition) in streams.iter_mut().zip(&mut digests).zip(&input.partitions) {
            let line = stream.next_line();
            let text = format!("{}\t{}", line.key, line.value);
            if input.named {
                write!(to, "{partition}\t")?;
            }
            writeln!(to, "{text}")?;
            digest.add_line(text.as_bytes());
            if !is_first_half {
                progress.bytes_beyond.fetch_add(text.len() as u64, Ordering::Relaxed);
            }
        }
    }
    to.flush()?;
    Ok(digests)
}

impl Feeding {
    /// Waits until the client has had everything acknowledged; what it was fed, by partition.
    fn finish(mut self) -> Result<Vec<Digest>> {
        let digests = self.feeder.join().map_err(|_| anyhow!("a feeder panicked"))?;
        let status = self.process.wait(PRODUCE_DEADLINE)?;
        ensure!(status.success(), "a producer ended with {status}");
        digests
    }
}

/// Each partition is read by the client that did not write it.
fn compare(context: &mut Context, broker: &Broker, sent: &[Digest]) -> Result<()> {
    for (partition, sent) in sent.iter().enumerate() {
        let command = if partition < 2 {
            let mut command = context.tools.java("LogConsumer");
            command.args(["--bootstrap-server", broker.bootstrap(), "stream", &partition.to_string()]);
            command
        } else {
            kcat_command(broker, &format!(r"-C -t stream -p {partition} -o beginning -e -q -f %k\t%s\n"))
        };
        let read = digest_of_output(command)?;
        ensure!(read == *sent, "partition {partition}: sent {sent:?}, read {read:?}");
        context.transcript.add(&format!("partition {partition}: as sent"));
    }
    Ok(())
}

fn digest_of_output(mut command: Command) -> Result<Digest> {
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
