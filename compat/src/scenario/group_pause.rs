//! Groups and time: a wall clock that jumps by years, a broker that stands still for longer than a session.

use std::net::SocketAddr;
use std::thread::park_timeout;
use std::time::Duration;

use anyhow::{Result, ensure};
use protocol_tests::client::{Client, resolve};
use protocol_tests::groups::group_epoch;
use protocol_tests::storm::{Plan, SESSION_TIMEOUT, Storm};

use super::group_members::{JAVA, Member, modern_settings};
use super::wall_clock::{JUMPS, WallClock};
use super::{Context, committed, create_topic};
use crate::broker::Broker;
use crate::wait::eventually;

const PLAN: Plan = Plan { groups: 10, members: 3, crowd: 10, modern: false, seed: 3 };
/// Long enough for a few looks at offsets that are kept for too long, and for heartbeats.
const BETWEEN: Duration = Duration::from_secs(3);
/// Of the topic that members of the newer protocol share; for them to begin.
const PARTITIONS: u32 = 4;
const DEADLINE: Duration = Duration::from_secs(60);

/// Nobody joins anew, and nothing that was committed goes.
pub fn run(context: &mut Context) -> Result<()> {
    let clock = WallClock::new(context)?;
    // Sessions as long as those of the others.
    let mut settings = modern_settings()
        .with("group.initial.rebalance.delay.ms", "100")
        .with("offsets.retention.check.interval.ms", "1000");
    settings.environment = clock.environment(context)?;
    let broker = context.start_with(&settings)?;
    clock.prepare(context, &broker)?;
    create_topic(context, &broker, "any", 1)?;
    context.kcat(&broker, "-P -t any -p 0", "a\nb\nc\n")?.success()?;
    commit_of(context, &broker, "kept")?;

    let modern = Modern::start(context, &broker)?;
    let storm = Storm::start(resolve(broker.bootstrap())?, PLAN)?;
    storm.settle()?;
    let joins = storm.joins();
    for jump in JUMPS {
        clock.jump_to(context, &broker, jump)?;
        commit_of(context, &broker, &group_at(jump))?;
        park_timeout(BETWEEN);
        expect_kept(context, &broker, "kept")?;
        ensure!(storm.joins() == joins, "somebody joined anew after the clock went to {jump}");
        modern.expect_as_before(&format!("the clock went to {jump}"))?;
    }
    // Now that the clock is right, and somebody has looked what is old.
    for jump in JUMPS {
        expect_kept(context, &broker, &group_at(jump))?;
    }
    context.transcript.add("jumps of the wall clock: nobody joined anew, no offset went");

    broker.pause()?;
    park_timeout(SESSION_TIMEOUT * 2);
    broker.resume()?;
    park_timeout(BETWEEN);
    storm.settle()?;
    expect_kept(context, &broker, "kept")?;
    ensure!(storm.joins() == joins, "somebody joined anew after the broker stood still");
    modern.expect_as_before("the broker stood still")?;
    let complaints = storm.end()?.complaints;
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    context.transcript.add("a broker that stood still: nobody joined anew, no offset went");
    Ok(())
}

/// Two real members of one group of KIP-848: Java and librdkafka.
struct Modern {
    broker: SocketAddr,
    members: [Member; 2],
    /// How often they were given partitions or gave some up, and the epoch of their group, once they had
    /// settled.
    settled: (usize, i32),
}

impl Modern {
    fn start(context: &Context, broker: &Broker) -> Result<Modern> {
        create_topic(context, broker, "modern", PARTITIONS)?;
        let programs = [context.tools.java(JAVA), context.tools.python("member_confluent_kafka.py")];
        let [java, librdkafka] = programs.map(|mut command| {
            command.args([broker.bootstrap(), "modern", "modern", "consumer"]);
            Member::start(&command)
        });
        let members = [java?, librdkafka?];
        eventually(DEADLINE, "each to have its share", || {
            let owned = [members[0].owned()?.len(), members[1].owned()?.len()];
            Ok((owned == [PARTITIONS as usize / 2; 2]).then_some(()))
        })?;
        let mut modern = Modern { broker: resolve(broker.bootstrap())?, members, settled: (0, 0) };
        modern.settled = modern.seen()?;
        Ok(modern)
    }

    fn seen(&self) -> Result<(usize, i32)> {
        let changes = self.members.iter().map(Member::rebalances).sum::<Result<usize>>()?;
        Ok((changes, group_epoch(&mut Client::connect(self.broker)?, "modern")?))
    }

    fn expect_as_before(&self, when: &str) -> Result<()> {
        let seen = self.seen()?;
        ensure!(
            seen == self.settled,
            "changes and group epoch were {:?}, and {seen:?} after {when}",
            self.settled
        );
        Ok(())
    }
}

/// The group that comes and goes while the clock is there.
fn group_at(jump: &str) -> String {
    format!("kept-at{jump}")
}

/// A group reads all there is, commits and is empty again.
fn commit_of(context: &Context, broker: &Broker, group: &str) -> Result<()> {
    let words = format!("-G {group} any -o beginning -c 3 -q -X auto.offset.reset=earliest");
    context.kcat(broker, &words, "")?.success()?;
    expect_kept(context, broker, group)
}

fn expect_kept(context: &Context, broker: &Broker, group: &str) -> Result<()> {
    let found = committed(context, broker, group, ("any", 1))?;
    ensure!(found == "3\n", "committed by a group that is empty ({group}): {found:?}");
    Ok(())
}
