//! A load generator that costs next to no processor time, so that the broker is what is measured.
//!
//! **Owns** connections, one thread for each partition, requests that were built before. **Does not own**
//! what is read from /proc. **Invariants**: it is a process of its own (`bench raw-produce`,
//! `bench raw-fetch`), so that its cost is read like any client's; no read waits for longer than
//! [`PATIENCE`]; it prints one JSON object.

pub mod fetch;
mod produce;

use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::figures::Figures;

/// The command that produces.
pub const PRODUCE: &str = "raw-produce";
/// The command that fetches.
pub const FETCH: &str = "raw-fetch";
/// No answer may take longer.
const PATIENCE: Duration = Duration::from_secs(60);
const PARTITIONS_MAX: u32 = 64;

/// On what a load works.
#[derive(Clone)]
struct Target {
    broker: SocketAddr,
    topic: String,
    partitions: u32,
    records: u64,
    record_bytes: usize,
}

/// What one connection did.
#[derive(Default)]
struct Done {
    records: u64,
    requests: u64,
    wire_bytes: u64,
    times_ms: Vec<f32>,
}

/// `ADDRESS TOPIC PARTITIONS RECORDS RECORD_BYTES PER_BATCH IN_FLIGHT RATE`
pub fn produce(words: &[&str]) -> Result<ExitCode> {
    let (target, rest) = target(words)?;
    let [per_batch, in_flight, rate] = numbers(rest)?;
    ensure!(per_batch > 0 && in_flight > 0, "at least one record a batch, and one request in flight");
    let (done, seconds) = produce::run(&target, per_batch, in_flight, rate)?;
    report(&target, done, seconds)
}

/// `ADDRESS TOPIC PARTITIONS RECORDS RECORD_BYTES BYTES_MAX RATE`
pub fn fetch(words: &[&str]) -> Result<ExitCode> {
    let (target, rest) = target(words)?;
    let [bytes_max, rate] = numbers(rest)?;
    let (done, seconds) = fetch::run(&target, bytes_max, rate)?;
    report(&target, done, seconds)
}

fn target<'a>(words: &'a [&'a str]) -> Result<(Target, &'a [&'a str])> {
    ensure!(words.len() >= 5, "see bench/src/raw/mod.rs");
    let [partitions, records, record_bytes] = numbers(&words[2..5])?;
    let partitions = u32::try_from(partitions)?;
    ensure!((1..=PARTITIONS_MAX).contains(&partitions), "from 1 to {PARTITIONS_MAX} partitions");
    let broker = words[0].parse().with_context(|| format!("{} is no address", words[0]))?;
    let topic = words[1].to_owned();
    Ok((Target { broker, topic, partitions, records, record_bytes: record_bytes as usize }, &words[5..]))
}

fn numbers<const N: usize>(words: &[&str]) -> Result<[u64; N]> {
    let numbers: Vec<u64> = words.iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
    numbers.try_into().map_err(|_| anyhow::anyhow!("{N} numbers are needed, not {}", words.len()))
}

fn connect(broker: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&broker, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Runs `work` for every partition in a thread of its own.
fn on_each_partition<T: Send>(
    target: &Target,
    work: impl Fn(u32) -> Result<T> + Send + Sync,
) -> Result<Vec<T>> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> =
            (0..target.partitions).map(|partition| scope.spawn(move || work(partition))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<T>>| {
            thread.join().map_err(|_| anyhow::anyhow!("a connection's thread panicked"))?
        };
        threads.into_iter().map(join).collect()
    })
}

/// Waits for a moment, and gives it.
pub fn wait_until(due: Instant) -> Instant {
    let patience = Instant::now() + PATIENCE;
    while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        if Instant::now() > patience {
            break;
        }
        std::thread::park_timeout(left);
    }
    due
}

fn report(target: &Target, done: Vec<Done>, seconds: f64) -> Result<ExitCode> {
    let sum = |of: fn(&Done) -> u64| done.iter().map(of).sum::<u64>() as f64;
    let records = sum(|done| done.records);
    let mut figures = Figures::from([
        ("records".to_owned(), records),
        ("records_per_s".to_owned(), records / seconds),
        ("throughput_mib_s".to_owned(), records * target.record_bytes as f64 / 1_048_576.0 / seconds),
        ("requests_per_s".to_owned(), sum(|done| done.requests) / seconds),
        ("wire_mib".to_owned(), sum(|done| done.wire_bytes) / 1_048_576.0),
    ]);
    percentiles(&mut figures, "", done.into_iter().flat_map(|done| done.times_ms).collect());
    println!("{}", serde_json::to_string(&figures)?);
    Ok(ExitCode::SUCCESS)
}

/// `<prefix>p50_ms` and so on, of times in milliseconds.
pub fn percentiles(figures: &mut Figures, prefix: &str, mut times_ms: Vec<f32>) {
    times_ms.sort_unstable_by(f32::total_cmp);
    let Some(last) = times_ms.len().checked_sub(1) else { return };
    for (name, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)] {
        let time_ms = times_ms[(share * last as f64) as usize];
        // Microseconds are exact enough, and a shorter text.
        figures.insert(format!("{prefix}{name}_ms"), (f64::from(time_ms) * 1e3).round() / 1e3);
    }
}

#[cfg(test)]
mod tests;
