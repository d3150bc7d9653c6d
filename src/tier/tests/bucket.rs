use std::sync::Arc;

use bytes::Bytes;

use super::fixture::{MadeSegment, NOW, PARTITION};
use crate::env::simulated::{SeededRandom, SimulatedClock, SimulatedWorld};
use crate::env::{Env, RealFiles};
use crate::log::{CarriedState, Times};
use crate::model::{LeaderEpoch, Offset};
use crate::store::simulated::SimulatedBucket;
use crate::store::{ObjectStore, Operation};
use crate::tier::{RemoteLog, RemoteReader, RemoteReaderOptions, Root, SegmentScan, Stamp, TierError};

/// A bucket with one partition's segments, as an upload would leave it.
pub(in crate::tier) struct FilledBucket {
    pub bucket: SimulatedBucket,
    pub clock: Arc<SimulatedClock>,
    pub store: Arc<dyn ObjectStore>,
    pub root: Arc<Root>,
    pub segments: Vec<MadeSegment>,
}

impl FilledBucket {
    pub(in crate::tier) async fn new(segments: Vec<MadeSegment>) -> FilledBucket {
        let world = SimulatedWorld::new(1);
        let bucket = SimulatedBucket::new(world.clock.clone(), 1);
        let store = bucket.open(&world.env());
        let random = SeededRandom::new(7);
        let mut root = Root::empty(PARTITION, Offset(0));
        let (mut state, mut last) = (CarriedState::default(), None);
        for made in &segments {
            let mut scan = SegmentScan::new(made.source(), state).unwrap();
            scan.push(&made.bytes).unwrap();
            let scanned = scan.finish().unwrap();
            let body = vec![scanned.head, scanned.producers, Bytes::from(made.bytes.clone())];
            store.put(&scanned.entry.key(PARTITION), body).await.unwrap();
            let stamp =
                Stamp::after(&root, &random, LeaderEpoch(1), Times::both(NOW), std::time::Duration::ZERO);
            let update = root.add(&[scanned.entry], last.as_ref(), &stamp).unwrap();
            if let Some(leaf) = update.leaf {
                store.put(&leaf.key, vec![leaf.bytes]).await.unwrap();
                last = update.next_leaf;
            }
            store.create(&update.root.key, update.root.bytes).await.unwrap();
            store.delete(&update.garbage).await.unwrap();
            (root, state) = (update.next, scanned.state);
        }
        // A leaf of so few stands in the root; here it is an object, as all were in earlier versions.
        if let Some(tail) = root.tail.take() {
            let object = tail.encode(PARTITION);
            *root.leaves.last_mut().unwrap() = tail.reference(&object);
            bucket.set_object(&tail.key(PARTITION), object);
            bucket.set_object(&root.key(), root.encode());
        }
        FilledBucket { bucket, clock: world.clock.clone(), store, root: Arc::new(root), segments }
    }

    /// Its clock, and real files.
    pub(in crate::tier) fn env(&self) -> Env {
        Env { clock: self.clock.clone(), files: Arc::new(RealFiles), ..Env::real() }
    }

    pub(in crate::tier) async fn reader(&self, memory_bytes: usize) -> Arc<RemoteReader> {
        let options = RemoteReaderOptions { memory_bytes, disk: None };
        Arc::new(RemoteReader::open(Arc::clone(&self.store), &self.env(), &options).await)
    }

    /// As a broker that starts has it: from the root on.
    pub(in crate::tier) async fn log(&self, memory_bytes: usize) -> Result<RemoteLog, TierError> {
        let reader = self.reader(memory_bytes).await;
        let root = reader.root(PARTITION, self.root.number).await?;
        assert_eq!(root, self.root);
        Ok(RemoteLog::new(reader, root))
    }

    pub(in crate::tier) fn gets(&self) -> u64 {
        self.bucket.requests(Operation::Get)
    }

    /// Keys of the segment objects, in order.
    pub(in crate::tier) fn segment_keys(&self) -> Vec<String> {
        self.bucket.keys().into_iter().filter(|key| key.ends_with(".segment")).collect()
    }
}
