use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::Client;
use super::member::{Member, Said, expect_kept, expect_one_owner, now_ms};
use crate::broker::Broker;
use crate::scenario::{Context, committed};
use crate::wait::eventually;

/// Of each topic: so that three members have two each.
pub const PARTITIONS: u32 = 6;
const MEMBERS: usize = 3;
/// Records that each partition gets in each chapter.
const RECORDS: u64 = 20;
/// A session that ends (6 s), a rebalance (some seconds), and a machine that does much else.
const DEADLINE: Duration = Duration::from_secs(120);

/// One client's members, and what became of them.
pub struct Story {
    client: &'static Client,
    command: Command,
    group: String,
    topic: String,
    members: Vec<Member>,
    /// Records in each partition.
    produced: u64,
}

impl Story {
    pub fn new(client: &'static Client, command: Command, group: String, topic: String) -> Story {
        Story { client, command, group, topic, members: Vec::new(), produced: 0 }
    }

    pub fn client(&self) -> &'static str {
        self.client.name
    }

    /// Three members share the topic; one is killed; another comes.
    pub fn before_the_kill(&mut self, context: &Context, broker: &Broker) -> Result<()> {
        for _ in 0..MEMBERS {
            self.members.push(Member::start(&self.command)?);
        }
        self.chapter(context, broker, MEMBERS)?;
        self.members[1].kill()?;
        self.chapter(context, broker, MEMBERS - 1)?;
        let before = self.members[0].owned()?;
        let added_ms = now_ms()?;
        self.members.push(Member::start(&self.command)?);
        self.chapter(context, broker, MEMBERS)?;
        if self.client.cooperates {
            expect_kept(&self.members[0], &before, added_ms)?;
        }
        // Asked while the broker lives: one that is away for long ends the session of members who hear of it
        // later than those who get their partitions.
        expect_one_owner(&self.members, 0)
    }

    /// The broker was killed and is back: nothing that it confirmed is gone, and the members go on. Each
    /// partition has one owner then, too, unless sessions ended meanwhile: who has lost its own hears of it
    /// later than who gets it, or never (measured against Kafka 4.3; kafkajs).
    pub fn after_the_kill(
        &mut self,
        context: &Context,
        broker: &Broker,
        was_away_briefly: bool,
    ) -> Result<()> {
        self.expect_committed(context, broker)?;
        self.chapter(context, broker, MEMBERS)?;
        if was_away_briefly {
            let settled_ms = now_ms()?;
            self.members[0].leave()?;
            self.shared(MEMBERS - 1)?;
            // Those that stay: who leaves says so when its client has done it, seconds later with some.
            expect_one_owner(&self.members[1..], settled_ms)?;
        }
        self.members.iter_mut().filter(|member| member.stays()).try_for_each(Member::leave)?;
        self.expect_committed(context, broker)
    }

    /// All partitions have an owner; then come records, and all are delivered and committed.
    fn chapter(&mut self, context: &Context, broker: &Broker, members: usize) -> Result<()> {
        self.shared(members)?;
        for partition in 0..PARTITIONS {
            let lines: String = (0..RECORDS).map(|at| format!("{}\n", self.produced + at)).collect();
            context.kcat(broker, &format!("-P -t {} -p {partition}", self.topic), &lines)?.success()?;
        }
        self.produced += RECORDS;
        eventually(DEADLINE, "every record to be delivered and committed", || {
            let (delivered, committed) = self.progress()?;
            let whole = u64::from(PARTITIONS) * self.produced;
            Ok((delivered == whole && committed == BTreeSet::from_iter(0..PARTITIONS)).then_some(()))
        })?;
        self.expect_committed(context, broker)
    }

    /// Waits until so many members have all partitions.
    fn shared(&self, members: usize) -> Result<()> {
        eventually(DEADLINE, "each partition to have one owner, each member its share", || {
            let owned: Vec<BTreeSet<u32>> = self.members.iter().map(Member::owned).collect::<Result<_>>()?;
            let busy = owned.iter().filter(|owned| !owned.is_empty()).count();
            let count = owned.iter().map(BTreeSet::len).sum::<usize>();
            let all: BTreeSet<u32> = owned.into_iter().flatten().collect();
            let whole = all.len() == PARTITIONS as usize && count == all.len();
            Ok((whole && busy == members).then_some(()))
        })
    }

    /// How many different records were delivered, and which partitions were committed to their end.
    fn progress(&self) -> Result<(u64, BTreeSet<u32>)> {
        let (mut delivered, mut committed) = (BTreeSet::new(), BTreeSet::new());
        for member in &self.members {
            for (_, said) in member.said()? {
                match said {
                    Said::Record { partition, offset } => {
                        ensure!(offset < self.produced, "offset {offset} of {partition} was never produced");
                        delivered.insert((partition, offset));
                    }
                    Said::Committed { partition, offset } if offset == self.produced => {
                        committed.insert(partition);
                    }
                    _ => {}
                }
            }
        }
        Ok((delivered.len() as u64, committed))
    }

    /// The broker has every partition's end as committed, no more and no less.
    fn expect_committed(&self, context: &Context, broker: &Broker) -> Result<()> {
        let found = committed(context, broker, &self.group, (&self.topic, PARTITIONS))?;
        let expected = format!("{}\n", self.produced).repeat(PARTITIONS as usize);
        ensure!(found == expected, "committed: {found:?}, not {} everywhere", self.produced);
        Ok(())
    }

    /// What is the same in every run, once it is over.
    pub fn told(&self) -> String {
        let left = self.members.iter().filter(|member| member.lives()).count();
        format!(
            "{} records in each of {PARTITIONS} partitions were delivered and committed, one member was \
             killed, {left} left",
            self.produced
        )
    }

    /// Everything the members said, for who looks for what went wrong.
    pub fn heard(&self) -> String {
        let of = |(place, member): (usize, &Member)| match member.said() {
            Ok(said) => {
                let lines = said.iter().filter(|(_, said)| !matches!(said, Said::Record { .. }));
                let lines: String = lines.map(|(time_ms, said)| format!("  {time_ms} {said:?}\n")).collect();
                format!("member {place}\n{lines}")
            }
            Err(error) => format!("member {place}: {error:#}\n"),
        };
        self.members.iter().enumerate().map(of).collect::<Vec<_>>().concat()
    }
}
