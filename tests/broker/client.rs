//! A raw client: requests of any version over one connection, answered or not.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::{
    Decodable, HeaderVersion, Request, StrBytes, encode_request_header_into_buffer,
};

use crate::process::DEADLINE;

/// Longest response that a test asks for.
const RESPONSE_BYTES_MAX: usize = 64 << 20;

/// A connection, and the number of its last request.
pub struct Client {
    pub stream: TcpStream,
    correlation_id: i32,
}

/// Text as the codec crate wants it.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A request's frame with its length.
pub fn frame<Q: Request>(version: i16, correlation_id: i32, request: &Q) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(Q::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(text("test")));
    let mut frame = BytesMut::from(&[0; 4][..]);
    encode_request_header_into_buffer(&mut frame, &header).expect("the header can be encoded");
    request.encode(&mut frame, version).expect("the version carries the request");
    let length = i32::try_from(frame.len() - 4).expect("a short frame");
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame.to_vec()
}

impl Client {
    /// Talks over this connection.
    pub fn new(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline above zero");
        stream.set_nodelay(true).expect("a socket");
        Client { stream, correlation_id: 0 }
    }

    /// Sends without waiting; the number that the answer will carry.
    pub fn try_send<Q: Request>(&mut self, version: i16, request: &Q) -> io::Result<i32> {
        self.correlation_id += 1;
        self.stream.write_all(&frame(version, self.correlation_id, request))?;
        Ok(self.correlation_id)
    }

    /// The same, of a broker that is there.
    pub fn send<Q: Request>(&mut self, version: i16, request: &Q) -> i32 {
        self.try_send(version, request).expect("the broker reads")
    }

    /// The next frame, without its length.
    pub fn read_frame(&mut self) -> io::Result<Bytes> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).expect("a length");
        assert!(length <= RESPONSE_BYTES_MAX, "a response of {length} bytes");
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame)?;
        Ok(frame.into())
    }

    /// The next answer, which must be one to a `Q` and end where its frame ends; its number.
    pub fn try_receive<Q: Request>(&mut self, version: i16) -> io::Result<(i32, Q::Response)> {
        let mut frame = self.read_frame()?;
        let correlation_id = frame.get_i32();
        if Q::Response::header_version(version) >= 1 {
            assert_eq!(frame.get_u8(), 0, "no tagged fields in the header");
        }
        let response = Q::Response::decode(&mut frame, version).expect("a response of that version");
        assert!(!frame.has_remaining(), "{} bytes too many in version {version}", frame.remaining());
        Ok((correlation_id, response))
    }

    /// Sends and waits; a broker may be killed meanwhile.
    pub fn try_ask<Q: Request>(&mut self, version: i16, request: &Q) -> io::Result<Q::Response> {
        let sent = self.try_send(version, request)?;
        let (received, response) = self.try_receive::<Q>(version)?;
        assert_eq!(received, sent, "the answer to another request");
        Ok(response)
    }

    /// Sends and waits.
    pub fn ask<Q: Request>(&mut self, version: i16, request: &Q) -> Q::Response {
        self.try_ask(version, request).expect("the broker answers")
    }

    /// Whether the broker closed the connection, waiting for that; what it sent before is dropped.
    pub fn is_closed_by_broker(&mut self) -> bool {
        let mut rest = [0; 4096];
        loop {
            match self.stream.read(&mut rest) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == io::ErrorKind::ConnectionReset,
            }
        }
    }
}
