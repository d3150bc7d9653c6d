//! Which manifest of a partition is the last one that holds.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::log::CarriedState;
use crate::model::{Offset, TopicId, TopicPartition};
use crate::store::{ObjectStore, StoreError};
use crate::tier::{ObjectKey, RemoteReader, Root, TOPICS, TierError};

/// Roots of one partition that are tried, the newest first. Those of commits that broke off are among them.
const ROOTS_MAX: usize = 64;

/// The roots that are in a bucket.
pub(super) struct Manifests {
    /// Numbers, ascending; the highest [`ROOTS_MAX`].
    roots: HashMap<TopicPartition, BTreeSet<u64>>,
    topics: BTreeSet<TopicId>,
}

impl Manifests {
    /// Lists all that belongs to topics: one request for a thousand objects, and a few numbers kept of each
    /// partition.
    pub async fn list(store: &dyn ObjectStore) -> Result<Manifests, TierError> {
        let mut manifests = Manifests { roots: HashMap::new(), topics: BTreeSet::new() };
        let mut listing = store.list(TOPICS.trim_end_matches('/'));
        while let Some(page) = listing.next_page().await? {
            for listed in page {
                let Some(key) = ObjectKey::parse(&listed.key) else { continue };
                let (ObjectKey::Segment(id, _) | ObjectKey::Leaf(id, _) | ObjectKey::Root(id, _)) = key;
                manifests.topics.insert(id.topic_id);
                if let ObjectKey::Root(id, number) = key {
                    let roots = manifests.roots.entry(id).or_default();
                    roots.insert(number);
                    if roots.len() > ROOTS_MAX {
                        roots.pop_first();
                    }
                }
            }
        }
        Ok(manifests)
    }

    /// Topics of which there are objects.
    pub fn topics(&self) -> impl Iterator<Item = TopicId> {
        self.topics.iter().copied()
    }

    /// Numbers of a partition's roots within a range, the highest first.
    pub fn roots_of(&self, id: TopicPartition, range: RangeInclusive<u64>) -> impl Iterator<Item = u64> {
        self.roots.get(&id).into_iter().flat_map(move |roots| roots.range(range.clone()).rev().copied())
    }
}

/// The last root that holds, of which all is there that it names. `None`: there is none at all. Of what lies
/// below `known_end` the old node knew.
///
/// `numbers` come the highest first. Every manifest that was current after the one of number `recorded` has a
/// higher number than that, and is by a leader that knew it. Among these the newest leader's counts, and of
/// that one's the highest number: one who was followed may put its own late, under a number that was free.
/// One above the record's need not have been current; what it names was put before it.
pub(super) async fn newest(
    store: &dyn ObjectStore,
    reader: &RemoteReader,
    id: TopicPartition,
    numbers: impl Iterator<Item = u64>,
    (recorded, known_end): (u64, Offset),
) -> Result<Option<Arc<Root>>, TierError> {
    let mut first_error = None;
    let mut is_bad = |error: TierError| match error.is_damage() || error.is_absence() {
        true => {
            first_error.get_or_insert(error);
            Ok(())
        }
        false => Err(error),
    };
    let (later, earlier): (Vec<u64>, Vec<u64>) = numbers.partition(|number| *number > recorded);
    let mut roots = Vec::with_capacity(later.len());
    for number in later {
        match reader.root(id, number).await {
            Ok(root) => roots.push(root),
            Err(error) => is_bad(error)?,
        }
    }
    roots.sort_by_key(|root| Reverse((root.leader_epoch, root.number)));
    for root in roots {
        match check_whole(store, reader, &root, known_end).await {
            Ok(()) => return Ok(Some(root)),
            Err(error) => is_bad(error)?,
        }
    }
    for number in earlier {
        let whole = async {
            let root = reader.root(id, number).await?;
            check_whole(store, reader, &root, known_end).await.map(|()| root)
        };
        match whole.await {
            Ok(root) => return Ok(Some(root)),
            Err(error) => is_bad(error)?,
        }
    }
    first_error.map_or(Ok(None), |error| Err(as_damage(error)))
}

/// What a manifest names and is not there is damage: it is not the store that refuses.
pub(super) fn as_damage(error: TierError) -> TierError {
    match error {
        TierError::Store(StoreError::NotFound(key)) => {
            TierError::Damaged { key, what: "it is missing, and a manifest names it".to_owned() }
        }
        error => error,
    }
}

/// Whether all that it names is there.
async fn check_whole(
    store: &dyn ObjectStore,
    reader: &RemoteReader,
    root: &Root,
    known_end: Offset,
) -> Result<(), TierError> {
    let id = root.partition;
    for reference in &root.leaves {
        let leaf = reader.leaf(root, reference).await?;
        for entry in leaf.live(reference).iter().filter(|entry| entry.end_offset > known_end) {
            let key = entry.key(id);
            match store.size(&key).await? {
                Some(bytes) if bytes >= entry.position + entry.bytes() => {}
                found => {
                    let what =
                        format!("a manifest names it with {} bytes, and it has {found:?}", entry.bytes());
                    return Err(TierError::Damaged { key, what });
                }
            }
        }
    }
    Ok(())
}

/// Where the last segment ends that was not cleaned before it was copied, of those that reach above `oldest`,
/// where the oldest transaction without a marker began. What is left of one that began there or above was
/// committed: a cleaning would have taken it away, had it been aborted, and goes over nothing that is not
/// decided. Of one that began below nobody knows (as where the policy was changed): in a cleaned segment an
/// empty batch may be left of what was aborted, and its records in a later one.
pub(super) async fn cleaned_from(
    reader: &RemoteReader,
    root: &Root,
    oldest: Offset,
) -> Result<Offset, TierError> {
    for reference in root.leaves.iter().rev().take_while(|leaf| leaf.end_offset > oldest) {
        let leaf = reader.leaf(root, reference).await?;
        if let Some(entry) = leaf.live(reference).iter().rfind(|entry| !entry.is_committed) {
            return Ok(entry.end_offset);
        }
    }
    Ok(oldest)
}

/// Producers and leader epochs as of the end of a manifest.
pub(super) async fn state(reader: &RemoteReader, root: &Root) -> Result<CarriedState, TierError> {
    let Some(reference) = root.leaves.last() else {
        return Ok(CarriedState { offset: root.end_offset, ..CarriedState::default() });
    };
    let leaf = reader.leaf(root, reference).await?;
    let Some(entry) = leaf.entries.last() else { return Ok(CarriedState::default()) };
    reader.state(root.partition, entry).await
}
