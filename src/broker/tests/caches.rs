//! What the broker keeps for each topic: bounded, never stale, gone with the topic.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;

use crate::broker::encoded_topics::BYTES_MAX;
use crate::broker::testing::open;
use crate::broker::{Broker, NewTopic, TopicForm};
use crate::log::LogError;
use crate::metadata::TopicImage;
use crate::model::TopicPartition;

const FORM: TopicForm = TopicForm { api_version: 12, tells_operations: false };

async fn create(broker: &Broker, name: &str, partitions: i32) -> Arc<TopicImage> {
    let configs = Default::default();
    let new = NewTopic { name: name.to_owned(), partitions, replication_factor: 1, configs };
    broker.create_topics(vec![new], false).await.remove(0).unwrap();
    broker.image().topic(name).unwrap().clone()
}

/// The encoding, and the partitions that it was made for; `None` where it came from the cache.
fn encoded(broker: &Broker, topic: &Arc<TopicImage>, form: TopicForm) -> (Bytes, Option<Vec<i32>>) {
    let mut made_for = None;
    let made = broker.encoded_topic(topic, form, |offline| {
        made_for = Some(offline.to_vec());
        Ok::<_, Infallible>(format!("{} {:?} {form:?}", topic.name, offline).into())
    });
    (made.unwrap(), made_for)
}

#[tokio::test]
async fn an_encoding_is_made_again_when_a_partition_stops_and_only_then() {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path(), &[]);
    let topic = create(&broker, "t", 3).await;
    let (first, made_for) = encoded(&broker, &topic, FORM);
    assert_eq!(made_for, Some(vec![]));
    assert_eq!(encoded(&broker, &topic, FORM), (first.clone(), None));
    // Another topic's life is not this one's.
    create(&broker, "u", 1).await;
    assert_eq!(encoded(&broker, &topic, FORM), (first, None));
    let other = TopicForm { tells_operations: true, ..FORM };
    assert_eq!(encoded(&broker, &topic, other).1, Some(vec![]), "another form");
    let id = TopicPartition { topic_id: topic.topic_id, partition: 1 };
    let damage = LogError::Corrupt { path: "t-1/0.log".into(), position: 7, what: "a test".to_owned() };
    broker.partition(id).unwrap().stop(&damage);
    for form in [FORM, other] {
        let (stopped, made_for) = encoded(&broker, &topic, form);
        assert_eq!(made_for, Some(vec![1]));
        assert_eq!(encoded(&broker, &topic, form), (stopped, None));
    }
}

#[tokio::test]
async fn an_encoding_follows_partitions_that_go_offline_and_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path(), &[]);
    let topic = create(&broker, "t", 2).await;
    encoded(&broker, &topic, FORM);
    broker.storage().take_offline(topic.topic_id, topic.topic_partitions());
    assert_eq!(encoded(&broker, &topic, FORM).1, Some(vec![0, 1]));
    broker.storage().bring_back(topic.topic_id, topic.topic_partitions());
    assert_eq!(encoded(&broker, &topic, FORM).1, Some(vec![]));
}

#[tokio::test]
async fn what_is_kept_for_a_topic_goes_with_it_also_when_a_request_comes_late() {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path(), &[]);
    let topic = create(&broker, "t", 2).await;
    broker.topic_config(&topic);
    encoded(&broker, &topic, FORM);
    assert_eq!((broker.topic_configs.len(), broker.encoded_topics.sizes().1), (1, 1));
    broker.delete_topic(topic.topic_id).await.unwrap();
    assert_eq!((broker.topic_configs.len(), broker.encoded_topics.sizes()), (0, (0, 0)));
    // A request that looked the topic up before it was deleted.
    broker.topic_config(&topic);
    encoded(&broker, &topic, FORM);
    assert_eq!((broker.topic_configs.len(), broker.encoded_topics.sizes()), (0, (0, 0)));
}

#[tokio::test]
async fn encodings_take_no_more_than_their_bound() {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path(), &[]);
    let topic = create(&broker, "t", 1).await;
    let big = Bytes::from(vec![0; BYTES_MAX / 3]);
    let mut largest = 0;
    for api_version in 0..10 {
        let form = TopicForm { api_version, ..FORM };
        let kept = broker.encoded_topic(&topic, form, |_| Ok::<_, Infallible>(big.clone()));
        assert_eq!(kept, Ok(big.clone()));
        largest = largest.max(broker.encoded_topics.sizes().0);
    }
    assert!((BYTES_MAX / 2..=BYTES_MAX).contains(&largest), "{largest}");
    let larger = Bytes::from(vec![0; BYTES_MAX + 1]);
    let form = TopicForm { api_version: 10, ..FORM };
    assert_eq!(broker.encoded_topic(&topic, form, |_| Ok::<_, Infallible>(larger.clone())), Ok(larger));
    assert!(broker.encoded_topics.sizes().0 <= BYTES_MAX, "what is larger than the bound is not kept");
}
