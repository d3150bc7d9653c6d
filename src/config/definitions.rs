//! The table of keys: Kafka's names, types, bounds and defaults as of 4.3, in our own words; then our own.
//!
//! A key is here when it has a meaning here. Kafka's other keys are listed in `no_effect`.

use super::definition::Allowed::{
    Any, AtLeast, Between, BetweenOr, EachOf, NotEmpty, OneOf, ThrottledReplicas,
};
use super::definition::Kind::{Boolean, Double, Int, List, Long, Short, String};
use super::definition::{Allowed, Definition, Kind};

/// A broker key whose value is a topic key's default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Synonym {
    /// The broker key.
    pub broker_key: &'static str,
    /// What one of its units is in the topic key's unit: hours are 3,600,000 of milliseconds.
    pub multiplier: i64,
}

/// A topic key and where its default comes from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TopicDefinition {
    /// The key; its `default` counts only where no synonym has a value.
    pub definition: Definition,
    /// Broker keys, the first that has a value wins.
    pub synonyms: &'static [Synonym],
}

const fn key(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    allowed: Allowed,
    doc: &'static str,
) -> Definition {
    Definition { name, kind, default, allowed, doc, dynamic: false }
}

/// A broker key that can be altered while the broker runs, for one broker or as the cluster's default.
const fn live(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    allowed: Allowed,
    doc: &'static str,
) -> Definition {
    Definition { name, kind, default, allowed, doc, dynamic: true }
}

const fn topic(definition: Definition, synonyms: &'static [Synonym]) -> TopicDefinition {
    TopicDefinition { definition, synonyms }
}

const fn same(broker_key: &'static str) -> Synonym {
    Synonym { broker_key, multiplier: 1 }
}

const fn minutes(broker_key: &'static str) -> Synonym {
    Synonym { broker_key, multiplier: 60_000 }
}

const fn hours(broker_key: &'static str) -> Synonym {
    Synonym { broker_key, multiplier: 3_600_000 }
}

const FOREVER: Option<&str> = Some("9223372036854775807");
const POLICIES: Allowed = EachOf(&["compact", "delete"]);
const CODECS: Allowed = OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]);
const TIMESTAMPS: Allowed = OneOf(&["CreateTime", "LogAppendTime"]);
const MIB: i64 = 1 << 20;
const GIB: i64 = 1 << 30;

/// Keys of the broker.
#[rustfmt::skip]
pub const BROKER: &[Definition] = &[
    // Who and where.
    key("node.id", Int, Some("1"), AtLeast(0),
        "This broker's number. Clients tell brokers apart by it alone: keep it."),
    key("broker.id", Int, Some("-1"), AtLeast(-1),
        "The older name of node.id; -1 is unset. If both are set they must agree."),
    key("broker.rack", String, None, Any,
        "Where the broker stands; shown to clients, which may prefer their own rack."),
    key("process.roles", List, Some("broker"), EachOf(&["broker", "controller"]),
        "Read for compatibility. This process always serves as a broker; it needs no controller."),
    key("listeners", List, Some("PLAINTEXT://:9092"), NotEmpty,
        "Addresses to listen on, as name://host:port. No host or 0.0.0.0 is every address, [::1] an IPv6 \
         one, port 0 any free port. Controller listeners are accepted and not opened."),
    key("advertised.listeners", List, None, Any,
        "Addresses told to clients, as name://host:port. Without an entry a client is told the address by \
         which it came."),
    key("listener.security.protocol.map", String,
        Some("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"), Any,
        "Which protocol a listener's name stands for, as name:protocol pairs. Only PLAINTEXT can be opened \
         so far."),
    key("inter.broker.listener.name", String, None, Any,
        "Read for compatibility: must name a listener, and nothing else follows from it with one broker."),
    key("controller.listener.names", List, Some("CONTROLLER"), Any,
        "Names of listeners that are not opened here: there is no controller."),
    key("authorizer.class.name", String, Some(""), Any,
        "Must be empty: access control is not served yet, and starting without it although it was asked \
         for would open every topic."),
    key("log.dirs", List, Some("./data"), NotEmpty,
        "The data directory. One only: durability comes from one write-ahead log. Made when absent."),
    key("log.dir", List, None, Any, "The older name of log.dirs, used where log.dirs is not set."),

    // Topics.
    key("num.partitions", Int, Some("1"), AtLeast(1),
        "Partitions of a topic that is created without a number."),
    key("default.replication.factor", Int, Some("1"), AtLeast(1),
        "Replication factor of a topic that is created without one; remembered and shown. Copies are the \
         storage's matter."),
    live("min.insync.replicas", Int, Some("1"), AtLeast(1),
        "Shown, never failed on: an acknowledged record is durable by the write-ahead log alone."),
    key("auto.create.topics.enable", Boolean, Some("true"), Any,
        "Whether asking for an unknown topic creates it."),
    key("delete.topic.enable", Boolean, Some("true"), Any, "Whether topics can be deleted."),
    live("unclean.leader.election.enable", Boolean, Some("false"), Any,
        "Shown only: there is no replica that could lag."),

    // Requests and connections.
    live("message.max.bytes", Int, Some("1048588"), AtLeast(0),
        "Largest record batch taken, as compressed by the producer."),
    key("socket.request.max.bytes", Int, Some("104857600"), AtLeast(1),
        "Largest request; a longer one closes its connection."),
    key("socket.send.buffer.bytes", Int, Some("102400"), AtLeast(-1),
        "Kernel send buffer of a connection; -1 lets the system tune it."),
    key("socket.receive.buffer.bytes", Int, Some("-1"), AtLeast(-1),
        "Kernel receive buffer of a connection; -1 lets the system tune it (Kafka's default is 102400)."),
    key("socket.listen.backlog.size", Int, Some("1024"), Between(1, 65_535),
        "Connections the kernel keeps waiting until they are accepted (Kafka's default is 50)."),
    key("connections.max.idle.ms", Long, Some("600000"), AtLeast(-1),
        "A connection without a request for so long is closed; -1 keeps it."),
    live("max.connections", Int, Some("2147483647"), AtLeast(0),
        "Connections open at once; the next one waits to be accepted."),
    live("max.connections.per.ip", Int, Some("2147483647"), AtLeast(0),
        "Connections open at once from one address; the next one is closed."),
    key("queued.max.request.bytes", Long, Some("-1"), AtLeast(-1),
        "Memory that requests in progress may take before sockets are no longer read; -1 is 128 MiB, or \
         one largest request if that is more."),
    key("fetch.max.bytes", Int, Some("57671680"), AtLeast(1024),
        "Most record bytes in one fetch response, whatever the client asks for."),
    key("max.incremental.fetch.session.cache.slots", Int, Some("1000"), AtLeast(0),
        "Most fetch sessions kept. Without a free one a client is answered without a session: correct, and \
         it names all its partitions every time."),
    key("max.request.partition.size.limit", Int, Some("2000"), AtLeast(1),
        "Most partitions in one DescribeTopicPartitions response."),

    // The log.
    live("log.segment.bytes", Int, Some("1073741824"), AtLeast(1_048_576),
        "Size at which a segment is closed and the next begun."),
    live("log.roll.ms", Long, None, AtLeast(1), "Age at which a segment is closed though it is not full."),
    key("log.roll.hours", Int, Some("168"), AtLeast(1), "The same in hours, where log.roll.ms is not set."),
    live("log.roll.jitter.ms", Long, None, AtLeast(0),
        "Most by which that age is shortened, so that not all segments close at once."),
    key("log.roll.jitter.hours", Int, Some("0"), AtLeast(0),
        "The same in hours, where log.roll.jitter.ms is not set."),
    live("log.retention.ms", Long, None, AtLeast(-1),
        "Age at which a closed segment is deleted; -1 keeps it."),
    key("log.retention.minutes", Int, None, AtLeast(-1),
        "The same in minutes, where log.retention.ms is not set."),
    key("log.retention.hours", Int, Some("168"), AtLeast(-1),
        "The same in hours, where neither of the two is set."),
    live("log.retention.bytes", Long, Some("-1"), Any,
        "Size of a partition above which its oldest segments are deleted; -1 sets no size."),
    key("log.retention.check.interval.ms", Long, Some("300000"), AtLeast(1),
        "How often segments are looked at for deletion."),
    live("log.cleanup.policy", List, Some("delete"), POLICIES,
        "delete removes old segments; compact keeps the newest record of each key."),
    live("log.index.interval.bytes", Int, Some("4096"), AtLeast(0),
        "Bytes of log between two entries of a segment's offset index."),
    live("log.index.size.max.bytes", Int, Some("10485760"), AtLeast(4),
        "Size of an index at which its segment is closed."),
    live("log.segment.delete.delay.ms", Long, Some("60000"), AtLeast(0),
        "Kept and shown: a deleted segment is removed at once, and readers that have it keep it."),
    live("log.message.timestamp.type", String, Some("CreateTime"), TIMESTAMPS,
        "Whether a record keeps its producer's time or gets the broker's."),
    live("log.message.timestamp.before.max.ms", Long, FOREVER, AtLeast(0),
        "How far a producer's timestamp may lie in the past."),
    live("log.message.timestamp.after.max.ms", Long, Some("3600000"), AtLeast(0),
        "How far a producer's timestamp may lie in the future."),
    live("compression.type", String, Some("producer"), CODECS,
        "How batches are compressed; producer keeps what producers send, other codecs compress it anew."),
    live("compression.gzip.level", Int, Some("-1"), BetweenOr(1, 9, -1),
        "Level by which the broker compresses, where compression.type is gzip."),
    live("compression.lz4.level", Int, Some("9"), Between(1, 17),
        "Shown only: where compression.type is lz4 the broker compresses quickly, as level 1 would."),
    live("compression.zstd.level", Int, Some("3"), Between(-131_072, 22),
        "Level by which the broker compresses, where compression.type is zstd."),
    live("log.preallocate", Boolean, Some("false"), Any,
        "Shown only: segments are written behind a log that is written in advance."),
    live("log.flush.interval.messages", Long, FOREVER, AtLeast(1),
        "Shown only: every acknowledged record is durable already."),
    live("log.flush.interval.ms", Long, None, Any, "Shown only, for the same reason."),
    key("log.flush.scheduler.interval.ms", Long, FOREVER, Any, "Shown only, for the same reason."),
    live("log.cleaner.delete.retention.ms", Long, Some("86400000"), AtLeast(0),
        "How long the mark of a deleted key stays, counted from the compaction that met it first."),
    live("log.cleaner.min.compaction.lag.ms", Long, Some("0"), AtLeast(0),
        "Age below which compaction leaves a segment's records alone."),
    live("log.cleaner.max.compaction.lag.ms", Long, FOREVER, AtLeast(1),
        "Age at which records are compacted however small the dirty share; closes their segment, too."),
    live("log.cleaner.min.cleanable.ratio", Double, Some("0.5"), Between(0, 1),
        "Share of a log not yet compacted above which compaction begins."),
    key("log.cleaner.enable", Boolean, Some("true"), Any,
        "Whether logs are compacted in the background, where cleanup.policy asks for it."),
    live("log.cleaner.threads", Int, Some("1"), AtLeast(0), "Logs that are compacted at once; 0: none."),
    live("log.cleaner.io.max.bytes.per.second", Double, Some("1.7976931348623157E308"), Any,
        "Speed of compaction, reads and writes of all its threads together."),
    live("log.cleaner.dedupe.buffer.size", Long, Some("134217728"), Any,
        "Memory for keys of all compactions together, 24 bytes a key; what has no room is left to the next \
         compaction of that log. Taken while a log is compacted. More than 1 MiB for each thread."),
    live("log.cleaner.io.buffer.size", Int, Some("524288"), AtLeast(0),
        "Memory for reads and writes of all compactions together; the other half is Kafka's for reads."),
    live("log.cleaner.io.buffer.load.factor", Double, Some("0.9"), Any,
        "Share of the memory for keys that is filled at most."),
    live("log.cleaner.backoff.ms", Long, Some("15000"), AtLeast(0),
        "How long to wait when there is no log to compact."),
    live("log.local.retention.ms", Long, Some("-2"), AtLeast(-2),
        "Age at which a segment that was copied to the tier leaves the disk; -2 is log.retention.ms, -1 \
         keeps it."),
    live("log.local.retention.bytes", Long, Some("-2"), AtLeast(-2),
        "Size of what a partition has on disk above which its oldest segments leave it, once they were \
         copied to the tier; -2 is log.retention.bytes, -1 sets no size."),
    live("producer.id.expiration.ms", Int, Some("86400000"), AtLeast(1),
        "How long a partition remembers an idempotent producer that is silent."),

    // Consumer groups.
    key("offsets.topic.num.partitions", Int, Some("50"), Between(1, 100_000),
        "Partitions of __consumer_offsets, which is made when somebody first asks for a group's coordinator. \
         Not to be changed after that: a group's partition follows from their number."),
    key("offsets.topic.replication.factor", Short, Some("3"), AtLeast(1),
        "Replication factor of __consumer_offsets; remembered and shown, as that of any topic."),
    key("offsets.topic.segment.bytes", Int, Some("104857600"), AtLeast(1_048_576),
        "Size at which a segment of __consumer_offsets is closed; small ones are compacted sooner. Not below \
         what any topic may have."),
    key("offsets.topic.compression.codec", Int, Some("0"), Between(0, 4),
        "Codec of what is written to __consumer_offsets: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd."),
    key("offsets.load.buffer.size", Int, Some("5242880"), AtLeast(1),
        "Bytes of __consumer_offsets that are read at a time when its groups are loaded."),
    key("offsets.commit.timeout.ms", Int, Some("5000"), AtLeast(1),
        "How long whatever a group wants to write waits for room in the log, and its answer then for the \
         commit, before clients are told to come again."),
    key("offset.metadata.max.bytes", Int, Some("4096"), AtLeast(0),
        "Longest text that a client may commit together with an offset."),
    key("offsets.retention.minutes", Int, Some("10080"), AtLeast(1),
        "How long committed offsets are kept once their group has no members, or does not subscribe to \
         their topic any more; for consumers without a group, since the commit."),
    key("offsets.retention.check.interval.ms", Long, Some("600000"), AtLeast(1),
        "How often that is looked at."),
    key("group.min.session.timeout.ms", Int, Some("6000"), AtLeast(0),
        "Shortest silence that a member of a classic group may ask to be allowed."),
    key("group.max.session.timeout.ms", Int, Some("1800000"), AtLeast(0),
        "Longest silence that a member of a classic group may ask to be allowed."),
    key("group.initial.rebalance.delay.ms", Int, Some("3000"), AtLeast(0),
        "How long the first member of an empty classic group waits for others before partitions are \
         given out."),
    key("group.max.size", Int, Some("2147483647"), AtLeast(1), "Most members of a classic group."),
    key("group.coordinator.rebalance.protocols", List, Some("classic,consumer,streams"),
        EachOf(&["classic", "consumer", "streams"]),
        "Protocols of groups. Without consumer, groups of KIP-848 are refused; classic is always served, \
         streams never."),
    key("group.consumer.session.timeout.ms", Int, Some("45000"), AtLeast(1),
        "Silence after which a member of a consumer group (KIP-848) is taken for dead."),
    key("group.consumer.min.session.timeout.ms", Int, Some("45000"), AtLeast(1),
        "Least value of group.consumer.session.timeout.ms."),
    key("group.consumer.max.session.timeout.ms", Int, Some("60000"), AtLeast(1),
        "Largest value of group.consumer.session.timeout.ms."),
    key("group.consumer.heartbeat.interval.ms", Int, Some("5000"), AtLeast(1),
        "How often members of consumer groups are told to be heard of."),
    key("group.consumer.min.heartbeat.interval.ms", Int, Some("5000"), AtLeast(1),
        "Least value of group.consumer.heartbeat.interval.ms."),
    key("group.consumer.max.heartbeat.interval.ms", Int, Some("15000"), AtLeast(1),
        "Largest value of group.consumer.heartbeat.interval.ms."),
    live("group.consumer.assignment.interval.ms", Int, Some("1000"), AtLeast(0),
        "Least time between two assignments of a consumer group."),
    key("group.consumer.min.assignment.interval.ms", Int, Some("0"), AtLeast(0),
        "Least value of group.consumer.assignment.interval.ms."),
    key("group.consumer.max.assignment.interval.ms", Int, Some("15000"), AtLeast(0),
        "Largest value of group.consumer.assignment.interval.ms."),
    key("group.consumer.max.size", Int, Some("2147483647"), AtLeast(1), "Most members of a consumer group."),
    key("group.consumer.assignors", List, Some("uniform,range"), EachOf(&["uniform", "range"]),
        "Who assigns in consumer groups, by the broker's own names; the first serves members that name none."),
    key("group.consumer.migration.policy", String, Some("bidirectional"), Any,
        "Whether groups with members may change between the classic protocol and KIP-848: bidirectional, \
         upgrade, downgrade or disabled."),

    // Transactions.
    key("transaction.state.log.num.partitions", Int, Some("50"), Between(1, 100_000),
        "Partitions of __transaction_state, which is made when somebody first asks for a transaction's \
         coordinator. Not to be changed after that: a transaction's partition follows from their number."),
    key("transaction.state.log.replication.factor", Short, Some("3"), AtLeast(1),
        "Replication factor of __transaction_state; remembered and shown, as that of any topic."),
    key("transaction.state.log.segment.bytes", Int, Some("104857600"), AtLeast(1_048_576),
        "Size at which a segment of __transaction_state is closed; small ones are compacted sooner. Not below \
         what any topic may have."),
    key("transaction.state.log.load.buffer.size", Int, Some("5242880"), AtLeast(1),
        "Bytes of __transaction_state that are read at a time when its transactions are loaded."),
    key("transaction.max.timeout.ms", Int, Some("900000"), AtLeast(1),
        "Longest time that a producer may ask a transaction to be allowed. After it, the transaction is \
         aborted."),
    key("transactional.id.expiration.ms", Int, Some("604800000"), AtLeast(1),
        "How long a transactional id is remembered that nobody uses."),
    key("transaction.remove.expired.transaction.cleanup.interval.ms", Int, Some("3600000"), AtLeast(1),
        "How often that is looked at."),
    live("transaction.partition.verification.enable", Boolean, Some("true"), Any,
        "Whether a partition asks the coordinator before it lets records of a transaction in whose producer \
         does not have it added by writing (before KIP-890's second version). Without it a record that comes \
         late can leave a transaction open for ever."),
    key("add.partitions.to.txn.retry.backoff.ms", Int, Some("20"), AtLeast(1),
        "Pause before a partition is added again to a transaction that waits for the end of the one before."),
    key("add.partitions.to.txn.retry.backoff.max.ms", Int, Some("100"), AtLeast(0),
        "How long that is tried before the producer is told to come again."),

    // Our own.
    key("highwater.cluster.id", String, None, Any,
        "The cluster's id, for a data directory that has none yet; without it one is made up. CLUSTER_ID \
         in the environment sets it."),
    key("highwater.wal.sync", String, Some("fsync"), OneOf(&["fsync", "os"]),
        "When a record counts as durable. fsync: when the disk says so. os: when the operating system has \
         it, which survives a killed process and not a power cut."),
    key("highwater.wal.file.bytes", Long, Some("67108864"), Between(8 * MIB, GIB),
        "Size of one file of the write-ahead log."),
    key("highwater.wal.capacity.bytes", Long, Some("536870912"), Between(32 * MIB, 64 * GIB),
        "Most space the write-ahead log takes for records that are not yet in synced segments. Must be at \
         least twice highwater.wal.file.bytes. A Produce request whose batches together do not fit into it, \
         less one file, is refused with MESSAGE_TOO_LARGE."),
    key("highwater.tail.bytes", Long, Some("25165824"), Between(4 * MIB, 16 * GIB),
        "Memory for the newest records of all partitions, from which waiting consumers are answered."),
    key("highwater.checkpoint.bytes", Long, Some("100663296"), Between(4 * MIB, 32 * GIB),
        "Bytes of write-ahead log after which segments are synced at the latest; bounds what a start has \
         to replay."),
    key("highwater.checkpoint.interval.ms", Long, Some("60000"), AtLeast(100),
        "Time after which changed segments are synced at the latest."),
    key("highwater.segment.disk.reserve.bytes", Long, Some("67108864"), AtLeast(0),
        "Free disk space below which records are refused, so that what was promised can still be written."),
    key("highwater.file.handles", Int, Some("1024"), Between(64, 1_000_000),
        "Segment files kept open at once."),
    key("highwater.tier.catalogue.interval.ms", Long, Some("60000"), Between(100, 86_400_000),
        "How often topics, settings and committed offsets are copied to the tier, if any changed: what was done \
         since is not known to `highwater restore`."),
    key("highwater.tier.grace.ms", Long, Some("3600000"), AtLeast(1000),
        "Time for which objects in the tier are kept that nothing names any more: replaced manifests, and what \
         uploads left behind that did not come to their end."),
    key("highwater.tier.memory.bytes", Long, Some("134217728"), Between(32 * MIB, 64 * GIB),
        "Memory for what is on its way to the tier or from there, blocks kept for readers included."),
    key("highwater.tier.default.enable", Boolean, Some("false"), Any,
        "Whether a new topic that says nothing of remote.storage.enable gets it, where its other settings go \
         with it. The topic keeps it when this changes."),
    key("highwater.tier.cache.bytes", Long, Some("0"), AtLeast(0),
        "Disk for blocks from the tier that were read more than once, at least 64 MiB; 0 keeps blocks in memory \
         alone."),
    key("highwater.tier.cache.directory", String, Some(""), Any,
        "Directory of those blocks, for nothing else; without one tier-cache in the directory of log.dirs. What \
         is there is worth nothing without the broker."),
    key("highwater.tier.upload.bytes.per.second", Long, Some("0"), AtLeast(0),
        "Bandwidth of copies to the tier; 0 sets no bound."),
    live("remote.fetch.max.wait.ms", Int, Some("500"), AtLeast(1),
        "Longest time for which a fetch waits for records from the tier; what comes later is there for the next."),
    live("remote.list.offsets.request.timeout.ms", Long, Some("30000"), AtLeast(1),
        "Longest time for which ListOffsets waits for the tier, where the request does not say how long."),
    key("remote.log.manager.task.interval.ms", Long, Some("30000"), AtLeast(1),
        "How often closed segments are copied to the tier, and removed from it that count no longer."),
    live("highwater.scrub.bytes.per.second", Long, Some("4194304"), AtLeast(0),
        "Average speed at which the background scrubber reads segments again to verify their checksums, a \
         segment at a time; 0 never does."),
    key("highwater.connection.inflight.max", Int, Some("64"), Between(1, 10_000),
        "Requests of one connection in progress at once; further ones are not read."),
    key("highwater.frame.deadline.ms", Long, Some("30000"), AtLeast(100),
        "Time to send a request, beside what its bytes earn at a slow but honest speed."),
    key("highwater.write.deadline.ms", Long, Some("330000"), AtLeast(100),
        "Longest time to take a response. Long, because a Java consumer that is busy with its records \
         leaves the next ones in the socket for up to max.poll.interval.ms, five minutes by default."),
    key("highwater.shutdown.timeout.ms", Long, Some("30000"), AtLeast(1),
        "Longest time from SIGTERM to the end of the process."),
    key("highwater.tier.store", String, Some(""), Any,
        "Where closed segments of topics with remote.storage.enable go: s3://bucket/prefix, gs://bucket/prefix, \
         az://container/prefix, or file:///path, whose directory must be there; empty for nowhere. Its \
         credentials come from where the cloud's own tools look: environment variables, web identity, container \
         and instance metadata, for S3 also profiles. `highwater tier probe` tries it."),
    key("highwater.tier.endpoint", String, Some(""), Any,
        "Address of an object store that is not its cloud's own, such as https://minio.example:9000; without \
         one, for S3, that of AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL."),
    key("highwater.tier.region", String, Some(""), Any,
        "Region of an S3 bucket; without one that of AWS_REGION or AWS_DEFAULT_REGION, else us-east-1."),
    key("highwater.tier.path.style", Boolean, Some("true"), Any,
        "Whether the name of an S3 bucket stands in the path of requests; false puts it in the host's name."),
    key("highwater.tier.allow.http", Boolean, Some("false"), Any,
        "Whether the endpoint may be http://: what is stored and read then crosses the network in the clear."),
    key("highwater.tier.profile", String, Some(""), Any,
        "Profile whose keys in ~/.aws are used for S3; without one that of AWS_PROFILE, else the default one \
         where nothing else gives credentials. The files are read again every minute."),
    key("highwater.tier.request.timeout.ms", Int, Some("30000"), Between(100, 3_600_000),
        "Longest time until the object store answers a request, and between two pieces of a body. A request \
         that sends a body has the time for it besides, at 256 KiB a second."),
    key("highwater.tier.request.retries", Int, Some("5"), Between(0, 100),
        "How often a request that failed for a passing reason is repeated before its caller hears of it."),
    key("highwater.tier.retry.backoff.ms", Int, Some("100"), Between(1, 60_000),
        "Pause before the first repetition; doubles with each, and up to half of it is left to chance."),
    key("highwater.tier.retry.backoff.max.ms", Int, Some("10000"), Between(1, 600_000),
        "Longest pause before a repetition."),
    key("highwater.tier.part.bytes", Int, Some("8388608"), Between(5 * MIB, GIB),
        "Size of the parts in which large objects are stored; each that is stored holds one in memory."),
    key("highwater.admin.listener", String, Some("http://127.0.0.1:9644"), Any,
        "Where health and metrics are served, as http://host:port; empty switches it off."),
    key("highwater.metrics.partitions.max", Int, Some("1000"), AtLeast(0),
        "Partitions up to which each has metrics of its own; above, none has. The same number bounds groups, \
         and the offsets that they have committed."),
];

/// Keys of a topic.
#[rustfmt::skip]
pub const TOPIC: &[TopicDefinition] = &[
    topic(key("cleanup.policy", List, Some("delete"), POLICIES,
        "delete removes old segments; compact keeps the newest record of each key."),
        &[same("log.cleanup.policy")]),
    topic(key("compression.gzip.level", Int, Some("-1"), BetweenOr(1, 9, -1),
        "Level by which the broker compresses, where compression.type is gzip."),
        &[same("compression.gzip.level")]),
    topic(key("compression.lz4.level", Int, Some("9"), Between(1, 17),
        "Kept and shown: where compression.type is lz4 the broker compresses quickly, as level 1 would."),
        &[same("compression.lz4.level")]),
    topic(key("compression.type", String, Some("producer"), CODECS,
        "How batches are compressed; producer keeps what producers send, other codecs compress it anew."),
        &[same("compression.type")]),
    topic(key("compression.zstd.level", Int, Some("3"), Between(-131_072, 22),
        "Level by which the broker compresses, where compression.type is zstd."),
        &[same("compression.zstd.level")]),
    topic(key("delete.retention.ms", Long, Some("86400000"), AtLeast(0),
        "How long the mark of a deleted key stays, counted from the compaction that met it first."),
        &[same("log.cleaner.delete.retention.ms")]),
    topic(key("file.delete.delay.ms", Long, Some("60000"), AtLeast(0),
        "Kept and shown: a deleted segment is removed at once, and readers that have it keep it."),
        &[same("log.segment.delete.delay.ms")]),
    topic(key("flush.messages", Long, FOREVER, AtLeast(1),
        "Kept and shown: every acknowledged record is durable already."),
        &[same("log.flush.interval.messages")]),
    topic(key("flush.ms", Long, FOREVER, AtLeast(0), "Kept and shown, for the same reason."),
        &[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")]),
    topic(key("follower.replication.throttled.replicas", List, Some(""), ThrottledReplicas,
        "Kept and shown: no follower copies from here."), &[]),
    topic(key("index.interval.bytes", Int, Some("4096"), AtLeast(0),
        "Bytes of log between two entries of a segment's offset index."),
        &[same("log.index.interval.bytes")]),
    topic(key("leader.replication.throttled.replicas", List, Some(""), ThrottledReplicas,
        "Kept and shown: no follower copies from here."), &[]),
    topic(key("local.retention.bytes", Long, Some("-2"), AtLeast(-2),
        "Size of what a partition has on disk above which its oldest segments leave it, once they were \
         copied to the tier; -2 is retention.bytes, -1 sets no size."),
        &[same("log.local.retention.bytes")]),
    topic(key("local.retention.ms", Long, Some("-2"), AtLeast(-2),
        "Age at which a segment that was copied to the tier leaves the disk; -2 is retention.ms, -1 keeps \
         it."),
        &[same("log.local.retention.ms")]),
    topic(key("max.compaction.lag.ms", Long, FOREVER, AtLeast(1),
        "Age at which records are compacted however small the dirty share; closes their segment, too."),
        &[same("log.cleaner.max.compaction.lag.ms")]),
    topic(key("max.message.bytes", Int, Some("1048588"), AtLeast(0),
        "Largest record batch taken, as compressed by the producer."),
        &[same("message.max.bytes")]),
    topic(key("message.timestamp.after.max.ms", Long, Some("3600000"), AtLeast(0),
        "How far a producer's timestamp may lie in the future."),
        &[same("log.message.timestamp.after.max.ms")]),
    topic(key("message.timestamp.before.max.ms", Long, FOREVER, AtLeast(0),
        "How far a producer's timestamp may lie in the past."),
        &[same("log.message.timestamp.before.max.ms")]),
    topic(key("message.timestamp.type", String, Some("CreateTime"), TIMESTAMPS,
        "Whether a record keeps its producer's time or gets the broker's."),
        &[same("log.message.timestamp.type")]),
    topic(key("min.cleanable.dirty.ratio", Double, Some("0.5"), Between(0, 1),
        "Share of a log not yet compacted above which compaction begins."),
        &[same("log.cleaner.min.cleanable.ratio")]),
    topic(key("min.compaction.lag.ms", Long, Some("0"), AtLeast(0),
        "Age below which compaction leaves a segment's records alone."),
        &[same("log.cleaner.min.compaction.lag.ms")]),
    topic(key("min.insync.replicas", Int, Some("1"), AtLeast(1),
        "Kept and shown, never failed on: durability is the write-ahead log's."),
        &[same("min.insync.replicas")]),
    topic(key("preallocate", Boolean, Some("false"), Any,
        "Kept and shown: segments are written behind a log that is written in advance."),
        &[same("log.preallocate")]),
    topic(key("remote.log.copy.disable", Boolean, Some("false"), Any,
        "Nothing more is copied to the tier; what is there is read, and goes by retention.ms and \
         retention.bytes, as does then what is on disk."), &[]),
    topic(key("remote.log.delete.on.disable", Boolean, Some("false"), Any,
        "Lets remote.storage.enable be set to false again: the log then begins where the disk does, and what \
         is in the tier is deleted."), &[]),
    topic(key("remote.storage.enable", Boolean, Some("false"), Any,
        "Whether closed segments are copied to the tier, of compacted topics once they were cleaned; true is \
         refused where there is none."), &[]),
    topic(key("retention.bytes", Long, Some("-1"), Any,
        "Size of a partition above which its oldest segments are deleted; -1 sets no size."),
        &[same("log.retention.bytes")]),
    topic(key("retention.ms", Long, Some("604800000"), AtLeast(-1),
        "Age at which a closed segment is deleted; -1 keeps it."),
        &[same("log.retention.ms"), minutes("log.retention.minutes"), hours("log.retention.hours")]),
    topic(key("segment.bytes", Int, Some("1073741824"), AtLeast(1_048_576),
        "Size at which a segment is closed and the next begun."),
        &[same("log.segment.bytes")]),
    topic(key("segment.index.bytes", Int, Some("10485760"), AtLeast(4),
        "Size of an index at which its segment is closed."),
        &[same("log.index.size.max.bytes")]),
    topic(key("segment.jitter.ms", Long, Some("0"), AtLeast(0),
        "Most by which segment.ms is shortened, so that not all segments close at once."),
        &[same("log.roll.jitter.ms"), hours("log.roll.jitter.hours")]),
    topic(key("segment.ms", Long, Some("604800000"), AtLeast(1),
        "Age at which a segment is closed though it is not full."),
        &[same("log.roll.ms"), hours("log.roll.hours")]),
    topic(key("unclean.leader.election.enable", Boolean, Some("false"), Any,
        "Kept and shown: there is no replica that could lag."),
        &[same("unclean.leader.election.enable")]),
];

/// The broker key of that name.
pub(super) fn broker_key(name: &str) -> Option<&'static Definition> {
    BROKER.iter().find(|definition| definition.name == name)
}

/// The broker keys that give one value in different units, first to last; alone where a key is by itself.
pub(super) fn chain_of(key: &str) -> Vec<&'static str> {
    let in_chain = |entry: &&TopicDefinition| entry.synonyms.iter().any(|synonym| synonym.broker_key == key);
    match TOPIC.iter().find(in_chain) {
        Some(entry) => entry.synonyms.iter().map(|synonym| synonym.broker_key).collect(),
        None => broker_key(key).map(|definition| definition.name).into_iter().collect(),
    }
}

/// The topic key of that name.
pub(super) fn topic_key(name: &str) -> Option<&'static TopicDefinition> {
    TOPIC.iter().find(|entry| entry.definition.name == name)
}
