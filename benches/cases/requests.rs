//! Whole requests, from body to reply, on a broker with its threads: what the network thread does.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use highwater::broker::{Broker, NewTopic};
use highwater::config::ServerConfig;
use highwater::env::{Env, RealFiles};
use highwater::handlers::{
    Connection, LongPoll, PendingReply, Reply, RequestContext, RequestHeader, dispatch,
};
use highwater::model::Timestamp;
use highwater::protocol::Piece;
use highwater::telemetry::Metrics;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::protocol::Encodable;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::connection::connection;
use super::wire::{self, PRODUCE_VERSION};
use super::{Case, folder};

/// By topic id, as today's consumers ask.
pub const FETCH_VERSION: i16 = 17;
const TOPIC: &str = "events";
const PRODUCE_KEY: i16 = 0;
const FETCH_KEY: i16 = 1;

struct Asked {
    runtime: Runtime,
    broker: Arc<Broker>,
    connection: Arc<Connection>,
    topic_id: Uuid,
    api_key: i16,
    api_version: i16,
    body: Bytes,
    _folder: TempDir,
}

impl Drop for Asked {
    fn drop(&mut self) {
        let _ = self.runtime.block_on(self.broker.close());
    }
}

fn open() -> Result<Asked> {
    let folder = folder()?;
    let path = folder.path().to_str().context("a path of UTF-8")?;
    let settings = [
        ("log.dirs", path),
        ("highwater.wal.sync", "os"),
        ("highwater.wal.file.bytes", "8388608"),
        ("highwater.wal.capacity.bytes", "67108864"),
        ("log.segment.bytes", "16777216"),
        ("log.retention.bytes", "16777216"),
        ("log.retention.check.interval.ms", "100"),
        ("highwater.segment.disk.reserve.bytes", "0"),
    ];
    let flags: Vec<_> =
        settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let (config, _) = ServerConfig::load(&RealFiles, None, std::iter::empty(), &flags)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (broker, topic_id) = runtime.block_on(async {
        let broker = Broker::open(Env::real(), config, Metrics::new(Timestamp(0), 100))?;
        let configs = Default::default();
        let new = NewTopic { name: TOPIC.to_owned(), partitions: 1, replication_factor: 1, configs };
        let created = broker.create_topics(vec![new], false).await.remove(0);
        let created = created.map_err(|error| anyhow::anyhow!("no topic: {error}"))?;
        Ok::<_, anyhow::Error>((broker, created.topic.topic_id.0))
    })?;
    let connection = connection()?;
    let (api_key, api_version) = (PRODUCE_KEY, PRODUCE_VERSION);
    let body = Bytes::new();
    Ok(Asked { runtime, broker, connection, topic_id, api_key, api_version, body, _folder: folder })
}

impl Asked {
    /// What the next turns ask.
    fn ask(&mut self, api_key: i16, api_version: i16, request: &impl Encodable) -> Result<()> {
        let mut body = BytesMut::new();
        request.encode(&mut body, api_version)?;
        (self.api_key, self.api_version, self.body) = (api_key, api_version, body.freeze());
        Ok(())
    }

    /// The reply as the handler gives it: of a Produce one that is pending.
    fn admitted(&self) -> Reply {
        let (api_key, api_version) = (self.api_key, self.api_version);
        let header = RequestHeader { api_key, api_version, correlation_id: 1, client_id: None };
        let (broker, connection) = (self.broker.clone(), self.connection.clone());
        let context = RequestContext { broker, connection, header };
        self.runtime.block_on(dispatch(context, self.body.clone()))
    }
}

/// A Produce request until it is admitted; the wait for the commit is not measured.
pub fn producing(bytes: u64) -> Result<Box<dyn Case>> {
    let mut asked = open()?;
    asked.ask(PRODUCE_KEY, PRODUCE_VERSION, &wire::produce_request(TOPIC, 1, &wire::batch(bytes, 1024)))?;
    Ok(Box::new(Producing { asked, pending: None }))
}

struct Producing {
    asked: Asked,
    pending: Option<PendingReply>,
}

impl Producing {
    fn committed(&mut self) {
        if let Some(pending) = self.pending.take() {
            black_box(self.asked.runtime.block_on(pending));
        }
    }
}

impl Case for Producing {
    fn prepare(&mut self) {
        self.committed();
    }

    fn turn(&mut self) {
        match self.asked.admitted() {
            Reply::Pending(pending) => self.pending = Some(pending),
            other => panic!("the records were not admitted: {other:?}"),
        }
    }
}

/// A Fetch request of one partition of `count` batches that lie in memory.
pub fn fetching(count: usize, bytes: u64) -> Result<Box<dyn Case>> {
    let mut asked = open()?;
    asked.ask(PRODUCE_KEY, PRODUCE_VERSION, &wire::produce_request(TOPIC, 1, &wire::batch(bytes, 1024)))?;
    for _ in 0..count {
        let Reply::Pending(pending) = asked.admitted() else { bail!("the records were not admitted") };
        asked.runtime.block_on(pending);
    }
    let partition = FetchPartition::default().with_partition(0).with_partition_max_bytes(8 << 20);
    let topic = FetchTopic::default().with_topic_id(asked.topic_id).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(64 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    asked.ask(FETCH_KEY, FETCH_VERSION, &request)?;
    let fetching = Fetching(asked);
    ensure!(fetching.fetch() >= count as u64 * bytes, "not all was fetched");
    Ok(Box::new(fetching))
}

struct Fetching(Asked);

impl Fetching {
    /// Bytes of the response.
    fn fetch(&self) -> u64 {
        match self.0.admitted() {
            Reply::Waiting(LongPoll { reply, .. }) => match self.0.runtime.block_on(reply) {
                Reply::Pieces(pieces) => pieces.iter().map(Piece::length).sum(),
                other => panic!("no records: {other:?}"),
            },
            other => panic!("no long poll: {other:?}"),
        }
    }
}

impl Case for Fetching {
    fn turn(&mut self) {
        black_box(self.fetch());
    }
}
