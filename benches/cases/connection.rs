//! The connection by which requests come that no socket carries.

use std::sync::Arc;

use anyhow::Result;
use highwater::handlers::Connection;

/// A client on this machine.
pub fn connection() -> Result<Arc<Connection>> {
    let address = "127.0.0.1:9092".parse()?;
    Ok(Arc::new(Connection {
        id: 1,
        peer: address,
        local: address,
        listener_name: "PLAINTEXT".to_owned(),
        advertised_host: "localhost".to_owned(),
        advertised_port: 9092,
        client_software: parking_lot::Mutex::new(None),
    }))
}
