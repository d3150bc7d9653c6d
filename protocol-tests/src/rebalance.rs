//! One large group on the level of the protocol: how long a rebalance of all its members takes.

#![expect(clippy::disallowed_methods, reason = "what is measured is the time between a program and a broker")]

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    DescribeGroupsRequest, FindCoordinatorRequest, GroupId, JoinGroupRequest, JoinGroupResponse,
    SyncGroupRequest,
};

use crate::client::{Client, PATIENCE, text};

const GROUP: &str = "crowd";
/// The last that gives a member its id with its first join.
const JOIN_VERSION: i16 = 3;
const SYNC_VERSION: i16 = 3;
const DESCRIBE_VERSION: i16 = 5;
const FIND_VERSION: i16 = 4;
const SESSION_TIMEOUT_MS: i32 = 30_000;
const REBALANCE_TIMEOUT_MS: i32 = 60_000;
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// A member's thread holds little.
const STACK_BYTES: usize = 128 << 10;

/// Lets so many members join one group and tells how long it took from the last one's join until each had its
/// own share. The broker's `group.initial.rebalance.delay.ms` must be 0.
pub fn measure(broker: SocketAddr, members: usize) -> Result<Duration> {
    let mut last = Member { client: Client::connect(broker)?, member_id: String::new() };
    // A generation of its own, so that nothing ends the next one but its own coming back.
    let alone = last.join_first()?;
    last.sync(&alone)?;
    std::thread::scope(|scope| {
        let (done, all_done) = mpsc::channel();
        let others = (1..members)
            .map(|_| spawn(scope, broker, done.clone()))
            .collect::<Result<Vec<ScopedJoinHandle<'_, ()>>>>()?;
        wait_for_joins(broker, members)?;
        let start = Instant::now();
        let joined = last.join()?;
        last.sync(&joined)?;
        for _ in &others {
            let generation_id = all_done.recv_timeout(PATIENCE).context("a member has no share")??;
            ensure!(generation_id == joined.generation_id, "a member of generation {generation_id}");
        }
        Ok(start.elapsed())
    })
}

fn spawn<'scope>(
    scope: &'scope Scope<'scope, '_>,
    broker: SocketAddr,
    done: mpsc::Sender<Result<i32>>,
) -> Result<ScopedJoinHandle<'scope, ()>> {
    let life = move || {
        let share = || {
            let mut member = Member { client: Client::connect(broker)?, member_id: String::new() };
            let joined = member.join()?;
            member.sync(&joined)?;
            Ok(joined.generation_id)
        };
        // Whoever waits for it may have given up.
        drop(done.send(share()));
    };
    Ok(std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, life)?)
}

/// Returns once all members but the first wait in their join.
fn wait_for_joins(broker: SocketAddr, members: usize) -> Result<()> {
    let mut client = Client::connect(broker)?;
    let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(text(GROUP))]);
    let start = Instant::now();
    loop {
        let described = client.ask::<DescribeGroupsRequest>(DESCRIBE_VERSION, &request)?.groups;
        let there = described.first().map_or(0, |group| group.members.len());
        if there == members {
            return Ok(());
        }
        ensure!(start.elapsed() < PATIENCE, "{there} of {members} members after {PATIENCE:?}");
        std::thread::park_timeout(LOOK_INTERVAL);
    }
}

struct Member {
    client: Client,
    member_id: String,
}

impl Member {
    /// The coordinators' topic is made when one is first looked for, and that may take a while.
    fn join_first(&mut self) -> Result<JoinGroupResponse> {
        let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(GROUP)]);
        let start = Instant::now();
        loop {
            self.client.ask::<FindCoordinatorRequest>(FIND_VERSION, &find)?;
            match self.join() {
                Err(error) if start.elapsed() > PATIENCE => return Err(error),
                Err(_) => std::thread::park_timeout(LOOK_INTERVAL),
                joined => return joined,
            }
        }
    }

    fn join(&mut self) -> Result<JoinGroupResponse> {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(Bytes::from_static(b"\0\0\0\0\0\0\0\0\0\0"));
        let request = JoinGroupRequest::default()
            .with_group_id(GroupId(text(GROUP)))
            .with_session_timeout_ms(SESSION_TIMEOUT_MS)
            .with_rebalance_timeout_ms(REBALANCE_TIMEOUT_MS)
            .with_member_id(text(&self.member_id))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        let response = self.client.ask::<JoinGroupRequest>(JOIN_VERSION, &request)?;
        ensure!(response.error_code == 0, "JoinGroup: error {}", response.error_code);
        self.member_id = response.member_id.to_string();
        Ok(response)
    }

    /// Asks for its share, and gives out everybody's if it leads.
    fn sync(&mut self, joined: &JoinGroupResponse) -> Result<()> {
        let share = |member: &str| Bytes::from(format!("{member} in {}", joined.generation_id));
        let assignments = joined.members.iter().map(|member| {
            SyncGroupRequestAssignment::default()
                .with_member_id(member.member_id.clone())
                .with_assignment(share(&member.member_id))
        });
        let request = SyncGroupRequest::default()
            .with_group_id(GroupId(text(GROUP)))
            .with_generation_id(joined.generation_id)
            .with_member_id(joined.member_id.clone())
            .with_assignments(assignments.collect());
        let response = self.client.ask::<SyncGroupRequest>(SYNC_VERSION, &request)?;
        ensure!(response.error_code == 0, "SyncGroup: error {}", response.error_code);
        ensure!(response.assignment == share(&joined.member_id), "{} got another's share", joined.member_id);
        Ok(())
    }
}
