//! A raw client: frames by the codec crate, or any bytes, over one connection with a deadline.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::{
    Decodable, HeaderVersion, Request, StrBytes, encode_request_header_into_buffer,
};

/// What no answer may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Longest answer that anything here asks for.
const RESPONSE_BYTES_MAX: usize = 64 << 20;

/// What a client is told in its header.
pub const CLIENT_ID: &str = "protocol-tests";

/// What comes back.
#[derive(Debug)]
pub enum Heard {
    /// An answer, without its length.
    Frame(Bytes),
    /// The broker ended the connection.
    Closed,
    /// Nothing in the time given.
    Silence,
}

/// A connection, and the number of its last request.
pub struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

/// The first address of `host:port`.
pub fn resolve(broker: &str) -> Result<SocketAddr> {
    let mut addresses = broker.to_socket_addrs().with_context(|| format!("{broker} is no address"))?;
    addresses.next().with_context(|| format!("{broker} has no address"))
}

/// Text as the codec crate wants it.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A request's frame without its length.
pub fn frame<Q: Request>(version: i16, correlation_id: i32, request: &Q) -> Result<Vec<u8>> {
    let header = RequestHeader::default()
        .with_request_api_key(Q::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(text(CLIENT_ID)));
    let mut frame = BytesMut::new();
    encode_request_header_into_buffer(&mut frame, &header)?;
    request.encode(&mut frame, version).with_context(|| format!("key {} version {version}", Q::KEY))?;
    Ok(frame.to_vec())
}

/// A frame with its length in front.
pub fn with_length(frame: &[u8]) -> Vec<u8> {
    let mut bytes = (frame.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(frame);
    bytes
}

/// Decodes an answer to a `Q`, which must end where its frame ends; its number, and the answer.
pub fn decode_response<Q: Request>(version: i16, mut frame: Bytes) -> Result<(i32, Q::Response)> {
    ensure!(frame.remaining() >= 5, "an answer of {} bytes", frame.remaining());
    let correlation_id = frame.get_i32();
    if Q::Response::header_version(version) >= 1 {
        ensure!(frame.get_u8() == 0, "tagged fields in the response header");
    }
    let response = Q::Response::decode(&mut frame, version)?;
    ensure!(!frame.has_remaining(), "{} bytes follow the answer", frame.remaining());
    Ok((correlation_id, response))
}

impl Client {
    /// Connects.
    pub fn connect(broker: SocketAddr) -> Result<Client> {
        let stream = TcpStream::connect_timeout(&broker, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream, correlation_id: 0 })
    }

    /// Sends a request without waiting; the number that its answer will carry.
    pub fn send<Q: Request>(&mut self, version: i16, request: &Q) -> Result<i32> {
        self.correlation_id += 1;
        let frame = frame(version, self.correlation_id, request)?;
        self.send_frame(&frame)?;
        Ok(self.correlation_id)
    }

    /// Sends a frame as it is, its length before it.
    pub fn send_frame(&mut self, frame: &[u8]) -> Result<()> {
        self.send_bytes(&with_length(frame))
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// What comes next.
    pub fn hear(&mut self, patience: Duration) -> Result<Heard> {
        self.stream.set_read_timeout(Some(patience))?;
        let mut length = [0; 4];
        match self.stream.read(&mut length[..1]) {
            Ok(0) => return Ok(Heard::Closed),
            Ok(_) => {}
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(Heard::Silence),
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => return Ok(Heard::Closed),
                _ => return Err(error.into()),
            },
        }
        self.stream.set_read_timeout(Some(PATIENCE))?;
        self.stream.read_exact(&mut length[1..])?;
        let length = usize::try_from(i32::from_be_bytes(length)).context("a negative response length")?;
        ensure!(length <= RESPONSE_BYTES_MAX, "a response of {length} bytes");
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame)?;
        Ok(Heard::Frame(frame.into()))
    }

    /// The next answer, without its length.
    pub fn receive_frame(&mut self) -> Result<Bytes> {
        match self.hear(PATIENCE)? {
            Heard::Frame(frame) => Ok(frame),
            Heard::Closed => bail!("the broker closed the connection"),
            Heard::Silence => bail!("no answer in {} s", PATIENCE.as_secs()),
        }
    }

    /// The next answer, which must be one to a `Q`; its number, and the answer.
    pub fn receive<Q: Request>(&mut self, version: i16) -> Result<(i32, Q::Response)> {
        decode_response::<Q>(version, self.receive_frame()?)
    }

    /// Sends and waits.
    pub fn ask<Q: Request>(&mut self, version: i16, request: &Q) -> Result<Q::Response> {
        let sent = self.send(version, request)?;
        let (received, response) = self.receive::<Q>(version)?;
        ensure!(received == sent, "the answer carries number {received}, not {sent}");
        Ok(response)
    }

    /// Fails unless the broker ends the connection, without an answer before.
    pub fn expect_closed(&mut self) -> Result<()> {
        match self.hear(PATIENCE)? {
            Heard::Closed => Ok(()),
            Heard::Frame(frame) => bail!("an answer of {} bytes instead of an end", frame.len()),
            Heard::Silence => bail!("neither answered nor closed"),
        }
    }
}
