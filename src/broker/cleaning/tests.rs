use std::collections::BTreeMap;
use std::pin::pin;

use super::*;
use crate::broker::NewTopic;
use crate::broker::testing::open;
use crate::config::ServerConfig;
use crate::model::Offset;

fn settings() -> CleanerSettings {
    ServerConfig::defaults().cleaner
}

#[test]
fn threads_share_memory_and_speed() {
    let two = CleanerSettings { threads: 2, ..settings() };
    assert_eq!(limits(&settings(), 1).key_map_bytes, 128 << 20);
    assert_eq!((limits(&two, 2).key_map_bytes, limits(&two, 2).write_buffer_bytes), (64 << 20, 128 << 10));
    let huge = CleanerSettings { key_map_bytes: 1 << 40, ..settings() };
    assert_eq!(limits(&huge, 1).key_map_bytes, i32::MAX as u64);
    assert_eq!(step_bytes(&settings(), 1), STEP_BYTES, "as fast as it goes, and a step at a time");
    let slow = CleanerSettings { io_bytes_per_second: 16_000.0, ..two };
    assert_eq!((rate(&slow, 2), step_bytes(&slow, 2)), (8_000.0, 1_000));
    for speed in [0.0, -5.0] {
        let least = CleanerSettings { io_bytes_per_second: speed, ..settings() };
        assert_eq!((rate(&least, 1), step_bytes(&least, 1)), (1.0, 1), "{speed}");
    }
}

/// The same log would be chosen again at once, and so on.
#[tokio::test]
async fn a_cleaning_that_came_to_nothing_is_followed_by_a_pause() {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path(), &[]);
    let metrics = broker.metrics().clone();
    let configs = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
    let new = NewTopic { name: "t".to_owned(), partitions: 1, replication_factor: 1, configs };
    let created = broker.create_topics(vec![new], false).await.remove(0).unwrap();
    let id = TopicPartition { topic_id: created.topic.topic_id, partition: 0 };
    let nothing = Cleanable {
        first_dirty_offset: Offset(0),
        first_uncleanable_offset: Offset(0),
        clean_bytes: 0,
        cleanable_bytes: 1,
        overdue: Duration::ZERO,
    };
    let mut cleaning = pin!(clean(Arc::downgrade(&broker), broker.partition(id).unwrap(), nothing));
    let through = async {
        while !metrics.render().contains("highwater_cleaner_runs_total 1") {
            tokio::select! {
                biased;
                _ = &mut cleaning => panic!("it is chosen again at once"),
                () = tokio::task::yield_now() => {}
            }
        }
    };
    time::timeout(Duration::from_secs(30), through).await.expect("it comes to an end");
}
