//! Threads around the synchronous core: one commits the WAL, one pre-writes it, one writes segments and
//! checkpoints.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{CheckpointReach, Storage, StorageFailed};
use crate::wal::Wake;

/// How long the WAL's thread waits for work before it publishes how far it is durable.
const COMMIT_WAIT: Duration = Duration::from_millis(20);
/// How often the WAL's space is looked at: its free target is far above what comes in within this time.
const PROVISION_INTERVAL: Duration = Duration::from_millis(10);
/// How often the segment thread looks at the tail window, the disk and the checkpoint.
const FLUSH_INTERVAL: Duration = Duration::from_millis(50);

/// The running threads. Dropping them without [`StorageThreads::stop`] leaves them to end with the process.
pub struct StorageThreads {
    storage: Arc<Storage>,
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl StorageThreads {
    /// Starts them.
    pub fn start(storage: &Arc<Storage>) -> std::io::Result<StorageThreads> {
        let stopping = Arc::new(AtomicBool::new(false));
        let loops: [(&str, Loop); 3] =
            [("wal", run_commits), ("wal-space", run_provisioning), ("segments", run_flushes)];
        let threads = loops.map(|(name, run)| spawn(name, storage, &stopping, run));
        let threads = threads.into_iter().collect::<Result<_, _>>()?;
        Ok(StorageThreads { storage: storage.clone(), stopping, threads })
    }

    /// Ends them, then commits what is left and makes a checkpoint of everything, so that the next start has
    /// nothing to replay.
    pub fn stop(self) -> Result<(), StorageFailed> {
        self.stopping.store(true, Ordering::Release);
        for thread in self.threads {
            // A panic inside was caught there and has failed the storage.
            let _ = thread.join();
        }
        self.storage.conclude()
    }
}

type Loop = fn(&Storage, &AtomicBool) -> Result<(), StorageFailed>;

fn spawn(
    name: &str,
    storage: &Arc<Storage>,
    stopping: &Arc<AtomicBool>,
    run: Loop,
) -> std::io::Result<JoinHandle<()>> {
    let (storage, stopping) = (storage.clone(), stopping.clone());
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // A failure was announced where it was found. A panic is an invariant that does not hold any more:
        // who waits for this thread must hear of it, and the process stops.
        if catch_unwind(AssertUnwindSafe(|| run(&storage, &stopping))).is_err() {
            let name = std::thread::current().name().unwrap_or("storage").to_owned();
            storage.fail(&format!("the {name} thread panicked"));
        }
    })
}

fn run_commits(storage: &Storage, stopping: &AtomicBool) -> Result<(), StorageFailed> {
    while !stopping.load(Ordering::Acquire) {
        if !storage.commit_step()? && storage.wal().wait(COMMIT_WAIT) == Wake::TimedOut {
            storage.idle_step()?;
        }
    }
    Ok(())
}

fn run_provisioning(storage: &Storage, stopping: &AtomicBool) -> Result<(), StorageFailed> {
    while !stopping.load(Ordering::Acquire) {
        if !storage.provision_step()? {
            storage.wait_for_provisioning(PROVISION_INTERVAL);
        }
    }
    Ok(())
}

fn run_flushes(storage: &Storage, stopping: &AtomicBool) -> Result<(), StorageFailed> {
    let clock = storage.env.clock.clone();
    let mut last_checkpoint = clock.monotonic();
    while !stopping.load(Ordering::Acquire) {
        storage.disk_step();
        // Half of the window, so that appends need not wait for the flush that makes room for them.
        storage.flush_step(storage.options.tail_bytes / 2)?;
        let due = clock.monotonic().saturating_sub(last_checkpoint) >= storage.options.checkpoint_interval;
        // Half of the WAL at the latest, whatever is configured: the other half fills meanwhile.
        let bytes_max = storage.options.checkpoint_bytes.min(storage.options.wal.capacity_bytes / 2);
        let all = due || storage.take_wal_room_wanted();
        if all || storage.replay_bytes() >= bytes_max {
            storage.checkpoint_step(if all { CheckpointReach::All } else { CheckpointReach::Older })?;
            last_checkpoint = clock.monotonic();
        }
        storage.pause(FLUSH_INTERVAL);
    }
    Ok(())
}
