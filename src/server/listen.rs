//! Opens a listener's port.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use super::{BoundListener, Limits, ServerError};
use crate::config::{Host, Listener};

/// An open port.
pub(super) struct Listening {
    pub(super) socket: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) listener: Listener,
}

impl Listening {
    pub(super) fn bound(&self) -> BoundListener {
        BoundListener { name: self.listener.name.clone(), address: self.address }
    }
}

/// Binds and listens: from here on the kernel completes handshakes.
pub(super) fn bind(listener: Listener, limits: &Limits) -> Result<Listening, ServerError> {
    match open(&listener, limits) {
        Ok((socket, address)) => Ok(Listening { socket, address, listener }),
        Err(source) => {
            let host = in_words(&listener.host);
            Err(ServerError::Listen { listener: listener.name, host, port: listener.port, source })
        }
    }
}

fn in_words(host: &Host) -> String {
    match host {
        Host::All => "all addresses".to_owned(),
        Host::AllIpv4 => "all IPv4 addresses".to_owned(),
        Host::Named(name) => name.clone(),
    }
}

fn open(listener: &Listener, limits: &Limits) -> io::Result<(TcpListener, SocketAddr)> {
    let mut refusal = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in addresses(&listener.host, listener.port)? {
        match listen(address, limits) {
            Ok(socket) => {
                let address = socket.local_addr()?;
                return Ok((socket, address));
            }
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// Addresses to try, in order: the first that can be bound is taken.
fn addresses(host: &Host, port: u16) -> io::Result<Vec<SocketAddr>> {
    match host {
        // Both families by one socket; IPv4 alone where the kernel has no IPv6.
        Host::All => Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]),
        Host::AllIpv4 => Ok(vec![(Ipv4Addr::UNSPECIFIED, port).into()]),
        Host::Named(name) => Ok((name.as_str(), port).to_socket_addrs()?.collect()),
    }
}

fn listen(address: SocketAddr, limits: &Limits) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Before `listen`, so that the window scale of the handshake fits; connections inherit both.
    if let Some(bytes) = limits.send_buffer_bytes {
        socket.set_send_buffer_size(bytes as usize)?;
    }
    if let Some(bytes) = limits.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes as usize)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::from(limits.backlog))?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_become_addresses() {
        let check = |host: Host, expected: &[&str]| {
            let expected: Vec<SocketAddr> = expected.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(addresses(&host, 9092).unwrap(), expected, "{host:?}");
        };
        check(Host::All, &["[::]:9092", "0.0.0.0:9092"]);
        check(Host::AllIpv4, &["0.0.0.0:9092"]);
        check(Host::Named("127.0.0.1".to_owned()), &["127.0.0.1:9092"]);
        check(Host::Named("::1".to_owned()), &["[::1]:9092"]);
    }
}
