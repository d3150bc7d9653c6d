//! A broker on a temporary directory, for tests of the rooms above.

use std::sync::Arc;

use super::Broker;
use crate::config::ServerConfig;
use crate::env::Env;
use crate::telemetry::Metrics;

/// A running broker with its directory and, for tests that have none, its runtime.
pub struct BrokerFixture {
    /// The broker.
    pub broker: Arc<Broker>,
    /// Where its tasks run.
    pub runtime: tokio::runtime::Runtime,
    _directory: tempfile::TempDir,
}

impl BrokerFixture {
    /// Starts one with the defaults, a small WAL, and these settings.
    pub fn start(overrides: &[(&str, &str)]) -> BrokerFixture {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let path = directory.path().join("data").display().to_string();
        let mut settings = vec![
            ("log.dirs".to_owned(), path),
            ("highwater.wal.file.bytes".to_owned(), (8 << 20).to_string()),
            ("highwater.wal.capacity.bytes".to_owned(), (32 << 20).to_string()),
        ];
        settings.extend(overrides.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let env = Env::real();
        let loaded = ServerConfig::load(env.files.as_ref(), None, std::iter::empty(), &settings);
        let (config, _) = loaded.expect("the settings are right");
        let metrics = Metrics::new(env.clock.now(), config.metrics_partitions_max);
        let broker = {
            let _in_runtime = runtime.enter();
            Broker::open(env, config, metrics).expect("a fresh directory opens")
        };
        BrokerFixture { broker, runtime, _directory: directory }
    }
}
