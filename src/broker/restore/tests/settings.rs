//! What was set while the old node ran.

use std::time::Duration;

use super::*;
use crate::broker::{ConfigAlteration, ConfigTarget};
use crate::config::{BrokerLevel, Operation};

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_topics_groups_and_the_broker_are_restored() {
    let bucket = bucket();
    let (_old_directory, old, _) = lost_node(&bucket).await;
    let targets = [
        (ConfigTarget::Topic("t".to_owned()), "max.message.bytes", "77777"),
        (ConfigTarget::Group("g".to_owned()), "consumer.session.timeout.ms", "50001"),
        (ConfigTarget::Broker(BrokerLevel::Broker), "log.cleaner.delete.retention.ms", "90000001"),
        (ConfigTarget::Broker(BrokerLevel::ClusterDefault), "log.cleaner.threads", "2"),
    ];
    for (target, key, value) in targets {
        let operations = vec![(key.to_owned(), Operation::Set(value.to_owned()))];
        let alteration = ConfigAlteration { target, operations, replace: false };
        old.alter_configs(&[alteration], false).await.remove(0).unwrap();
    }
    old.put_catalogue().await.unwrap();
    old.close().await.unwrap();
    let (topic, old) = (old.image().topic("t").unwrap().clone(), old.image());

    let directory = tempfile::tempdir().unwrap();
    restored(&Env::real(), directory.path(), &bucket, &DEAD).await.unwrap();
    let broker = open(directory.path(), &bucket).await;
    let image = broker.image();
    let restored = image.topic("t").unwrap();
    assert_eq!(restored.configs.get("max.message.bytes").map(String::as_str), Some("77777"));
    assert_eq!(restored.configs, topic.configs);
    assert_eq!(image.group_configs()["g"].get("consumer.session.timeout.ms").unwrap(), "50001");
    assert_eq!(image.group_configs(), old.group_configs());
    assert_eq!((image.broker_configs().len(), image.broker_configs()), (2, old.broker_configs()));
    assert_eq!(broker.topic_config(restored).delete_retention, Duration::from_millis(90_000_001));
    broker.close().await.unwrap();
}
