//! A restart with a million committed offsets behind it, and what a producer notices of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use protocol_tests::client::resolve;
use protocol_tests::offsets::Offsets;

use super::{Context, create_topics};
use crate::raw_producer::RawProducer;

const GROUPS: u32 = 1_000;
const PARTITIONS: u32 = 1_000;
/// From the start of the process to the last coordinator's readiness, as the median of [`LOADS_JUDGED_MIN`]
/// starts or more.
const LOADED_MAX: Duration = Duration::from_secs(3);
/// With fewer: what a machine that is kept busy by others stays below, and nothing that grows does not.
const LOADED_ANYWAY_MAX: Duration = Duration::from_secs(20);
/// How much longer a producer elsewhere may wait while coordinators load: p99 against p99, as the median of
/// [`LOADS_JUDGED_MIN`] starts or more. With fewer it is told, not judged.
const SLOWER_MAX: f64 = 2.0;
const LOADS_JUDGED_MIN: usize = 9;
/// Between two requests of the producer.
const PAUSE: Duration = Duration::from_millis(1);

/// A million offsets in a thousand commits.
pub fn run(context: &mut Context) -> Result<()> {
    load(context, i32::try_from(PARTITIONS)?)
}

/// A million offsets in a million commits.
pub fn one_by_one(context: &mut Context) -> Result<()> {
    load(context, 1)
}

/// After `kill -9` and after an orderly stop, in turn.
fn load(context: &mut Context, at_once: i32) -> Result<()> {
    let mut broker = context.start()?;
    create_topics(context, &broker, &format!("read {PARTITIONS} , elsewhere 1"))?;
    let offsets = Offsets {
        broker: resolve(broker.bootstrap())?,
        topic: "read".to_owned(),
        partitions: i32::try_from(PARTITIONS)?,
        groups: GROUPS,
        at_once,
    };
    offsets.commit()?;
    let (mut slower, mut loads) = (Vec::new(), Vec::new());
    for load in 0..context.scale.loads_count {
        if load % 2 == 1 { broker.stop() } else { broker.kill() }?;
        let start = Instant::now();
        broker.restart()?;
        let while_loading = while_loading(&offsets)?;
        let took = start.elapsed();
        let after = {
            let mut producer = RawProducer::connect(offsets.broker)?;
            (0..while_loading.len()).map(|_| latency(&mut producer)).collect::<Result<Vec<Duration>>>()?
        };
        let (requests, during, after) = (while_loading.len(), p99(while_loading), p99(after));
        eprintln!("loaded after {took:?}; p99 of {requests} requests {during:?}, afterwards {after:?}");
        loads.push(took);
        slower.push(during.as_secs_f64() / after.as_secs_f64());
    }
    // Of two the quicker: what else the machine does is in each.
    loads.sort_unstable();
    let took = *loads.get((loads.len().max(1) - 1) / 2).context("no load was asked for")?;
    let bound = if loads.len() >= LOADS_JUDGED_MIN { LOADED_MAX } else { LOADED_ANYWAY_MAX };
    ensure!(took <= bound, "loaded after {took:?}, not {bound:?}");
    slower.sort_by(f64::total_cmp);
    let median = *slower.get(slower.len() / 2).context("no load was asked for")?;
    eprintln!("a producer's p99 while coordinators load: {median:.2} times its own");
    if slower.len() >= LOADS_JUDGED_MIN {
        ensure!(median <= SLOWER_MAX, "{median:.2} times as slow while coordinators load");
    }
    context.transcript.add("a million committed offsets were there in time");
    Ok(())
}

/// How long each request of a producer took until the offsets were there.
fn while_loading(offsets: &Offsets) -> Result<Vec<Duration>> {
    let mut producer = RawProducer::connect(offsets.broker)?;
    let is_loaded = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let latencies = scope.spawn(|| {
            let mut latencies = vec![latency(&mut producer)?];
            while !is_loaded.load(Ordering::Acquire) {
                latencies.push(latency(&mut producer)?);
            }
            Ok(latencies)
        });
        let loaded = offsets.expect_loaded();
        is_loaded.store(true, Ordering::Release);
        let latencies = latencies.join().ok().context("the producer panicked")?;
        loaded.and(latencies)
    })
}

/// After a pause: without one the producer is what the processors are busy with.
fn latency(producer: &mut RawProducer) -> Result<Duration> {
    std::thread::park_timeout(PAUSE);
    let start = Instant::now();
    producer.produce("elsewhere", -1, &["key".to_owned()], &[0; 100])?;
    Ok(start.elapsed())
}

/// Of at least one.
fn p99(mut latencies: Vec<Duration>) -> Duration {
    latencies.sort();
    latencies[latencies.len() * 99 / 100]
}
