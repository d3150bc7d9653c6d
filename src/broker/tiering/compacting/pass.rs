//! One pass over one partition, past the reader's caches: what is read here is not asked for again.

use std::sync::Arc;

use bytes::Bytes;

use super::rest::{Rest, StepError};
use crate::broker::cleaning;
use crate::broker::tiering::{Look, TieringError, aside};
use crate::log::{Cleanable, Compaction, Sifting};
use crate::model::{Offset, Timestamp};
use crate::tier::{
    ManifestEntry, Nonce, RemoteLog, Root, SegmentBody, SegmentScan, SegmentSource, TierError, scan_file,
};

/// Bytes of batches that are read between two turns of a thread that computes; one batch more.
const STEP_BYTES: usize = 1 << 20;

/// Keys, and what stays by them.
pub(super) struct Pass<'a> {
    pub look: Look<'a>,
    /// `None` while a thread has it, and for ever after one that panicked.
    sifting: Option<Box<Sifting>>,
    /// Bytes of batches that were read, twice where their keys were.
    pub read: u64,
    /// And those that were put.
    pub written: u64,
}

impl<'a> Pass<'a> {
    pub(super) fn begin(look: Look<'a>, compaction: &Compaction, cleanable: &Cleanable) -> Pass<'a> {
        let broker = look.broker;
        let sifting = Sifting::new(
            compaction,
            &cleaning::limits(&broker.config().cleaner, broker.cleaners()),
            &*broker.env.random,
            broker.storage.times(),
            cleanable.first_dirty_offset,
        );
        Pass { look, sifting: Some(Box::new(sifting)), read: 0, written: 0 }
    }

    pub(super) fn key_map_utilization(&self) -> f64 {
        self.sifting.as_ref().map_or(0.0, |sifting| sifting.key_map_utilization())
    }

    /// Learns keys, as far as there is room for them; below which offset the tier is clean when all was
    /// sifted.
    pub(super) async fn map(&mut self, root: Arc<Root>) -> Result<Option<Offset>, TieringError> {
        let mut at = root.clean_offset;
        let remote = RemoteLog::new(self.look.tiering.reader().clone(), root);
        while let Some(entry) = remote.segment_of(at).await? {
            at = entry.end_offset;
            let mut body = self.open(&entry).await?;
            while let Some(batches) = some_batches(&mut body).await? {
                let map = |sifting: &mut Sifting, batches: &[Bytes]| -> Result<bool, StepError> {
                    for batch in batches {
                        if !sifting.map(batch)? {
                            return Ok(false);
                        }
                    }
                    Ok(true)
                };
                if !self.step(&entry, batches, map).await? {
                    return Ok(self.clean_end());
                }
            }
            if let Some(sifting) = &mut self.sifting {
                sifting.mapped_below(at);
            }
        }
        Ok(self.clean_end())
    }

    pub(super) fn unreadable_batches(&self) -> u64 {
        self.sifting.as_ref().map_or(0, |sifting| sifting.unreadable_batches())
    }

    fn clean_end(&self) -> Option<Offset> {
        self.sifting.as_ref().and_then(|sifting| sifting.clean_end())
    }

    /// Replaces what begins below `end`, each group durably before the next one; `false` if it broke off.
    pub(super) async fn sift(&mut self, end: Offset) -> Result<bool, TieringError> {
        let mut at = Offset(0);
        loop {
            let root = self.look.root().await?;
            let group = self.look.group(&root, at, end).await?;
            let Some(last) = group.last() else { return Ok(true) };
            at = last.end_offset;
            // Somebody changed `cleanup.policy`: nothing more of it is compacted.
            let is_compacted = self.look.partition.log().config().compaction.is_some();
            if !is_compacted || !self.sift_group(&group).await? {
                return Ok(false);
            }
        }
    }

    async fn sift_group(&mut self, group: &[ManifestEntry]) -> Result<bool, TieringError> {
        let broker = self.look.broker;
        let (files, folder) = (broker.env.files.clone(), broker.storage.root().clone());
        let reserve = broker.config().log.disk_reserve_bytes;
        let needed = group.iter().map(|entry| entry.log_bytes).sum::<u64>().saturating_add(reserve);
        let mut rest = aside(move || Rest::begin(&*files, &folder, needed)).await??;
        let mut end_state = None;
        for entry in group {
            let mut body = self.open(entry).await?;
            while let Some(batches) = some_batches(&mut body).await? {
                let sift = move |sifting: &mut Sifting, batches: &[Bytes]| {
                    rest.sift(sifting, batches)?;
                    Ok(rest)
                };
                rest = self.step(entry, batches, sift).await?;
            }
            end_state = Some(body.into_state());
        }
        let (Some((first, last)), Some(end_state)) = (group.first().zip(group.last()), end_state) else {
            return Ok(true);
        };
        // Of which nothing was left before, nothing is left again.
        let was_empty = first.max_timestamp == Timestamp::NONE && rest.is_empty();
        if group.len() == 1 && (was_empty || !rest.is_changed) {
            return Ok(true);
        }
        let extent = aside(move || rest.finish()).await??;
        self.written += extent.length;
        let source = SegmentSource {
            partition: self.look.id(),
            base_offset: first.base_offset,
            end_offset: last.end_offset,
            log_bytes: extent.length,
            // Nothing that was copied was taken back, and a list would outlive the markers: readers would
            // take later records of that producer for aborted ones.
            aborted: Vec::new(),
            is_clean: true,
            is_committed: group.iter().all(|entry| entry.is_committed),
            nonce: Nonce::draw(&*broker.env.random),
            now: broker.storage.times().stamp,
        };
        let (file, base_offset) = (extent.clone(), first.base_offset);
        let scan = move || scan_file(SegmentScan::of_rest(source, end_state)?, &file, base_offset);
        let scanned = aside(scan).await??;
        let entry = scanned.entry;
        self.look.put(scanned, extent).await?;
        self.look.replace(group, entry).await
    }

    async fn open(&self, entry: &ManifestEntry) -> Result<SegmentBody, TierError> {
        SegmentBody::open(self.look.tiering.store(), self.look.id(), entry).await
    }

    /// Does something with batches of that segment, on a thread that may compute and wait for the disk, and
    /// rests until they are paid for (`log.cleaner.io.max.bytes.per.second`).
    async fn step<T: Send + 'static>(
        &mut self,
        entry: &ManifestEntry,
        batches: Vec<Bytes>,
        work: impl FnOnce(&mut Sifting, &[Bytes]) -> Result<T, StepError> + Send + 'static,
    ) -> Result<T, TieringError> {
        let bytes = batches.iter().map(|batch| batch.len() as u64).sum();
        let mut sifting = self.sifting.take().expect("whoever lost it has given up");
        let (sifting, done) = aside(move || {
            let done = work(&mut sifting, &batches);
            (sifting, done)
        })
        .await?;
        self.sifting = Some(sifting);
        self.read += bytes;
        let broker = self.look.broker;
        cleaning::pause(bytes, &broker.config().cleaner, broker.cleaners()).await;
        done.map_err(|error| match error {
            StepError::Batch(error) => {
                let what = format!("a record batch cannot be read: {error}");
                TierError::Damaged { key: entry.key(self.look.id()), what }.into()
            }
            StepError::Disk(error) => error.into(),
        })
    }
}

/// The next batches, some of them at once; `None` behind the last.
async fn some_batches(body: &mut SegmentBody) -> Result<Option<Vec<Bytes>>, TierError> {
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while bytes < STEP_BYTES {
        let Some(batch) = body.next_batch().await? else { break };
        bytes += batch.len();
        batches.push(batch);
    }
    Ok((!batches.is_empty()).then_some(batches))
}
