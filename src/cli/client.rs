//! A client of brokers: one connection to each, one request at a time.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, RequestHeader};
use kafka_protocol::protocol::{Decodable, Request, StrBytes, encode_request_header_into_buffer};

use crate::protocol::guard::ReplyGuard;

/// What a connection may take to be made.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// What an answer may take.
const REPLY_WAIT: Duration = Duration::from_secs(30);
/// The largest answer that is read.
const REPLY_BYTES_MAX: usize = 64 << 20;
/// What brokers are told of who asks.
const CLIENT_ID: &str = "highwater-cli";
/// The version of Metadata that is asked for.
const METADATA: i16 = 12;

/// One connection.
struct Connection {
    address: String,
    stream: TcpStream,
    correlation_id: i32,
}

/// The brokers that a first one has named.
pub(super) struct Cluster {
    guard: ReplyGuard,
    first: Connection,
    addresses: HashMap<i32, String>,
    others: HashMap<i32, Connection>,
    /// What the first broker said of the cluster.
    pub metadata: MetadataResponse,
}

impl Cluster {
    /// Connects to `host:port`, and asks there who the others are and which topics there are.
    pub fn connect(bootstrap: &str) -> Result<Cluster> {
        let guard = ReplyGuard::new();
        let mut first = Connection::open(bootstrap)?;
        let all = MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
        let metadata = first.ask(&guard, METADATA, &all)?;
        let address = |host: &str, port: i32| match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        let brokers = metadata.brokers.iter();
        let addresses = brokers.map(|broker| (broker.node_id.0, address(&broker.host, broker.port)));
        let addresses = addresses.collect();
        Ok(Cluster { guard, first, addresses, others: HashMap::new(), metadata })
    }

    /// The node ids of all brokers.
    pub fn nodes(&self) -> Vec<i32> {
        let mut nodes: Vec<i32> = self.addresses.keys().copied().collect();
        nodes.sort_unstable();
        nodes
    }

    /// Asks one broker; the only one there is over the connection that is open already.
    pub fn ask<Q: Request>(&mut self, node: i32, version: i16, request: &Q) -> Result<Q::Response> {
        if self.addresses.len() == 1 {
            return self.first.ask(&self.guard, version, request);
        }
        let connection = match self.others.remove(&node) {
            Some(connection) => connection,
            None => {
                let address = self.addresses.get(&node);
                Connection::open(address.with_context(|| format!("nobody knows broker {node}"))?)?
            }
        };
        let connection = self.others.entry(node).or_insert(connection);
        connection.ask(&self.guard, version, request)
    }
}

impl Connection {
    fn open(address: &str) -> Result<Connection> {
        let resolved = address.to_socket_addrs().with_context(|| format!("{address} is no host:port"))?;
        let mut error = anyhow!("{address} has no address");
        for resolved in resolved {
            match TcpStream::connect_timeout(&resolved, CONNECT_WAIT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(REPLY_WAIT))?;
                    stream.set_write_timeout(Some(REPLY_WAIT))?;
                    return Ok(Connection { address: address.to_owned(), stream, correlation_id: 0 });
                }
                Err(refused) => error = anyhow!("cannot connect to {address}: {refused}"),
            }
        }
        Err(error)
    }

    fn ask<Q: Request>(&mut self, guard: &ReplyGuard, version: i16, request: &Q) -> Result<Q::Response> {
        self.correlation_id += 1;
        let answer = self.exchange(version, request);
        let frame = answer.with_context(|| format!("no answer from {}", self.address))?;
        let checked = guard.check(Q::KEY, version, &frame);
        let checked =
            checked.with_context(|| format!("{} does not answer as a broker does", self.address))?;
        ensure!(
            frame[..4] == self.correlation_id.to_be_bytes(),
            "{} answers what was not asked",
            self.address
        );
        Q::Response::decode(&mut frame.slice(checked.body_offset..), version)
    }

    fn exchange<Q: Request>(&mut self, version: i16, request: &Q) -> Result<Bytes> {
        let header = RequestHeader::default()
            .with_request_api_key(Q::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_static_str(CLIENT_ID)));
        let mut frame = BytesMut::new();
        encode_request_header_into_buffer(&mut frame, &header)?;
        request.encode(&mut frame, version)?;
        let length = i32::try_from(frame.len()).context("too long a request")?;
        self.stream.write_all(&length.to_be_bytes())?;
        self.stream.write_all(&frame)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > REPLY_BYTES_MAX {
            bail!("it would be longer than {REPLY_BYTES_MAX} bytes");
        }
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame)?;
        Ok(frame.into())
    }
}
