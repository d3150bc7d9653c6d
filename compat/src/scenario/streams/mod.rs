//! Kafka Streams: its own two smoke tests, and a pipeline of ours to read as an example.
//!
//! **Owns** who runs, who is killed when, and what must come out. **Does not own** the topologies nor how the
//! smoke tests judge: those are of Kafka Streams' test jar. Instances are killed and started again, and the
//! broker too, while records flow.

mod pipeline;
mod program;
mod relational;
mod smoke;

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::broker::{Broker, Settings};
use crate::wait::eventually;
use program::Program;

pub use pipeline::{Plan as Pipeline, run as run_pipeline, run_busy, run_waiting};
pub use relational::{run_at_least_once as relational_at_least_once, run_exactly_once as run_relational};
pub use smoke::{run_at_least_once, run_exactly_once};

/// Until an instance runs, something has come through, a driver is done: those of the full size send for 90 s
/// and read for minutes.
const DEADLINE: Duration = Duration::from_secs(600);

/// What a smoke test sends, and what happens meanwhile.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Keys, or articles.
    pub many: u32,
    /// Records of each key, or all comments.
    pub each: u32,
    /// How long they are sent.
    pub seconds: u32,
    /// How often something ends: an instance, the broker, the other instance, the broker, and so on.
    pub kills: u32,
}

/// How an instance goes before it comes back.
#[derive(Clone, Copy)]
enum Bounce {
    Killed,
    InGoodOrder,
}

/// Groups do not wait for more members at first: all that come get their part in the next rebalance.
fn settings() -> Settings {
    Settings::default().with("group.initial.rebalance.delay.ms", "0")
}

/// A smoke test under way.
struct Test {
    broker: Broker,
    instances: Vec<Program>,
    bounce: Bounce,
    /// What an instance says in each life when it works.
    works: &'static str,
    driver: Program,
    /// What the driver has sent, read from what it said.
    sent: fn(&str) -> u32,
}

impl Test {
    /// Ends instances and kills the broker by turns while the driver sends so many records; then the driver
    /// must find all as it should be.
    fn run(&mut self, records: u32, kills: u32) -> Result<()> {
        for kill in 0..kills {
            self.wait_until_sent(records * (kill + 1) / (kills + 1))?;
            if kill % 2 == 0 {
                let place = kill as usize / 2 % self.instances.len();
                // Who is killed before it has worked in this life proves little.
                self.instances[place].wait_until_it_says(self.works)?;
                match self.bounce {
                    Bounce::Killed => self.instances[place].kill_and_restart()?,
                    Bounce::InGoodOrder => self.instances[place].stop_and_restart()?,
                }
            } else {
                self.broker.kill()?;
                self.broker.restart()?;
            }
        }
        self.driver.finish()?;
        self.broker.check_alive()
    }

    fn wait_until_sent(&mut self, target: u32) -> Result<()> {
        let Test { broker, driver, sent, .. } = self;
        eventually(DEADLINE, "the driver to send", || {
            broker.check_alive()?;
            ensure!(!driver.has_ended()?, "the driver has ended; {}", driver.tail());
            let said = driver.said()?;
            ensure!(!said.contains("everything is sent"), "everything was sent before {target} records were");
            Ok((sent(&said) >= target).then_some(()))
        })
    }

    /// SIGTERM to all instances: those that came back near the end run first.
    fn stop(&mut self, runs: &str) -> Result<()> {
        self.instances.iter_mut().try_for_each(|instance| instance.wait_until_it_says(runs))?;
        self.instances.iter_mut().try_for_each(Program::stop)
    }
}
