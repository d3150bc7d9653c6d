//! Every metric's name and meaning, in one place. Units come last; counters gain `_total` when written.

/// A metric's name and help text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub name: &'static str,
    pub help: &'static str,
}

const fn name(name: &'static str, help: &'static str) -> Name {
    Name { name, help }
}

// Requests and connections.
pub(super) const REQUESTS: Name = name("highwater_requests", "Requests answered, by API");
pub(super) const REQUEST_ERRORS: Name =
    name("highwater_request_errors", "Error codes answered, by API and error");
pub(super) const REQUEST_DURATION: Name = name(
    "highwater_request_duration_seconds",
    "From the last byte of a request to its finished response, by API",
);
pub(super) const REQUESTS_IN_PROGRESS: Name =
    name("highwater_requests_in_progress", "Requests received and not yet answered");
pub(super) const REQUEST_MEMORY: Name =
    name("highwater_request_memory_bytes", "Memory reserved for requests in progress");
pub(super) const BYTES_RECEIVED: Name = name("highwater_received_bytes", "Bytes read from clients");
pub(super) const BYTES_SENT: Name = name("highwater_sent_bytes", "Bytes written to clients");
pub(super) const CONNECTIONS: Name = name("highwater_connections", "Connections open");
pub(super) const CONNECTIONS_ACCEPTED: Name = name("highwater_connections_accepted", "Connections accepted");
pub(super) const CONNECTIONS_CLOSED: Name =
    name("highwater_connections_closed", "Connections closed, by reason");

// Records and the write-ahead log.
pub(super) const RECORDS_APPENDED: Name = name("highwater_appended_records", "Records admitted to the log");
pub(super) const BYTES_APPENDED: Name =
    name("highwater_appended_bytes", "Bytes of record batches admitted to the log");
pub(super) const BYTES_FETCHED: Name =
    name("highwater_fetched_bytes", "Bytes of record batches given to consumers");
pub(super) const FETCH_SESSIONS: Name = name("highwater_fetch_sessions", "Fetch sessions kept");
pub(super) const FETCH_SESSION_PARTITIONS: Name =
    name("highwater_fetch_session_partitions", "Partitions of all fetch sessions");
pub(super) const FETCH_SESSION_EVICTIONS: Name =
    name("highwater_fetch_session_evictions", "Fetch sessions that had to go for others");
pub(super) const WAL_COMMIT_DURATION: Name =
    name("highwater_wal_commit_duration_seconds", "From a group's first write to its durability");
pub(super) const WAL_GROUP_BYTES: Name = name("highwater_wal_group_bytes", "Size of committed groups");
pub(super) const WAL_GROUP_ENTRIES: Name = name("highwater_wal_group_entries", "Entries of committed groups");

// The background scrubber.
pub(super) const SCRUBBED_BYTES: Name =
    name("highwater_scrubbed_bytes", "Bytes of segments whose checksums were verified again");
pub(super) const SCRUB_DAMAGE: Name =
    name("highwater_scrub_damage", "Times that the scrubber found damage, which stops a partition");
pub(super) const SCRUB_LAST_ROUND: Name = name(
    "highwater_scrub_last_round_time_seconds",
    "When the scrubber last came to the end of every log, in seconds since the Unix epoch; 0: not yet",
);

// The log cleaner.
pub(super) const CLEANER_RUNS: Name = name("highwater_cleaner_runs", "Logs that were compacted");
pub(super) const CLEANER_READ_BYTES: Name =
    name("highwater_cleaner_read_bytes", "Bytes read by compaction, for keys and for copying");
pub(super) const CLEANER_WRITTEN_BYTES: Name =
    name("highwater_cleaner_written_bytes", "Bytes that compaction has kept");
pub(super) const CLEANER_LAST_LOOK: Name = name(
    "highwater_cleaner_last_look_time_seconds",
    "When the cleaner last looked for a log to compact, in seconds since the Unix epoch; 0: not yet",
);

// Partitions.
pub(super) const PARTITIONS: Name = name("highwater_partitions", "Partitions held");
pub(super) const LOG_BYTES: Name = name("highwater_log_bytes", "Size of all partitions' segments");
pub(super) const PARTITION_LOG_BYTES: Name =
    name("highwater_partition_log_bytes", "Size of a partition's segments");
pub(super) const PARTITION_HIGH_WATERMARK: Name =
    name("highwater_partition_high_watermark", "Offset below which every record is durable");
pub(super) const PARTITION_LOG_START: Name =
    name("highwater_partition_log_start_offset", "First offset that can be read");
pub(super) const PARTITION_LOG_END: Name =
    name("highwater_partition_log_end_offset", "Offset that the next record gets");
pub(super) const PARTITION_LAST_STABLE: Name =
    name("highwater_partition_last_stable_offset", "Offset below which every transaction is decided");
pub(super) const PARTITION_OPEN_TRANSACTIONS: Name =
    name("highwater_partition_open_transactions", "Transactions that are open in a partition");
pub(super) const PARTITION_OLDEST_TRANSACTION: Name = name(
    "highwater_partition_oldest_transaction_seconds",
    "For how long the transaction has been open that holds a partition's last stable offset, and whose it is",
);

// Consumer groups.
pub(super) const GROUPS: Name = name("highwater_groups", "Groups, by type and state");
pub(super) const GROUP_MEMBERS: Name = name("highwater_group_members", "Members of all groups");
pub(super) const GROUP_REBALANCES: Name =
    name("highwater_group_rebalances", "Rebalances that came to their end, of all classic groups");
pub(super) const GROUP_STATE: Name =
    name("highwater_consumergroup_state", "1 for the state in which a consumer group is, by its type");
pub(super) const GROUP_GENERATION: Name = name(
    "highwater_consumergroup_rebalances",
    "Rebalances of a consumer group: its generation, or its group epoch",
);

// Transactions.
pub(super) const TRANSACTIONAL_IDS: Name =
    name("highwater_transactional_ids", "Transactional ids, by the state of their transaction");
pub(super) const TRANSACTIONS_OPEN: Name =
    name("highwater_transactions_open", "Transactions that have begun and are not ended everywhere");
pub(super) const TRANSACTIONS_OLDEST: Name = name(
    "highwater_transactions_oldest_seconds",
    "For how long the oldest of them has been open; highwater txn list tells whose it is",
);
pub(super) const TRANSACTIONS_TIMED_OUT: Name = name(
    "highwater_transactions_timed_out",
    "Transactions that were aborted since their producer did not end them in time",
);

// The tier.
pub(super) const TIER_REQUESTS: Name =
    name("highwater_tier_requests", "Requests to the object store, repetitions too, by kind and result");
pub(super) const TIER_REQUEST_BYTES: Name = name(
    "highwater_tier_request_bytes",
    "Bytes of bodies sent to the object store or received from there, by kind and result",
);
pub(super) const TIER_REQUEST_DURATION: Name = name(
    "highwater_tier_request_duration_seconds",
    "From a request to the object store to its answer (of a read: to the first of it), or to its end without \
     one, by kind",
);
pub(super) const TIER_COPIED_SEGMENTS: Name =
    name("highwater_tier_copied_segments", "Segments whose copy to the tier was begun");
pub(super) const TIER_COPIED_BYTES: Name =
    name("highwater_tier_copied_bytes", "Bytes of objects of segments that were copied to the tier");
pub(super) const TIER_COPY_ERRORS: Name =
    name("highwater_tier_copy_errors", "Copies of a partition's segments that broke off; tried again later");
pub(super) const TIER_READS: Name =
    name("highwater_tier_reads", "Reads of a partition's records from the tier, for consumers");
pub(super) const TIER_READ_BYTES: Name =
    name("highwater_tier_read_bytes", "Bytes of record batches from the tier, for consumers");
pub(super) const TIER_READ_ERRORS: Name =
    name("highwater_tier_read_errors", "Reads of a partition's records from the tier that failed");
pub(super) const TIER_DELETED_SEGMENTS: Name =
    name("highwater_tier_deleted_segments", "Segments below a log start that the tier names no longer");
pub(super) const TIER_DELETE_ERRORS: Name =
    name("highwater_tier_delete_errors", "Removals from the tier that failed; tried again later");
pub(super) const TIER_CACHE_HITS: Name =
    name("highwater_tier_cache_hits", "Blocks asked for that were cached, by where");
pub(super) const TIER_CACHE_MISSES: Name =
    name("highwater_tier_cache_misses", "Blocks asked for that a reader had to wait for");
pub(super) const TIER_CACHE_BYTES: Name =
    name("highwater_tier_cache_bytes", "Blocks that are cached in memory");
pub(super) const TIER_BLOCKS_FETCHED: Name =
    name("highwater_tier_fetched_blocks", "Blocks that came from the store, asked for or read ahead");
pub(super) const TIER_DAMAGED: Name = name(
    "highwater_tier_damaged",
    "Times that what came from the store was not what was put there, also where the second try was good",
);
pub(super) const TIER_PENDING_TOPICS: Name = name(
    "highwater_tier_pending_topic_deletions",
    "Topics that were deleted, or left the tier, whose objects are not all gone",
);
pub(super) const TIER_PENDING_OBJECTS: Name = name(
    "highwater_tier_pending_object_deletions",
    "Objects that were replaced, and are kept for a while for readers that are at them",
);
pub(super) const TIER_FAILING: Name = name(
    "highwater_tier_failing_partitions",
    "Partitions whose last look at the tier failed; highwater tier status tells why",
);
pub(super) const TIER_LAST_ERROR: Name = name(
    "highwater_tier_last_error_time_seconds",
    "When something in the tier last failed, in seconds since the Unix epoch; 0: not since the start",
);
pub(super) const TIER_CATALOGUE_TIME: Name = name(
    "highwater_tier_catalogue_time_seconds",
    "Of when the catalogue in the tier is that a restore would begin with, in seconds since the Unix epoch; \
     0: none was put since the start",
);
pub(super) const TIER_CATALOGUE_STALE: Name = name(
    "highwater_tier_catalogue_stale_partitions",
    "Partitions of __consumer_offsets whose offsets in the catalogue are of before: they are loading or \
     stopped",
);
pub(super) const TIER_BYTES: Name =
    name("highwater_tier_bytes", "Bytes of record batches in the tier, of all partitions");
pub(super) const TIER_SEGMENTS: Name = name("highwater_tier_segments", "Segments in the tier");
pub(super) const TIER_LAG_BYTES: Name =
    name("highwater_tier_copy_lag_bytes", "Bytes of closed segments that are not copied yet");
pub(super) const TIER_LAG_SEGMENTS: Name =
    name("highwater_tier_copy_lag_segments", "Closed segments that are not copied yet");
pub(super) const TIER_LAG_SECONDS: Name = name(
    "highwater_tier_copy_lag_seconds",
    "How old the newest records of the oldest closed segment are that is not copied yet",
);
pub(super) const TIER_PARTITION_BYTES: Name =
    name("highwater_tier_partition_bytes", "Bytes of a partition's record batches in the tier");
pub(super) const TIER_PARTITION_SEGMENTS: Name =
    name("highwater_tier_partition_segments", "Segments of a partition in the tier");
pub(super) const TIER_PARTITION_LAG_BYTES: Name = name(
    "highwater_tier_partition_copy_lag_bytes",
    "Bytes of a partition's closed segments that are not copied yet",
);
pub(super) const TIER_PARTITION_LAG_SEGMENTS: Name = name(
    "highwater_tier_partition_copy_lag_segments",
    "Closed segments of a partition that are not copied yet",
);
pub(super) const TIER_PARTITION_LAG_SECONDS: Name = name(
    "highwater_tier_partition_copy_lag_seconds",
    "How old the newest records of a partition's oldest closed segment are that is not copied yet",
);
pub(super) const TIER_PARTITION_FAILING: Name = name(
    "highwater_tier_partition_failing_seconds",
    "For how long every look at the tier has failed for a partition; 0: the last one was good",
);

// The process.
pub(super) const BUILD: Name = name("highwater_build", "The running version");
pub(super) const PROCESS_START: Name =
    name("process_start_time_seconds", "Start of the process, in seconds since the Unix epoch");

// The same numbers by the names that Kafka's JMX exporter gives them.
pub(super) const KAFKA_MESSAGES_IN: Name = name("kafka_server_brokertopicmetrics_messagesin", "Records in");
pub(super) const KAFKA_BYTES_IN: Name = name("kafka_server_brokertopicmetrics_bytesin", "Record bytes in");
pub(super) const KAFKA_BYTES_OUT: Name = name("kafka_server_brokertopicmetrics_bytesout", "Record bytes out");
pub(super) const KAFKA_PRODUCE_REQUESTS: Name =
    name("kafka_server_brokertopicmetrics_totalproducerequests", "Produce requests");
pub(super) const KAFKA_FETCH_REQUESTS: Name =
    name("kafka_server_brokertopicmetrics_totalfetchrequests", "Fetch requests");
pub(super) const KAFKA_PRODUCE_FAILED: Name =
    name("kafka_server_brokertopicmetrics_failedproducerequests", "Error codes answered to Produce");
pub(super) const KAFKA_FETCH_FAILED: Name =
    name("kafka_server_brokertopicmetrics_failedfetchrequests", "Error codes answered to Fetch");
pub(super) const KAFKA_FETCH_SESSIONS: Name =
    name("kafka_server_fetchsessioncache_numincrementalfetchsessions", "Fetch sessions kept");
pub(super) const KAFKA_FETCH_SESSION_PARTITIONS: Name = name(
    "kafka_server_fetchsessioncache_numincrementalfetchpartitionscached",
    "Partitions of all fetch sessions",
);
pub(super) const KAFKA_FETCH_SESSION_EVICTIONS: Name = name(
    "kafka_server_fetchsessioncache_incrementalfetchsessionevictions",
    "Fetch sessions that had to go for others",
);
pub(super) const KAFKA_CLEANER_RECOPY: Name = name(
    "kafka_log_logcleaner_cleaner_recopy_percent",
    "Share of what the last compaction read that it kept",
);
pub(super) const KAFKA_CLEANER_BUFFER: Name = name(
    "kafka_log_logcleaner_max_buffer_utilization_percent",
    "Share of the key map that the last compaction used",
);
pub(super) const KAFKA_CLEANER_TIME: Name =
    name("kafka_log_logcleaner_max_clean_time_secs", "How long the last compaction took");
pub(super) const KAFKA_CLEANER_DELAY: Name = name(
    "kafka_log_logcleaner_max_compaction_delay_secs",
    "For how long records have been older than max.compaction.lag.ms without being compacted",
);
pub(super) const KAFKA_CLEANER_DIRTY: Name = name(
    "kafka_log_logcleanermanager_max_dirty_percent",
    "Largest share of a compacted log that is not compacted yet",
);
pub(super) const KAFKA_CLEANER_UNCLEANABLE: Name = name(
    "kafka_log_logcleanermanager_uncleanable_partitions_count",
    "Partitions that compaction found damaged, which stopped them",
);
pub(super) const KAFKA_REQUESTS: Name =
    name("kafka_network_requestmetrics_requests", "Requests answered, by API");
pub(super) const KAFKA_PARTITION_COUNT: Name =
    name("kafka_server_replicamanager_partitioncount", "Partitions held");
pub(super) const KAFKA_LEADER_COUNT: Name = name("kafka_server_replicamanager_leadercount", "Partitions led");
pub(super) const KAFKA_LATE_TRANSACTIONS: Name = name(
    "kafka_server_replicamanager_partitionswithlatetransactionscount",
    "Partitions with a transaction that is open for longer than transaction.max.timeout.ms and five minutes",
);
pub(super) const KAFKA_UNDER_REPLICATED: Name = name(
    "kafka_server_replicamanager_underreplicatedpartitions",
    "Always 0: one replica, the leader, is all there is",
);
pub(super) const KAFKA_ACTIVE_CONTROLLER: Name = name(
    "kafka_controller_kafkacontroller_activecontrollercount",
    "Always 1: one node is its own controller",
);
pub(super) const KAFKA_OFFLINE_PARTITIONS: Name =
    name("kafka_controller_kafkacontroller_offlinepartitionscount", "Partitions that stopped on a fault");
pub(super) const KAFKA_LOG_SIZE: Name = name("kafka_log_log_size", "Size of a partition's segments");

pub(super) const KAFKA_REMOTE_COPY_BYTES: Name =
    name("kafka_server_brokertopicmetrics_remotecopybytes", "Bytes copied to the tier");
pub(super) const KAFKA_REMOTE_COPY_REQUESTS: Name =
    name("kafka_server_brokertopicmetrics_remotecopyrequests", "Segments whose copy to the tier was begun");
pub(super) const KAFKA_REMOTE_COPY_ERRORS: Name =
    name("kafka_server_brokertopicmetrics_remotecopyerrors", "Copies to the tier that broke off");
pub(super) const KAFKA_REMOTE_FETCH_BYTES: Name =
    name("kafka_server_brokertopicmetrics_remotefetchbytes", "Bytes of record batches from the tier");
pub(super) const KAFKA_REMOTE_FETCH_REQUESTS: Name =
    name("kafka_server_brokertopicmetrics_remotefetchrequests", "Reads of records from the tier");
pub(super) const KAFKA_REMOTE_FETCH_ERRORS: Name =
    name("kafka_server_brokertopicmetrics_remotefetcherrors", "Reads of records from the tier that failed");
pub(super) const KAFKA_REMOTE_DELETE_REQUESTS: Name =
    name("kafka_server_brokertopicmetrics_remotedeleterequests", "Segments that the tier names no longer");
pub(super) const KAFKA_REMOTE_DELETE_ERRORS: Name =
    name("kafka_server_brokertopicmetrics_remotedeleteerrors", "Removals from the tier that failed");
pub(super) const KAFKA_REMOTE_COPY_LAG_BYTES: Name = name(
    "kafka_server_brokertopicmetrics_remotecopylagbytes",
    "Bytes of closed segments that are not copied yet",
);
pub(super) const KAFKA_REMOTE_COPY_LAG_SEGMENTS: Name =
    name("kafka_server_brokertopicmetrics_remotecopylagsegments", "Closed segments that are not copied yet");
pub(super) const KAFKA_REMOTE_DELETE_LAG_BYTES: Name = name(
    "kafka_server_brokertopicmetrics_remotedeletelagbytes",
    "Bytes of segments below log starts that the tier still names",
);
pub(super) const KAFKA_REMOTE_DELETE_LAG_SEGMENTS: Name = name(
    "kafka_server_brokertopicmetrics_remotedeletelagsegments",
    "Segments below log starts that the tier still names",
);
pub(super) const KAFKA_REMOTE_LOG_SIZE: Name =
    name("kafka_server_brokertopicmetrics_remotelogsizebytes", "Bytes of record batches in the tier");
pub(super) const KAFKA_REMOTE_METADATA: Name =
    name("kafka_server_brokertopicmetrics_remotelogmetadatacount", "Segments in the tier");

// The same numbers by the names that kafka_exporter gives them.
pub(super) const EXPORTER_BROKERS: Name = name("kafka_brokers", "Brokers in the cluster");
pub(super) const EXPORTER_TOPIC_PARTITIONS: Name = name("kafka_topic_partitions", "Partitions of a topic");
pub(super) const EXPORTER_CURRENT_OFFSET: Name =
    name("kafka_topic_partition_current_offset", "High watermark of a partition");
pub(super) const EXPORTER_OLDEST_OFFSET: Name =
    name("kafka_topic_partition_oldest_offset", "Log start offset of a partition");
pub(super) const EXPORTER_GROUP_MEMBERS: Name =
    name("kafka_consumergroup_members", "Members of a consumer group");
pub(super) const EXPORTER_GROUP_OFFSET: Name =
    name("kafka_consumergroup_current_offset", "Offset that a consumer group has committed");
pub(super) const EXPORTER_GROUP_OFFSET_SUM: Name = name(
    "kafka_consumergroup_current_offset_sum",
    "Offsets that a consumer group has committed, over all partitions of a topic",
);
pub(super) const EXPORTER_GROUP_LAG: Name =
    name("kafka_consumergroup_lag", "Records of a partition that a consumer group has not committed");
pub(super) const EXPORTER_GROUP_LAG_SUM: Name =
    name("kafka_consumergroup_lag_sum", "The same over all partitions of a topic");
