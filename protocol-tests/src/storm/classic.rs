//! One member of a classic group.

#![expect(clippy::disallowed_methods, reason = "what is judged is the time between a program and a broker")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use highwater::protocol::ErrorCode;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};

use super::link::{Asked, Life, Link, Next, is_not_ready, milliseconds, pause};
use super::{REBALANCE_TIMEOUT, SESSION_TIMEOUT, Shared};
use crate::client::text;

const JOIN_VERSION: i16 = 7;
const SYNC_VERSION: i16 = 5;
const HEARTBEAT_VERSION: i16 = 4;
const LEAVE_VERSION: i16 = 4;

/// A join takes no longer: the rebalance's own bound, the first rebalance's delays (each as long as the first
/// at most, and together no longer than a rebalance), and a busy machine.
const JOIN_MAX: Duration = REBALANCE_TIMEOUT.saturating_mul(2);

/// It leads or follows; its leader gives each member a share of its own.
pub(super) struct Classic {
    link: Link,
    generation_id: i32,
}

impl Classic {
    pub(super) fn new(shared: Arc<Shared>, group: String, seed: u64) -> Classic {
        Classic { link: Link::new(shared, group, seed), generation_id: -1 }
    }

    fn forget(&mut self) {
        self.link.forget();
        self.generation_id = -1;
    }

    /// What follows from the codes that every request may get.
    fn followed(&mut self, error_code: i16, what: &str) -> Next {
        match ErrorCode::from_code(error_code) {
            Some(ErrorCode::UnknownMemberId) => {
                self.link.unknown(what);
                self.generation_id = -1;
                Next::Join
            }
            Some(ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration) => Next::Join,
            _ if is_not_ready(error_code) => {
                pause();
                if what == "Heartbeat" { Next::Stay } else { Next::Join }
            }
            _ => {
                self.link.complain(&format!("error {error_code} to {what}"));
                Next::Join
            }
        }
    }

    fn sync(&mut self, joined: &JoinGroupResponse) -> Next {
        self.link.shared.joins.fetch_add(1, Ordering::Relaxed);
        self.link.well_at = Instant::now();
        self.link.named();
        self.generation_id = joined.generation_id;
        if joined.member_id.as_str() != self.link.member_id {
            self.link.complain(&format!("it was answered as {}", joined.member_id));
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
            .with_group_id(GroupId(text(&self.link.group)))
            .with_generation_id(self.generation_id)
            .with_member_id(text(&self.link.member_id))
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text("range")))
            .with_assignments(assignments);
        let Asked::Answered(response) = self.link.ask(SYNC_VERSION, &request) else { return Next::Join };
        if response.error_code != 0 {
            return self.followed(response.error_code, "SyncGroup");
        }
        let expected = share_of(&self.link.member_id, self.generation_id);
        if response.assignment != expected {
            let got = &response.assignment;
            self.link.complain(&format!("got {got:?}, its leader gave {expected:?}"));
        }
        self.link.is_known = true;
        self.link.well_at = Instant::now();
        self.link.present(true);
        Next::Stay
    }
}

impl Life for Classic {
    fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    fn join(&mut self) -> Next {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(Bytes::from_static(b"\0\0\0\0\0\0\0\0\0\0"));
        let request = JoinGroupRequest::default()
            .with_group_id(GroupId(text(&self.link.group)))
            .with_session_timeout_ms(milliseconds(SESSION_TIMEOUT))
            .with_rebalance_timeout_ms(milliseconds(REBALANCE_TIMEOUT))
            .with_member_id(text(&self.link.member_id))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        let begun = Instant::now();
        let Asked::Answered(response) = self.link.ask(JOIN_VERSION, &request) else { return Next::Join };
        if begun.elapsed() > JOIN_MAX {
            self.link.complain(&format!("a join was answered after {} s", begun.elapsed().as_secs()));
        }
        match ErrorCode::from_code(response.error_code) {
            Some(ErrorCode::None) => self.sync(&response),
            Some(ErrorCode::MemberIdRequired) => {
                self.forget();
                self.link.member_id = response.member_id.to_string();
                self.link.named();
                Next::Join
            }
            _ => self.followed(response.error_code, "JoinGroup"),
        }
    }

    fn heartbeat(&mut self) -> Next {
        let request = HeartbeatRequest::default()
            .with_group_id(GroupId(text(&self.link.group)))
            .with_generation_id(self.generation_id)
            .with_member_id(text(&self.link.member_id));
        let Asked::Answered(response) = self.link.ask(HEARTBEAT_VERSION, &request) else { return Next::Stay };
        self.link.shared.heartbeats.fetch_add(1, Ordering::Relaxed);
        if [ErrorCode::None, ErrorCode::RebalanceInProgress]
            .map(ErrorCode::code)
            .contains(&response.error_code)
        {
            self.link.well_at = Instant::now();
        }
        match response.error_code {
            0 => Next::Stay,
            other => self.followed(other, "Heartbeat"),
        }
    }

    fn part(&mut self) -> Next {
        match self.link.chance.below(4) {
            0 => return Next::Join,
            1 => {}
            _ => {
                let member = MemberIdentity::default().with_member_id(text(&self.link.member_id));
                let request = LeaveGroupRequest::default()
                    .with_group_id(GroupId(text(&self.link.group)))
                    .with_members(vec![member]);
                let asked: Asked<_> = self.link.ask(LEAVE_VERSION, &request);
                drop(asked);
            }
        }
        self.link.disconnect();
        self.forget();
        Next::Gone
    }
}

/// What a leader gives a member: nobody else's, and of no other generation.
fn share_of(member: &str, generation_id: i32) -> Bytes {
    format!("{member} in {generation_id}").into()
}
