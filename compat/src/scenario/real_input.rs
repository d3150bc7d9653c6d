//! The real input: a log stream through kcat and the Java producer at once, the broker killed in the middle.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// Everything that was sent is there, in order and once, although the broker died half-way.
pub fn run(context: &mut Context) -> Result<()> {
    let mut broker = context.start()?;
    create_topic(context, &*broker, "stream", u32::try_from(PARTITIONS)?)?;
    let bytes_each = context.scale.stream_bytes / PARTITIONS;
    let fed = Arc::new(AtomicU64::new(0));
    let mut clients = Vec::new();
    for partition in [0, 1] {
        let command = kcat_producer(&*broker, partition);
        clients.push(feed(command, &[partition], false, bytes_each, &fed)?);
    }
    let mut java = context.tools.java("LogProducer");
    java.args(["--bootstrap-server", broker.bootstrap(), "stream"]);
    clients.push(feed(java, &[2, 3], true, bytes_each, &fed)?);

    let middle = bytes_each * PARTITIONS / 2;
    eventually(PRODUCE_DEADLINE, "half of the input", || {
        for client in &mut clients {
            ensure!(client.process.exited()?.is_none(), "a producer ended early");
        }
        Ok((fed.load(Ordering::Relaxed) >= middle).then_some(()))
    })?;
    broker.kill()?;
    broker.restart()?;

    let mut sent = Vec::new();
    for client in clients {
        sent.extend(client.finish()?);
    }
    compare(context, &*broker, &sent)
}

fn kcat_producer(broker: &dyn Broker, partition: u64) -> Command {
    // -E: a broker that is away for a moment is no reason to give up.
    let words = format!(
        r"-P -E -q -t stream -p {partition} -K \t -z snappy -X enable.idempotence=true
          -X message.timeout.ms=300000 -X queue.buffering.max.kbytes=4096 -X reconnect.backoff.max.ms=200"
    );
    kcat_command(broker, &words)
}

/// Starts a client and feeds it `bytes_each` of every partition's stream, line by line in turn.
fn feed(
    mut command: Command,
    partitions: &[u64],
    name_partitions: bool,
    bytes_each: u64,
    fed: &Arc<AtomicU64>,
) -> Result<Feeding> {
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Process::spawn(command)?;
    let mut input = BufWriter::new(process.take_stdin()?);
    let fed = Arc::clone(fed);
    let partitions = partitions.to_vec();
    let feeder = std::thread::spawn(move || {
        let mut streams: Vec<LogStream> = partitions.iter().map(|id| LogStream::new(SEED + id)).collect();
        let mut digests = vec![Digest::default(); partitions.len()];
        while digests[0].bytes < bytes_each {
            for ((stream, digest), partition) in streams.iter_mut().zip(&mut digests).zip(&partitions) {
                let line = stream.next_line();
                let text = format!("{}\t{}", line.key, line.value);
                if name_partitions {
                    write!(input, "{partition}\t")?;
                }
                writeln!(input, "{text}")?;
                digest.add_line(text.as_bytes());
                fed.fetch_add(text.len() as u64, Ordering::Relaxed);
            }
        }
        input.flush()?;
        Ok(digests)
    });
    Ok(Feeding { process, feeder })
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
fn compare(context: &mut Context, broker: &dyn Broker, sent: &[Digest]) -> Result<()> {
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
