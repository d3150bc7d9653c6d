use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{DEADLINE, PARTITIONS, TOPIC};
use crate::broker::Broker;
use crate::process::line_of;
use crate::scenario::Context;
use crate::scenario::group_members::{JAVA, Member, Said};
use crate::stream::LogStream;
use crate::tools::Tools;
use crate::wait::eventually;

const SEED: u64 = 0x6c0d;
/// Between two of them somebody comes, leaves or is killed.
const PAUSE: Duration = Duration::from_millis(250);
/// Of those who go, one in so many is killed.
const KILLED_ONE_IN: u64 = 3;
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// One place for a member: who is there is of this client.
type Seat = (&'static str, Program, &'static [&'static str]);
type Program = fn(&Tools) -> Result<Command>;

const CONFLUENT: Program = |tools| Ok(tools.python("member_confluent_kafka.py"));
const SARAMA: Program = |tools| tools.go("sarama-member");
const FRANZ_GO: Program = |tools| tools.go("franz-go-member");
const PYTHON: Program = |tools| tools.python_with("kafka-python", "member_kafka_python.py");
const KCAT: Program = |tools| Ok(tools.python("member_kcat.py"));
const KAFKAJS: Program = |tools| tools.node("member_kafkajs.js");
const AIOKAFKA: Program = |tools| tools.python_with("aiokafka", "member_aiokafka.py");
const JAVA_MEMBER: Program = |tools| Ok(tools.java(JAVA));

/// Groups with their seats. Different clients share `mixed`: they agree on the assignor `range`, and whoever
/// leads assigns for all.
const SEATS: &[Seat] = &[
    ("mixed", JAVA_MEMBER, &["classic"]),
    ("mixed", Tools::rust_rdkafka_member, &["classic"]),
    ("mixed", Tools::rust_rdkafka_member, &["classic"]),
    ("mixed", Tools::rust_rdkafka_member, &["classic"]),
    ("mixed", CONFLUENT, &["classic"]),
    ("mixed", CONFLUENT, &["classic"]),
    ("mixed", SARAMA, &[]),
    ("mixed", SARAMA, &[]),
    ("mixed", SARAMA, &[]),
    ("mixed", PYTHON, &[]),
    ("mixed", KCAT, &[]),
    ("kafkajs", KAFKAJS, &[]),
    ("kafkajs", KAFKAJS, &[]),
    ("kafkajs", KAFKAJS, &[]),
    ("aiokafka", AIOKAFKA, &[]),
    ("aiokafka", AIOKAFKA, &[]),
    ("aiokafka", AIOKAFKA, &[]),
    ("cooperative", FRANZ_GO, &[]),
    ("cooperative", FRANZ_GO, &[]),
    ("cooperative", FRANZ_GO, &[]),
    ("cooperative", FRANZ_GO, &[]),
    ("cooperative", FRANZ_GO, &[]),
    ("cooperative", FRANZ_GO, &[]),
    ("modern", JAVA_MEMBER, &["consumer"]),
    ("modern", CONFLUENT, &["consumer"]),
    ("modern", CONFLUENT, &["consumer"]),
    ("modern", Tools::rust_rdkafka_member, &["consumer"]),
    ("modern", Tools::rust_rdkafka_member, &["consumer"]),
    ("modern", Tools::rust_rdkafka_member, &["consumer"]),
];

/// Their names.
pub const GROUPS: [&str; 5] = ["mixed", "kafkajs", "aiokafka", "cooperative", "modern"];

/// How many seats a group has.
pub fn seats(group: &str) -> usize {
    SEATS.iter().filter(|(at, ..)| *at == group).count()
}

/// Everybody.
pub struct Crowd {
    places: Vec<Place>,
    random: LogStream,
    /// How often somebody came.
    came: u32,
}

/// A seat, who is in it, and who was.
struct Place {
    group: &'static str,
    command: Command,
    now: Option<Member>,
    gone: Vec<Member>,
}

impl Crowd {
    /// Nobody yet.
    pub fn new(context: &Context, broker: &Broker) -> Result<Crowd> {
        let mut places = Vec::new();
        for (group, program, words) in SEATS {
            let mut command = program(context.tools)?;
            command.args([broker.bootstrap(), group, TOPIC]).args(*words);
            places.push(Place { group, command, now: None, gone: Vec::new() });
        }
        Ok(Crowd { places, random: LogStream::new(SEED), came: 0 })
    }

    /// For so long, somebody by chance comes if the seat is free, else goes.
    pub fn come_and_go(&mut self, time: Duration) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < time {
            let count = u64::try_from(self.places.len())?;
            let place = usize::try_from(self.random.below(count))?;
            let killed = self.random.below(KILLED_ONE_IN) == 0;
            let place = &mut self.places[place];
            match place.now.take() {
                None => {
                    place.now = Some(Member::start(&place.command)?);
                    self.came += 1;
                }
                Some(mut member) => {
                    if killed {
                        member.kill()?;
                    } else {
                        member.let_go();
                    }
                    place.gone.push(member);
                }
            }
            park_timeout(PAUSE);
        }
        Ok(())
    }

    /// Every seat is taken, and each group's partitions are shared by all of its members.
    pub fn expect_all_stay(&mut self) -> Result<()> {
        let mut anew = 0;
        let settled = eventually(DEADLINE, "each partition to have one owner, each member its share", || {
            park_timeout(LOOK_INTERVAL);
            anew += self.fill()?;
            ensure!(anew <= 2 * SEATS.len(), "members end by themselves, again and again");
            Ok(GROUPS.iter().all(|group| self.shared(group).unwrap_or(false)).then_some(()))
        });
        settled.with_context(|| self.owned())
    }

    /// Fills the seats that are free, and those whose program gave up because no broker was there when it
    /// started, as some clients do.
    fn fill(&mut self) -> Result<usize> {
        let mut filled = 0;
        for place in &mut self.places {
            if let Some(member) = &mut place.now
                && member.ended()?
            {
                place.gone.extend(place.now.take());
            }
            if place.now.is_none() {
                place.now = Some(Member::start(&place.command)?);
                filled += 1;
            }
        }
        Ok(filled)
    }

    fn shared(&self, group: &str) -> Result<bool> {
        let mut all = BTreeSet::new();
        let mut count = 0;
        for place in self.places.iter().filter(|place| place.group == group) {
            let owned = place.now.as_ref().context("every seat is taken")?.owned()?;
            count += owned.len();
            if owned.is_empty() {
                return Ok(false);
            }
            all.extend(owned);
        }
        Ok(all.len() == PARTITIONS as usize && count == all.len())
    }

    /// What everybody has, for who looks for what went wrong.
    fn owned(&self) -> String {
        let of = |place: &Place| {
            let owned = place.now.as_ref().map(Member::owned);
            format!("{}: {}: {owned:?}\n", place.group, line_of(&place.command))
        };
        self.places.iter().map(of).collect()
    }

    /// Somebody of the group was given each record.
    pub fn expect_delivered(&self, group: &str, ends: &[u64]) -> Result<()> {
        let wanted: u64 = ends.iter().sum();
        let mut found = 0;
        let delivered = eventually(DEADLINE, "every record to be delivered", || {
            park_timeout(LOOK_INTERVAL);
            let mut delivered = BTreeSet::new();
            for place in self.places.iter().filter(|place| place.group == group) {
                for member in place.gone.iter().chain(&place.now) {
                    delivered.extend(member.said()?.into_iter().filter_map(|(_, said)| match said {
                        Said::Record { partition, offset } => Some((partition, offset)),
                        _ => None,
                    }));
                }
            }
            found = u64::try_from(delivered.len())?;
            Ok((found == wanted).then_some(()))
        });
        delivered.with_context(|| format!("{group}: {found} of {wanted}"))
    }

    /// Everything that was ever said, for who looks for what went wrong: a file for each seat.
    pub fn write_down(&self, folder: &Path) -> Result<()> {
        for (number, place) in self.places.iter().enumerate() {
            let mut text = format!("{}\n", line_of(&place.command));
            for (life, member) in place.gone.iter().chain(&place.now).enumerate() {
                for (time_ms, said) in member.said()? {
                    text += &format!("{life} {time_ms} {said:?}\n");
                }
            }
            fs::write(folder.join(format!("{}-{number}.txt", place.group)), text)?;
        }
        Ok(())
    }

    /// Everybody leaves, in good order.
    pub fn end(mut self) -> Result<()> {
        let mut members: Vec<Member> = self.places.iter_mut().filter_map(|place| place.now.take()).collect();
        members.iter_mut().for_each(Member::let_go);
        eprintln!("{} came", self.came);
        members.iter_mut().try_for_each(Member::leave)
    }
}
