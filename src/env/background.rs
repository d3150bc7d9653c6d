//! Work that others should not notice.

use tokio::sync::oneshot;

/// Of a thread that does such work: by nine tenths less processor than an ordinary one where both want it.
const NICENESS: i32 = 10;

/// Does `work` on a thread of its own that gives way to all others of this process; nothing if there is no
/// such thread, or the work panics. Not for more pieces of work at a time than there are cores.
pub async fn in_background<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = oneshot::channel();
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Of this thread alone, as Linux has it. Refused, it is done at the ordinary pace.
        if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
            tracing::debug!(%error, "a thread in the background is no slower than others");
        }
        // Who asked may be gone.
        drop(done.send(work()));
    });
    thread.ok()?;
    result.await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_at_a_lower_priority_and_a_panic_is_nothing() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let ours = priority();
        assert_eq!(in_background("slow", priority).await, Some(ours + NICENESS));
        assert_eq!(priority(), ours, "nobody else's");
        assert_eq!(in_background("broken", || panic!("on purpose")).await, None::<()>);
    }
}
