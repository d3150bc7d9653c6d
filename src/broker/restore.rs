//! A node from the bucket alone (ADR 33): takes the bucket over and writes a data directory on which a broker
//! starts.
//!
//! The order: the directory is made sure of and marked; the bucket is taken over; nothing of the old node is
//! on its way any more; the catalogue and the manifests are read; partitions are written, then the groups'
//! offsets, then the checkpoint. Cut off anywhere, it is run again and begins anew: what it left is a number
//! that was taken and a directory that is marked.

mod ends;
mod known;
mod manifests;
mod offsets;
mod published;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use uuid::Uuid;

use super::open::is_internal;
use crate::cluster::new_snapshot;
use crate::config::ServerConfig;
use crate::env::{Env, time};
use crate::log::LogError;
use crate::metadata::{TierOwner, TopicImage};
use crate::model::{Offset, TopicPartition};
use crate::partition::{EmptyDirectory, RestoredDirectory, RestoredDirectoryError};
use crate::store::{ObjectStore, StoreError};
use crate::tier::{
    Nonce, OWNERSHIP_AGE_MAX, ObjectKey, Owner, RemoteReader, RemoteReaderOptions, TierError, create_owner,
    highest_owner, partition_folder,
};

pub use ends::{EndedHere, RestoredPartition};
use known::Known;
use manifests::Manifests;

/// Memory for what is read from the tier meanwhile.
const READER_BYTES: usize = 32 << 20;

/// What is asked for.
pub struct RestoreOptions {
    /// Whether to do it: otherwise only what would be done is told.
    pub take_over: bool,
    /// Nothing of the old node is on its way to the bucket any more: it is not waited for.
    pub old_node_is_dead: bool,
    /// Topics that are restored empty where nothing is left of what they had in the bucket.
    pub allow_empty: Vec<String>,
}

/// Hears how far it is.
pub trait RestoreWatcher {
    /// Something that whoever restores should know.
    fn note(&mut self, words: &str);
    /// One more partition of so many.
    fn partition(&mut self, partition: &RestoredPartition, done: usize, all: usize);
}

/// What was restored, or would be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// The cluster that goes on.
    pub cluster_id: String,
    /// The owner of the bucket from now on; `None`: nothing was changed.
    pub owner: Option<u64>,
    /// Topics with their partitions.
    pub topics: usize,
    /// Without those of internal topics.
    pub partitions: usize,
    /// Committed offsets.
    pub offsets: u64,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The data directory.
    #[error(transparent)]
    Directory(#[from] RestoredDirectoryError),
    /// There is no catalogue that can be read.
    #[error("{0}")]
    Nothing(String),
    /// Somebody else restores from the same bucket.
    #[error(
        "somebody else took the bucket over at the same time ({0}); run this again only if that came to \
         nothing"
    )]
    Taken(String),
    /// A manifest or a state is damaged: who goes on would lose what it names.
    #[error(
        "{topic}-{partition}: {error}. Nothing is restored, since this would lose what it names: mend the \
         object, or remove the folder {folder} to do without"
    )]
    Damaged {
        /// Its topic.
        topic: String,
        /// Its index.
        partition: i32,
        /// What is wrong.
        error: TierError,
        /// Where its objects are.
        folder: String,
    },
    /// Nothing is left of what a partition had in the bucket.
    #[error(
        "{topic}-{partition}: offsets up to {remote_end_offset} were in the bucket when the catalogue was \
         taken, and no manifest of them is there, under {folder}. Nothing is restored. If the topic was \
         deleted since, have it restored empty: --allow-empty {topic}; if not, bring its objects back"
    )]
    Gone {
        /// Its topic.
        topic: String,
        /// Its index.
        partition: i32,
        /// Where what was there ended (exclusive).
        remote_end_offset: Offset,
        /// Where its objects were.
        folder: String,
    },
    /// The bucket did not answer, or refused.
    #[error(transparent)]
    Tier(#[from] TierError),
    /// A log could not be written.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl RestoreError {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            RestoreError::Directory(RestoredDirectoryError::Io(_)) | RestoreError::Log(_) => 74,
            RestoreError::Tier(TierError::Store(error)) if error.is_transient() => 74,
            RestoreError::Directory(_) | RestoreError::Nothing(_) | RestoreError::Tier(_) => 78,
            RestoreError::Taken(_) | RestoreError::Damaged { .. } | RestoreError::Gone { .. } => 1,
        }
    }
}

/// Restores a node into `config.log_dir`, from a store that was opened as the configuration says.
pub async fn restore(
    env: &Env,
    store: &Arc<dyn ObjectStore>,
    config: &ServerConfig,
    options: &RestoreOptions,
    watcher: &mut dyn RestoreWatcher,
) -> Result<Restored, RestoreError> {
    if !options.take_over {
        EmptyDirectory::check(env, &config.log_dir)?;
        let known = Known::read(&**store).await?;
        let plan = Restoration::plan(env, store, known, options, watcher).await;
        plan.partitions(None, watcher).await?;
        return Ok(plan.restored(None));
    }
    // Before anything is changed: what is not there cannot be taken over.
    let before = Known::read(&**store).await?;
    let empty = EmptyDirectory::prepare(env, &config.log_dir)?;
    let owner = take_over(env, &**store, config, &before.cluster_id).await?;
    watcher.note(&format!("the bucket belongs to this node from now on: {owner}"));
    if !options.old_node_is_dead {
        let wait = settling(config);
        watcher.note(&format!("waiting {} s, until nothing of the old node is on its way", wait.as_secs()));
        time::sleep(wait).await;
    }
    let known = Known::read(&**store).await?;
    let directory = empty.begin(config.node_id, &known.cluster_id)?;
    let plan = Restoration::plan(env, store, known, options, watcher).await;
    plan.write(directory, &owner, watcher).await?;
    Ok(plan.restored(Some(owner.number)))
}

/// How long a node that was followed may still write: until its last look is too old, and what it asked for
/// then has come to its end.
fn settling(config: &ServerConfig) -> Duration {
    let request = config.tier.request_timeout + config.tier.retry_backoff_max;
    OWNERSHIP_AGE_MAX + request * (config.tier.request_retries + 1)
}

async fn take_over(
    env: &Env,
    store: &dyn ObjectStore,
    config: &ServerConfig,
    cluster_id: &str,
) -> Result<Owner, RestoreError> {
    let highest = highest_owner(store).await?;
    let owner = Owner {
        number: highest.map_or(0, |highest| highest.number) + 1,
        nonce: Nonce::draw(&*env.random),
        node_id: config.node_id,
        since: env.clock.now(),
        cluster_id: cluster_id.to_owned(),
    };
    match create_owner(store, &owner).await? {
        None => Ok(owner),
        Some(taken) => Err(RestoreError::Taken(taken.to_string())),
    }
}

/// One restoration, once all is known that is needed for it.
struct Restoration<'a> {
    env: &'a Env,
    store: &'a Arc<dyn ObjectStore>,
    reader: Arc<RemoteReader>,
    known: Known,
    allow_empty: &'a [String],
    manifests: Result<Manifests, TierError>,
}

impl<'a> Restoration<'a> {
    async fn plan(
        env: &'a Env,
        store: &'a Arc<dyn ObjectStore>,
        known: Known,
        options: &'a RestoreOptions,
        watcher: &mut dyn RestoreWatcher,
    ) -> Restoration<'a> {
        let reads = RemoteReaderOptions { memory_bytes: READER_BYTES, disk: None };
        let reader = Arc::new(RemoteReader::open(store.clone(), env, &reads).await);
        watcher.note(&known.words);
        let manifests = Manifests::list(&**store).await;
        for topic_id in manifests.iter().flat_map(Manifests::topics) {
            if known.image.topic_by_id(topic_id).is_none() && !known.is_deleted(topic_id) {
                watcher.note(&format!(
                    "the bucket holds records of topic id {topic_id}, which the catalogue does not know: it \
                     was made after that was taken, and is not restored; its objects stay"
                ));
            }
        }
        Restoration { env, store, reader, known, allow_empty: &options.allow_empty, manifests }
    }

    fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.known.image.topics().filter(|topic| !is_internal(&topic.name))
    }

    fn restored(&self, owner: Option<u64>) -> Restored {
        Restored {
            cluster_id: self.known.cluster_id.clone(),
            owner,
            topics: self.topics().count(),
            partitions: self.topics().map(|topic| topic.topic_partitions().count()).sum(),
            offsets: self.known.offsets_count,
        }
    }

    /// Restores all partitions but those of internal topics, some at a time; into no directory only looks.
    async fn partitions(
        &self,
        directory: Option<&RestoredDirectory>,
        watcher: &mut dyn RestoreWatcher,
    ) -> Result<Vec<RestoredPartition>, RestoreError> {
        let manifests = self.manifests.as_ref().map_err(Clone::clone)?;
        let ids = self.topics().flat_map(|topic| topic.topic_partitions().map(move |id| (topic, id)));
        let ids: Vec<(&Arc<TopicImage>, TopicPartition)> = ids.collect();
        let all = ids.len();
        let mut restored = Vec::with_capacity(all);
        // In one order where the files are counted.
        let lanes = self.env.files.lanes();
        let partitions = ids.into_iter().map(|(topic, id)| self.partition(topic, id, manifests, directory));
        let mut partitions = futures_util::stream::iter(partitions).buffered(lanes);
        while let Some(partition) = partitions.next().await {
            let partition = partition?;
            watcher.partition(&partition, restored.len() + 1, all);
            restored.push(partition);
        }
        Ok(restored)
    }

    async fn partition(
        &self,
        topic: &Arc<TopicImage>,
        id: TopicPartition,
        manifests: &Manifests,
        directory: Option<&RestoredDirectory>,
    ) -> Result<RestoredPartition, RestoreError> {
        let damaged = |error: TierError| match manifests::as_damage(error) {
            TierError::Store(error) if !matches!(error, StoreError::Corrupt { .. }) => {
                RestoreError::Tier(error.into())
            }
            error => RestoreError::Damaged {
                topic: topic.name.to_string(),
                partition: id.partition,
                error,
                folder: partition_folder(id),
            },
        };
        let catalogued = self.known.partitions.get(&id).cloned().unwrap_or_default();
        let roots = manifests.roots_of(id, self.known.manifests_of(id));
        // What it names was current once: a former one in its place would lose the rest to the collector.
        let expected = self.known.image.tier(id).map_or(0, |record| record.manifest);
        let known = (expected, catalogued.remote_end_offset);
        let found =
            manifests::newest(&**self.store, &self.reader, id, roots, known).await.map_err(damaged)?;
        if let Some(root) = found.as_ref().filter(|root| root.number < expected) {
            let what = format!("it is damaged or missing, and was current; number {} is whole", root.number);
            let key = ObjectKey::Root(id, expected).to_string();
            return Err(damaged(TierError::Damaged { key, what }));
        }
        let lost_end_offset = if found.is_none() { self.lost(topic, id)? } else { None };
        let (state, cleaned_from) = match &found {
            Some(root) => {
                let state = manifests::state(&self.reader, root).await.map_err(damaged)?;
                let oldest = state.producers.first_undecided().unwrap_or(root.end_offset);
                let from = manifests::cleaned_from(&self.reader, root, oldest).await.map_err(damaged)?;
                (state, from)
            }
            None => Default::default(),
        };
        let ends = ends::Ends {
            topic: topic.name.clone(),
            id,
            log_start_offset: self.known.image.log_start(id),
            committed: self.known.committed.get(&id).copied().unwrap_or_default(),
            catalogued: &catalogued,
            root: found.as_deref(),
            cleaned_from,
        };
        let (partition, restored) = ends.plan(state, self.env.clock.now());
        let partition = RestoredPartition { lost_end_offset, ..partition };
        if let Some(directory) = directory {
            tokio::task::block_in_place(|| {
                directory.write_log(&restored.as_log(&topic.name, id), &restored.batches)
            })?;
        }
        Ok(partition)
    }

    /// Of a partition without a manifest: where what it had in the bucket ended, if anything counted of that,
    /// and it is restored without.
    fn lost(&self, topic: &TopicImage, id: TopicPartition) -> Result<Option<Offset>, RestoreError> {
        let Some(record) = self.known.image.tier(id) else { return Ok(None) };
        let told = self.known.partitions.get(&id).map_or(Offset(0), |partition| partition.log_start_offset);
        let remote_end_offset = record.remote_end_offset;
        if remote_end_offset <= self.known.image.log_start(id).max(told) {
            return Ok(None);
        }
        match self.allow_empty.iter().any(|name| **name == *topic.name) {
            true => Ok(Some(remote_end_offset)),
            false => Err(RestoreError::Gone {
                topic: topic.name.to_string(),
                partition: id.partition,
                remote_end_offset,
                folder: partition_folder(id),
            }),
        }
    }

    async fn write(
        &self,
        directory: RestoredDirectory,
        owner: &Owner,
        watcher: &mut dyn RestoreWatcher,
    ) -> Result<(), RestoreError> {
        let partitions = self.partitions(Some(&directory), watcher).await?;
        offsets::write(self.env, &**self.store, &self.known, &directory).await?;
        let (number, since_ms) = (owner.number, owner.since.0);
        let nonce = Uuid::from_bytes(owner.nonce.0);
        let remembered = TierOwner { number, nonce, since_ms, confirmed: true };
        let metadata = self.known.metadata_after(&partitions, remembered);
        // Before anything can be given out that stands in it.
        published::put(self.env, self.store, owner, &self.known, (&metadata, &partitions)).await?;
        directory.finish(new_snapshot(metadata))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
