//! Members of classic groups by the hundred, on the level of the protocol: they come, leave, fall silent and
//! come again, while a broker is killed under them.
//!
//! **Owns** the members and what each may expect of a broker. **Does not own** the broker, nor when it dies.
//! **Invariants**: every decision of a member comes from a seed; what a broker did wrong is a sentence in
//! [`Storm::end`], and no more than [`COMPLAINTS_MAX`] of them are kept.

#![expect(clippy::disallowed_methods, reason = "it waits for a broker outside this process")]

mod life;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kafka_protocol::messages::{DescribeGroupsRequest, GroupId};

use crate::client::{Client, text};
use life::Life;

/// Silence after which a broker takes a member for dead: the least that Kafka allows.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(6);
/// How long a rebalance waits for those who were members before.
pub const REBALANCE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long groups may take to settle: silent members are missed, the others join again; and a machine of two
/// cores has hundreds of them to serve.
const SETTLE_PATIENCE: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
const DESCRIBE_VERSION: i16 = 5;
/// Groups in one question.
const DESCRIBED_AT_ONCE: usize = 100;
const COMPLAINTS_MAX: usize = 20;
/// A member's thread holds little.
const STACK_BYTES: usize = 128 << 10;

/// How many there are.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Groups of a few members.
    pub groups: u32,
    /// Members of each.
    pub members: u32,
    /// Members of one large group beside them.
    pub crowd: u32,
    /// Where chance begins.
    pub seed: u64,
}

/// What all members know.
struct Shared {
    broker: SocketAddr,
    /// Nobody leaves or falls silent any more.
    settling: AtomicBool,
    /// All end.
    ending: AtomicBool,
    /// The members of each group as they take themselves to be, by group.
    present: Mutex<BTreeMap<String, BTreeSet<String>>>,
    complaints: Mutex<Vec<String>>,
    joins: AtomicU64,
    heartbeats: AtomicU64,
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
    groups: Vec<String>,
    threads: Vec<JoinHandle<()>>,
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
            settling: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            present: Mutex::default(),
            complaints: Mutex::default(),
            joins: AtomicU64::new(0),
            heartbeats: AtomicU64::new(0),
        });
        let mut groups: Vec<(String, u32)> =
            (0..plan.groups).map(|group| (format!("storm-{group}"), plan.members)).collect();
        groups.push(("storm-crowd".to_owned(), plan.crowd));
        let mut threads = Vec::new();
        for (group, members) in &groups {
            for _ in 0..*members {
                let seed = plan.seed.wrapping_mul(1_000_003).wrapping_add(threads.len() as u64 + 1);
                let life = Life::new(shared.clone(), group.clone(), seed);
                let named = std::thread::Builder::new().name(format!("member-{}", threads.len()));
                threads.push(named.stack_size(STACK_BYTES).spawn(move || life.run())?);
            }
        }
        Ok(Storm { shared, groups: groups.into_iter().map(|(group, _)| group).collect(), threads })
    }

    /// From now on everybody stays who is there, and who is not comes; returns once every group is stable
    /// with exactly its members, and fails if that takes too long.
    pub fn settle(&self) -> Result<()> {
        self.shared.settling.store(true, Ordering::Release);
        let start = Instant::now();
        loop {
            let unsettled = self.unsettled()?;
            match unsettled.first() {
                None => return Ok(()),
                Some(first) if start.elapsed() > SETTLE_PATIENCE => {
                    bail!("{} groups are not settled, for instance {first}", unsettled.len())
                }
                Some(_) => std::thread::park_timeout(LOOK_INTERVAL),
            }
        }
    }

    /// Groups that are not stable with exactly their members, in words.
    fn unsettled(&self) -> Result<Vec<String>> {
        let mut client = Client::connect(self.shared.broker)?;
        let mut unsettled = Vec::new();
        for groups in self.groups.chunks(DESCRIBED_AT_ONCE) {
            let names = groups.iter().map(|group| GroupId(text(group))).collect();
            let request = DescribeGroupsRequest::default().with_groups(names);
            let described = client.ask::<DescribeGroupsRequest>(DESCRIBE_VERSION, &request)?.groups;
            ensure!(described.len() == groups.len(), "{} of {} groups", described.len(), groups.len());
            for group in described {
                let name = group.group_id.0.to_string();
                let members: BTreeSet<String> =
                    group.members.iter().map(|member| member.member_id.to_string()).collect();
                let present = locked(&self.shared.present).get(&name).cloned().unwrap_or_default();
                if group.group_state.as_str() != "Stable" || members != present {
                    let (code, state) = (group.error_code, group.group_state.as_str());
                    let (told, there) = (members.len(), present.len());
                    unsettled.push(format!("{name}: error {code}, {state}, {told} members of {there}"));
                }
            }
        }
        Ok(unsettled)
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
