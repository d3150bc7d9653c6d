//! Log lines that clients could otherwise write as fast as they send requests.

use std::time::Duration;

use parking_lot::Mutex;

/// Shortest time between two lines of one kind.
const INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of a client's id in a log line; on the wire it may have 32 KiB.
const CLIENT_ID_BYTES_MAX: usize = 100;

/// Lets one line per second pass, and counts those between.
pub(super) struct Seldom {
    state: Mutex<State>,
}

struct State {
    told_at: Option<Duration>,
    untold: u64,
}

impl Seldom {
    pub(super) const fn new() -> Seldom {
        Seldom { state: Mutex::new(State { told_at: None, untold: 0 }) }
    }

    /// Whether something that happens `now`, on the monotonic clock, may be told: how many were not since the
    /// last one that was.
    pub(super) fn may_tell(&self, now: Duration) -> Option<u64> {
        let mut state = self.state.lock();
        if state.told_at.is_some_and(|told_at| now.saturating_sub(told_at) < INTERVAL) {
            state.untold += 1;
            return None;
        }
        state.told_at = Some(now);
        Some(std::mem::take(&mut state.untold))
    }
}

/// The front of a client's id.
pub(super) fn shortened(client_id: Option<&str>) -> &str {
    let client_id = client_id.unwrap_or_default();
    &client_id[..client_id.floor_char_boundary(CLIENT_ID_BYTES_MAX)]
}

#[cfg(test)]
mod tests;
