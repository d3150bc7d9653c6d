//! The smoke test: minima, maxima, sums, counts and averages by key in windows, joins, a repartition. Its
//! driver recomputes everything from what it sent; with `exactly_once_v2` nothing may be counted twice.
//!
//! Kafka's system test `streams_smoke_test.py` is the model: the same settings and topics, the instances
//! killed while they work. There is one broker here instead of three, and it is killed too.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use super::program::Program;
use super::{Bounce, Plan, Test, settings};
use crate::broker::Broker;
use crate::scenario::{Context, create_topics};

const INSTANCE: &str = "org.apache.kafka.streams.tests.StreamsSmokeTest";
const TOPICS: [&str; 14] = [
    "data",
    "echo",
    "max",
    "min",
    "min-suppressed",
    "min-raw",
    "dif",
    "sum",
    "sws-raw",
    "sws-suppressed",
    "cnt",
    "avg",
    "tagg",
    "fk",
];
const PARTITIONS: u32 = 5;
const INSTANCES: u32 = 2;
const RUNS: &str = "REBALANCING -> RUNNING";
/// Two threads in each of two instances, and a copy of each store with the other instance.
const SETTINGS: &str = "num.stream.threads=2\n\
                        num.standby.replicas=1\n\
                        replication.factor=1\n\
                        buffered.records.per.partition=100\n\
                        commit.interval.ms=1000\n\
                        auto.offset.reset=earliest\n\
                        acks=all\n\
                        acceptable.recovery.lag=9223372036854775807\n\
                        session.timeout.ms=6000\n";

/// Nothing is lost, nothing is counted twice.
pub fn run_exactly_once(context: &mut Context) -> Result<()> {
    run(context, "exactly_once_v2")
}

/// Nothing is lost.
pub fn run_at_least_once(context: &mut Context) -> Result<()> {
    run(context, "at_least_once")
}

fn run(context: &mut Context, guarantee: &str) -> Result<()> {
    let plan = context.scale.streams_smoke;
    let broker = context.start_with(&settings())?;
    let topics = TOPICS.map(|topic| format!("{topic} {PARTITIONS}"));
    create_topics(context, &broker, &topics.join(" , "))?;
    let start = |number| start_instance(context, &broker, number, guarantee);
    let mut instances = (1..=INSTANCES).map(start).collect::<Result<Vec<_>>>()?;
    instances.iter_mut().try_for_each(|instance| instance.wait_until_it_says(RUNS))?;
    let driver = start_driver(context, &broker, plan, guarantee)?;
    let works = "records from topic=data";
    let mut test = Test { broker, instances, bounce: Bounce::Killed, works, driver, sent };
    test.run(plan.many * plan.each, plan.kills)?;
    for verdict in ["ALL-RECORDS-DELIVERED", "SUCCESS"] {
        ensure!(test.driver.said()?.contains(verdict), "no {verdict}; {}", test.driver.tail());
    }
    test.stop(RUNS)?;
    for instance in &test.instances {
        let said = instance.said()?;
        ensure!(said.contains("SMOKE-TEST-CLIENT-CLOSED"), "{}", instance.tail());
        ensure!(!said.contains("SMOKE-TEST-CLIENT-EXCEPTION"), "{}", instance.tail());
    }
    context.transcript.add(&format!("{guarantee}: everything came out as it should"));
    Ok(())
}

fn start_instance(context: &Context, broker: &Broker, number: u32, guarantee: &str) -> Result<Program> {
    let name = format!("instance-{number}");
    let properties = context.folder.join(format!("{name}.properties"));
    let state = context.folder.join(&name);
    fs::write(&properties, properties_text(broker, &state, guarantee))?;
    let mut command = context.tools.streams(INSTANCE)?;
    command.arg(properties).arg("process");
    Program::start(&command, context.folder.join(format!("{name}.log")))
}

fn properties_text(broker: &Broker, state: &Path, guarantee: &str) -> String {
    format!(
        "bootstrap.servers={}\nstate.dir={}\nprocessing.guarantee={guarantee}\n{SETTINGS}",
        broker.bootstrap(),
        state.display()
    )
}

fn start_driver(context: &Context, broker: &Broker, plan: Plan, guarantee: &str) -> Result<Program> {
    let mut command = context.tools.streams("SmokeDriver")?;
    command.args([broker.bootstrap(), "smoke", &plan.many.to_string(), &plan.each.to_string()]);
    command.args([&plan.seconds.to_string(), guarantee]);
    Program::start(&command, context.folder.join("driver.log"))
}

/// The driver says after each hundred how many records it has sent.
fn sent(said: &str) -> u32 {
    let count = |line: &str| line.strip_suffix(" records produced")?.rsplit(' ').next()?.parse().ok();
    said.lines().filter_map(count).next_back().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_read_from_the_last_line_that_says_so() {
        for (said, count) in [
            ("", 0),
            ("2026-11-26T11:00:00Z 100 records produced\nelse\n", 100),
            ("2026-11-26T11:00:00Z 100 records produced\n2026-11-26T11:00:01Z 1200 records produced\n", 1200),
        ] {
            assert_eq!(sent(said), count, "{said:?}");
        }
    }
}
