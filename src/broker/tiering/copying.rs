//! Closed segments on their way to the tier.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use super::{Look, Tiering, TieringError, aside, upload_memory_bytes};
use crate::cluster::MetadataError;
use crate::env::{BackgroundError, FileExtent, time};
use crate::log::{CarriedState, TierableSegment};
use crate::model::Offset;
use crate::store::{ObjectStore, StoreError};
use crate::tier::{
    ManifestEntry, Nonce, Root, ScannedSegment, SegmentBlocks, SegmentScan, SegmentSource, TierError,
    scan_file,
};

/// Segments that are copied before the manifest names them. Each holds a file open; a crash makes so many
/// uploads vain.
const SEGMENTS_PER_UPDATE_MAX: usize = 8;
/// Updates of one manifest in a row before others get their turn.
const UPDATES_PER_TURN_MAX: u32 = 16;
/// Blocks between who reads a segment and who sends it.
const BLOCKS_IN_FLIGHT: usize = 2;

impl Look<'_> {
    /// Copies what may be copied, up to a bound, after which others get their turn. For the writer alone.
    pub(super) async fn copy(&self) -> Result<(), TieringError> {
        if self.partition.log().config().tiering.is_some_and(|tiering| tiering.copies) {
            // Also of more producers than are remembered between turns.
            let mut carried = None;
            for _ in 0..UPDATES_PER_TURN_MAX {
                if !self.copy_some(&mut carried).await? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Copies the next closed segments of a partition, some at a time, as far as they are decided and below
    /// the checkpoint. Whether there was any: then there may be more.
    async fn copy_some(&self, carried: &mut Option<Arc<CarriedState>>) -> Result<bool, TieringError> {
        let Look { tiering, remote, .. } = self;
        let record = self.record();
        let remote_end = record.map_or(Offset(0), |record| record.remote_end_offset);
        let segments = self.tierable(remote_end).await?;
        if segments.is_empty() {
            return Ok(false);
        }
        let root = remote.root(tiering.reader(), record).await?;
        let known = carried.take().filter(|state| state.offset == root.end_offset);
        let mut state = match known.or_else(|| tiering.reader().known_state(self.id(), root.end_offset)) {
            Some(state) => CarriedState::clone(&state),
            None => self.carried(&root, segments[0].base_offset).await?,
        };
        let mut entries = Vec::with_capacity(segments.len());
        let mut failed = None;
        for segment in segments {
            match self.upload(segment, state.clone()).await {
                Ok((entry, next)) => {
                    entries.push(entry);
                    state = next;
                }
                // Those before it need not go a second time.
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        if !entries.is_empty() {
            self.name(&root, &entries).await?;
            let state = carried.insert(Arc::new(state));
            tiering.reader().keep_state(self.id(), root.end_offset, state);
        }
        failed.map_or(Ok(true), Err)
    }

    async fn tierable(&self, remote_end: Offset) -> Result<Vec<TierableSegment>, TieringError> {
        let partition = self.partition.clone();
        let watermarks = partition.watermarks();
        let from = remote_end.max(watermarks.local_log_start_offset);
        let end_max = watermarks.last_stable_offset;
        let tierable = move || partition.log().tierable(from, remote_end, end_max, SEGMENTS_PER_UPDATE_MAX);
        Ok(aside(tierable).await??)
    }

    /// Adds segments that are in the bucket to the manifest.
    async fn name(&self, root: &Root, entries: &[ManifestEntry]) -> Result<(), TieringError> {
        let Look { tiering, partition, .. } = self;
        let last = match root.leaf_for(entries.len()) {
            Some(reference) => Some(tiering.reader().leaf(root, reference).await?),
            None => None,
        };
        let named = self.commit(root, |stamp| root.add(entries, last.as_deref(), stamp)).await;
        let (topic, index) = (partition.topic(), self.id().partition);
        match named {
            Ok(update) => {
                let (end, segments) = (update.next.end_offset, entries.len());
                tracing::debug!(%topic, partition = index, %end, segments, "copied to the tier");
                Ok(())
            }
            // The topic is gone, or was taken over: nobody will ever name them. After any other error the
            // record that names them may be durable all the same; if it is not, the collector finds them.
            Err(TieringError::Metadata(error @ MetadataError::Conflict(_))) => {
                let keys: Vec<_> = entries.iter().map(|entry| entry.key(self.id())).collect();
                drop(tiering.store().delete(&keys).await);
                Err(error.into())
            }
            Err(error) => Err(error),
        }
    }

    /// One segment; its entry, and the state as of its end.
    async fn upload(
        &self,
        segment: TierableSegment,
        state: CarriedState,
    ) -> Result<(ManifestEntry, CarriedState), TieringError> {
        let TierableSegment {
            base_offset, end_offset, bytes, extent, aborted, is_clean, is_committed, ..
        } = segment;
        let broker = self.broker;
        let source = SegmentSource {
            partition: self.id(),
            base_offset,
            end_offset,
            log_bytes: bytes,
            aborted,
            is_clean,
            is_committed,
            nonce: Nonce::draw(&*broker.env.random),
            now: broker.storage.times().stamp,
        };
        let file = extent.clone();
        let scan = move || scan_file(SegmentScan::new(source, state)?, &file, base_offset);
        let mut scanned = aside(scan).await??;
        let (entry, next) = (scanned.entry, std::mem::take(&mut scanned.state));
        let metrics = self.broker.metrics.tier();
        metrics.copy_begun();
        self.put(scanned, extent).await?;
        metrics.copied(entry.bytes());
        Ok((entry, next))
    }

    /// Puts the object that a walk over those record batches has made.
    pub(super) async fn put(&self, scanned: ScannedSegment, extent: FileExtent) -> Result<(), TieringError> {
        let (tiering, entry) = (self.tiering, scanned.entry);
        self.pay(entry.bytes()).await;
        let key = entry.key(self.id());
        match entry.bytes() <= upload_memory_bytes(&tiering.config) as u64 {
            true => put_whole(tiering, &key, scanned, extent).await?,
            false => put_in_parts(tiering.store(), &key, scanned, extent).await?,
        }
        Ok(())
    }

    /// Waits until so many bytes may be sent (`highwater.tier.upload.bytes.per.second`).
    async fn pay(&self, bytes: u64) {
        let rate = self.tiering.config.upload_bytes_per_second;
        if rate == 0 {
            return;
        }
        let now = self.broker.env.clock.monotonic();
        let wait = {
            let mut paid_until = self.tiering.paid_until.lock();
            let start = now.max(*paid_until);
            *paid_until = start + Duration::from_secs_f64(bytes as f64 / rate as f64);
            start - now
        };
        time::sleep(wait).await;
    }

    /// As of the end of the manifest; of one that is empty, as of where copying begins: producers that wrote
    /// nothing since are not known there.
    async fn carried(&self, root: &Root, from: Offset) -> Result<CarriedState, TieringError> {
        let reader = self.tiering.reader();
        let last = match root.leaves.last() {
            Some(reference) => reader.leaf(root, reference).await?.entries.last().copied(),
            None => None,
        };
        let Some(entry) = last else {
            let mut leader_epochs = self.partition.log().state().leader_epochs;
            leader_epochs.truncate_from(from);
            return Ok(CarriedState { offset: from, leader_epochs, ..CarriedState::default() });
        };
        Ok(reader.state(root.partition, &entry).await?)
    }
}

/// One request, with all of it in memory: one at a time, and the next one in the same memory. (Taken anew
/// each time, by whichever thread, the allocator keeps several: 257 MiB were resident where 68 are used.)
async fn put_whole(
    tiering: &Tiering,
    key: &str,
    scanned: ScannedSegment,
    extent: FileExtent,
) -> Result<(), TieringError> {
    let mut memory = tiering.upload_memory.lock().await;
    let mut object = std::mem::take(&mut *memory);
    let read = move || {
        let ScannedSegment { entry, head, producers, blocks, .. } = scanned;
        object.clear();
        let bytes = usize::try_from(entry.bytes()).unwrap_or(0);
        // `reserve` would take twice as much as there was.
        if object.capacity() < bytes {
            object = BytesMut::with_capacity(bytes);
        }
        object.extend_from_slice(&head);
        object.extend_from_slice(&producers);
        let mut blocks = SegmentBlocks::new(extent, entry.base_offset, blocks);
        while blocks.append_next(&mut object)? {}
        Ok::<_, TierError>(object.freeze())
    };
    let object = aside(read).await??;
    let put = tiering.store().put(key, vec![object.clone()]).await;
    // A request that was given up may still hold it.
    if let Ok(object) = object.try_into_mut() {
        *memory = object;
    }
    Ok(put?)
}

/// As it is read, some blocks at a time.
async fn put_in_parts(
    store: &dyn ObjectStore,
    key: &str,
    scanned: ScannedSegment,
    extent: FileExtent,
) -> Result<(), TieringError> {
    let entry = scanned.entry;
    let (pieces, mut parts) = mpsc::channel::<Result<Bytes, StoreError>>(BLOCKS_IN_FLIGHT);
    let read = move || {
        let mut blocks = SegmentBlocks::new(extent, entry.base_offset, scanned.blocks);
        let head = [Ok(scanned.head), Ok(scanned.producers)].into_iter();
        let rest = std::iter::from_fn(move || match blocks.next_block() {
            Ok(block) => block.map(Ok),
            Err(error) => Some(Err(StoreError::Source(error.to_string()))),
        });
        for piece in head.chain(rest) {
            let is_last = piece.is_err();
            // Who sends has given up, or there is nothing more to send.
            if pieces.blocking_send(piece).is_err() || is_last {
                return;
            }
        }
    };
    let reading = tokio::task::spawn_blocking(read);
    let stored = store.put_large(key, entry.bytes(), &mut parts).await;
    drop(parts);
    reading.await.map_err(|_| BackgroundError::Panicked)?;
    Ok(stored?)
}
