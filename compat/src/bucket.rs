//! A bucket for tiered storage: moto's S3 server, which is not ours, with a network between that can fail; or
//! a directory.
//!
//! **Owns** the server's process, the settings of a broker that uses it, and what lies in it.
//! **Does not own** what the objects mean, beyond the form of their keys (docs/formats/tier.md).

pub mod faults;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::broker::{Settings, tied_to_this_process};
use crate::process::Process;
use crate::tools::Tools;
use crate::wait::eventually;

/// Its name.
pub const BUCKET: &str = "highwater";
/// What all keys of a broker begin with.
const PREFIX: &str = "some/prefix/";
const READY_DEADLINE: Duration = Duration::from_secs(60);
/// Larger objects lie on disk: the server would have a whole tier in memory.
const IN_MEMORY_BYTES: &str = "262144";
/// Keys of a page, and pages that are asked for at most.
const PAGE_KEYS: usize = 1_000;
const PAGES_MAX: usize = 1_000;

/// moto's server.
pub struct Moto {
    address: SocketAddr,
    /// Killed when dropped.
    _process: Process,
}

impl Moto {
    /// Starts it on a port of its choice, which it prints; with one empty bucket.
    pub fn start(tools: &Tools, folder: &Path, name: &str, variables: &[(&str, &str)]) -> Result<Moto> {
        let mut command = tools.moto()?;
        command.env("MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", IN_MEMORY_BYTES);
        command.envs(variables.iter().copied());
        let log = folder.join(format!("moto-{name}.log"));
        let mut process = Process::spawn_logged(tied_to_this_process(&command), &log)?;
        let address = eventually(READY_DEADLINE, "moto", || {
            let ended = process.exited()?;
            ensure!(ended.is_none(), "moto ended: {ended:?}");
            let printed = fs::read_to_string(&log)?;
            let address = printed.lines().find_map(|line| line.trim().strip_prefix("* Running on http://"));
            Ok(address.map(str::to_owned))
        })?;
        let moto = Moto { address: address.parse()?, _process: process };
        moto.ask("PUT", &format!("/{BUCKET}"))?;
        Ok(moto)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// One request without a body; the body of its answer.
    fn ask(&self, method: &str, target: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address).context("moto")?;
        stream.set_read_timeout(Some(READY_DEADLINE))?;
        // The older version of HTTP: nothing comes in chunks.
        write!(stream, "{method} {target} HTTP/1.0\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", self.address)?;
        let mut response = Vec::new();
        stream.read_to_end(&mut response)?;
        let response = String::from_utf8_lossy(&response).into_owned();
        let (head, body) = response.split_once("\r\n\r\n").context("an answer without a head")?;
        let is_ok = head.split(' ').nth(1) == Some("200");
        ensure!(is_ok, "{method} {target}: {response}");
        Ok(body.to_owned())
    }

    /// Keys below the broker's prefix.
    fn keys(&self) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        let mut after = String::new();
        for _ in 0..PAGES_MAX {
            let page = self.ask(
                "GET",
                &format!("/{BUCKET}?list-type=2&max-keys={PAGE_KEYS}&prefix={PREFIX}&start-after={after}"),
            )?;
            let on_page = keys.len();
            for piece in page.split("<Key>").skip(1) {
                let key = piece.split("</Key>").next().unwrap_or_default();
                keys.push(key.strip_prefix(PREFIX).context("a key of somebody else")?.to_owned());
            }
            if keys.len() < on_page + PAGE_KEYS {
                return Ok(keys);
            }
            after = format!("{PREFIX}{}", keys[keys.len() - 1]);
        }
        Ok(keys)
    }
}

/// Where a broker's older segments lie.
pub enum Bucket {
    /// On an S3 server, behind an address that need not be its own.
    S3 {
        /// The server.
        moto: Moto,
        /// Where the broker finds it.
        endpoint: SocketAddr,
    },
    /// In a directory.
    Directory(PathBuf),
}

impl Bucket {
    /// A new server, asked without anything in between.
    pub fn on_moto(tools: &Tools, folder: &Path) -> Result<Bucket> {
        let moto = Moto::start(tools, folder, "tier", &[])?;
        Ok(Bucket::S3 { endpoint: moto.address(), moto })
    }

    /// A new directory.
    pub fn in_directory(folder: &Path) -> Result<Bucket> {
        let directory = folder.join("bucket");
        fs::create_dir_all(&directory)?;
        Ok(Bucket::Directory(directory))
    }

    /// Settings of a broker that keeps its tier there and is in a hurry with all of it.
    pub fn settings(&self) -> Settings {
        let settings = Settings::default()
            .with("remote.log.manager.task.interval.ms", "300")
            .with("log.retention.check.interval.ms", "300")
            .with("highwater.checkpoint.interval.ms", "300")
            .with("highwater.tier.grace.ms", "3000")
            .with("highwater.tier.memory.bytes", "33554432");
        match self {
            Bucket::S3 { endpoint, .. } => {
                let mut settings = settings
                    .with("highwater.tier.store", &format!("s3://{BUCKET}/{}", PREFIX.trim_end_matches('/')))
                    .with("highwater.tier.endpoint", &format!("http://{endpoint}"))
                    .with("highwater.tier.allow.http", "true");
                for (name, value) in [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")] {
                    settings.environment.push((name.to_owned(), value.to_owned()));
                }
                settings
            }
            Bucket::Directory(path) => {
                settings.with("highwater.tier.store", &format!("file://{}", path.display()))
            }
        }
    }

    /// What lies there of topics.
    pub fn objects(&self) -> Result<Objects> {
        let keys = match self {
            Bucket::S3 { moto, .. } => moto.keys()?,
            Bucket::Directory(path) => {
                let mut keys = Vec::new();
                walk(path, "", &mut keys)?;
                keys
            }
        };
        Ok(Objects::of(&keys))
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
