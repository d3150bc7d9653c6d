//! A bucket for tiered storage: on an S3 server, with a network between that can fail; or a directory.
//!
//! **Owns** the settings of a broker that uses it, and what lies in it. **Does not own** the server's process
//! (`server`), nor what the objects mean, beyond the form of their keys (docs/formats/tier.md).

pub mod faults;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use self::faults::Faults;
use crate::broker::{Settings, binary};
use crate::tools::Tools;

pub use server::{ACCESS_KEY, BUCKET, Kind, SECRET_KEY, Server};

/// What all keys of a broker begin with.
const PREFIX: &str = "some/prefix/";

/// Where a broker's older segments lie.
pub enum Bucket {
    /// On an S3 server, behind an address that need not be its own.
    S3 {
        /// The server.
        server: Server,
        /// Where the broker finds it.
        endpoint: SocketAddr,
    },
    /// In a directory.
    Directory(PathBuf),
}

impl Bucket {
    /// A new server, asked without anything in between.
    pub fn on(kind: Kind, tools: &Tools, folder: &Path) -> Result<Bucket> {
        let server = Server::start(kind, tools, folder, "tier", &[])?;
        Ok(Bucket::S3 { endpoint: server.address(), server })
    }

    /// A new server, behind a network that can fail.
    pub fn behind_faults(kind: Kind, tools: &Tools, folder: &Path) -> Result<(Bucket, Faults)> {
        let server = Server::start(kind, tools, folder, "tier", &[])?;
        let faults = Faults::start(server.address())?;
        Ok((Bucket::S3 { server, endpoint: faults.address() }, faults))
    }

    /// A new directory.
    pub fn in_directory(folder: &Path) -> Result<Bucket> {
        let directory = folder.join("bucket");
        fs::create_dir_all(&directory)?;
        Ok(Bucket::Directory(directory))
    }

    /// Settings of a broker that keeps its tier there.
    pub fn store(&self) -> Settings {
        let mut settings = Settings::default().with("highwater.tier.store", &self.url());
        if let Bucket::S3 { endpoint, .. } = self {
            settings = settings
                .with("highwater.tier.endpoint", &format!("http://{endpoint}"))
                .with("highwater.tier.allow.http", "true");
            for (name, value) in [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)] {
                settings.environment.push((name.to_owned(), value.to_owned()));
            }
        }
        settings
    }

    /// The same, of one that is in a hurry with all of it.
    pub fn settings(&self) -> Settings {
        self.store()
            .with("remote.log.manager.task.interval.ms", "300")
            .with("log.retention.check.interval.ms", "300")
            .with("highwater.checkpoint.interval.ms", "300")
            .with("highwater.tier.grace.ms", "3000")
            .with("highwater.tier.catalogue.interval.ms", "1000")
            .with("highwater.tier.memory.bytes", "33554432")
    }

    /// As `highwater.tier.store` has it.
    pub fn url(&self) -> String {
        match self {
            Bucket::S3 { .. } => format!("s3://{BUCKET}/{}", PREFIX.trim_end_matches('/')),
            Bucket::Directory(path) => format!("file://{}", path.display()),
        }
    }

    /// A command of our program that is told the bucket by settings, with `words` before those.
    pub fn command(&self, words: &[&str]) -> Result<Command> {
        let Settings { properties, environment, .. } = self.settings();
        let mut command = Command::new(binary()?);
        command.args(words).envs(environment);
        for (key, value) in &properties {
            command.args(["--override", &format!("{key}={value}")]);
        }
        Ok(command)
    }

    /// Keys of all objects there.
    pub fn keys(&self) -> Result<Vec<String>> {
        match self {
            Bucket::S3 { server, .. } => server.keys(PREFIX),
            Bucket::Directory(path) => {
                let mut keys = Vec::new();
                walk(path, "", &mut keys)?;
                Ok(keys)
            }
        }
    }

    /// What lies there of topics.
    pub fn objects(&self) -> Result<Objects> {
        Ok(Objects::of(&self.keys()?))
    }
}

/// Files below a directory, as keys.
fn walk(directory: &Path, prefix: &str, keys: &mut Vec<String>) -> Result<()> {
    let entries = match fs::read_dir(directory) {
        // It went away meanwhile, with its last file.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.file_type()?.is_dir() {
            true => walk(&entry.path(), &format!("{prefix}{name}/"), keys)?,
            false => keys.push(format!("{prefix}{name}")),
        }
    }
    Ok(())
}

/// Objects of topics, by `<topic id>/<partition>`.
#[derive(Default, Debug)]
pub struct Objects {
    /// What lies there of each partition.
    pub partitions: BTreeMap<String, Kinds>,
}

/// Objects of one partition.
#[derive(Default, Debug)]
pub struct Kinds {
    /// Base offsets of segments, one for each object.
    pub segments: Vec<i64>,
    /// Leaves of manifests.
    pub leaves: usize,
    /// Roots of manifests.
    pub roots: usize,
}

impl Objects {
    fn of(keys: &[String]) -> Objects {
        let mut objects = Objects::default();
        for key in keys {
            let words: Vec<&str> = key.split('/').collect();
            let ["topics", topic_id, partition, _, name] = words[..] else { continue };
            let kinds = objects.partitions.entry(format!("{topic_id}/{partition}")).or_default();
            match name.rsplit_once('.') {
                Some((place, "segment")) => {
                    let base = place.split('-').next().unwrap_or_default();
                    kinds.segments.extend(base.parse::<i64>());
                }
                Some((_, "leaf")) => kinds.leaves += 1,
                Some((_, "root")) => kinds.roots += 1,
                _ => {}
            }
        }
        objects
    }

    /// Of a topic, by partition.
    pub fn of_topic(&self, topic_id: &str) -> BTreeMap<u32, &Kinds> {
        let ours = |(name, kinds)| {
            let (id, partition) = str::split_once(name, '/')?;
            (id == topic_id).then_some((partition.parse().ok()?, kinds))
        };
        self.partitions.iter().map(|(name, kinds)| (name.as_str(), kinds)).filter_map(ours).collect()
    }

    /// All segment objects.
    pub fn segments_count(&self) -> usize {
        self.partitions.values().map(|kinds| kinds.segments.len()).sum()
    }
}

impl Kinds {
    /// Segments whose base offset another object has too: only one of them is named.
    pub fn doubled(&self) -> usize {
        self.segments.len() - self.segments.iter().collect::<BTreeSet<_>>().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_by_partition_and_kind() {
        let keys = [
            "topics/id/0/segments/00000000000000000000-aa.segment",
            "topics/id/0/segments/00000000000000000007-bb.segment",
            "topics/id/0/segments/00000000000000000007-cc.segment",
            "topics/id/0/manifest/dd.leaf",
            "topics/id/0/manifest/00000000000000000002.root",
            "topics/other/3/manifest/00000000000000000002.root",
            "owner/1",
        ];
        let objects = Objects::of(&keys.map(str::to_owned));
        let of_topic = objects.of_topic("id");
        assert_eq!(of_topic.keys().copied().collect::<Vec<_>>(), [0]);
        let kinds = of_topic[&0];
        assert_eq!((&kinds.segments[..], kinds.leaves, kinds.roots), (&[0, 7, 7][..], 1, 1));
        assert_eq!((kinds.doubled(), objects.segments_count(), objects.partitions.len()), (1, 3, 2));
    }
}
