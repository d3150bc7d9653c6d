//! Transactions and time: a wall clock that jumps by years, a broker that stands still for longer than a
//! time-out.

use std::thread::park_timeout;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use protocol_tests::bench::Bench;
use protocol_tests::client::{Client, resolve};
use protocol_tests::requests::{LATEST, LIST_OFFSETS, Topic, list_offsets, produced};
use protocol_tests::transactions::{FIND, Writer, describe, find_coordinator, init};

use super::Context;
use super::wall_clock::{JUMPS, WallClock};
use crate::broker::Settings;

const INIT: i16 = 4;
const ADD: i16 = 3;
const DESCRIBE: i16 = 0;
/// A time-out that this scenario does not live to see.
const LONG: Duration = Duration::from_secs(600);
/// One that it does.
const SHORT: Duration = Duration::from_secs(2);
/// What an abort may take beyond the time-out, on a machine that does other things too.
const MARGIN: Duration = Duration::from_secs(5);
/// For so long the broker stands still.
const PAUSE: Duration = Duration::from_secs(5);
/// What the coordinator may answer before it runs, or while it ends the transaction before.
const PASSING: [i16; 4] = [14, 15, 16, 51];

/// How a client writes.
#[derive(Clone, Copy)]
struct Protocol {
    name: &'static str,
    produce: i16,
    end: i16,
    /// Whether it adds partitions to its transaction before it writes to them.
    adds: bool,
}

/// Version 1 of transactions keeps an epoch; in version 2 each transaction has its own.
const PROTOCOLS: [Protocol; 2] = [
    Protocol { name: "older", produce: 11, end: 3, adds: true },
    Protocol { name: "newer", produce: 12, end: 5, adds: false },
];

/// No transaction is aborted by the wall clock alone, and none is left open beyond its time-out.
pub fn run(context: &mut Context) -> Result<()> {
    let clock = WallClock::new(context)?;
    let mut settings =
        Settings::default().with("transaction.remove.expired.transaction.cleanup.interval.ms", "500");
    settings.environment = clock.environment(context)?;
    let broker = context.start_with(&settings)?;
    clock.prepare(context, &broker)?;
    let address = resolve(broker.bootstrap())?;
    let stages = PROTOCOLS.map(|protocol| Stage::new(Bench::new(address, protocol.name)?, protocol));
    let mut stages = stages.into_iter().collect::<Result<Vec<_>>>()?;

    let open = each(&mut stages, |stage, _| stage.open("open", LONG, 0))?;
    let idle = each(&mut stages, |stage, _| stage.writer("idle", LONG))?;
    for (round, jump) in JUMPS.into_iter().enumerate() {
        let short = each(&mut stages, |stage, _| {
            Ok((stage.bench.now(), stage.open(&format!("short-{round}"), SHORT, 1)?))
        })?;
        clock.jump_to(context, &broker, jump)?;
        each(&mut stages, |stage, place| {
            let whole = stage.open(&format!("whole-{round}"), LONG, 2)?;
            stage.commit(&whole)?;
            let (began, short) = &short[place];
            stage.wait_for(short, "CompleteAbort")?;
            let took = stage.bench.now() - *began;
            ensure!(
                (SHORT..SHORT + MARGIN).contains(&took),
                "a time-out of {SHORT:?} came after {took:?} with the clock at {jump}"
            );
            let (open, idle) = (&open[place], &idle[place]);
            ensure!(stage.state(open)? == "Ongoing", "the wall clock alone ended a transaction at {jump}");
            ensure!(stage.state(idle)? == "Empty", "the wall clock alone made an id forgotten at {jump}");
            ensure!(stage.write(open, 0, round + 1)? == 0, "an open transaction cannot go on at {jump}");
            ensure!(stage.last_stable_offset(0)? == 0, "nothing holds the last stable offset at {jump}");
            Ok(())
        })?;
    }
    each(&mut stages, |stage, place| {
        stage.commit(&open[place])?;
        stage.stable(0, JUMPS.len() as i64 + 2)
    })?;
    context.transcript.add("jumps of the wall clock: time-outs came in time, nothing else ended");

    let late = each(&mut stages, |stage, _| stage.open("late", SHORT, 0))?;
    let gone = each(&mut stages, |stage, _| stage.open("gone", SHORT, 1))?;
    broker.pause()?;
    park_timeout(PAUSE);
    broker.resume()?;
    // At once for both: their time is over.
    let resumed = each(&mut stages, |stage, place| {
        let code = stage.write(&late[place], 0, 1)?;
        ensure!(code == 0, "aborted before its producer could be heard ({code})");
        Ok(stage.bench.now())
    })?;
    each(&mut stages, |stage, place| stage.commit(&late[place]))?;
    each(&mut stages, |stage, place| {
        stage.wait_for(&gone[place], "CompleteAbort")?;
        let took = stage.bench.now() - resumed[place];
        ensure!(took < SHORT + MARGIN, "a time-out of {SHORT:?} came {took:?} after the broker went on");
        stage.stable(1, 2 * JUMPS.len() as i64 + 2)
    })?;
    context.transcript.add("a broker that stood still: who spoke was heard, who did not was aborted in time");
    Ok(())
}

/// Does the same with both, one after the other.
fn each<T>(stages: &mut [Stage], mut act: impl FnMut(&mut Stage, usize) -> Result<T>) -> Result<Vec<T>> {
    let named = |(place, stage): (usize, &mut Stage)| act(stage, place).context(stage.protocol.name);
    stages.iter_mut().enumerate().map(named).collect()
}

/// A broker, and a topic of three partitions.
struct Stage {
    bench: Bench,
    client: Client,
    topic: Topic,
    protocol: Protocol,
}

impl Stage {
    fn new(mut bench: Bench, protocol: Protocol) -> Result<Stage> {
        // The clock may go back to before the records' time.
        let topic = bench.topic_with(3, &[("message.timestamp.after.max.ms", &i64::MAX.to_string())])?;
        let client = bench.client()?;
        Ok(Stage { bench, client, topic, protocol })
    }

    fn writer(&mut self, transactional_id: &str, timeout: Duration) -> Result<Writer> {
        let transactional_id = &format!("{}-{transactional_id}", self.protocol.name);
        let request = init(transactional_id).with_transaction_timeout_ms(timeout.as_millis() as i32);
        let answer = self.bench.until("a transactional producer", |client| {
            // Who is asked for the first time makes the topic of coordinators.
            client.ask(FIND, &find_coordinator(transactional_id))?;
            let answer = client.ask(INIT, &request)?;
            Ok((!PASSING.contains(&answer.error_code)).then_some(answer))
        })?;
        ensure!(answer.error_code == 0, "InitProducerId is answered with {}", answer.error_code);
        let (id, producer_epoch) = (answer.producer_id.0, answer.producer_epoch);
        Ok(Writer { transactional_id: transactional_id.to_owned(), id, producer_epoch })
    }

    /// A transaction with one record in this partition.
    fn open(&mut self, transactional_id: &str, timeout: Duration, partition: i32) -> Result<Writer> {
        let writer = self.writer(transactional_id, timeout)?;
        if self.protocol.adds {
            let answer = self.client.ask(ADD, &writer.add(ADD, &[(&self.topic.name, &[partition])]))?;
            let code = answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
            ensure!(code == 0, "AddPartitionsToTxn is answered with {code}");
        }
        let code = self.write(&writer, partition, 0)?;
        ensure!(code == 0, "the first record is answered with {code}");
        Ok(writer)
    }

    fn write(&mut self, writer: &Writer, partition: i32, sequence: usize) -> Result<i16> {
        let request = writer.produce(self.protocol.produce, &self.topic, partition, i32::try_from(sequence)?);
        let answer = self.client.ask(self.protocol.produce, &request)?;
        Ok(produced(answer)?.error_code)
    }

    fn commit(&mut self, writer: &Writer) -> Result<()> {
        let code = self.client.ask(self.protocol.end, &writer.end(true))?.error_code;
        ensure!(code == 0, "EndTxn of {} is answered with {code}", writer.transactional_id);
        self.wait_for(writer, "CompleteCommit")
    }

    fn state(&mut self, writer: &Writer) -> Result<String> {
        let answer = self.client.ask(DESCRIBE, &describe(&[&writer.transactional_id]))?;
        let state = &answer.transaction_states[0];
        ensure!(state.error_code == 0, "{} is told with {}", writer.transactional_id, state.error_code);
        Ok(state.transaction_state.to_string())
    }

    fn wait_for(&mut self, writer: &Writer, state: &str) -> Result<()> {
        let request = describe(&[&writer.transactional_id]);
        self.bench.until(&format!("{} to be {state}", writer.transactional_id), |client| {
            let answer = client.ask(DESCRIBE, &request)?;
            Ok((answer.transaction_states[0].transaction_state.as_str() == state).then_some(()))
        })
    }

    fn last_stable_offset(&mut self, partition: i32) -> Result<i64> {
        let request = list_offsets(&self.topic.name, &[(partition, LATEST)]).with_isolation_level(1);
        let answer = self.client.ask(LIST_OFFSETS, &request)?;
        Ok(answer.topics[0].partitions[0].offset)
    }

    fn stable(&mut self, partition: i32, end: i64) -> Result<()> {
        let request = list_offsets(&self.topic.name, &[(partition, LATEST)]).with_isolation_level(1);
        self.bench.until("the last stable offset", |client| {
            let answer = client.ask(LIST_OFFSETS, &request)?;
            Ok((answer.topics[0].partitions[0].offset == end).then_some(()))
        })
    }
}
