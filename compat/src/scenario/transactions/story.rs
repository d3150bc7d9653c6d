//! What one client lives through.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::PARTITIONS;
use super::program::Program;
use crate::broker::Broker;
use crate::scenario::{Context, committed};
use crate::wait::eventually;

const TIMEOUT_MS: u32 = 60_000;
/// Of the transaction that nobody ends.
const SHORT_TIMEOUT_MS: u32 = 1_500;
/// For what comes by itself.
const DEADLINE: Duration = Duration::from_secs(30);
/// Consumed in every transaction, of each partition.
const RECORDS: u64 = 2;

/// What lies in one partition.
#[derive(Clone, Default)]
struct Values {
    /// All, in order.
    all: Vec<String>,
    /// Those of committed transactions.
    committed: Vec<String>,
}

/// A topic as its writer knows it.
pub struct Written {
    topic: String,
    partitions: Vec<Values>,
    last: String,
}

/// One client.
pub struct Story {
    client: &'static str,
    program: Program,
    /// What it was asked and answered.
    told: String,
    partitions: Vec<Values>,
    chapter: u32,
    /// Offsets that were fed, and committed, in each partition.
    fed: u64,
    committed: u64,
}

impl Story {
    /// Its program is started.
    pub fn start(client: &'static str, command: Command) -> Result<Story> {
        let partitions = vec![Values::default(); PARTITIONS as usize];
        let program = Program::start(command)?;
        Ok(Story { client, program, told: String::new(), partitions, chapter: 0, fed: 0, committed: 0 })
    }

    /// The client's name.
    pub fn client(&self) -> &'static str {
        self.client
    }

    /// What others will find.
    pub fn written(&self) -> Written {
        Written { topic: self.topic(), partitions: self.partitions.clone(), last: self.last() }
    }

    fn topic(&self) -> String {
        format!("by-{}", self.client)
    }

    fn group(&self) -> String {
        format!("of-{}", self.client)
    }

    /// The value at the end of each chapter.
    fn last(&self) -> String {
        format!("last-{}", self.chapter)
    }

    /// Everything, once.
    pub fn chapter(&mut self, context: &Context, broker: &Broker) -> Result<()> {
        self.chapter += 1;
        let group = self.group();
        self.init("one", "main", TIMEOUT_MS, &group)?;
        self.with_offsets(context, broker, "commit")?;
        self.with_offsets(context, broker, "abort")?;
        self.with_offsets(context, broker, "commit")?;
        self.held(context, broker)?;
        self.fenced()?;
        self.timed_out(context, broker)?;
        let last = self.last();
        self.ok("begin two")?;
        self.send_everywhere("two", &last)?;
        self.ok("commit two")?;
        self.keep(&[&last]);
        Ok(())
    }

    /// Two transactions that the broker's death finds open.
    pub fn leave_open(&mut self) -> Result<()> {
        self.init("two", "kept", TIMEOUT_MS, "none")?;
        self.init("three", "gone", TIMEOUT_MS, "none")?;
        self.ok("begin two")?;
        self.send_everywhere("two", "before-the-kill")?;
        self.ok("begin three")?;
        self.send_everywhere("three", "gone-before-the-kill")
    }

    /// They go on.
    pub fn end_what_was_open(&mut self) -> Result<()> {
        self.send_everywhere("two", "after-the-kill")?;
        self.ok("commit two")?;
        self.send("three", 0, "gone-after-the-kill")?;
        self.ok("abort three")?;
        self.keep(&["before-the-kill", "after-the-kill"]);
        Ok(())
    }

    fn init(&mut self, name: &str, id: &str, timeout_ms: u32, group: &str) -> Result<()> {
        let client = self.client;
        self.ok(&format!("init {name} {client}-{id} {timeout_ms} {group} for-{client}"))
    }

    /// Records in all partitions and offsets of all partitions, in one transaction.
    fn with_offsets(&mut self, context: &Context, broker: &Broker, end: &str) -> Result<()> {
        let topic = format!("for-{}", self.client);
        for partition in 0..PARTITIONS {
            context.kcat(broker, &format!("-P -t {topic} -p {partition}"), &"x\n".repeat(2))?.success()?;
        }
        self.fed += RECORDS;
        let value = format!("{end}-{}", self.fed);
        self.ok("begin one")?;
        self.send_everywhere("one", &value)?;
        self.ok(&format!("offsets one {} {topic} {}", self.group(), self.fed))?;
        self.ok(&format!("{end} one"))?;
        if end == "commit" {
            self.committed = self.fed;
            self.keep(&[&value]);
        }
        let found = committed(context, broker, &self.group(), (&topic, PARTITIONS))?;
        let expected = format!("{}\n", self.committed).repeat(PARTITIONS as usize);
        ensure!(found == expected, "{}: committed: {found:?}, not {expected:?}", self.client);
        Ok(())
    }

    /// What is not committed is seen by those only who want to.
    fn held(&mut self, context: &Context, broker: &Broker) -> Result<()> {
        let value = format!("held-{}", self.chapter);
        self.ok("begin one")?;
        self.send("one", 0, &value)?;
        for (isolation, seen) in [("read_uncommitted", true), ("read_committed", false)] {
            let found = self.look(context, broker, 0, isolation)?;
            ensure!(found.contains(&value) == seen, "{}: {isolation} sees {found:?}", self.client);
        }
        self.ok("commit one")?;
        self.keep(&[&value]);
        let found = self.look(context, broker, 0, "read_committed")?;
        ensure!(found.contains(&value), "{}: {value} was committed: {found:?}", self.client);
        Ok(())
    }

    /// A second producer of the same id ends what the first one began, for good.
    fn fenced(&mut self) -> Result<()> {
        let value = format!("of-the-second-{}", self.chapter);
        self.ok("begin one")?;
        self.send("one", 1, &format!("of-the-fenced-{}", self.chapter))?;
        self.init("two", "main", TIMEOUT_MS, "none")?;
        self.ok("begin two")?;
        self.send("two", 1, &value)?;
        self.refused("commit one")?;
        self.ok("commit two")?;
        self.keep(&[&value]);
        Ok(())
    }

    /// A transaction that nobody ends holds readers of what is committed until its time is over.
    fn timed_out(&mut self, context: &Context, broker: &Broker) -> Result<()> {
        let value = format!("behind-{}", self.chapter);
        self.init("short", "short", SHORT_TIMEOUT_MS, "none")?;
        self.ok("begin short")?;
        self.send("short", 2, &format!("too-late-{}", self.chapter))?;
        self.ok("begin two")?;
        self.send("two", 2, &value)?;
        self.ok("commit two")?;
        self.keep(&[&value]);
        eventually(DEADLINE, "a transaction to time out", || {
            let found = self.look(context, broker, 2, "read_committed")?;
            Ok(found.contains(&value).then_some(()))
        })?;
        self.refused("commit short")
    }

    /// What kcat reads up to the end, or to the last stable offset.
    fn look(&self, context: &Context, broker: &Broker, partition: u32, isolation: &str) -> Result<String> {
        let words = format!(
            "-C -t {} -p {partition} -o beginning -e -q -X isolation.level={isolation}",
            self.topic()
        );
        Ok(context.kcat(broker, &words, "")?.success()?.stdout)
    }

    fn send_everywhere(&mut self, name: &str, value: &str) -> Result<()> {
        (0..PARTITIONS).try_for_each(|partition| self.send(name, partition, value))
    }

    fn send(&mut self, name: &str, partition: u32, value: &str) -> Result<()> {
        self.ok(&format!("send {name} {} {partition} {value}", self.topic()))?;
        self.partitions[partition as usize].all.push(value.to_owned());
        Ok(())
    }

    /// The transaction of these values was committed.
    fn keep(&mut self, values: &[&str]) {
        for partition in &mut self.partitions {
            let Values { all, committed } = partition;
            let kept = |value: &&String| values.contains(&value.as_str()) || committed.contains(value);
            *committed = all.iter().filter(kept).cloned().collect();
        }
    }

    fn ok(&mut self, command: &str) -> Result<()> {
        let answer = self.ask(command)?;
        ensure!(answer == "ok", "{}: {command}: {answer}\n{}", self.client, self.told);
        Ok(())
    }

    fn refused(&mut self, command: &str) -> Result<()> {
        let answer = self.ask(command)?;
        ensure!(answer != "ok", "{}: {command} went well\n{}", self.client, self.told);
        Ok(())
    }

    fn ask(&mut self, command: &str) -> Result<String> {
        let answer = self.program.ask(command).with_context(|| format!("{}\n{}", self.client, self.told))?;
        self.told += &format!("{command}: {}\n", answer.last);
        Ok(answer.last)
    }

    /// Reads what another one wrote, with and without what was aborted.
    pub fn read(&mut self, written: &Written) -> Result<()> {
        for isolation in ["committed", "uncommitted"] {
            let command = format!("read {} {isolation} {}", written.topic, written.last);
            let answer = self.program.ask(&command).with_context(|| self.client)?;
            self.told += &format!("{command}: {}\n", answer.last);
            let expected = |(partition, values): (usize, &Values)| {
                let values = if isolation == "committed" { &values.committed } else { &values.all };
                format!("{partition} {}", values.join(" "))
            };
            let expected: Vec<String> = written.partitions.iter().enumerate().map(expected).collect();
            ensure!(
                answer.lines == expected,
                "{}: {command}\n{:#?}\n{expected:#?}",
                self.client,
                answer.lines
            );
        }
        Ok(())
    }

    /// Ends the program; what it was asked and answered.
    pub fn finish(self) -> Result<String> {
        let Story { client, program, mut told, partitions, .. } = self;
        program.finish().context(client)?;
        for (partition, values) in partitions.iter().enumerate() {
            told += &format!("partition {partition}: {}\n", values.all.join(" "));
            told += &format!("of which committed: {}\n", values.committed.join(" "));
        }
        Ok(told)
    }
}
