//! The scenarios: each drives stock clients against a broker and says what they saw.
//!
//! **Owns** what is asked and what is written into the transcript. **Does not own** how brokers are started
//! nor how transcripts are compared. **Invariants**: a scenario starts its own brokers on empty directories;
//! what it writes into the transcript is the same in every run; the same code runs against Highwater and
//! Apache Kafka.

mod api_versions;
pub mod bank;
mod batches;
mod clients;
mod compaction;
mod compaction_tester;
mod compression_type;
mod configs;
mod connect;
mod console;
pub mod container;
mod crash;
mod delete_records;
mod differential;
pub mod disk_full;
mod dump_log;
mod fetch;
pub mod golden;
mod group_crowd;
mod group_load;
mod group_members;
mod group_pause;
mod group_rebalance;
mod group_storm;
mod group_upgrade;
mod groups;
mod groups_modern;
pub mod history;
mod internal_topics;
mod java_client;
mod kcat;
mod late_end;
mod lives;
mod log_dirs;
mod mirror;
pub mod newcomer;
pub mod object_store;
mod offsets;
pub mod outbox;
mod produce_refusals;
mod python_client;
mod real_input;
mod restart;
pub mod streams;
pub mod tiered;
pub mod tiered_crash;
pub mod tiered_faults;
pub mod tiered_reserve;
mod topics;
pub mod transaction_copier;
mod transaction_pause;
mod transactions;
mod transactions_tool;
mod tshark;
mod wall_clock;
mod wire;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use protocol_tests::storm::Plan;

use crate::broker::{self, Broker, Flavor, Settings};
use crate::bucket::Kind;
use crate::process::{Outcome, run};
use crate::tools::Tools;
use crate::transcript::Transcript;

/// How long one client may take for one small task.
const CLIENT_DEADLINE: Duration = Duration::from_secs(60);

/// A named test from outside.
pub struct Scenario {
    /// Its name: of the transcript's file too.
    pub name: &'static str,
    /// Whether Apache Kafka can run it, so that there is a recorded transcript to compare with.
    pub oracle: bool,
    /// Runs it.
    pub run: fn(&mut Context) -> Result<()>,
}

/// The scenarios of every run, the quick ones first.
pub const ALL: &[Scenario] = &[
    Scenario { name: "golden", oracle: false, run: golden::run },
    Scenario { name: "newcomer", oracle: false, run: newcomer::run },
    Scenario { name: "differential", oracle: true, run: differential::run },
    Scenario { name: "object-store", oracle: false, run: object_store::run },
    Scenario { name: "object-store-azure", oracle: false, run: object_store::azure::run },
    Scenario { name: "object-store-identity", oracle: false, run: object_store::identity::run },
    Scenario { name: "wire", oracle: true, run: wire::run },
    Scenario { name: "kcat-metadata", oracle: true, run: kcat::metadata },
    Scenario { name: "kcat-codecs", oracle: true, run: kcat::codecs },
    Scenario { name: "kcat-records", oracle: true, run: kcat::records },
    Scenario { name: "kcat-acks", oracle: true, run: kcat::acks },
    Scenario { name: "kcat-offsets", oracle: true, run: kcat::offsets },
    Scenario { name: "python-client", oracle: true, run: python_client::run },
    Scenario { name: "java-client", oracle: true, run: java_client::run },
    Scenario { name: "tshark", oracle: true, run: tshark::run },
    Scenario { name: "kafka-topics", oracle: true, run: topics::run },
    Scenario { name: "kafka-configs", oracle: true, run: configs::run },
    Scenario { name: "kafka-configs-groups", oracle: true, run: configs::run_groups },
    Scenario { name: "kafka-delete-records", oracle: true, run: delete_records::run },
    Scenario { name: "kafka-console", oracle: true, run: console::run },
    Scenario { name: "kafka-get-offsets", oracle: true, run: offsets::run },
    Scenario { name: "kafka-log-dirs", oracle: true, run: log_dirs::run },
    Scenario { name: "kafka-broker-api-versions", oracle: true, run: api_versions::run },
    Scenario { name: "kafka-dump-log", oracle: true, run: dump_log::run },
    Scenario { name: "internal-topics", oracle: true, run: internal_topics::run },
    Scenario { name: "kafka-groups", oracle: true, run: groups::run },
    Scenario { name: "kafka-groups-modern", oracle: true, run: groups_modern::run },
    Scenario { name: "kafka-transactions", oracle: true, run: transactions_tool::run },
    Scenario { name: "client-java", oracle: true, run: |c| clients::alone(c, "java") },
    Scenario { name: "client-java-3.9", oracle: true, run: |c| clients::alone(c, "java-3.9") },
    Scenario { name: "client-java-2.8", oracle: true, run: |c| clients::alone(c, "java-2.8") },
    Scenario { name: "client-confluent-kafka", oracle: true, run: |c| clients::alone(c, "confluent-kafka") },
    Scenario { name: "client-rdkafka", oracle: true, run: |c| clients::alone(c, "rdkafka") },
    Scenario { name: "client-franz-go", oracle: true, run: |c| clients::alone(c, "franz-go") },
    Scenario { name: "client-sarama", oracle: true, run: |c| clients::alone(c, "sarama") },
    Scenario { name: "client-kafka-go", oracle: true, run: |c| clients::alone(c, "kafka-go") },
    Scenario { name: "client-kafkajs", oracle: true, run: |c| clients::alone(c, "kafkajs") },
    Scenario { name: "client-kafka-python", oracle: true, run: |c| clients::alone(c, "kafka-python") },
    Scenario { name: "client-kafka-python-2", oracle: true, run: |c| clients::alone(c, "kafka-python-2") },
    Scenario { name: "client-aiokafka", oracle: true, run: |c| clients::alone(c, "aiokafka") },
    Scenario { name: "clients-together", oracle: true, run: clients::together },
    Scenario { name: "clients-partitions", oracle: true, run: clients::list_partitions },
    Scenario { name: "group-members", oracle: true, run: group_members::classic },
    Scenario { name: "group-members-modern", oracle: true, run: group_members::modern },
    Scenario { name: "group-pause", oracle: false, run: group_pause::run },
    Scenario { name: "group-crowd", oracle: true, run: group_crowd::run },
    Scenario { name: "group-load", oracle: false, run: group_load::run },
    Scenario { name: "group-rebalance", oracle: false, run: group_rebalance::run },
    Scenario { name: "group-storm", oracle: true, run: group_storm::run },
    Scenario { name: "group-upgrade", oracle: true, run: group_upgrade::run },
    Scenario { name: "transactions", oracle: true, run: transactions::run },
    Scenario { name: "transaction-pause", oracle: false, run: transaction_pause::run },
    Scenario { name: "transaction-copier", oracle: true, run: transaction_copier::run },
    Scenario { name: "bank", oracle: true, run: bank::run },
    Scenario { name: "outbox", oracle: true, run: outbox::run },
    Scenario { name: "streams-pipeline", oracle: true, run: streams::run_pipeline },
    Scenario { name: "streams-smoke", oracle: true, run: streams::run_exactly_once },
    Scenario { name: "streams-relational", oracle: true, run: streams::run_relational },
    Scenario { name: "streams-smoke-at-least-once", oracle: true, run: streams::run_at_least_once },
    Scenario {
        name: "streams-relational-at-least-once",
        oracle: true,
        run: streams::relational_at_least_once,
    },
    Scenario { name: "late-end", oracle: true, run: late_end::run },
    Scenario { name: "history", oracle: true, run: history::run },
    Scenario { name: "fetch-wire", oracle: true, run: fetch::wire },
    Scenario { name: "fetch-session", oracle: true, run: fetch::session },
    Scenario { name: "produce-refusals", oracle: true, run: produce_refusals::run },
    Scenario { name: "compaction", oracle: true, run: compaction::run },
    Scenario { name: "compaction-times", oracle: true, run: compaction::run_times },
    Scenario { name: "compaction-tester", oracle: true, run: compaction_tester::run_tester },
    Scenario { name: "compression-type", oracle: true, run: compression_type::run },
    Scenario { name: "restart", oracle: true, run: restart::run },
    Scenario { name: "connect-distributed", oracle: true, run: connect::distributed },
    Scenario { name: "disk-full", oracle: false, run: disk_full::run },
    Scenario { name: "real-input", oracle: true, run: real_input::run },
    Scenario { name: "crash", oracle: true, run: crash::run },
    Scenario { name: "tiered-directory", oracle: false, run: tiered::run_directory },
    Scenario { name: "tiered", oracle: false, run: |c| tiered::run(c, Kind::Moto) },
    Scenario { name: "tiered-restore", oracle: false, run: tiered::restoring::run },
    Scenario { name: "tiered-crash", oracle: false, run: tiered_crash::run },
    Scenario { name: "tiered-faults", oracle: false, run: tiered_faults::run },
    Scenario { name: "tiered-reserve", oracle: false, run: tiered_reserve::run },
];

/// More, for `--soak` and by name only: they start one virtual machine after another, or take long to
/// install.
pub const SOAK: &[Scenario] = &[
    Scenario { name: "bank-classic", oracle: true, run: bank::classic },
    Scenario { name: "connect-standalone", oracle: true, run: connect::standalone },
    Scenario { name: "container", oracle: false, run: container::run },
    Scenario { name: "group-load-one-by-one", oracle: false, run: group_load::one_by_one },
    Scenario { name: "object-store-minio", oracle: false, run: object_store::run_minio },
    Scenario { name: "tiered-latency", oracle: false, run: tiered_faults::latency::run },
    Scenario { name: "tiered-minio", oracle: false, run: |c| tiered::run(c, Kind::Minio) },
    Scenario { name: "mirror-maker", oracle: true, run: mirror::run },
    Scenario { name: "mirror-maker-from-kafka", oracle: true, run: mirror::from_kafka },
    Scenario { name: "streams-scaling-busy", oracle: false, run: streams::run_busy },
    Scenario { name: "streams-scaling-waiting", oracle: false, run: streams::run_waiting },
];

/// Whether a scenario's transcript is compared field by field, with a list of allowed differences of its own.
pub fn by_field(scenario: &Scenario) -> bool {
    scenario.name == differential::NAME
}

/// What a scenario is mostly about: the time of each is summed up.
pub fn area(scenario: &Scenario) -> &'static str {
    const AREAS: [(&str, &[&str]); 3] = [
        (
            "groups",
            &[
                "group-",
                "kafka-groups",
                "kafka-configs-groups",
                "internal-topics",
                "compaction",
                "connect",
                "mirror",
            ],
        ),
        (
            "transactions",
            &["transaction", "kafka-transactions", "bank", "outbox", "streams", "late-end", "history"],
        ),
        ("tier", &["tiered", "object-store"]),
    ];
    let is_of = |names: &[&str]| names.iter().any(|name| scenario.name.starts_with(name));
    AREAS.iter().find(|(_, names)| is_of(names)).map_or("others", |(area, _)| area)
}

/// How much work the long scenarios do.
#[derive(Clone, Copy)]
pub struct Scale {
    /// What a bank's tellers do.
    pub bank: bank::Plan,
    /// What is told through an outbox.
    pub outbox: outbox::Plan,
    /// What copiers copy in transactions.
    pub copied: transaction_copier::Plan,
    /// What goes through the pipeline of Kafka Streams.
    pub streams_pipeline: streams::Pipeline,
    /// What Kafka Streams' smoke test sends.
    pub streams_smoke: streams::Plan,
    /// What its relational smoke test sends.
    pub streams_relational: streams::Plan,
    /// What clients are told at random.
    pub history: history::Plan,
    /// Bytes of the real input.
    pub stream_bytes: u64,
    /// How often the broker is killed under load.
    pub kills_count: u32,
    /// How often the broker is started with a million committed offsets, under a producer.
    pub loads_count: u32,
    /// Members of groups that come and go.
    pub storm: Plan,
    /// How often the broker is killed under them.
    pub storm_kills_count: u32,
    /// How long they come and go between.
    pub storm_time: Duration,
    /// How often the broker is killed or stopped under real clients that come and go.
    pub crowd_rounds: u32,
    /// How long they come and go between.
    pub crowd_time: Duration,
    /// What Kafka's test of compaction sends to each of its topics, with each codec.
    pub compacted_messages: u64,
    /// What goes into the tier.
    pub tiered: tiered::Plan,
    /// What is restored from the bucket alone.
    pub tiered_restore: tiered::restoring::Plan,
    /// How often the broker is killed over its tier.
    pub tiered_crash: tiered_crash::Plan,
    /// How long the store fails in each way.
    pub tiered_faults: tiered_faults::Plan,
}

/// What a scenario works with.
pub struct Context<'a> {
    /// The outside tools.
    pub tools: &'a Tools,
    /// The broker under test.
    pub flavor: Flavor,
    /// An empty folder of its own.
    pub folder: PathBuf,
    /// How much work to do.
    pub scale: Scale,
    /// What it saw.
    pub transcript: Transcript,
}

impl Context<'_> {
    /// Starts a broker with the ordinary settings.
    pub fn start(&mut self) -> Result<Broker> {
        self.start_with(&Settings::default())
    }

    /// Starts a broker.
    pub fn start_with(&mut self, settings: &Settings) -> Result<Broker> {
        let started = broker::start(self.flavor, self.tools, &self.folder, settings)?;
        self.transcript.replace(started.bootstrap(), "broker");
        self.transcript.replace(started.log_dir().display().to_string(), "data");
        Ok(started)
    }

    /// kcat with `words` (split at spaces; `\t` and `\n` are kcat's own escapes) and `input`.
    pub fn kcat(&self, broker: &Broker, words: &str, input: &str) -> Result<Outcome> {
        run(kcat_command(broker, words), input.as_bytes(), CLIENT_DEADLINE)
    }

    /// Runs kcat and writes what it printed into the transcript under its own words as heading.
    pub fn see_kcat(&mut self, broker: &Broker, words: &str, input: &str) -> Result<()> {
        let outcome = self.kcat(broker, words, input)?;
        self.transcript.section(&format!("kcat {words}"));
        self.transcript.outcome(&outcome);
        if !outcome.status.success() {
            self.transcript.add(&outcome.stderr);
        }
        Ok(())
    }

    /// A Java program (one of Kafka's tools, or ours) with `words`, pointed at the broker.
    pub fn java(&self, broker: &Broker, main_class: &str, words: &str, input: &str) -> Result<Outcome> {
        let mut command = self.tools.java(main_class);
        command.args(["--bootstrap-server", broker.bootstrap()]).args(words.split_whitespace());
        run(command, input.as_bytes(), CLIENT_DEADLINE)
    }

    /// Runs a Java program and writes what it printed into the transcript.
    pub fn see_java(&mut self, broker: &Broker, main_class: &str, words: &str, input: &str) -> Result<()> {
        let outcome = self.java(broker, main_class, words, input)?;
        let name = main_class.rsplit('.').next().unwrap_or(main_class);
        self.transcript.section(&format!("{name} {words}"));
        self.transcript.outcome(&outcome);
        Ok(())
    }
}

/// kcat pointed at the broker, quiet about what differs from run to run.
pub fn kcat_command(broker: &Broker, words: &str) -> Command {
    let mut command = Command::new("kcat");
    command.args(["-b", broker.bootstrap()]).args(words.split_whitespace());
    command
}

/// Creates a topic through the Python client, which starts ten times as fast as a Java one; kcat cannot.
pub fn create_topic(context: &Context, broker: &Broker, topic: &str, partitions: u32) -> Result<()> {
    create_topics(context, broker, &format!("{topic} {partitions}"))
}

/// Creates several topics: `name partitions key=value..`, with a comma between spaces before the next.
pub fn create_topics(context: &Context, broker: &Broker, topics: &str) -> Result<()> {
    let mut command = context.tools.python("create_topics.py");
    command.arg(broker.bootstrap()).args(topics.split_whitespace());
    run(command, b"", CLIENT_DEADLINE)?.success()?;
    Ok(())
}

/// Adds partitions to a topic, up to a count.
pub fn grow_topic(context: &Context, broker: &Broker, topic: &str, partitions: u32) -> Result<()> {
    let mut command = context.tools.python("grow_topic.py");
    command.args([broker.bootstrap(), topic, &partitions.to_string()]);
    run(command, b"", CLIENT_DEADLINE)?.success()?;
    Ok(())
}

/// Produces one record for each of the timestamps (milliseconds), which kcat cannot set.
pub fn produce_at(context: &Context, broker: &Broker, place: (&str, u32), times: &[i64]) -> Result<()> {
    let mut command = context.tools.python("produce_at.py");
    command.args([broker.bootstrap(), place.0, &place.1.to_string()]);
    command.args(times.iter().map(i64::to_string));
    run(command, b"", CLIENT_DEADLINE)?.success()?;
    Ok(())
}

/// The committed offset of each partition of a topic, one a line.
pub fn committed(context: &Context, broker: &Broker, group: &str, topic: (&str, u32)) -> Result<String> {
    let mut command = context.tools.python("committed.py");
    command.args([broker.bootstrap(), group, topic.0, &topic.1.to_string()]);
    Ok(run(command, b"", CLIENT_DEADLINE)?.success()?.stdout)
}
