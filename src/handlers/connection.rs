use std::net::SocketAddr;

use parking_lot::Mutex;

/// What a client says about itself in ApiVersions (KIP-511).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSoftware {
    /// Such as `apache-kafka-java` or `librdkafka`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A client's connection, as handlers see it.
#[derive(Debug)]
pub struct Connection {
    /// Distinct within the process's life.
    pub id: u64,
    /// The client's address.
    pub peer: SocketAddr,
    /// Our address, as the client reached it.
    pub local: SocketAddr,
    /// Name of the listener that took the connection.
    pub listener_name: String,
    /// Host that clients of this listener are told to come to: `advertised.listeners`, or `local`'s address.
    pub advertised_host: String,
    /// Port that clients of this listener are told to come to.
    pub advertised_port: u16,
    /// What the client said about itself, once it has.
    pub client_software: Mutex<Option<ClientSoftware>>,
}
