//! The data directory: one process at a time, one cluster for ever, a format version.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::env::{Env, LockGuard};
use crate::model::{NodeId, base64_id};

pub(super) const LOCK_FILE: &str = ".lock";
pub(super) const PROPERTIES_FILE: &str = "meta.properties";
/// Format of the whole directory. A newer one is refused with words.
const FORMAT_VERSION: u32 = 1;
pub(super) const PROPERTIES_LENGTH_MAX: u64 = 64 << 10;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The file system said no.
    #[error("{path}: {error}")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Somebody else holds the lock.
    #[error("{0} is in use by another process: one broker at a time may write to a data directory")]
    InUse(PathBuf),
    /// Made by a newer version.
    #[error(
        "{path} has format version {found}; this highwater reads up to {FORMAT_VERSION}: use the newer one"
    )]
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// Made for another cluster or node.
    #[error("{path} belongs to {what} {found}, not to {wanted}: point log.dirs elsewhere or change {key}")]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// "cluster" or "node".
        what: &'static str,
        /// As the directory says.
        found: String,
        /// As configured.
        wanted: String,
        /// The setting to change.
        key: &'static str,
    },
    /// `meta.properties` cannot be read.
    #[error("{path} cannot be understood: {why}; nothing was changed")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// A locked data directory.
pub struct BrokerDirectory {
    /// Its path.
    pub root: PathBuf,
    /// 22 characters of base64, drawn at the first start unless configured.
    pub cluster_id: String,
    _lock: Box<dyn LockGuard>,
}

impl BrokerDirectory {
    /// Locks the directory, creating and formatting it if it is new or empty.
    pub fn open(
        env: &Env,
        root: &Path,
        node_id: NodeId,
        cluster_id: Option<&str>,
    ) -> Result<BrokerDirectory, DirectoryError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| DirectoryError::Io { path, error }
        };
        if !env.files.exists(root).map_err(io(root))? {
            env.files.create_dir_all(root).map_err(io(root))?;
            if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                env.files.sync_dir(parent).map_err(io(parent))?;
            }
        }
        let lock = env.files.lock(&root.join(LOCK_FILE)).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => DirectoryError::InUse(root.to_owned()),
            _ => DirectoryError::Io { path: root.join(LOCK_FILE), error },
        })?;
        let path = root.join(PROPERTIES_FILE);
        let cluster_id = if env.files.exists(&path).map_err(io(&path))? {
            let bytes = env.files.read(&path, PROPERTIES_LENGTH_MAX).map_err(io(&path))?;
            check_properties(&path, &bytes, node_id, cluster_id)?
        } else {
            let cluster_id = cluster_id.map_or_else(|| new_id(env), str::to_owned);
            let text = format_properties(&cluster_id, node_id, &new_id(env));
            // Durable before anything else is written: the identity must not change after data refers to it.
            env.files.replace(&path, text.as_bytes()).map_err(io(&path))?;
            cluster_id
        };
        Ok(BrokerDirectory { root: root.to_owned(), cluster_id, _lock: lock })
    }
}

fn new_id(env: &Env) -> String {
    base64_id(env.random.topic_id().0.as_bytes())
}

fn format_properties(cluster_id: &str, node_id: NodeId, directory_id: &str) -> String {
    format!(
        "#Written by highwater. Kafka's format, and the version of everything else in this directory.\n\
         version=1\ncluster.id={cluster_id}\nnode.id={node_id}\ndirectory.id={directory_id}\n\
         highwater.format.version={FORMAT_VERSION}\n"
    )
}

fn check_properties(
    path: &Path,
    bytes: &[u8],
    node_id: NodeId,
    wanted_cluster: Option<&str>,
) -> Result<String, DirectoryError> {
    let Properties { cluster_id, node_id: found_node, .. } = parse_properties(path, bytes)?;
    let root = path.parent().unwrap_or(path);
    let foreign = |what, found: &str, wanted: String, key| {
        Err(DirectoryError::Foreign { path: root.to_owned(), what, found: found.to_owned(), wanted, key })
    };
    if let Some(wanted) = wanted_cluster.filter(|wanted| *wanted != cluster_id) {
        return foreign("cluster", &cluster_id, wanted.to_owned(), "cluster.id");
    }
    if found_node != node_id.to_string() {
        return foreign("node", &found_node, node_id.to_string(), "node.id");
    }
    Ok(cluster_id)
}

/// What `meta.properties` says.
pub(super) struct Properties {
    pub cluster_id: String,
    pub node_id: String,
    pub directory_id: Option<String>,
    pub format_version: u32,
}

/// Reads it; a format that is newer than ours is refused before anything else is looked at.
pub(super) fn parse_properties(path: &Path, bytes: &[u8]) -> Result<Properties, DirectoryError> {
    let damaged = |why: String| DirectoryError::Damaged { path: path.to_owned(), why };
    let text = std::str::from_utf8(bytes).map_err(|error| damaged(error.to_string()))?;
    let entries: BTreeMap<&str, &str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect();
    let entry = |key: &str| entries.get(key).copied().ok_or_else(|| damaged(format!("{key} is missing")));
    let root = path.parent().unwrap_or(path);
    let format = entry("highwater.format.version")?;
    let format_version = match format.parse::<u32>() {
        Ok(version) if version <= FORMAT_VERSION => version,
        Ok(_) => return Err(DirectoryError::NewerFormat { path: root.to_owned(), found: format.to_owned() }),
        Err(error) => return Err(damaged(format!("highwater.format.version={format}: {error}"))),
    };
    Ok(Properties {
        cluster_id: entry("cluster.id")?.to_owned(),
        node_id: entry("node.id")?.to_owned(),
        directory_id: entries.get("directory.id").map(|id| (*id).to_owned()),
        format_version,
    })
}
