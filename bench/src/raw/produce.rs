//! Produce requests, one batch each, sent over and over.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use compat::raw_producer;

use super::{Done, Target, connect, on_each_partition, wait_until};

const RESPONSE_BYTES_MAX: usize = 1 << 12;
/// A new topic's leader may answer that it does not know the partition yet, for a moment.
const NOT_YET: [i16; 2] = [3, 6];
const FIRST_ATTEMPTS_MAX: u32 = 500;
const FIRST_ATTEMPT_INTERVAL: Duration = Duration::from_millis(20);

/// Runs it; what each connection did, and the seconds it took. A `rate` of records a second (all partitions
/// together) makes it an open loop: a request's time counts from the moment at which it was due.
pub fn run(target: &Target, per_batch: u64, in_flight: u64, rate: u64) -> Result<(Vec<Done>, f64)> {
    let requests = target.records / u64::from(target.partitions) / per_batch;
    let ready = Barrier::new(target.partitions as usize);
    let done = on_each_partition(target, |partition| {
        let first = Producer::open(target, partition, per_batch as usize);
        // All of them, or those that are ready would wait for ever.
        ready.wait();
        let mut producer = first?;
        let start = Instant::now();
        let pace = (rate > 0).then(|| Pace {
            start,
            first: Duration::from_secs_f64(f64::from(partition) * per_batch as f64 / rate as f64),
            interval: Duration::from_secs_f64(f64::from(target.partitions) * per_batch as f64 / rate as f64),
        });
        producer.run(requests, in_flight as usize, pace)?;
        Ok((producer.done, start.elapsed()))
    });
    finished(done?)
}

fn finished(done: Vec<(Done, Duration)>) -> Result<(Vec<Done>, f64)> {
    let longest = done.iter().map(|(_, took)| *took).max().context("at least one partition")?;
    Ok((done.into_iter().map(|(done, _)| done).collect(), longest.as_secs_f64()))
}

/// When requests are due.
struct Pace {
    start: Instant,
    first: Duration,
    interval: Duration,
}

impl Pace {
    fn due(&self, request: u64) -> Instant {
        self.start + self.first + self.interval.mul_f64(request as f64)
    }
}

struct Producer {
    stream: TcpStream,
    answers: BufReader<TcpStream>,
    topic: String,
    request: Vec<u8>,
    per_batch: u64,
    done: Done,
}

impl Producer {
    /// Connects and sends one request ahead, so that the partition serves.
    fn open(target: &Target, partition: u32, per_batch: usize) -> Result<Producer> {
        let values = values(partition, per_batch, target.record_bytes);
        let records: Vec<(Option<&[u8]>, &[u8])> = values.iter().map(|value| (None, &value[..])).collect();
        let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let batch = raw_producer::batch(&records, now_ms);
        let stream = connect(target.broker)?;
        let mut producer = Producer {
            answers: BufReader::with_capacity(RESPONSE_BYTES_MAX, stream.try_clone()?),
            stream,
            topic: target.topic.clone(),
            request: raw_producer::request(&target.topic, partition, -1, &batch),
            per_batch: per_batch as u64,
            done: Done::default(),
        };
        for _ in 0..FIRST_ATTEMPTS_MAX {
            producer.send()?;
            let error_code = producer.answer()?;
            if error_code == 0 {
                return Ok(producer);
            }
            ensure!(NOT_YET.contains(&error_code), "partition {partition}: error code {error_code}");
            std::thread::park_timeout(FIRST_ATTEMPT_INTERVAL);
        }
        anyhow::bail!("partition {partition} does not serve")
    }

    fn send(&mut self) -> Result<()> {
        Ok(self.stream.write_all(&self.request)?)
    }

    /// The error code of the next answer.
    fn answer(&mut self) -> Result<i16> {
        let mut length = [0; 4];
        self.answers.read_exact(&mut length).context("no answer")?;
        let length = usize::try_from(i32::from_be_bytes(length))?;
        ensure!(length <= RESPONSE_BYTES_MAX, "an answer of {length} bytes");
        let mut response = [0; RESPONSE_BYTES_MAX];
        self.answers.read_exact(&mut response[..length])?;
        Ok(raw_producer::answer(&self.topic, &response[..length])?.0)
    }

    fn run(&mut self, requests: u64, in_flight: usize, pace: Option<Pace>) -> Result<()> {
        let mut sent_at = vec![Instant::now(); in_flight];
        let mut sent = 0;
        self.done.times_ms.reserve(requests as usize);
        while self.done.requests < requests {
            while sent < requests && sent - self.done.requests < in_flight as u64 {
                let begun = match &pace {
                    None => Instant::now(),
                    // An answer is outstanding: hear it first.
                    Some(pace) if Instant::now() < pace.due(sent) && sent > self.done.requests => break,
                    Some(pace) => wait_until(pace.due(sent)),
                };
                sent_at[sent as usize % in_flight] = begun;
                self.send()?;
                sent += 1;
            }
            let error_code = self.answer()?;
            ensure!(error_code == 0, "error code {error_code}");
            let begun = sent_at[self.done.requests as usize % in_flight];
            self.done.times_ms.push(begun.elapsed().as_secs_f32() * 1e3);
            self.done.requests += 1;
            self.done.records += self.per_batch;
            self.done.wire_bytes += self.request.len() as u64;
        }
        Ok(())
    }
}

/// Letters that do not repeat soon, different for each partition.
fn values(partition: u32, count: usize, bytes: usize) -> Vec<Vec<u8>> {
    let mut state = 12_345_u32.wrapping_add(partition);
    let mut letter = || {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        b'A' + ((state >> 16) % 26) as u8
    };
    (0..count).map(|_| (0..bytes).map(|_| letter()).collect()).collect()
}
