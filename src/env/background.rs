//! Work that others should not notice.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::setpriority_process;
use tokio::sync::oneshot;

use super::Clock;

/// Of a thread that does such work: by nine tenths less processor than an ordinary one where both want it.
const NICENESS: i32 = 10;
/// There is no lower priority.
const NICENESS_MAX: i32 = 19;

/// How long a thread works between two pauses, about.
const WORK: Duration = Duration::from_micros(200);
/// And pauses; what the kernel adds makes it about as much.
const PAUSE: Duration = Duration::from_micros(150);

/// Why there is no result of work in the background.
#[derive(Debug, thiserror::Error)]
pub enum BackgroundError {
    /// The machine gives no thread, now.
    #[error("no thread: {0}")]
    NoThread(#[from] std::io::Error),
    /// It panicked.
    #[error("it panicked")]
    Panicked,
}

/// Does `work` on a thread of its own that gives way to all others of this process. Not for more pieces of
/// work at a time than there are cores.
pub async fn in_background<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BackgroundError> {
    let (done, result) = oneshot::channel();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Of this thread alone, as Linux has it. Refused, it is done at the ordinary pace.
        let ours = rustix::process::getpriority_process(None);
        let lowered = ours.and_then(|ours| setpriority_process(None, (ours + NICENESS).min(NICENESS_MAX)));
        if let Err(error) = lowered {
            tracing::debug!(%error, "a thread in the background is no slower than others");
        }
        // Who asked may be gone.
        drop(done.send(work()));
    })?;
    result.await.map_err(|_| BackgroundError::Panicked)
}

/// Pauses in work of the background while somebody waits for a core. A low priority alone does not give one
/// back at once: who runs stays for a time slice of some milliseconds (Linux's EEVDF), and a request changes
/// threads several times.
///
/// Measured with 1,000,000 committed offsets on two cores: a producer's p99 was 5.3 times its own while they
/// were loaded, and is 1.3 to 1.6 times with pauses; the load takes twice as long.
pub struct Pace {
    clock: Arc<dyn Clock>,
    since: Duration,
}

impl Pace {
    /// Work begins.
    pub fn new(clock: Arc<dyn Clock>) -> Pace {
        Pace { since: clock.monotonic(), clock }
    }

    /// Pauses if it is time to. To be called every few microseconds of work, by a thread of its own.
    pub fn keep(&mut self) {
        if self.clock.monotonic().saturating_sub(self.since) < WORK {
            return;
        }
        // Woken too early, it works on too early.
        std::thread::park_timeout(PAUSE);
        self.since = self.clock.monotonic();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SystemClock;
    use crate::env::simulated::SimulatedClock;

    #[test]
    fn work_at_a_pace_leaves_others_at_least_as_much_time() {
        let clock = Arc::new(SystemClock);
        let start = clock.monotonic();
        let (mut pace, mut worked) = (Pace::new(clock.clone()), Duration::ZERO);
        while worked < 20 * WORK {
            let before = clock.monotonic();
            while clock.monotonic() - before < WORK / 4 {}
            worked += clock.monotonic() - before;
            pace.keep();
        }
        let rested = clock.monotonic() - start - worked;
        assert!(rested >= 10 * PAUSE, "{rested:?} beside {worked:?}");
    }

    #[test]
    fn no_time_no_pause() {
        let mut pace = Pace::new(Arc::new(SimulatedClock::default()));
        let start = SystemClock.monotonic();
        (0..10_000).for_each(|_| pace.keep());
        assert!(SystemClock.monotonic() - start < 5_000 * PAUSE);
    }

    #[tokio::test]
    async fn work_is_done_at_a_lower_priority_and_a_panic_is_nothing() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let ours = priority();
        assert_eq!(in_background("slow", priority).await.unwrap(), (ours + NICENESS).min(NICENESS_MAX));
        assert_eq!(priority(), ours, "nobody else's");
        let broken = in_background("broken", || panic!("on purpose")).await;
        assert!(matches!(broken, Err::<(), _>(BackgroundError::Panicked)));
    }
}
