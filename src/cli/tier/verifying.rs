//! `highwater tier verify`: whether what lies in the bucket is what manifests say.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::str::FromStr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde::Serialize;
use uuid::Uuid;

use super::super::admin_client::{AdminClient, AdminFailure};
use super::super::arguments::TierVerifyArguments;
use super::super::exit::Exit;
use super::super::words::size;
use super::Failure;
use crate::broker::{TierPartition, TierStatus};
use crate::env::Env;
use crate::model::{TopicId, TopicPartition};
use crate::tier::{
    BucketCheck, BucketCheckError, BucketFault, BucketSummary, BucketWatcher, CurrentManifests,
    NewestManifests, ObjectCount,
};

/// Bytes between two signs of life on a terminal.
const PROGRESS_BYTES: u64 = 16 << 20;

/// Does what was asked for.
pub(super) async fn verify(env: &Env, arguments: &TierVerifyArguments) -> Result<Exit, Failure> {
    let (options, store) = super::open(env, &arguments.store)?;
    let asked = match &arguments.admin {
        Some(address) => Some(AskedManifests::ask(address).await?),
        None => None,
    };
    let newest = NewestManifests(Arc::clone(&store));
    let (manifests, known): (&dyn CurrentManifests, Vec<_>) = match &asked {
        Some(asked) => (asked, asked.partitions()),
        None => (&newest, Vec::new()),
    };
    let names = asked.as_ref().map(AskedManifests::names).unwrap_or_default();
    let teller = Teller {
        json: arguments.json,
        names,
        shows_progress: io::stderr().is_terminal(),
        read: Mutex::default(),
    };
    let check = BucketCheck::new(store, env, manifests, &teller, arguments.sizes_only).await;
    let checked = check.run(&known).await;
    teller.clear();
    let summary = checked?;
    let text = match arguments.json {
        true => serde_json::to_string(&Summary::of(&summary))? + "\n",
        false => words(&options.url, &summary, arguments.sizes_only),
    };
    super::print(&text)?;
    Ok(if summary.faults == 0 { Exit::Stopped } else { Exit::Failed })
}

/// Prints faults as they come, and now and then how far it is.
struct Teller {
    json: bool,
    /// Topics by id, where they are known.
    names: BTreeMap<TopicId, String>,
    shows_progress: bool,
    /// Bytes that were read, and that were shown last.
    read: Mutex<(u64, u64)>,
}

impl Teller {
    fn clear(&self) {
        if self.shows_progress && self.read.lock().1 > 0 {
            eprint!("\r\x1b[K");
        }
    }
}

impl BucketWatcher for Teller {
    fn found(&self, fault: &BucketFault) {
        self.clear();
        let TopicPartition { topic_id, partition } = fault.partition;
        let topic = self.names.get(&topic_id).cloned().unwrap_or_else(|| topic_id.to_string());
        let text = match self.json {
            true => {
                let BucketFault { key, what, .. } = fault;
                let told = Fault { topic: &topic, topic_id: topic_id.to_string(), partition, key, what };
                serde_json::to_string(&told).unwrap_or_default()
            }
            false => format!("FAULT   {topic}-{partition}: {}: {}", fault.key, fault.what),
        };
        // Whoever reads may have seen enough; the exit code tells as well.
        drop(super::print(&(text + "\n")));
    }

    fn read(&self, bytes: u64) {
        let mut counts = self.read.lock();
        counts.0 += bytes;
        if self.shows_progress && counts.0 - counts.1 >= PROGRESS_BYTES {
            counts.1 = counts.0;
            eprint!("\r{} MiB read ", counts.0 >> 20);
        }
    }
}

#[derive(Serialize)]
struct Fault<'a> {
    topic: &'a str,
    topic_id: String,
    partition: i32,
    key: &'a str,
    what: &'a str,
}

/// The last line.
#[derive(Serialize)]
struct Summary {
    partitions: u64,
    faults: u64,
    segments: u64,
    segments_bytes: u64,
    unnamed: u64,
    unnamed_bytes: u64,
    without_manifest: u64,
    without_manifest_bytes: u64,
    unread: u64,
    foreign: u64,
    foreign_bytes: u64,
}

impl Summary {
    fn of(summary: &BucketSummary) -> Summary {
        let BucketSummary { partitions, segments, unnamed, without_manifest, unread, foreign, faults } =
            *summary;
        Summary {
            partitions,
            faults,
            segments: segments.objects,
            segments_bytes: segments.bytes,
            unnamed: unnamed.objects,
            unnamed_bytes: unnamed.bytes,
            without_manifest: without_manifest.objects,
            without_manifest_bytes: without_manifest.bytes,
            unread,
            foreign: foreign.objects,
            foreign_bytes: foreign.bytes,
        }
    }
}

fn words(url: &str, summary: &BucketSummary, sizes_only: bool) -> String {
    let verdict = match summary.faults {
        0 if summary.unread > 0 => "no fault in what was read".to_owned(),
        0 => "whole".to_owned(),
        1 => "1 FAULT".to_owned(),
        faults => format!("{faults} FAULTS"),
    };
    let how = if sizes_only { "sizes compared, contents not read" } else { "every checksum compared" };
    let count = |ObjectCount { objects, bytes }| format!("{objects} ({})", size(bytes));
    let mut words = format!(
        "{url}: {verdict}\n  {} partitions, segments: {}, {how}\n  objects that no manifest names (on their \
         way, replaced lately, or left by a crash until they are collected): {}\n  objects that are not \
         Highwater's: {}\n",
        summary.partitions,
        count(summary.segments),
        count(summary.unnamed),
        count(summary.foreign),
    );
    if summary.without_manifest.objects > 0 {
        words += &format!(
            "  segments of partitions without a manifest, which nobody reads (of a topic that is being \
             deleted, or its manifests are lost): {}\n",
            count(summary.without_manifest)
        );
    }
    if summary.unread > 0 {
        words += &format!(
            "  segments that were not read, since their manifest was written anew each time (run it \
             again): {}\n",
            summary.unread
        );
    }
    words
}

/// The manifests that a running broker says hold.
struct AskedManifests {
    admin: AdminClient,
    first: BTreeMap<TopicPartition, Known>,
}

struct Known {
    topic: String,
    manifest: u64,
}

impl AskedManifests {
    async fn ask(address: &str) -> Result<AskedManifests, Failure> {
        let admin = AdminClient::new(address)?;
        let status: TierStatus = super::asked(&admin).await?;
        let known = |told: TierPartition| {
            let topic_id = TopicId(Uuid::from_str(&told.topic_id).ok()?);
            let id = TopicPartition { topic_id, partition: told.partition };
            Some((id, Known { topic: told.topic, manifest: told.manifest }))
        };
        let first = status.partitions.into_iter().filter_map(known).collect();
        Ok(AskedManifests { admin, first })
    }

    /// Those that have a manifest.
    fn partitions(&self) -> Vec<TopicPartition> {
        self.first.iter().filter(|(_, known)| known.manifest > 0).map(|(id, _)| *id).collect()
    }

    fn names(&self) -> BTreeMap<TopicId, String> {
        self.first.iter().map(|(id, known)| (id.topic_id, known.topic.clone())).collect()
    }
}

impl CurrentManifests for AskedManifests {
    /// What holds now, of the topics that were there at the beginning.
    fn number(&self, partition: TopicPartition) -> BoxFuture<'_, Result<Option<u64>, BucketCheckError>> {
        Box::pin(async move {
            let Some(known) = self.first.get(&partition) else { return Ok(None) };
            let path = format!("/tier/partition/{}/{}", known.topic, partition.partition);
            match self.admin.get::<TierPartition>(&path).await {
                // Of a topic of that name, which may be another one by now.
                Ok(told) if told.topic_id == partition.topic_id.to_string() => {
                    Ok(Some(told.manifest).filter(|number| *number > 0))
                }
                Ok(_) | Err(AdminFailure::Unknown { .. }) => Ok(None),
                Err(error) => Err(BucketCheckError::Manifests(error.to_string())),
            }
        })
    }
}
