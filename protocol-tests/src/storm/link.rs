//! What members of both protocols share: a connection that comes back, chance, and what follows from codes.

#![expect(clippy::disallowed_methods, reason = "what is judged is the time between a program and a broker")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use highwater::protocol::ErrorCode;
use kafka_protocol::protocol::Request;

use super::{SESSION_TIMEOUT, Shared, locked};
use crate::client::Client;
use crate::random::Random;

const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);
/// How long a member waits before it asks again where the broker was away or not ready.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// The longest that a member stays before something happens to it, in heartbeats, and stays away after.
const STAY_HEARTBEATS_MAX: usize = 12;
const AWAY_INTERVALS_MAX: usize = 30;

/// What a question came to.
pub(super) enum Asked<T> {
    Answered(T),
    /// The broker is away or not ready.
    Lost,
}

/// What becomes of a member next.
pub(super) enum Next {
    Join,
    Stay,
    /// It is no member any more.
    Gone,
}

/// One that comes and goes.
pub(super) trait Life {
    fn link(&mut self) -> &mut Link;
    fn join(&mut self) -> Next;
    fn heartbeat(&mut self) -> Next;
    /// Leaves with a word, or without; or changes its mind and joins again.
    fn part(&mut self) -> Next;
}

/// Comes, stays, goes, and again, until the storm ends.
pub(super) fn live(mut life: impl Life) {
    while !life.link().ends() {
        life.link().away();
        let mut next = Next::Join;
        let mut stay = 1 + life.link().chance.below(STAY_HEARTBEATS_MAX);
        while !life.link().ends() {
            next = match next {
                Next::Join => life.join(),
                Next::Stay if stay > 0 || life.link().settles() => {
                    stay = stay.saturating_sub(1);
                    std::thread::park_timeout(HEARTBEAT_INTERVAL);
                    life.heartbeat()
                }
                Next::Stay => life.part(),
                Next::Gone => break,
            }
        }
    }
}

/// A member's connection, name and chance.
pub(super) struct Link {
    pub(super) shared: Arc<Shared>,
    pub(super) group: String,
    pub(super) chance: Random,
    /// With the broker's life in which it was connected.
    client: Option<(Client, u64)>,
    pub(super) member_id: String,
    /// Whether the broker has it written down as this member.
    pub(super) is_known: bool,
    /// Since when it goes by its id, in which life of the broker: known or not yet.
    named: Option<(u64, Instant)>,
    /// When the broker last said that all is well.
    pub(super) well_at: Instant,
}

impl Link {
    pub(super) fn new(shared: Arc<Shared>, group: String, seed: u64) -> Link {
        Link {
            shared,
            group,
            chance: Random::new(seed),
            client: None,
            member_id: String::new(),
            is_known: false,
            named: None,
            well_at: Instant::now(),
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
            pause();
        }
    }

    pub(super) fn present(&self, is_present: bool) {
        let mut present = locked(&self.shared.present);
        let members = present.entry(self.group.clone()).or_default();
        if is_present {
            members.insert(self.member_id.clone());
        } else {
            members.remove(&self.member_id);
        }
    }

    /// It has no name any more.
    pub(super) fn forget(&mut self) {
        self.present(false);
        self.member_id.clear();
        self.is_known = false;
        self.named = None;
    }

    /// The broker has given it its id, or has let it join by it.
    pub(super) fn named(&mut self) {
        self.named = self.client.as_ref().map(|(_, life)| (*life, Instant::now()));
    }

    /// As one whose machine went away: the broker hears no more.
    pub(super) fn disconnect(&mut self) {
        self.client = None;
    }

    pub(super) fn ask<Q: Request>(&mut self, version: i16, request: &Q) -> Asked<Q::Response> {
        let now = self.shared.life.load(Ordering::Acquire);
        let life = self.client.as_ref().map_or(now, |(_, life)| *life);
        let asked = self.connected(life).and_then(|client| client.ask(version, request));
        match asked {
            Ok(response) => {
                // Connected while the broker was coming back, say: it is there since.
                if let Some((_, life)) = &mut self.client
                    && now == self.shared.life.load(Ordering::Acquire)
                {
                    *life = now;
                }
                Asked::Answered(response)
            }
            Err(error) => {
                // A broker that is there answers.
                if life.is_multiple_of(2) && life == self.shared.life.load(Ordering::Acquire) && !self.ends()
                {
                    self.complain(&format!("a question of key {} was not answered: {error:#}", Q::KEY));
                }
                self.client = None;
                pause();
                Asked::Lost
            }
        }
    }

    fn connected(&mut self, life: u64) -> Result<&mut Client> {
        let connected = match self.client.take() {
            Some(connected) => connected,
            None => (Client::connect(self.shared.broker)?, life),
        };
        Ok(&mut self.client.insert(connected).0)
    }

    pub(super) fn complain(&self, words: &str) {
        self.shared.complain(format!("{} in {}: {words}", self.member_id, self.group));
    }

    /// The broker does not know it: only if its session has ended, or it was never written down.
    pub(super) fn unknown(&mut self, what: &str) {
        let silence = self.well_at.elapsed();
        if self.is_known && silence < SESSION_TIMEOUT {
            let silence_ms = silence.as_millis();
            self.complain(&format!("UNKNOWN_MEMBER_ID to {what} {silence_ms} ms after all was well"));
        }
        // An id that nobody has written down yet is gone with the broker's life, and with nothing else.
        let life = self.shared.life.load(Ordering::Acquire);
        if let Some((given_in, at)) = self.named.take()
            && (given_in, life % 2) == (life, 0)
            && at.elapsed() < SESSION_TIMEOUT
        {
            let (age_ms, life) = (at.elapsed().as_millis(), life / 2);
            self.complain(&format!("UNKNOWN_MEMBER_ID to {what} {age_ms} ms after its id, in life {life}"));
        }
        self.forget();
    }
}

/// Until a coordinator may be ready.
pub(super) fn pause() {
    std::thread::park_timeout(RETRY_INTERVAL);
}

/// Whether the coordinator is elsewhere or not ready yet.
pub(super) fn is_not_ready(error_code: i16) -> bool {
    matches!(
        ErrorCode::from_code(error_code),
        Some(
            ErrorCode::CoordinatorLoadInProgress
                | ErrorCode::CoordinatorNotAvailable
                | ErrorCode::NotCoordinator
        )
    )
}

pub(super) fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
