//! The settings in force: those of the start under what requests altered.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::ServerConfig;
use crate::metadata::BrokerConfigs;
use crate::model::NodeId;

/// Computes the settings in force from dynamic ones, once for each version of those.
pub(super) struct LiveConfig {
    node_id: NodeId,
    /// As the broker was started.
    start: Arc<ServerConfig>,
    /// The newest, and what it was computed from.
    newest: Mutex<(Arc<BrokerConfigs>, Arc<ServerConfig>)>,
}

impl LiveConfig {
    pub(super) fn new(start: Arc<ServerConfig>) -> LiveConfig {
        let newest = Mutex::new((Arc::default(), start.clone()));
        LiveConfig { node_id: start.node_id, start, newest }
    }

    /// The settings under these dynamic ones.
    pub(super) fn under(&self, dynamic: &Arc<BrokerConfigs>) -> Arc<ServerConfig> {
        let mut newest = self.newest.lock();
        if !Arc::ptr_eq(&newest.0, dynamic) {
            *newest = (dynamic.clone(), Arc::new(self.computed(dynamic)));
        }
        newest.1.clone()
    }

    fn computed(&self, dynamic: &BrokerConfigs) -> ServerConfig {
        let nothing = Default::default();
        let of = |node_id| dynamic.get(&node_id).unwrap_or(&nothing);
        let settings = self.start.settings.altered(of(None), of(Some(self.node_id)));
        ServerConfig::from_settings(settings).unwrap_or_else(|error| {
            // Checked when they were altered; since then the start's own settings may have changed.
            tracing::error!(%error, "altered settings cannot be used with those of this start: left out");
            ServerConfig::clone(&self.start)
        })
    }
}
