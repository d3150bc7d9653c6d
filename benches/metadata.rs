//! CPU time of one Metadata request, from its decoded frame to the reply in hand: `cargo bench --bench metadata`.
//!
//! Each line: what is listed, bytes of the reply, microseconds of CPU of the thread that answers.

#[path = "cases/connection.rs"]
mod connection;

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bytes::{Bytes, BytesMut};
use highwater::broker::{Broker, NewTopic};
use highwater::config::ServerConfig;
use highwater::env::{Env, Files, OpenMode, RealFiles};
use highwater::handlers::{Reply, RequestContext, RequestHeader, dispatch};
use highwater::model::Timestamp;
use highwater::protocol::Piece;
use highwater::telemetry::Metrics;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, TopicName};
use kafka_protocol::protocol::{Encodable, StrBytes};

/// Requests of one measurement: the kernel counts a thread's time in milliseconds.
const REQUESTS: u32 = 10_000;
const VERSIONS: [i16; 3] = [1, 9, 12];
/// What is created one after the other, and then asked for: topics, partitions of each.
const CASES: [(&str, usize, i32); 3] = [("one", 1, 1000), ("hundred", 100, 10), ("large", 1, 10_000)];

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (name, topics, partitions) in CASES {
        runtime.block_on(measure(name, topics, partitions))?;
    }
    Ok(())
}

/// A broker with these topics and no others, asked for all and for the first by name.
async fn measure(prefix: &str, topics: usize, partitions: i32) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let broker = open(directory.path().to_str().context("a path of UTF-8")?)?;
    let name = |at: usize| format!("{prefix}-{at}");
    let new =
        |at| NewTopic { name: name(at), partitions, replication_factor: 1, configs: Default::default() };
    let created = broker.create_topics((0..topics).map(new).collect(), false).await;
    ensure!(created.iter().all(Result::is_ok), "not all topics were created");
    for version in VERSIONS {
        let named =
            MetadataRequestTopic::default().with_name(Some(TopicName(StrBytes::from_string(name(0)))));
        for (what, asked) in [("all topics", None), ("the first by name", Some(vec![named]))] {
            let request = MetadataRequest::default().with_topics(asked);
            let mut body = BytesMut::new();
            request.encode(&mut body, version)?;
            let (bytes, micros) = time(&broker, version, &body.freeze()).await?;
            println!(
                "{topics} x {partitions} partitions, {what}, version {version}: {bytes} bytes, {micros:.1} us"
            );
        }
    }
    broker.close().await?;
    Ok(())
}

async fn time(broker: &Arc<Broker>, version: i16, body: &Bytes) -> Result<(u64, f64)> {
    let connection = connection::connection()?;
    let mut bytes = 0;
    let before = cpu_nanos()?;
    for correlation_id in 0..REQUESTS as i32 {
        let header = RequestHeader { api_key: 3, api_version: version, correlation_id, client_id: None };
        let (broker, connection) = (broker.clone(), connection.clone());
        bytes = match dispatch(RequestContext { broker, connection, header }, body.clone()).await {
            Reply::Message(message) => message.len() as u64,
            Reply::Pieces(pieces) => pieces.iter().map(Piece::length).sum(),
            other => anyhow::bail!("no answer: {other:?}"),
        };
    }
    Ok((bytes, (cpu_nanos()? - before) as f64 / 1e3 / f64::from(REQUESTS)))
}

fn open(log_dir: &str) -> Result<Arc<Broker>> {
    let flags = [("log.dirs", log_dir), ("highwater.wal.sync", "os")];
    let flags: Vec<_> = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let (config, _) = ServerConfig::load(&RealFiles, None, std::iter::empty(), &flags)?;
    Ok(Broker::open(Env::real(), config, Metrics::new(Timestamp(0), 100))?)
}

/// Nanoseconds that this thread has spent on a processor.
fn cpu_nanos() -> Result<u64> {
    let mut text = [0; 64];
    let file = RealFiles.open("/proc/thread-self/schedstat".as_ref(), OpenMode::Read)?;
    let length = file.read_at(&mut text, 0)?;
    let text = std::str::from_utf8(&text[..length])?;
    Ok(text.split_whitespace().next().context("a number of nanoseconds")?.parse()?)
}
