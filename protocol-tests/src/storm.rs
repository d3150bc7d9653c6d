//! Members of groups by the hundred, on the level of the protocol, classic and of KIP-848: they come, leave,
//! fall silent and come again, while a broker is killed under them.
//!
//! **Owns** the members and what each may expect of a broker. **Does not own** the broker, nor when it dies.
//! **Invariants**: every decision of a member comes from a seed; what a broker did wrong is a sentence in
//! [`Storm::end`], and no more than [`COMPLAINTS_MAX`] of them are kept.

#![expect(clippy::disallowed_methods, reason = "it waits for a broker outside this process")]

mod classic;
mod link;
mod modern;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kafka_protocol::messages::consumer_group_describe_response::DescribedGroup;
use kafka_protocol::messages::{ConsumerGroupDescribeRequest, DescribeGroupsRequest, GroupId};

use crate::client::{Client, text};
use classic::Classic;
use link::live;
use modern::Modern;

/// Silence after which a broker takes a member for dead: the least that Kafka allows.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(6);
/// How long a rebalance waits for those who were members before.
pub const REBALANCE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long groups may take to settle: silent members are missed, and a rebalance waits for those who were
/// there.
const SETTLED_MAX: Duration = SESSION_TIMEOUT.saturating_add(REBALANCE_TIMEOUT);
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
const DESCRIBE_VERSION: i16 = 5;
const CONSUMER_DESCRIBE_VERSION: i16 = 1;
/// Groups in one question.
const DESCRIBED_AT_ONCE: usize = 100;
const COMPLAINTS_MAX: usize = 20;
/// A member's thread holds little.
const STACK_BYTES: usize = 128 << 10;

/// What members of KIP-848 read, with the partitions of each: the few, and the crowd. Who starts a storm with
/// such members makes these before.
pub const TOPICS: [(&str, u32); 2] = [("stormed", 6), ("stormed-by-a-crowd", 120)];

/// How many there are.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Groups of a few members.
    pub groups: u32,
    /// Members of each.
    pub members: u32,
    /// Members of one large group beside them.
    pub crowd: u32,
    /// Whether every second group is of KIP-848, and a second large group. The broker must have sessions of
    /// [`SESSION_TIMEOUT`] for them.
    pub modern: bool,
    /// Where chance begins.
    pub seed: u64,
}

/// What all members know.
struct Shared {
    broker: SocketAddr,
    /// Odd while the broker is away on purpose; another number in each of its lives.
    life: AtomicU64,
    /// Nobody leaves or falls silent any more.
    settling: AtomicBool,
    /// All end.
    ending: AtomicBool,
    /// The members of each group as they take themselves to be, by group.
    present: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// Who has which partition, in groups of KIP-848, by group.
    owners: Mutex<BTreeMap<String, BTreeMap<i32, Claim>>>,
    complaints: Mutex<Vec<String>>,
    joins: AtomicU64,
    heartbeats: AtomicU64,
}

/// A partition is a member's.
struct Claim {
    member_id: String,
    /// When its session ends unless the broker hears of it: then others may have the partition.
    until: Instant,
}

/// What a storm has seen.
#[derive(Debug)]
pub struct Seen {
    /// Joins that were answered with a generation.
    pub joins: u64,
    /// Heartbeats that were answered.
    pub heartbeats: u64,
    /// What the broker did wrong, in words.
    pub complaints: Vec<String>,
}

/// Running members.
pub struct Storm {
    shared: Arc<Shared>,
    groups: Vec<Group>,
    threads: Vec<JoinHandle<()>>,
}

struct Group {
    name: String,
    members: u32,
    /// What it reads, if it is of KIP-848.
    reads: Option<(&'static str, u32)>,
}

impl Plan {
    fn all_groups(&self) -> Vec<Group> {
        let [small, large] = TOPICS;
        let few = (0..self.groups).map(|group| Group {
            name: format!("storm-{group}"),
            members: self.members,
            reads: (self.modern && group % 2 == 1).then_some(small),
        });
        let crowd = Group { name: "storm-crowd".to_owned(), members: self.crowd, reads: None };
        let modern = self.modern.then(|| Group {
            name: "storm-modern-crowd".to_owned(),
            members: self.crowd,
            reads: Some(large),
        });
        few.chain([crowd]).chain(modern).collect()
    }
}

fn names(groups: &[&Group]) -> Vec<GroupId> {
    groups.iter().map(|group| GroupId(text(&group.name))).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn complain(&self, words: String) {
        let mut complaints = locked(&self.complaints);
        if complaints.len() < COMPLAINTS_MAX {
            complaints.push(words);
        }
    }
}

impl Storm {
    /// Starts them all.
    pub fn start(broker: SocketAddr, plan: Plan) -> Result<Storm> {
        let shared = Arc::new(Shared {
            broker,
            life: AtomicU64::new(0),
            settling: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            present: Mutex::default(),
            owners: Mutex::default(),
            complaints: Mutex::default(),
            joins: AtomicU64::new(0),
            heartbeats: AtomicU64::new(0),
        });
        let groups = plan.all_groups();
        let mut threads = Vec::new();
        for group in &groups {
            for _ in 0..group.members {
                let seed = plan.seed.wrapping_mul(1_000_003).wrapping_add(threads.len() as u64 + 1);
                let (shared, name) = (shared.clone(), group.name.clone());
                let named = std::thread::Builder::new().name(format!("member-{}", threads.len()));
                let named = named.stack_size(STACK_BYTES);
                threads.push(match group.reads {
                    None => named.spawn(move || live(Classic::new(shared, name, seed)))?,
                    Some((topic, _)) => named.spawn(move || live(Modern::new(shared, name, seed, topic)))?,
                });
            }
        }
        Ok(Storm { shared, groups, threads })
    }

    /// The broker is about to be ended: questions may be lost from now on.
    pub fn broker_goes(&self) {
        self.shared.life.fetch_or(1, Ordering::AcqRel);
    }

    /// It is back, and ready: whoever asks it from now on is answered.
    pub fn broker_is_back(&self) {
        let life = self.shared.life.load(Ordering::Acquire);
        self.shared.life.store((life | 1) + 1, Ordering::Release);
    }

    /// From now on everybody stays who is there, and who is not comes; returns once every group is stable
    /// with exactly its members, and fails if that takes longer than [`SETTLED_MAX`]. How long it took.
    pub fn settle(&self) -> Result<Duration> {
        self.shared.settling.store(true, Ordering::Release);
        let start = Instant::now();
        loop {
            let unsettled = self.unsettled()?;
            match unsettled.first() {
                None => return Ok(start.elapsed()),
                Some(first) if start.elapsed() > SETTLED_MAX => {
                    bail!("{} groups are not settled, for instance {first}", unsettled.len())
                }
                Some(_) => std::thread::park_timeout(LOOK_INTERVAL),
            }
        }
    }

    /// Groups that are not stable with exactly their members, in words.
    fn unsettled(&self) -> Result<Vec<String>> {
        let mut client = Client::connect(self.shared.broker)?;
        let (modern, classic): (Vec<_>, Vec<_>) = self.groups.iter().partition(|group| group.reads.is_some());
        let mut unsettled = Vec::new();
        for groups in classic.chunks(DESCRIBED_AT_ONCE) {
            let request = DescribeGroupsRequest::default().with_groups(names(groups));
            let described = client.ask::<DescribeGroupsRequest>(DESCRIBE_VERSION, &request)?.groups;
            ensure!(described.len() == groups.len(), "{} of {} groups", described.len(), groups.len());
            for group in described {
                let members = group.members.iter().map(|member| member.member_id.to_string()).collect();
                let told = (group.error_code, group.group_state.as_str(), members);
                unsettled.extend(self.unlike(&group.group_id, told));
            }
        }
        for groups in modern.chunks(DESCRIBED_AT_ONCE) {
            let request = ConsumerGroupDescribeRequest::default().with_group_ids(names(groups));
            let described = client.ask(CONSUMER_DESCRIBE_VERSION, &request)?.groups;
            ensure!(described.len() == groups.len(), "{} of {} groups", described.len(), groups.len());
            for (group, asked) in described.iter().zip(groups) {
                let members = group.members.iter().map(|member| member.member_id.to_string()).collect();
                let told = (group.error_code, group.group_state.as_str(), members);
                let unlike = self.unlike(&group.group_id, told).or_else(|| self.not_shared(asked, group));
                unsettled.extend(unlike);
            }
        }
        Ok(unsettled)
    }

    /// What a broker tells of a group that is not stable, or has other members than there are.
    fn unlike(&self, group: &GroupId, told: (i16, &str, BTreeSet<String>)) -> Option<String> {
        let (error_code, state, members) = told;
        let present = locked(&self.shared.present).get(group.as_str()).cloned().unwrap_or_default();
        let (told, there) = (members.len(), present.len());
        (state != "Stable" || members != present)
            .then(|| format!("{}: error {error_code}, {state}, {told} members of {there}", group.as_str()))
    }

    /// Partitions that have not exactly the owner that the broker tells.
    fn not_shared(&self, group: &Group, told: &DescribedGroup) -> Option<String> {
        let assigned = told.members.iter().flat_map(|member| {
            let partitions = member.assignment.topic_partitions.iter().flat_map(|topic| &topic.partitions);
            partitions.map(|partition| (*partition, member.member_id.to_string()))
        });
        let mut assigned: Vec<(i32, String)> = assigned.collect();
        assigned.sort_unstable();
        let owners = locked(&self.shared.owners);
        let owned: Vec<(i32, String)> = owners.get(&group.name).map_or(Vec::new(), |owners| {
            owners.iter().map(|(partition, claim)| (*partition, claim.member_id.clone())).collect()
        });
        let partitions = group.reads.map_or(0, |(_, partitions)| partitions as usize);
        (assigned != owned || owned.len() != partitions).then(|| {
            let (told, there) = (assigned.len(), owned.len());
            format!("{}: {told} partitions are assigned and {there} owned of {partitions}", group.name)
        })
    }

    /// How often somebody was let into a generation so far.
    pub fn joins(&self) -> u64 {
        self.shared.joins.load(Ordering::Relaxed)
    }

    /// Ends them all, and tells what they saw.
    pub fn end(mut self) -> Result<Seen> {
        self.shared.ending.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            thread.join().ok().context("a member panicked")?;
        }
        Ok(Seen {
            joins: self.joins(),
            heartbeats: self.shared.heartbeats.load(Ordering::Relaxed),
            complaints: locked(&self.shared.complaints).clone(),
        })
    }
}
