use std::time::Duration;

use parking_lot::Mutex;

use crate::env::Clock;
use crate::model::Timestamp;

/// 2026-11-22T00:00:00Z: a plausible wall-clock time, so that nothing mistakes it for "none".
const START: Timestamp = Timestamp(1_795_305_600_000);

/// A clock that stands still until it is told otherwise.
pub struct SimulatedClock {
    times: Mutex<(Timestamp, Duration)>,
}

impl Default for SimulatedClock {
    fn default() -> SimulatedClock {
        SimulatedClock { times: Mutex::new((START, Duration::ZERO)) }
    }
}

impl SimulatedClock {
    /// Time passes: wall and monotonic time both move on.
    pub fn advance(&self, duration: Duration) {
        let mut times = self.times.lock();
        times.0.0 += i64::try_from(duration.as_millis()).expect("tests advance by less than an age");
        times.1 += duration;
    }

    /// The wall clock is set, forwards or backwards; monotonic time does not notice.
    pub fn set(&self, now: Timestamp) {
        self.times.lock().0 = now;
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        self.times.lock().0
    }

    fn monotonic(&self) -> Duration {
        self.times.lock().1
    }
}
