//! The real input: a log stream through kcat and the Java producer at once, the broker killed in the middle.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Context, create_topic, kcat_command};
use crate::broker::Broker;
use crate::feeding::{Feeding, Input, digest_of_output};
use crate::stream::Digest;
use crate::wait::eventually;

const PRODUCE_DEADLINE: Duration = Duration::from_secs(900);
/// Two partitions written by one kcat each, two by one Java producer, none by two clients: so that what each
/// must hold is known exactly.
const PARTITIONS: u64 = 4;

/// How far the feeders are. They wait for each other in the middle, so that every client has work left when
/// the broker dies.
#[derive(Default)]
struct Progress {
    /// Feeders that have reached the middle.
    halfway: AtomicUsize,
    /// Bytes fed after the middle, of one partition of each client.
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
        clients.iter_mut().try_for_each(Feeding::check_alive)?;
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

/// Feeds a client, which waits in the middle for the others.
fn feed(command: Command, input: Input, progress: &Arc<Progress>) -> Result<Feeding> {
    let (progress, half) = (Arc::clone(progress), input.bytes_each / 2);
    let mut last = 0;
    Feeding::start(command, input, move |fed| {
        if last < half && fed.bytes >= half {
            progress.halfway.fetch_add(1, Ordering::Relaxed);
            eventually(PRODUCE_DEADLINE, "the other clients", || {
                Ok((progress.halfway.load(Ordering::Relaxed) == CLIENTS).then_some(()))
            })?;
        }
        if last >= half {
            progress.bytes_beyond.fetch_add(fed.bytes - last, Ordering::Relaxed);
        }
        last = fed.bytes;
        Ok(())
    })
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
