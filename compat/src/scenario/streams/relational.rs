//! The relational smoke test: articles and comments as tables, joined by foreign key, counted through a
//! repartition; what comes out is compared with what went in until it agrees.
//!
//! Kafka's system test `streams_relational_smoke_test.py` is the model; it runs with `exactly_once_v2` alone,
//! since a count may be off after a crash with less. So with `at_least_once` instances end in good order
//! here, and come back; the broker is killed all the same.
//! Its instances do not share the work (see `compat/streams/RelationalInstance.java`); these do, and with
//! `exactly_once_v2` the broker is killed as well.

use anyhow::Result;

use super::program::Program;
use super::{Bounce, Plan, Test, settings};
use crate::broker::Broker;
use crate::scenario::{Context, create_topics};

const TOPICS: &str = "in-article 3 , in-comment 5 , out-augmented-article 3 , out-augmented-comment 5";
const INSTANCES: u32 = 2;
const RUNS: &str = "REBALANCING -> RUNNING";

/// Everything comes out, and every count is right, whoever is killed.
pub fn run_exactly_once(context: &mut Context) -> Result<()> {
    run(context, "exactly_once_v2", Bounce::Killed)
}

/// The same while the broker is killed and instances leave in good order and come back.
pub fn run_at_least_once(context: &mut Context) -> Result<()> {
    run(context, "at_least_once", Bounce::InGoodOrder)
}

fn run(context: &mut Context, guarantee: &str, bounce: Bounce) -> Result<()> {
    let plan = context.scale.streams_relational;
    let broker = context.start_with(&settings())?;
    create_topics(context, &broker, TOPICS)?;
    let start = |number| start_instance(context, &broker, number, guarantee);
    let mut instances = (1..=INSTANCES).map(start).collect::<Result<Vec<_>>>()?;
    instances.iter_mut().try_for_each(|instance| instance.wait_until_it_says(RUNS))?;
    let driver = start_driver(context, &broker, plan)?;
    let mut test = Test { broker, instances, bounce, works: RUNS, driver, sent };
    test.run(plan.many + plan.each, plan.kills)?;
    test.stop(RUNS)?;
    context.transcript.add("every article and every comment came out, and every count is right");
    Ok(())
}

fn start_instance(context: &Context, broker: &Broker, number: u32, guarantee: &str) -> Result<Program> {
    let name = format!("instance-{number}");
    let mut command = context.tools.streams("RelationalInstance")?;
    command.args([broker.bootstrap(), &name, guarantee]).arg(context.folder.join(&name));
    Program::start(&command, context.folder.join(format!("{name}.log")))
}

fn start_driver(context: &Context, broker: &Broker, plan: Plan) -> Result<Program> {
    let mut command = context.tools.streams("SmokeDriver")?;
    command.args([broker.bootstrap(), "relational", &plan.many.to_string(), &plan.each.to_string()]);
    command.arg(plan.seconds.to_string());
    Program::start(&command, context.folder.join("driver.log"))
}

/// The driver tells of each record that was acknowledged.
fn sent(said: &str) -> u32 {
    said.lines().filter(|line| line.contains(" sent in-")).fold(0, |count, _| count + 1)
}
