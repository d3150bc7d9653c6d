//! `listeners.json`: the ports that were taken, for programs that started the broker with port 0.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::env::Files;

const NAME: &str = "listeners.json";

/// What the file says.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct ListenersFile {
    listeners: Vec<Named>,
    admin: Option<Address>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
struct Named {
    name: String,
    host: String,
    port: u16,
}

#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
struct Address {
    host: String,
    port: u16,
}

impl ListenersFile {
    /// Of listeners by name, and of the admin listener.
    pub fn new<'a>(
        listeners: impl IntoIterator<Item = (&'a str, SocketAddr)>,
        admin: Option<SocketAddr>,
    ) -> ListenersFile {
        let named = |(name, address): (&str, SocketAddr)| Named {
            name: name.to_owned(),
            host: address.ip().to_string(),
            port: address.port(),
        };
        let address = |address: SocketAddr| Address { host: address.ip().to_string(), port: address.port() };
        ListenersFile { listeners: listeners.into_iter().map(named).collect(), admin: admin.map(address) }
    }

    /// Puts it into the data directory, whole or not at all.
    pub fn write(&self, files: &dyn Files, log_dir: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string(self)?;
        text.push('\n');
        files.replace(&path(log_dir), text.as_bytes())
    }
}

/// Removes what an earlier process wrote: its ports are not ours.
pub fn remove(files: &dyn Files, log_dir: &Path) -> io::Result<()> {
    let path = path(log_dir);
    if files.exists(&path)? { files.remove_file(&path) } else { Ok(()) }
}

fn path(log_dir: &Path) -> PathBuf {
    log_dir.join(NAME)
}

#[cfg(test)]
mod tests;
