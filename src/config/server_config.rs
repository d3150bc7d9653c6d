//! The broker's settings as typed values.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::ConfigError;
use super::group_settings::{self, GroupConfig};
use super::listeners::{self, Host, Listener, ListenerSettings};
use super::settings::{Layers, Origin, Settings, Warning};
use super::tier_settings::{self, TierConfig};
use super::tiering::{self, TieringConfig};
use super::transaction_settings::{self, TransactionConfig};
use super::value::Value;
use crate::env::Files;
use crate::model::NodeId;

/// Longest configuration file read.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Memory for requests in progress where `queued.max.request.bytes` sets none.
const REQUEST_MEMORY_BYTES: u64 = 128 << 20;

/// When a record counts as durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncMode {
    /// When `fdatasync` has returned.
    Fsync,
    /// When the operating system has it.
    Os,
}

/// The write-ahead log's settings. Sizes in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalLimits {
    /// When a record counts as durable.
    pub sync: SyncMode,
    /// Size of one file.
    pub file_bytes: u64,
    /// Space for what is not yet in synced segments; at least twice `file_bytes`.
    pub capacity_bytes: u64,
}

/// Limits of sockets, connections and requests. Sizes in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketLimits {
    /// `socket.request.max.bytes`: largest frame.
    pub request_bytes_max: u32,
    /// Kernel send buffer; `None` leaves it to the system.
    pub send_buffer_bytes: Option<u32>,
    /// Kernel receive buffer; `None` leaves it to the system.
    pub receive_buffer_bytes: Option<u32>,
    /// Connections the kernel keeps until they are accepted.
    pub listen_backlog: u16,
    /// Idle connections are closed after this; `None` keeps them.
    pub idle_max: Option<Duration>,
    /// Connections open at once.
    pub connections_max: usize,
    /// Connections open at once from one address.
    pub connections_per_ip_max: usize,
    /// Memory for requests in progress; never below `request_bytes_max`.
    pub request_memory_bytes: u64,
    /// Requests of one connection in progress at once.
    pub inflight_max: usize,
    /// A begun frame must be complete after this, beside what its bytes earn.
    pub frame_deadline: Duration,
    /// A response must be taken after this.
    pub write_deadline: Duration,
}

/// Settings of the log that are not a topic's. Sizes in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogDefaults {
    /// Memory for the newest records of all partitions.
    pub tail_bytes: u64,
    /// Write-ahead log bytes after which a checkpoint is due.
    pub checkpoint_bytes: u64,
    /// Time after which a checkpoint is due.
    pub checkpoint_interval: Duration,
    /// Free disk space below which records are refused.
    pub disk_reserve_bytes: u64,
    /// Segment files kept open at once.
    pub file_handles: usize,
    /// Speed of the background check, which is not there yet; 0 is off.
    pub scrub_bytes_per_second: u64,
    /// How often segments are looked at for deletion.
    pub retention_check_interval: Duration,
    /// How long a silent idempotent producer is remembered.
    pub producer_id_expiration: Duration,
}

/// The log cleaner's settings. Sizes in bytes, of all its threads together.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CleanerSettings {
    /// `log.cleaner.enable`.
    pub enable: bool,
    /// `log.cleaner.threads`: logs that are compacted at once.
    pub threads: usize,
    /// `log.cleaner.backoff.ms`.
    pub backoff: Duration,
    /// `log.cleaner.dedupe.buffer.size`: memory for keys.
    pub key_map_bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`: share of it that is filled.
    pub key_map_load_factor: f64,
    /// `log.cleaner.io.buffer.size`.
    pub io_buffer_bytes: usize,
    /// `log.cleaner.io.max.bytes.per.second`, read and written.
    pub io_bytes_per_second: f64,
}

/// Where health and metrics are served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminListener {
    /// Where it listens.
    pub host: Host,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

/// Everything the broker was told, checked.
#[derive(Clone, PartialEq, Debug)]
pub struct ServerConfig {
    /// `node.id`.
    pub node_id: NodeId,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// `highwater.cluster.id`: for a data directory that has none yet.
    pub cluster_id: Option<String>,
    /// Listeners to open; at least one.
    pub listeners: Vec<Listener>,
    /// `log.dirs`.
    pub log_dir: PathBuf,
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i32,
    /// `auto.create.topics.enable`.
    pub auto_create_topics_enable: bool,
    /// `delete.topic.enable`.
    pub delete_topic_enable: bool,
    /// `fetch.max.bytes`.
    pub fetch_max_bytes: u32,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_sessions_max: usize,
    /// `max.request.partition.size.limit`.
    pub request_partitions_max: usize,
    /// Sockets, connections, requests.
    pub sockets: SocketLimits,
    /// The write-ahead log.
    pub wal: WalLimits,
    /// The log, beyond what topics set.
    pub log: LogDefaults,
    /// Compaction.
    pub cleaner: CleanerSettings,
    /// Consumer groups and their topic.
    pub groups: GroupConfig,
    /// Transactions and their topic.
    pub transactions: TransactionConfig,
    /// The object store and how it is reached.
    pub tier: TierConfig,
    /// What is copied to the tier, when and how fast.
    pub tiering: TieringConfig,
    /// `highwater.shutdown.timeout.ms`.
    pub shutdown_timeout: Duration,
    /// `highwater.admin.listener`; `None` is switched off.
    pub admin: Option<AdminListener>,
    /// `highwater.metrics.partitions.max`.
    pub metrics_partitions_max: usize,
    /// Every value with its origin; topic defaults are computed from it.
    pub settings: Settings,
}

impl ServerConfig {
    /// Reads the layers, lowest first: file, environment, overrides. The warnings are to be logged once.
    pub fn load(
        files: &dyn Files,
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        overrides: &[(String, String)],
    ) -> Result<(ServerConfig, Vec<Warning>), ConfigError> {
        let mut layers = Layers::default();
        if let Some(path) = file {
            layers.file(&path.display().to_string(), &read(files, path)?)?;
        }
        layers.environment(environment);
        for (key, value) in overrides {
            layers.flag(key, value);
        }
        let (settings, warnings) = layers.resolve()?;
        Ok((ServerConfig::from_settings(settings)?, warnings))
    }

    /// What nobody configured.
    pub fn defaults() -> ServerConfig {
        ServerConfig::from_settings(Settings::default()).expect("the defaults agree: a test holds this")
    }

    /// Types the settings and checks what concerns several of them.
    pub fn from_settings(settings: Settings) -> Result<ServerConfig, ConfigError> {
        refuse_unserved(&settings)?;
        tiering::check_defaults(&settings)?;
        let sockets = sockets(&settings);
        let log_dir = log_dir(&settings)?;
        Ok(ServerConfig {
            node_id: node_id(&settings)?,
            rack: text(&settings, "broker.rack"),
            cluster_id: cluster_id(&settings)?,
            listeners: listeners(&settings)?,
            num_partitions: number(&settings, "num.partitions"),
            default_replication_factor: number(&settings, "default.replication.factor"),
            auto_create_topics_enable: settings.boolean("auto.create.topics.enable"),
            delete_topic_enable: settings.boolean("delete.topic.enable"),
            fetch_max_bytes: number(&settings, "fetch.max.bytes"),
            fetch_sessions_max: number(&settings, "max.incremental.fetch.session.cache.slots"),
            request_partitions_max: number(&settings, "max.request.partition.size.limit"),
            sockets,
            wal: wal(&settings)?,
            log: log(&settings),
            cleaner: cleaner(&settings)?,
            groups: group_settings::groups(&settings)?,
            transactions: transaction_settings::transactions(&settings),
            tier: tier_settings::tier(&settings, &log_dir)?,
            log_dir,
            tiering: tiering::tiering(&settings),
            shutdown_timeout: duration(&settings, "highwater.shutdown.timeout.ms"),
            admin: admin(&settings)?,
            metrics_partitions_max: number(&settings, "highwater.metrics.partitions.max"),
            settings,
        })
    }
}

fn read(files: &dyn Files, path: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::File { path: path.display().to_string(), source };
    let bytes = files.read(path, FILE_BYTES_MAX).map_err(failed)?;
    let not_text = |error| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, error));
    String::from_utf8(bytes).map_err(not_text)
}

/// A number of the table in the type that its bounds fit.
pub(super) fn number<T: TryFrom<i64>>(settings: &Settings, key: &str) -> T {
    let in_bounds = T::try_from(settings.number(key)).ok();
    in_bounds.expect("the table's bounds keep every number within its type: a test holds this")
}

pub(super) fn duration(settings: &Settings, key: &str) -> Duration {
    Duration::from_millis(number(settings, key))
}

fn text(settings: &Settings, key: &str) -> Option<String> {
    Some(settings.text(key)).filter(|text| !text.is_empty())
}

/// What would run without the protection that was asked for.
fn refuse_unserved(settings: &Settings) -> Result<(), ConfigError> {
    if !settings.text("authorizer.class.name").is_empty() {
        let reason = "access control is not served yet, and without it every topic would be open; \
                      remove the key to accept that";
        return Err(settings.invalid("authorizer.class.name", reason));
    }
    if !settings.list("process.roles").iter().any(|role| role == "broker") {
        let reason = "this process can only be a broker; add that role or remove the key";
        return Err(settings.invalid("process.roles", reason));
    }
    Ok(())
}

/// `node.id`, or `broker.id` where only that is set, as in Kafka.
fn node_id(settings: &Settings) -> Result<NodeId, ConfigError> {
    let node_id: i32 = number(settings, "node.id");
    let broker_id: i32 = number(settings, "broker.id");
    match (settings.explicit("node.id").is_some(), broker_id >= 0) {
        (_, false) => Ok(NodeId(node_id)),
        (false, true) => Ok(NodeId(broker_id)),
        (true, true) if node_id == broker_id => Ok(NodeId(node_id)),
        (true, true) => Err(settings.invalid("broker.id", format!("node.id is {node_id}; they must agree"))),
    }
}

/// Kafka's ids are 22 characters of URL-safe base64; any word that fits into `meta.properties` is taken.
fn cluster_id(settings: &Settings) -> Result<Option<String>, ConfigError> {
    const LENGTH_MAX: usize = 64;
    let word = |text: &String| {
        text.len() <= LENGTH_MAX && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    match text(settings, "highwater.cluster.id") {
        Some(id) if !word(&id) => {
            let reason = format!("at most {LENGTH_MAX} letters, digits, dashes and underscores are allowed");
            Err(settings.invalid("highwater.cluster.id", reason))
        }
        id => Ok(id),
    }
}

fn listeners(settings: &Settings) -> Result<Vec<Listener>, ConfigError> {
    let advertised = settings.list("advertised.listeners");
    // The apache/kafka image derives the one from the other, and compose files rely on it. Only for the
    // environment: in a file, `listeners` that is absent means its default.
    let from_environment = matches!(settings.origin("advertised.listeners"), Origin::Environment(_));
    let derived = match settings.explicit("listeners") {
        None if from_environment => listeners::derived_from_advertised(&advertised),
        _ => None,
    };
    let resolved = ListenerSettings {
        listeners: derived.unwrap_or_else(|| settings.list("listeners")),
        advertised,
        protocol_map: settings.text("listener.security.protocol.map"),
        controller_names: settings.list("controller.listener.names"),
    }
    .resolve()
    .map_err(|wrong| settings.invalid(wrong.key, wrong.reason))?;
    let inter_broker = settings.text("inter.broker.listener.name");
    if !inter_broker.is_empty() && !resolved.iter().any(|l| l.name.eq_ignore_ascii_case(&inter_broker)) {
        return Err(
            settings.invalid("inter.broker.listener.name", "it must be the name of one of the listeners")
        );
    }
    Ok(resolved)
}

/// `log.dirs`, or `log.dir` where only that is set.
fn log_dir(settings: &Settings) -> Result<PathBuf, ConfigError> {
    let old_name = settings.explicit("log.dirs").is_none() && settings.explicit("log.dir").is_some();
    let key = if old_name { "log.dir" } else { "log.dirs" };
    match settings.list(key).as_slice() {
        [directory] if !directory.is_empty() => Ok(PathBuf::from(directory)),
        _ => Err(settings.invalid(
            key,
            "exactly one directory is allowed: all partitions share one write-ahead log; \
             spread the load over disks below the file system",
        )),
    }
}

fn sockets(settings: &Settings) -> SocketLimits {
    let buffer = |key| u32::try_from(settings.number(key)).ok().filter(|bytes| *bytes > 0);
    let request_bytes_max: u32 = number(settings, "socket.request.max.bytes");
    let memory = u64::try_from(settings.number("queued.max.request.bytes")).ok().filter(|bytes| *bytes > 0);
    SocketLimits {
        request_bytes_max,
        send_buffer_bytes: buffer("socket.send.buffer.bytes"),
        receive_buffer_bytes: buffer("socket.receive.buffer.bytes"),
        listen_backlog: number(settings, "socket.listen.backlog.size"),
        idle_max: u64::try_from(settings.number("connections.max.idle.ms")).ok().map(Duration::from_millis),
        connections_max: number(settings, "max.connections"),
        connections_per_ip_max: number(settings, "max.connections.per.ip"),
        request_memory_bytes: memory.unwrap_or(REQUEST_MEMORY_BYTES).max(request_bytes_max.into()),
        inflight_max: number(settings, "highwater.connection.inflight.max"),
        frame_deadline: duration(settings, "highwater.frame.deadline.ms"),
        write_deadline: duration(settings, "highwater.write.deadline.ms"),
    }
}

fn wal(settings: &Settings) -> Result<WalLimits, ConfigError> {
    let sync = match settings.value("highwater.wal.sync") {
        Some(Value::Text(mode)) if mode == "os" => SyncMode::Os,
        _ => SyncMode::Fsync,
    };
    let file_bytes = number(settings, "highwater.wal.file.bytes");
    let capacity_bytes: u64 = number(settings, "highwater.wal.capacity.bytes");
    if capacity_bytes < 2 * file_bytes {
        let reason = format!("it must be at least twice highwater.wal.file.bytes, which is {file_bytes}");
        return Err(settings.invalid("highwater.wal.capacity.bytes", reason));
    }
    Ok(WalLimits { sync, file_bytes, capacity_bytes })
}

fn log(settings: &Settings) -> LogDefaults {
    LogDefaults {
        tail_bytes: number(settings, "highwater.tail.bytes"),
        checkpoint_bytes: number(settings, "highwater.checkpoint.bytes"),
        checkpoint_interval: duration(settings, "highwater.checkpoint.interval.ms"),
        disk_reserve_bytes: number(settings, "highwater.segment.disk.reserve.bytes"),
        file_handles: number(settings, "highwater.file.handles"),
        scrub_bytes_per_second: number(settings, "highwater.scrub.bytes.per.second"),
        retention_check_interval: duration(settings, "log.retention.check.interval.ms"),
        producer_id_expiration: duration(settings, "producer.id.expiration.ms"),
    }
}

fn cleaner(settings: &Settings) -> Result<CleanerSettings, ConfigError> {
    const MEMORY: &str = "log.cleaner.dedupe.buffer.size";
    let double = |key| match settings.value(key) {
        Some(Value::Double(number)) => number,
        _ => unreachable!("{key} is a double with a default in the table"),
    };
    let threads: usize = number(settings, "log.cleaner.threads");
    let memory = settings.number(MEMORY);
    // Kafka's rule and words.
    if memory / i64::try_from(threads.max(1)).unwrap_or(i64::MAX) <= 1024 * 1024 {
        let reason = "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.";
        return Err(settings.invalid(MEMORY, reason));
    }
    Ok(CleanerSettings {
        enable: settings.boolean("log.cleaner.enable"),
        threads,
        backoff: duration(settings, "log.cleaner.backoff.ms"),
        key_map_bytes: u64::try_from(memory).unwrap_or(0),
        key_map_load_factor: double("log.cleaner.io.buffer.load.factor"),
        io_buffer_bytes: number(settings, "log.cleaner.io.buffer.size"),
        io_bytes_per_second: double("log.cleaner.io.max.bytes.per.second"),
    })
}

fn admin(settings: &Settings) -> Result<Option<AdminListener>, ConfigError> {
    const KEY: &str = "highwater.admin.listener";
    let text = settings.text(KEY);
    if text.is_empty() {
        return Ok(None);
    }
    let endpoint = listeners::parse_endpoint(&text).map_err(|reason| settings.invalid(KEY, reason))?;
    if endpoint.name != "HTTP" {
        return Err(settings.invalid(KEY, "it must begin with http://; HTTPS is not served yet"));
    }
    Ok(Some(AdminListener { host: Host::parse(&endpoint.host), port: endpoint.port }))
}

#[cfg(test)]
mod tests;
