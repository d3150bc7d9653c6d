use std::time::Duration;

/// Limits of single requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestOptions {
    /// Until a request is answered, and between two pieces of a body. What sends a body has the time for it
    /// besides, see [`RequestOptions::time_to_send`].
    pub timeout: Duration,
    /// Repetitions of a request that failed for a passing reason.
    pub retries: u32,
    /// Before the first repetition; doubles with each.
    pub backoff: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
    /// Size of the parts of a large object, the last one excepted.
    pub part_bytes: usize,
}

/// A body that is sent at less than this is given up.
const SENT_BYTES_PER_SECOND_MIN: u64 = 256 << 10;

impl RequestOptions {
    /// How long a request with a body of that many bytes may take.
    pub(super) fn time_to_send(&self, bytes: u64) -> Duration {
        self.timeout + Duration::from_secs(bytes.div_ceil(SENT_BYTES_PER_SECOND_MIN))
    }
}

impl Default for RequestOptions {
    /// The defaults of `highwater.tier.*`.
    fn default() -> RequestOptions {
        RequestOptions {
            timeout: Duration::from_secs(30),
            retries: 5,
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
            part_bytes: 8 << 20,
        }
    }
}
