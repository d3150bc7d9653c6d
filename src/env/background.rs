//! Work that others should not notice.

use rustix::process::setpriority_process;
use tokio::sync::oneshot;

/// Of a thread that does such work: by nine tenths less processor than an ordinary one where both want it.
const NICENESS: i32 = 10;
/// There is no lower priority.
const NICENESS_MAX: i32 = 19;

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

#[cfg(test)]
mod tests {
    use super::*;

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
