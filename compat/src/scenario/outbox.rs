//! The outbox: notifications stand in a local table, written together with the change that they tell of;
//! they are sent until they are acknowledged, and the receiver applies each id once. Sender, receiver and
//! broker are killed meanwhile.
//!
//! **Owns** the contract of the programs (`python/outbox_sender.py`, `python/outbox_receiver.py`), who is
//! killed when, and what is checked.
//!
//! The sender makes changes (`payments`) in a database of its own, SQLite, each in one transaction with a
//! row of `outbox`; sends these rows with an idempotent producer, and deletes them a few at a time once they
//! are acknowledged. Killed between, its next life sends again what was acknowledged already. The receiver,
//! in a database of its own, writes in one transaction that it has seen an id (`seen`) and what it does
//! (`effects`); it says `applied COUNT AGAIN`: how much it has applied in all its lives, and how many ids it
//! was given again in this one. It commits its offsets rarely, so that a new life is given again what the
//! last one applied.

mod judge;

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::lives::{Line, Lives, Said, same};
use super::{CLIENT_DEADLINE, Context, create_topic};
use crate::broker::{Broker, Flavor};
use crate::process::run as run_program;
use crate::stream::LogStream;
use crate::wait::eventually;
use judge::{Row, check, parse};

const SEED: u64 = 0x0b0c;
const PARTITIONS: u32 = 3;
const DEADLINE: Duration = Duration::from_secs(120);
/// A JVM's start takes seconds, and its promise is not what is tested.
const KILLS_OF_KAFKA: u32 = 3;
const RECEIVER: usize = 1;

/// How much is sent, and what happens meanwhile.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Changes and notifications.
    pub changes: u32,
    /// How often somebody is killed.
    pub kills: u32,
}

/// Sends, kills, compares both databases.
pub fn run(context: &mut Context) -> Result<()> {
    let mut plan = context.scale.outbox;
    if context.flavor == Flavor::Kafka {
        plan.kills = plan.kills.min(KILLS_OF_KAFKA);
    }
    let broker = context.start()?;
    create_topic(context, &broker, "notifications", PARTITIONS)?;
    let mut play = Play::start(context, broker, plan)?;
    let mut random = LogStream::new(SEED);
    let part = plan.changes / (plan.kills + 1);
    for kill in 0..plan.kills {
        play.work_until(kill * part + u32::try_from(1 + random.below(u64::from(part)))?)?;
        // Each in turn, in an order of chance, so that few kills fall on everybody.
        play.kill(u64::from(kill) + random.below(2))?;
    }
    play.work_until(plan.changes)?;
    let again = play.finish()?;
    let (payments, outbox, effects) = (
        table(context, SENT, "payments")?,
        table(context, SENT, "outbox")?,
        table(context, RECEIVED, "effects")?,
    );
    check(&payments, &effects)?;
    ensure!(payments.len() == plan.changes as usize, "{} changes were made", payments.len());
    ensure!(outbox.is_empty(), "not sent: {outbox:?}");
    ensure!(again > 0, "nothing was delivered twice, so nothing was tried");
    context.transcript.add("every change was told, and applied once");
    Ok(())
}

/// The sender's database and the receiver's.
const SENT: &str = "sent.db";
const RECEIVED: &str = "received.db";

/// The programs and the broker.
struct Play {
    broker: Broker,
    sender: Lives,
    sender_done: bool,
    receiver: Lives,
    told: Receiver<Said>,
    applied: u32,
    /// The most that a life of the receiver was given again.
    again: u32,
}

impl Play {
    fn start(context: &Context, broker: Broker, plan: Plan) -> Result<Play> {
        let (sender, told) = channel();
        let line = |script: &str, file: &str, word: Option<u32>| -> Line {
            let mut words =
                vec![broker.bootstrap().to_owned(), context.folder.join(file).display().to_string()];
            words.extend(word.map(|word| word.to_string()));
            same(context.tools.python(script), words)
        };
        let sending = line("outbox_sender.py", SENT, Some(plan.changes));
        let receiving = line("outbox_receiver.py", RECEIVED, None);
        let receiver = Lives::start(RECEIVER, receiving, &sender, context.folder.join("receiver.log"))?;
        let sender = Lives::start(0, sending, &sender, context.folder.join("sender.log"))?;
        Ok(Play { broker, sender, sender_done: false, receiver, told, applied: 0, again: 0 })
    }

    /// Listens until so many notifications have been applied.
    fn work_until(&mut self, applied: u32) -> Result<()> {
        let done = eventually(DEADLINE, "notifications to be applied", || {
            self.broker.check_alive()?;
            self.sender_done = self.sender_done || self.sender.is_done()?;
            ensure!(!self.receiver.is_done()?, "the receiver ended");
            self.listen()?;
            Ok((self.applied >= applied).then_some(()))
        });
        done.with_context(|| format!("{} of {applied}", self.applied))
    }

    fn listen(&mut self) -> Result<()> {
        for Said { line, .. } in self.told.try_iter() {
            let words: Vec<&str> = line.split(' ').collect();
            let ["applied", applied, again] = words[..] else { anyhow::bail!("the receiver said {line:?}") };
            self.applied = applied.parse()?;
            self.again = self.again.max(again.parse()?);
        }
        Ok(())
    }

    fn kill(&mut self, who: u64) -> Result<()> {
        match who % 3 {
            0 if !self.sender_done => self.sender.kill_and_restart(),
            1 => {
                self.broker.kill()?;
                self.broker.restart()
            }
            _ => self.receiver.kill_and_restart(),
        }
    }

    /// Waits for the sender's end and ends the receiver; the most that one of its lives was given again.
    fn finish(mut self) -> Result<u32> {
        eventually(DEADLINE, "the sender to end", || {
            self.sender_done = self.sender_done || self.sender.is_done()?;
            Ok(self.sender_done.then_some(()))
        })?;
        self.listen()?;
        self.receiver.finish()?;
        Ok(self.again)
    }
}

fn table(context: &Context, file: &str, table: &str) -> Result<Vec<Row>> {
    let mut command = context.tools.python("outbox_table.py");
    command.arg(context.folder.join(file)).arg(table);
    parse(&run_program(command, b"", CLIENT_DEADLINE)?.success()?.stdout)
}
