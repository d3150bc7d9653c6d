//! A live group goes over to the protocol of KIP-848 and back, member by member, while records flow.
//!
//! **Owns** the order of the roll and what must be true of it. **Does not own** the programs: they are those
//! of `group-members`, under its contract.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use protocol_tests::client::{Client, resolve};
use protocol_tests::groups::type_and_state;

use super::group_crowd::{Load, ends};
use super::group_members::{JAVA, Member, Said, expect_one_owner, modern_settings};
use super::{Context, committed, create_topics};
use crate::broker::Broker;
use crate::tools::Tools;
use crate::wait::eventually;

const TOPIC: &str = "rolled";
const GROUP: &str = "rolled";
/// So that three members have two each.
const PARTITIONS: u32 = 6;
/// Rebalances of some seconds, on a machine that does much else.
const DEADLINE: Duration = Duration::from_secs(90);
/// What a member says that commits while its group rebalances: it commits again.
const OF_A_REBALANCE: [&str; 2] = ["RebalanceInProgressException", "REBALANCE_IN_PROGRESS"];

/// Who sits where, with its name.
type Seat = (&'static str, fn(&Tools) -> Command);

const SEATS: [Seat; 3] = [
    ("java", |tools| tools.java(JAVA)),
    ("confluent-kafka", |tools| tools.python("member_confluent_kafka.py")),
    ("java", |tools| tools.java(JAVA)),
];

/// All three are replaced one after the other, and then again.
pub fn run(context: &mut Context) -> Result<()> {
    let settings = modern_settings().with("group.initial.rebalance.delay.ms", "100");
    let broker = context.start_with(&settings)?;
    create_topics(context, &broker, &format!("{TOPIC} {PARTITIONS}"))?;
    let mut group = Group { members: Vec::new(), seats: Vec::new() };
    for place in 0..SEATS.len() {
        group.seats.push(group.members.len());
        group.start(context, &broker, place, "classic")?;
    }
    group.settle()?;
    tell(context, &broker, "all on classic")?;
    let load = Load::start(&broker, TOPIC)?;
    for protocol in ["consumer", "classic"] {
        for (place, (client, _)) in SEATS.iter().enumerate() {
            group.replace(context, &broker, place, protocol).with_context(|| group.heard())?;
            tell(context, &broker, &format!("{client} came back on {protocol}"))?;
        }
    }
    let lines = load.finish()?;
    let checked = group.check(context, &broker, lines);
    checked.with_context(|| group.heard())?;
    context.transcript.add("no partition had two owners, every record was delivered, no commit went back");
    Ok(())
}

/// What kind of group it is, once it is stable: who has its share already may still have to say so.
fn tell(context: &mut Context, broker: &Broker, when: &str) -> Result<()> {
    let mut client = Client::connect(resolve(broker.bootstrap())?)?;
    let (kind, state) = eventually(DEADLINE, "the group to be stable", || {
        let (kind, state) = type_and_state(&mut client, GROUP)?;
        Ok((state == "Stable").then_some((kind, state)))
    })?;
    context.transcript.add(&format!("{when}: {kind}, {state}"));
    Ok(())
}

struct Group {
    /// All that ever were.
    members: Vec<Member>,
    /// Who sits where, by place among them.
    seats: Vec<usize>,
}

impl Group {
    fn start(&mut self, context: &Context, broker: &Broker, place: usize, protocol: &str) -> Result<()> {
        let mut command = SEATS[place].1(context.tools);
        command.args([broker.bootstrap(), GROUP, TOPIC, protocol]);
        self.members.push(Member::start(&command)?);
        Ok(())
    }

    /// One leaves in good order and comes back with another protocol.
    fn replace(&mut self, context: &Context, broker: &Broker, place: usize, protocol: &str) -> Result<()> {
        let leaving = self.seats[place];
        self.members[leaving].leave()?;
        self.seats[place] = self.members.len();
        self.start(context, broker, place, protocol)?;
        self.settle()
    }

    /// Each partition has one owner, each member its share.
    fn settle(&self) -> Result<()> {
        eventually(DEADLINE, "each partition to have one owner, each member its share", || {
            let owned = self.seats.iter().map(|place| self.members[*place].owned());
            let owned: Vec<BTreeSet<u32>> = owned.collect::<Result<_>>()?;
            let share = PARTITIONS as usize / SEATS.len();
            let all: BTreeSet<&u32> = owned.iter().flatten().collect();
            let is_fair = owned.iter().all(|owned| owned.len() == share);
            Ok((is_fair && all.len() == PARTITIONS as usize).then_some(()))
        })
    }

    fn check(&mut self, context: &Context, broker: &Broker, lines: u64) -> Result<()> {
        let ends = ends(context, broker, (TOPIC, PARTITIONS))?;
        ensure!(ends.iter().sum::<u64>() == lines, "{lines} lines were sent, the ends are {ends:?}");
        eventually(DEADLINE, "every record to be delivered", || {
            Ok((self.delivered()? == lines).then_some(()))
        })?;
        let told: String = ends.iter().map(|end| format!("{end}\n")).collect();
        eventually(DEADLINE, "everything to be committed", || {
            Ok((committed(context, broker, GROUP, (TOPIC, PARTITIONS))? == told).then_some(()))
        })?;
        self.seats.iter().try_for_each(|place| self.members[*place].leave())?;
        expect_one_owner(&self.members, 0)?;
        self.expect_commits_go_on()?;
        for member in &self.members {
            let is_ordinary = |line: &&String| OF_A_REBALANCE.iter().any(|word| line.contains(word));
            let complaints = member.complaints();
            ensure!(complaints.iter().all(|line| is_ordinary(&line)), "a member said: {complaints:?}");
        }
        Ok(())
    }

    fn delivered(&self) -> Result<u64> {
        let mut delivered = BTreeSet::new();
        for member in &self.members {
            delivered.extend(member.said()?.into_iter().filter_map(|(_, said)| match said {
                Said::Record { partition, offset } => Some((partition, offset)),
                _ => None,
            }));
        }
        Ok(u64::try_from(delivered.len())?)
    }

    /// No commit is below one before it, and whoever gets a partition goes on where it was committed.
    fn expect_commits_go_on(&self) -> Result<()> {
        let mut said = Vec::new();
        for (place, member) in self.members.iter().enumerate() {
            said.extend(member.said()?.into_iter().map(|(time_ms, said)| (time_ms, place, said)));
        }
        said.sort_by_key(|(time_ms, ..)| *time_ms);
        let mut newest: BTreeMap<u32, u64> = BTreeMap::new();
        // By member and partition: what was committed when it was given that.
        let mut given: BTreeMap<(usize, u32), u64> = BTreeMap::new();
        for (time_ms, place, said) in said {
            match said {
                Said::Committed { partition, offset } => {
                    let before = newest.insert(partition, offset).unwrap_or(0);
                    ensure!(
                        before <= offset,
                        "{partition}: {offset} was committed after {before} ({time_ms})"
                    );
                }
                Said::Assigned(partitions) => given
                    .extend(partitions.iter().map(|at| ((place, *at), newest.get(at).copied().unwrap_or(0)))),
                Said::Record { partition, offset } => {
                    if let Some(start) = given.remove(&(place, partition)) {
                        ensure!(
                            offset >= start,
                            "{partition}: member {place} got {offset}, and {start} was committed ({time_ms})"
                        );
                    }
                }
                Said::Revoked(_) | Said::Left => {}
            }
        }
        Ok(())
    }

    /// Everything but records, for who looks for what went wrong.
    fn heard(&self) -> String {
        let of = |(place, member): (usize, &Member)| {
            let said = member.said().unwrap_or_default().into_iter();
            let said = said.filter(|(_, said)| !matches!(said, Said::Record { .. } | Said::Committed { .. }));
            let lines: String = said.map(|(time_ms, said)| format!("  {time_ms} {said:?}\n")).collect();
            format!("member {place}\n{lines}  {:?}\n", member.complaints())
        };
        self.members.iter().enumerate().map(of).collect()
    }
}
