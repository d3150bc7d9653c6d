//! The end of a storage that nobody writes to any more.

use std::io;

use super::checkpoint::Checkpoint;
use super::{CheckpointReach, Storage, StorageFailed};
use crate::wal::{Lsn, ReplayStart};

/// Times that a stop waits for somebody who holds a group of the WAL: who begins later is not waited for.
const HOLDS_MAX: usize = 1000;

impl Storage {
    /// Commits what is left, makes a checkpoint of everything, and gives the WAL up if nothing of it is
    /// needed: the next start has nothing to replay, and nothing to look for.
    pub fn conclude(&self) -> Result<(), StorageFailed> {
        // A group that is held is not taken. Who holds one waits for nothing: this does not take long.
        for _ in 0..HOLDS_MAX {
            while self.commit_step()? {}
            if !self.wal().wait_until_let_go() {
                break;
            }
        }
        self.checkpoint_step(CheckpointReach::All)?;
        self.give_up_wal()
    }

    /// Lets the checkpoint name a WAL of which nothing is written, as that of a new directory does, where the
    /// one before it covered all that there is.
    ///
    /// Without this a start cannot know that the WAL ends at the checkpoint: it would have to look whether
    /// its next frame was acknowledged and is damaged. The order is right because this is one step more
    /// behind a checkpoint that holds: whichever of the two a start finds, everything is in synced segments,
    /// and its own checkpoint, which names the WAL that it writes to, is durable in both copies before the
    /// first frame. Another id, so that no frame of the old WAL is ever taken for one of the new.
    fn give_up_wal(&self) -> Result<(), StorageFailed> {
        let checkpoint = self.checkpoint.lock().clone();
        let covers_all = checkpoint.replay_start.lsn >= self.wal().appended_lsn();
        if !covers_all || !self.flush_queue.dirty().is_empty() {
            return Ok(());
        }
        let next = Checkpoint {
            sequence: checkpoint.sequence + 1,
            replay_start: ReplayStart {
                wal_id: self.env.random.uuid(),
                incarnation: 0,
                lsn: Lsn(0),
                previous_crc: 0,
            },
            ..checkpoint
        };
        match next.store(self.env.files.as_ref(), &self.directory.root) {
            Ok(()) => Ok(()),
            // The checkpoint before it holds.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
            Err(error) => {
                let reason = format!("checkpoint in {}: {error}", self.directory.root.display());
                self.fail(&reason);
                Err(StorageFailed(reason))
            }
        }
    }
}
