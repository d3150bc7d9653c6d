//! Compaction of records that are not in a log of ours: by whom they are read and written, nobody here knows.

use std::collections::HashMap;

use super::cleaning::{CleaningLimits, milliseconds};
use super::filter::{Filter, Verdict, map_batch};
use super::key_map::KeyMap;
use super::transactions::TransactionSieve;
use crate::env::Random;
use crate::log::{Compaction, Times};
use crate::model::Offset;
use crate::protocol::batch::{BatchError, BatchHeader};

/// One pass over the batches of a stretch of a log, all of whose transactions are decided and none of whose
/// records was taken back: first the keys of its dirty part, then what of all batches stays. Each in the
/// order of offsets, the second from the stretch's begin on. Memory is that of the key map, and one batch
/// with what it decompresses to.
///
/// The last batches of producers are not kept: where each of them is must stand elsewhere.
pub struct Sifting {
    keys: KeyMap,
    /// Of the walk for keys, and of the one that sifts.
    transactions: [TransactionSieve; 2],
    now: Times,
    delete_retention_ms: i64,
    from: Offset,
    unreadable: u64,
}

impl Sifting {
    /// Keys are read from `from` on: below, the stretch was sifted before.
    pub fn new(
        compaction: &Compaction,
        limits: &CleaningLimits,
        random: &dyn Random,
        now: Times,
        from: Offset,
    ) -> Sifting {
        Sifting {
            keys: KeyMap::new(limits.key_map_bytes, limits.key_map_load_factor, random),
            transactions: Default::default(),
            now,
            delete_retention_ms: milliseconds(compaction.delete_retention),
            from,
            unreadable: 0,
        }
    }

    /// Learns the keys of one whole batch. `false`: there was no room for all of them, and there is none for
    /// those of later ones.
    pub fn map(&mut self, batch: &[u8]) -> Result<bool, BatchError> {
        let batch = (batch, &BatchHeader::parse(batch)?);
        Ok(map_batch(&mut self.keys, &mut self.transactions[0], batch, self.from).is_ok())
    }

    /// Every key below `end` was offered.
    pub fn mapped_below(&mut self, end: Offset) {
        self.keys.reached(end.plus(-1));
    }

    /// Below it the stretch is clean once all of it was sifted: as far as the keys had room.
    pub fn clean_end(&self) -> Option<Offset> {
        self.keys.latest().map(|latest| latest.plus(1))
    }

    /// Share of the key map in use.
    pub fn key_map_utilization(&self) -> f64 {
        self.keys.utilization()
    }

    /// What becomes of one whole batch.
    pub fn sift(&mut self, batch: &[u8]) -> Result<Verdict, BatchError> {
        let mut filter = Filter {
            keys: &self.keys,
            now: self.now,
            delete_retention_ms: self.delete_retention_ms,
            waits_below: Offset(i64::MAX),
            last_batches: &HashMap::new(),
            transactions: &mut self.transactions[1],
            unreadable: &mut self.unreadable,
        };
        Ok(filter.batch(batch, &BatchHeader::parse(batch)?, false))
    }

    /// Batches that stay as they are, since nobody can read them.
    pub fn unreadable_batches(&self) -> u64 {
        self.unreadable
    }
}
