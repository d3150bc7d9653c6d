//! Opens a listener's port.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use super::{BoundListener, Limits, ListenerSpec, ServerError};

/// An open port.
pub(super) struct Listening {
    pub(super) socket: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) spec: ListenerSpec,
}

impl Listening {
    pub(super) fn bound(&self) -> BoundListener {
        BoundListener { name: self.spec.name.clone(), address: self.address }
    }
}

/// Binds and listens: from here on the kernel completes handshakes.
pub(super) fn bind(spec: ListenerSpec, limits: &Limits) -> Result<Listening, ServerError> {
    match open(&spec, limits) {
        Ok((socket, address)) => Ok(Listening { socket, address, spec }),
        Err(source) => {
            Err(ServerError::Listen { listener: spec.name, host: spec.host, port: spec.port, source })
        }
    }
}

fn open(spec: &ListenerSpec, limits: &Limits) -> io::Result<(TcpListener, SocketAddr)> {
    let mut refusal = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in addresses(&spec.host, spec.port)? {
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
fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if host.is_empty() {
        // All addresses of both families by one socket; IPv4 alone where the kernel has no IPv6.
        return Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]);
    }
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Ok((host, port).to_socket_addrs()?.collect())
}

fn listen(address: SocketAddr, limits: &Limits) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Before `listen`, so that the window scale of the handshake fits; connections inherit both.
    if let Some(bytes) = limits.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = limits.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
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
        let check = |host: &str, expected: &[&str]| {
            let expected: Vec<SocketAddr> = expected.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(addresses(host, 9092).unwrap(), expected, "{host:?}");
        };
        check("", &["[::]:9092", "0.0.0.0:9092"]);
        check("127.0.0.1", &["127.0.0.1:9092"]);
        check("[::1]", &["[::1]:9092"]);
        check("::1", &["[::1]:9092"]);
    }
}
