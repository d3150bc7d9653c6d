//! Offsets by the million: committed in few requests or one by one, and looked for after a restart.

#![expect(clippy::disallowed_methods, reason = "it waits for a broker outside this process")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use highwater::protocol::ErrorCode;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{
    FindCoordinatorRequest, GroupId, OffsetCommitRequest, OffsetFetchRequest, TopicName,
};

use crate::client::{Client, PATIENCE, text};

const FIND_VERSION: i16 = 4;
const COMMIT_VERSION: i16 = 8;
const FETCH_VERSION: i16 = 8;
/// Offsets in requests under way, and requests.
const WINDOW: u64 = 16_000;
const REQUESTS_MAX: u64 = 256;
/// Groups in one question: an answer for a thousand would hold up whoever shares the connection's thread.
const ASKED_AT_ONCE: usize = 20;
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// Every group commits for every partition of a topic.
pub struct Offsets {
    /// The broker, which keeps its address.
    pub broker: SocketAddr,
    /// A topic that exists.
    pub topic: String,
    /// Its partitions.
    pub partitions: i32,
    /// How many groups.
    pub groups: u32,
    /// Offsets in one commit. The partitions are a multiple of it.
    pub at_once: i32,
}

impl Offsets {
    /// Commits them; returns when all are confirmed. Groups take turns.
    pub fn commit(&self) -> Result<()> {
        let mut client = Client::connect(self.broker)?;
        self.wait_for_coordinators(&mut client)?;
        let window = (WINDOW / u64::try_from(self.at_once)?).clamp(1, REQUESTS_MAX);
        let (mut sent, mut heard) = (0, 0);
        for first in (0..self.partitions).step_by(usize::try_from(self.at_once)?) {
            for group in 0..self.groups {
                client.send(COMMIT_VERSION, &self.commit_of(group, first))?;
                sent += 1;
                if sent - heard >= window {
                    ensure!(confirmed(&mut client)?, "commit {heard} was refused");
                    heard += 1;
                }
            }
        }
        for commit in heard..sent {
            ensure!(confirmed(&mut client)?, "commit {commit} was refused");
        }
        Ok(())
    }

    /// The coordinators' topic is made when one is first looked for, and that may take a while.
    fn wait_for_coordinators(&self, client: &mut Client) -> Result<()> {
        let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("any")]);
        client.ask::<FindCoordinatorRequest>(FIND_VERSION, &find)?;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            client.send(COMMIT_VERSION, &self.commit_of(0, 0))?;
            if confirmed(client)? {
                return Ok(());
            }
            std::thread::park_timeout(RETRY_INTERVAL);
        }
        bail!("no coordinator after {} s", PATIENCE.as_secs())
    }

    /// Of so many partitions from `first` on.
    fn commit_of(&self, group: u32, first: i32) -> OffsetCommitRequest {
        let partition = |partition| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(partition)
                .with_committed_offset(offset(group, partition))
                .with_committed_metadata(Some(text("")))
        };
        let topic = OffsetCommitRequestTopic::default()
            .with_name(TopicName(text(&self.topic)))
            .with_partitions((first..first + self.at_once).map(partition).collect());
        // Nobody's member.
        OffsetCommitRequest::default()
            .with_group_id(group_id(group))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic])
    }

    /// Asks for an offset of each group until all are told; they must be those that were committed.
    pub fn expect_loaded(&self) -> Result<()> {
        let mut client = Client::connect(self.broker)?;
        let mut untold: Vec<u32> = (0..self.groups).collect();
        let start = Instant::now();
        // Nobody is asked twice for what it told: who looks on should not be what the broker is busy with.
        while start.elapsed() < PATIENCE {
            let mut still = Vec::new();
            for some in untold.chunks(ASKED_AT_ONCE) {
                still.extend(self.still_untold(&mut client, some)?);
            }
            untold = still;
            if untold.is_empty() {
                return Ok(());
            }
            std::thread::park_timeout(RETRY_INTERVAL);
        }
        bail!("the coordinators of {} groups still load after {} s", untold.len(), PATIENCE.as_secs())
    }

    /// Asks for an offset of some groups; those whose coordinators still load.
    fn still_untold(&self, client: &mut Client, asked: &[u32]) -> Result<Vec<u32>> {
        let last = self.partitions - 1;
        let topic = || {
            let name = TopicName(text(&self.topic));
            OffsetFetchRequestTopics::default().with_name(name).with_partition_indexes(vec![last])
        };
        let of = |group: &u32| {
            let asked = OffsetFetchRequestGroup::default();
            asked.with_group_id(group_id(*group)).with_topics(Some(vec![topic()]))
        };
        let request = OffsetFetchRequest::default().with_groups(asked.iter().map(of).collect());
        let told = client.ask::<OffsetFetchRequest>(FETCH_VERSION, &request)?.groups;
        ensure!(told.len() == asked.len(), "{} groups of {}", told.len(), asked.len());
        let mut untold = Vec::new();
        for (number, group) in asked.iter().zip(&told) {
            let code = group.error_code;
            if code == ErrorCode::CoordinatorLoadInProgress.code() {
                untold.push(*number);
                continue;
            }
            let told = group.topics.first().and_then(|topic| topic.partitions.first());
            let told = told.map(|partition| partition.committed_offset);
            ensure!(told == Some(offset(*number, last)), "group {number}: error {code}, offset {told:?}");
        }
        Ok(untold)
    }
}

/// Whether the next answer confirms a commit.
fn confirmed(client: &mut Client) -> Result<bool> {
    let (_, response) = client.receive::<OffsetCommitRequest>(COMMIT_VERSION)?;
    let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    Ok(partitions.all(|partition| partition.error_code == 0))
}

fn group_id(group: u32) -> GroupId {
    GroupId(text(&format!("of-{group}")))
}

/// No two groups have the same.
fn offset(group: u32, partition: i32) -> i64 {
    i64::from(group) << 32 | i64::from(partition)
}
