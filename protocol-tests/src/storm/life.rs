//! One member.

#![expect(clippy::disallowed_methods, reason = "what is judged is the time between a program and a broker")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use highwater::protocol::ErrorCode;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::Request;

use super::{REBALANCE_TIMEOUT, SESSION_TIMEOUT, Shared, locked};
use crate::client::{Client, text};
use crate::random::Random;

const JOIN_VERSION: i16 = 7;
const SYNC_VERSION: i16 = 5;
const HEARTBEAT_VERSION: i16 = 4;
const LEAVE_VERSION: i16 = 4;

const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);
/// How long a member waits before it asks again where the broker was away or not ready.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// The longest that a member stays before something happens to it, in heartbeats, and stays away after.
const STAY_HEARTBEATS_MAX: usize = 12;
const AWAY_INTERVALS_MAX: usize = 30;
/// A join takes no longer: the rebalance's own bound, the first rebalance's delays (each as long as the first
/// at most, and together no longer than a rebalance), and a busy machine.
const JOIN_MAX: Duration = REBALANCE_TIMEOUT.saturating_mul(2);

/// What a question came to.
enum Asked<T> {
    Answered(T),
    /// The broker is away or not ready.
    Lost,
}

/// What becomes of a member next.
enum Next {
    Join,
    Stay,
    /// It is no member any more.
    Gone,
}

pub(super) struct Life {
    shared: Arc<Shared>,
    group: String,
    chance: Random,
    client: Option<Client>,
    member_id: String,
    generation_id: i32,
    /// Whether it was given its share as this member: then the broker has written it down.
    was_synced: bool,
    /// When the broker last said that all is well, or let it into a generation.
    well_at: Instant,
}

impl Life {
    pub(super) fn new(shared: Arc<Shared>, group: String, seed: u64) -> Life {
        Life {
            shared,
            group,
            chance: Random::new(seed),
            client: None,
            member_id: String::new(),
            generation_id: -1,
            was_synced: false,
            well_at: Instant::now(),
        }
    }

    /// Comes, stays, goes, and again, until the storm ends.
    pub(super) fn run(mut self) {
        while !self.ends() {
            self.away();
            let mut next = Next::Join;
            let mut stay = 1 + self.chance.below(STAY_HEARTBEATS_MAX);
            while !self.ends() {
                next = match next {
                    Next::Join => self.join(),
                    Next::Stay if stay > 0 || self.settles() => {
                        stay = stay.saturating_sub(1);
                        std::thread::park_timeout(HEARTBEAT_INTERVAL);
                        self.heartbeat()
                    }
                    Next::Stay => self.part(),
                    Next::Gone => break,
                }
            }
        }
    }

    fn ends(&self) -> bool {
        self.shared.ending.load(Ordering::Acquire)
    }

    fn settles(&self) -> bool {
        self.shared.settling.load(Ordering::Acquire)
    }

    fn away(&mut self) {
        for _ in 0..self.chance.below(AWAY_INTERVALS_MAX) {
            if self.settles() || self.ends() {
                return;
            }
            std::thread::park_timeout(RETRY_INTERVAL);
        }
    }

    fn present(&self, is_present: bool) {
        let mut present = locked(&self.shared.present);
        let members = present.entry(self.group.clone()).or_default();
        if is_present {
            members.insert(self.member_id.clone());
        } else {
            members.remove(&self.member_id);
        }
    }

    /// It has no name any more.
    fn forget(&mut self) {
        self.present(false);
        self.member_id.clear();
        self.was_synced = false;
        self.generation_id = -1;
    }

    fn ask<Q: Request>(&mut self, version: i16, request: &Q) -> Asked<Q::Response> {
        let asked = self.connected().and_then(|client| client.ask(version, request));
        match asked {
            Ok(response) => Asked::Answered(response),
            Err(_) => {
                self.client = None;
                std::thread::park_timeout(RETRY_INTERVAL);
                Asked::Lost
            }
        }
    }

    fn connected(&mut self) -> Result<&mut Client> {
        let client = match self.client.take() {
            Some(client) => client,
            None => Client::connect(self.shared.broker)?,
        };
        Ok(self.client.insert(client))
    }

    /// The broker does not know it: only if its session has ended, or it was never written down.
    fn unknown(&mut self, what: &str) -> Next {
        let silence = self.well_at.elapsed();
        if self.was_synced && silence < SESSION_TIMEOUT {
            self.shared.complain(format!(
                "{} in {}: UNKNOWN_MEMBER_ID to {what} {} ms after all was well",
                self.member_id,
                self.group,
                silence.as_millis()
            ));
        }
        self.forget();
        Next::Join
    }

    /// What follows from the codes that every request may get.
    fn followed(&mut self, error_code: i16, what: &str) -> Next {
        match ErrorCode::from_code(error_code) {
            Some(ErrorCode::UnknownMemberId) => self.unknown(what),
            Some(ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration) => Next::Join,
            Some(
                ErrorCode::CoordinatorLoadInProgress
                | ErrorCode::CoordinatorNotAvailable
                | ErrorCode::NotCoordinator,
            ) => {
                std::thread::park_timeout(RETRY_INTERVAL);
                if what == "Heartbeat" { Next::Stay } else { Next::Join }
            }
            _ => {
                let (member_id, group) = (&self.member_id, &self.group);
                self.shared.complain(format!("{member_id} in {group}: error {error_code} to {what}"));
                Next::Join
            }
        }
    }

    fn join(&mut self) -> Next {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(Bytes::from_static(b"\0\0\0\0\0\0\0\0\0\0"));
        let request = JoinGroupRequest::default()
            .with_group_id(GroupId(text(&self.group)))
            .with_session_timeout_ms(milliseconds(SESSION_TIMEOUT))
            .with_rebalance_timeout_ms(milliseconds(REBALANCE_TIMEOUT))
            .with_member_id(text(&self.member_id))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        let begun = Instant::now();
        let Asked::Answered(response) = self.ask(JOIN_VERSION, &request) else { return Next::Join };
        if begun.elapsed() > JOIN_MAX {
            let (group, seconds) = (&self.group, begun.elapsed().as_secs());
            self.shared.complain(format!("{group}: a join was answered after {seconds} s"));
        }
        match ErrorCode::from_code(response.error_code) {
            Some(ErrorCode::None) => self.sync(&response),
            Some(ErrorCode::MemberIdRequired) => {
                self.forget();
                self.member_id = response.member_id.to_string();
                Next::Join
            }
            _ => self.followed(response.error_code, "JoinGroup"),
        }
    }

    fn sync(&mut self, joined: &JoinGroupResponse) -> Next {
        self.shared.joins.fetch_add(1, Ordering::Relaxed);
        self.well_at = Instant::now();
        self.generation_id = joined.generation_id;
        if joined.member_id.as_str() != self.member_id {
            self.shared.complain(format!("{} was answered as {}", self.member_id, joined.member_id));
        }
        let assignments = if joined.leader == joined.member_id {
            let share = |member: &str| {
                SyncGroupRequestAssignment::default()
                    .with_member_id(text(member))
                    .with_assignment(share_of(member, joined.generation_id))
            };
            joined.members.iter().map(|member| share(&member.member_id)).collect()
        } else {
            Vec::new()
        };
        let request = SyncGroupRequest::default()
            .with_group_id(GroupId(text(&self.group)))
            .with_generation_id(self.generation_id)
            .with_member_id(text(&self.member_id))
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text("range")))
            .with_assignments(assignments);
        let Asked::Answered(response) = self.ask(SYNC_VERSION, &request) else { return Next::Join };
        if response.error_code != 0 {
            return self.followed(response.error_code, "SyncGroup");
        }
        let expected = share_of(&self.member_id, self.generation_id);
        if response.assignment != expected {
            self.shared.complain(format!(
                "{} in {}: got {:?}, its leader gave {expected:?}",
                self.member_id, self.group, response.assignment
            ));
        }
        self.was_synced = true;
        self.well_at = Instant::now();
        self.present(true);
        Next::Stay
    }

    fn heartbeat(&mut self) -> Next {
        let request = HeartbeatRequest::default()
            .with_group_id(GroupId(text(&self.group)))
            .with_generation_id(self.generation_id)
            .with_member_id(text(&self.member_id));
        let Asked::Answered(response) = self.ask(HEARTBEAT_VERSION, &request) else { return Next::Stay };
        self.shared.heartbeats.fetch_add(1, Ordering::Relaxed);
        if [ErrorCode::None, ErrorCode::RebalanceInProgress]
            .map(ErrorCode::code)
            .contains(&response.error_code)
        {
            self.well_at = Instant::now();
        }
        match response.error_code {
            0 => Next::Stay,
            other => self.followed(other, "Heartbeat"),
        }
    }

    /// Leaves with a word, or without; or changes its mind and joins again.
    fn part(&mut self) -> Next {
        match self.chance.below(4) {
            0 => return Next::Join,
            1 => {}
            _ => {
                let member = MemberIdentity::default().with_member_id(text(&self.member_id));
                let request = LeaveGroupRequest::default()
                    .with_group_id(GroupId(text(&self.group)))
                    .with_members(vec![member]);
                let asked: Asked<_> = self.ask(LEAVE_VERSION, &request);
                drop(asked);
            }
        }
        self.client = None;
        self.forget();
        Next::Gone
    }
}

/// What a leader gives a member: nobody else's, and of no other generation.
fn share_of(member: &str, generation_id: i32) -> Bytes {
    format!("{member} in {generation_id}").into()
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
