//! What tests of this room and of those above have in common.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Broker;
use crate::config::ServerConfig;
use crate::env::{Env, RealFiles, time};
use crate::model::Timestamp;
use crate::telemetry::Metrics;

/// Longest wait for something that tasks do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Small files and no waiting for the disk.
const SMALL: [(&str, &str); 4] = [
    ("highwater.wal.sync", "os"),
    ("highwater.wal.file.bytes", "8388608"),
    ("highwater.wal.capacity.bytes", "33554432"),
    ("highwater.segment.disk.reserve.bytes", "0"),
];

/// A small broker on real files in a directory, with these settings beside.
pub(crate) fn open(directory: &Path, settings: &[(&str, &str)]) -> Arc<Broker> {
    let place = [("log.dirs", directory.to_str().unwrap())];
    let flags: Vec<_> = place
        .iter()
        .chain(&SMALL)
        .chain(settings)
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let (config, _) = ServerConfig::load(&RealFiles, None, std::iter::empty(), &flags).unwrap();
    Broker::open(Env::real(), config, Metrics::new(Timestamp(0), 100)).unwrap()
}

/// Looks until there is something, and lets tasks run meanwhile.
pub(crate) async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    time::timeout(PATIENCE, found).await.expect("it comes about")
}
