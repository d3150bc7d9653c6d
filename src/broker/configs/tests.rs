use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::broker::NewTopic;
use crate::broker::testing::append_records;
use crate::config::{Operation, SyncMode};
use crate::env::{Env, RealFiles};
use crate::log::{Compaction, LogConfig};
use crate::metadata::TierRecord;
use crate::model::{LeaderEpoch, Offset, Timestamp, TopicPartition};
use crate::telemetry::Metrics;

struct Test {
    broker: Arc<Broker>,
    directory: tempfile::TempDir,
    settings: Vec<(String, String)>,
}

impl Test {
    async fn start(settings: &[(&str, &str)]) -> Test {
        let owned = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let settings: Vec<_> = owned.collect();
        let directory = tempfile::tempdir().unwrap();
        let broker = open(&directory, &settings);
        let test = Test { broker, directory, settings };
        for (name, partitions) in [("plain", 2), ("own", 1)] {
            let configs = match name {
                "own" => map(&[("segment.bytes", "3000000"), ("max.message.bytes", "300")]),
                _ => BTreeMap::new(),
            };
            let new = NewTopic { name: name.to_owned(), partitions, replication_factor: 1, configs };
            test.broker.create_topics(vec![new], false).await.remove(0).unwrap();
        }
        test
    }

    async fn restart(self) -> Test {
        self.broker.close().await.unwrap();
        let Test { broker, directory, settings } = self;
        drop(broker);
        let broker = open(&directory, &settings);
        Test { broker, directory, settings }
    }

    async fn alter(
        &self,
        target: ConfigTarget,
        operations: &[(&str, Operation)],
    ) -> Result<(), AlterConfigsError> {
        self.alter_if(target, operations, false).await
    }

    async fn alter_if(
        &self,
        target: ConfigTarget,
        operations: &[(&str, Operation)],
        validate_only: bool,
    ) -> Result<(), AlterConfigsError> {
        let operations = operations.iter().map(|(key, what)| ((*key).to_owned(), what.clone())).collect();
        let alteration = ConfigAlteration { target, operations, replace: false };
        self.broker.alter_configs(&[alteration], validate_only).await.remove(0)
    }

    /// What the logs of a topic follow; all of its partitions the same.
    fn log(&self, topic: &str) -> LogConfig {
        let image = self.broker.image();
        let topic = image.topic(topic).unwrap();
        let log = |id: TopicPartition| self.broker.partition(id).unwrap().log().config();
        let first = log(TopicPartition { topic_id: topic.topic_id, partition: 0 });
        assert!(topic.topic_partitions().all(|id| log(id) == first));
        first
    }

    /// What Produce asks for.
    fn max_message_bytes(&self, topic: &str) -> u32 {
        let image = self.broker.image();
        self.broker.topic_config(image.topic(topic).unwrap()).max_message_bytes
    }
}

fn open(directory: &tempfile::TempDir, settings: &[(String, String)]) -> Arc<Broker> {
    let mut flags = vec![("log.dirs".to_owned(), directory.path().to_str().unwrap().to_owned())];
    flags.extend(settings.iter().cloned());
    let (mut config, _) = ServerConfig::load(&RealFiles, None, std::iter::empty(), &flags).unwrap();
    config.wal.sync = SyncMode::Os;
    Broker::open(Env::real(), config, Metrics::new(Timestamp(0), 100)).unwrap()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn set(value: &str) -> Operation {
    Operation::Set(value.to_owned())
}

fn topic(name: &str) -> ConfigTarget {
    ConfigTarget::Topic(name.to_owned())
}

const THIS: ConfigTarget = ConfigTarget::Broker(BrokerLevel::Broker);
const ALL: ConfigTarget = ConfigTarget::Broker(BrokerLevel::ClusterDefault);

#[tokio::test]
async fn a_topics_settings_are_in_force_when_the_answer_comes_and_after_a_restart() {
    let test = Test::start(&[]).await;
    let done = [
        ("max.message.bytes", set("500")),
        ("segment.bytes", set("2000000")),
        ("segment.ms", set("60000")),
        ("retention.ms", set("70000")),
        ("retention.bytes", set("80000")),
        ("index.interval.bytes", set("90")),
        ("segment.index.bytes", set("100")),
        ("cleanup.policy", set("compact")),
    ];
    test.alter(topic("plain"), &done).await.unwrap();
    let follows = |test: &Test| {
        assert_eq!(test.max_message_bytes("plain"), 500);
        let log = test.log("plain");
        let expected = LogConfig {
            segment_bytes: 2_000_000,
            segment_age_max: Duration::from_mins(1),
            segment_jitter: Duration::ZERO,
            index_interval_bytes: 90,
            segment_index_bytes: 100,
            retention_age_max: Some(Duration::from_secs(70)),
            retention_bytes: Some(80_000),
            delete_by_retention: false,
            compaction: Some(Compaction::default()),
            tiering: None,
        };
        assert_eq!(log, expected);
        assert_eq!(test.max_message_bytes("own"), 300, "another topic");
    };
    follows(&test);
    let test = test.restart().await;
    follows(&test);
    test.alter(topic("plain"), &[("segment.bytes", Operation::Delete)]).await.unwrap();
    assert_eq!(test.log("plain").segment_bytes, 1 << 30);
}

#[tokio::test]
async fn the_brokers_settings_reach_topics_without_their_own_and_outlive_a_restart() {
    let test = Test::start(&[("message.max.bytes", "1000")]).await;
    let heard = Arc::new(AtomicUsize::new(0));
    let hears = heard.clone();
    test.broker.observe_config(move |config| hears.store(config.sockets.connections_max, Ordering::SeqCst));
    assert_eq!(heard.load(Ordering::SeqCst), usize::try_from(i32::MAX).unwrap());
    let seen = |test: &Test| {
        let segment = |name| test.log(name).segment_bytes;
        [test.max_message_bytes("plain"), test.max_message_bytes("own"), segment("plain"), segment("own")]
    };
    test.alter(ALL, &[("message.max.bytes", set("2000")), ("log.segment.bytes", set("2000000"))])
        .await
        .unwrap();
    assert_eq!(seen(&test), [2_000, 300, 2_000_000, 3_000_000], "above the broker's own file");
    test.alter(THIS, &[("message.max.bytes", set("4000")), ("max.connections", set("9"))]).await.unwrap();
    assert_eq!(seen(&test), [4_000, 300, 2_000_000, 3_000_000], "above the cluster's");
    assert_eq!(heard.load(Ordering::SeqCst), 9);
    let scrub = [("highwater.scrub.bytes.per.second", set("7")), ("producer.id.expiration.ms", set("8"))];
    test.alter(THIS, &scrub).await.unwrap();
    let test = test.restart().await;
    assert_eq!(seen(&test), [4_000, 300, 2_000_000, 3_000_000]);
    let log = test.broker.config().log;
    assert_eq!((log.scrub_bytes_per_second, log.producer_id_expiration), (7, Duration::from_millis(8)));
    test.alter(THIS, &[("message.max.bytes", Operation::Delete)]).await.unwrap();
    test.alter(ALL, &[("log.segment.bytes", Operation::Delete)]).await.unwrap();
    assert_eq!(seen(&test), [2_000, 300, 1 << 30, 3_000_000]);
    test.alter(ALL, &[("message.max.bytes", Operation::Delete)]).await.unwrap();
    assert_eq!(seen(&test)[0], 1_000, "what the broker was started with");
}

#[tokio::test]
async fn a_rehearsal_and_a_refusal_change_nothing() {
    let test = Test::start(&[]).await;
    let before = test.broker.image();
    test.alter_if(topic("plain"), &[("segment.bytes", set("2000000"))], true).await.unwrap();
    test.alter_if(THIS, &[("message.max.bytes", set("7"))], true).await.unwrap();
    let half = [("max.message.bytes", set("7")), ("retention.ms", set("soon"))];
    assert!(matches!(test.alter(topic("plain"), &half).await, Err(AlterConfigsError::InvalidConfig(_))));
    let absent = test.alter(topic("absent"), &[("retention.ms", set("7"))]).await;
    assert_eq!(absent, Err(AlterConfigsError::UnknownTopic("absent".to_owned())));
    let bad_first = test.alter(topic("absent"), &[("no.such", set("7"))]).await;
    assert!(matches!(bad_first, Err(AlterConfigsError::InvalidConfig(_))));
    // What is set already is no change either.
    test.alter(topic("own"), &[("max.message.bytes", set("300"))]).await.unwrap();
    assert!(Arc::ptr_eq(&before, &test.broker.image()));
}

#[tokio::test]
async fn some_of_several_alterations_may_be_refused() {
    let test = Test::start(&[]).await;
    let alteration = |name: &str, value: &str| ConfigAlteration {
        target: topic(name),
        operations: vec![("max.message.bytes".to_owned(), set(value))],
        replace: false,
    };
    let asked = [alteration("absent", "1"), alteration("own", "2"), alteration("plain", "-3")];
    let results = test.broker.alter_configs(&asked, false).await;
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!((test.max_message_bytes("own"), test.max_message_bytes("plain")), (2, 1_048_588));
}

#[tokio::test]
async fn one_request_alters_so_much_and_no_more() {
    let test = Test::start(&[]).await;
    let operations = |count: usize| (0..count).map(|n| (format!("k{n}"), Operation::Delete)).collect();
    let ask = |count| ConfigAlteration { target: THIS, operations: operations(count), replace: false };
    assert_eq!(test.broker.alter_configs(&[ask(OPERATIONS_MAX)], false).await, [Ok(())]);
    let refused = [Err(AlterConfigsError::TooMuch), Err(AlterConfigsError::TooMuch)];
    assert_eq!(test.broker.alter_configs(&[ask(OPERATIONS_MAX), ask(1)], false).await, refused);
}

/// A topic's record is rewritten whole: a small request must not make a large transaction.
#[tokio::test]
async fn what_is_rewritten_is_bounded_too_and_a_rehearsal_says_so() {
    let test = Test::start(&[]).await;
    let large = vec!["0:1"; 8000].join(",");
    let key = "leader.replication.throttled.replicas".to_owned();
    let names: Vec<String> = (0..ALTERED_BYTES_MAX / large.len() + 1).map(|n| format!("t{n}")).collect();
    for names in names.chunks(20) {
        let new = names.iter().map(|name| NewTopic {
            name: name.clone(),
            partitions: 1,
            replication_factor: 1,
            configs: BTreeMap::from([(key.clone(), large.clone())]),
        });
        let created = test.broker.create_topics(new.collect(), false).await;
        assert!(created.iter().all(Result::is_ok));
    }
    let ask = |name: &String| ConfigAlteration {
        target: topic(name),
        operations: vec![("retention.ms".to_owned(), set("5"))],
        replace: false,
    };
    let asked: Vec<_> = names.iter().map(ask).collect();
    for validate_only in [true, false] {
        let results = test.broker.alter_configs(&asked, validate_only).await;
        assert!(results.iter().all(|result| *result == Err(AlterConfigsError::TooMuch)), "{validate_only}");
    }
    assert_eq!(test.broker.alter_configs(&asked[..9], false).await, vec![Ok(()); 9]);
}

#[tokio::test]
async fn a_topic_that_is_deleted_meanwhile_does_not_come_back() {
    let test = Test::start(&[]).await;
    for round in 0..20 {
        let name = format!("t{round}");
        let new =
            NewTopic { name: name.clone(), partitions: 1, replication_factor: 1, configs: BTreeMap::new() };
        let created = test.broker.create_topics(vec![new], false).await.remove(0).unwrap();
        let done = [("retention.ms", set("5"))];
        let (alteration, deletion) =
            tokio::join!(test.alter(topic(&name), &done), test.broker.delete_topic(created.topic.topic_id),);
        deletion.unwrap();
        assert!(matches!(alteration, Ok(()) | Err(AlterConfigsError::UnknownTopic(_))), "{alteration:?}");
        assert!(test.broker.image().topic(&name).is_none());
    }
}

/// As Kafka: `remote.log.delete.on.disable` lets the log begin where the disk does.
#[tokio::test]
async fn a_topic_that_leaves_the_tier_begins_where_its_disk_does() {
    let test = Test::start(&[]).await;
    let image = test.broker.image();
    let topic_image = image.topic("plain").unwrap().clone();
    let ids: Vec<_> = topic_image.topic_partitions().collect();
    // As if there were a store.
    let mut record = topic_image.record();
    record.configs.insert("remote.storage.enable".to_owned(), "true".to_owned());
    let put = Change::Put(keys::topic("plain"), serde_json::to_vec(&record).unwrap());
    let applied = test.broker.metadata.transact(Transaction { compares: vec![], changes: vec![put] }).await;
    test.broker.publish(applied.unwrap().image);
    let tier = TierRecord {
        manifest: 1,
        leader_epoch: LeaderEpoch(0),
        remote_end_offset: Offset(4),
        local_log_start_offset: Offset(3),
    };
    let partition = test.broker.partition(ids[0]).unwrap();
    append_records(&test.broker, &partition, 4).await;
    test.broker.replace_tier_record(ids[0], None, tier).await.unwrap();

    let refused = test.alter(topic("plain"), &[("remote.storage.enable", set("false"))]).await;
    let words = refused.unwrap_err().to_string();
    assert!(words.starts_with("It is invalid to disable remote storage without deleting"), "{words}");
    let off = [("remote.storage.enable", set("false")), ("remote.log.delete.on.disable", set("true"))];
    test.alter(topic("plain"), &off).await.unwrap();
    let starts = |test: &Test| {
        let watermarks = test.broker.partition(ids[0]).unwrap().watermarks();
        [watermarks.log_start_offset, watermarks.local_log_start_offset]
    };
    assert_eq!((starts(&test), test.broker.image().tier(ids[0])), ([Offset(3); 2], None));
    drop(partition);
    let test = test.restart().await;
    assert_eq!((starts(&test), test.broker.image().tier(ids[0])), ([Offset(3); 2], None));
}
