//! Connections that are accepted until whoever asked for them is gone.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::spawn;
use std::time::Duration;

use anyhow::Result;

const WAKE_DEADLINE: Duration = Duration::from_secs(2);

/// A listener with a thread of its own, until it is dropped.
pub struct Accepting {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
}

impl Accepting {
    /// Has each connection served, one after the other: `serve` must not wait for its client.
    pub fn start(listener: TcpListener, serve: impl Fn(TcpStream) + Send + 'static) -> Result<Accepting> {
        let address = listener.local_addr()?;
        let is_over = Arc::<AtomicBool>::default();
        let accepting = Accepting { address, is_over: Arc::clone(&is_over) };
        spawn(move || {
            for client in listener.incoming() {
                if is_over.load(Ordering::Acquire) {
                    break;
                }
                // One that went away at once.
                if let Ok(client) = client {
                    serve(client);
                }
            }
        });
        Ok(accepting)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Wakes whoever accepts.
        drop(TcpStream::connect_timeout(&self.address, WAKE_DEADLINE));
    }
}
