//! What many groups cost the whole broker, in a process of its own.

use std::collections::VecDeque;

use crate::broker::testing::{eventually, offsets_of_nobody, open};
use crate::broker::{Broker, NewTopic, OFFSETS_TOPIC};
use crate::coordinator::{Asked, CoordinatorError};
use crate::env::alone::{alone, is_alone, resident_bytes};
use crate::group::{
    Caller, GroupRecord, GroupReply, GroupRequest, GroupShard, OffsetCommitPartition, OffsetCommitTopic,
};
use crate::model::{LeaderEpoch, Offset, TopicId};

/// Groups, the offsets that each has committed, and what all of them may cost.
const GROUPS: usize = 100_000;
const OFFSETS: i32 = 10;
const BYTES_MAX: usize = 400 << 20;
/// Each offset is kept, and none of them for nothing.
const BYTES_MIN: usize = 32 << 20;
/// Commits that are on their way at a time.
const IN_FLIGHT: usize = 2_000;
const SETTINGS: [(&str, &str); 1] = [("highwater.wal.capacity.bytes", "268435456")];

/// Of the broker into which they were committed, and of shards alone that were loaded.
#[tokio::test]
async fn a_hundred_thousand_groups_with_ten_offsets_each_take_less_than_400_mebibytes() {
    const TEST: &str = "a_hundred_thousand_groups_with_ten_offsets_each_take_less_than_400_mebibytes";
    if is_alone() {
        return bytes_of_groups().await;
    }
    let printed = tokio::task::spawn_blocking(|| alone(module_path!(), TEST)).await.unwrap();
    for which in ["committed", "loaded"] {
        let bytes = printed.lines().find_map(|line| line.strip_prefix(which)).expect("it tells");
        let bytes: usize = bytes.trim().parse().unwrap();
        assert!((BYTES_MIN..BYTES_MAX).contains(&bytes), "{which}: {bytes} bytes");
    }
}

async fn bytes_of_groups() {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path(), &SETTINGS);
    let new = NewTopic {
        name: "read".into(),
        partitions: OFFSETS,
        replication_factor: 1,
        configs: Default::default(),
    };
    broker.create_topics(vec![new], false).await.remove(0).unwrap();
    broker.ensure_offsets_topic().await.unwrap();
    loaded(&broker).await;
    let before = resident_bytes();
    let mut pending: VecDeque<Asked<GroupReply>> = VecDeque::new();
    for group in 0..GROUPS {
        if pending.len() >= IN_FLIGHT {
            taken(pending.pop_front().unwrap()).await;
        }
        pending.push_back(broker.ask_group(&group_id(group), Caller::default(), commit(group)).unwrap());
    }
    for asked in pending {
        taken(asked).await;
    }
    println!("committed {}", resident_bytes() - before);
    let before = resident_bytes();
    let shards = loaded_again(&broker);
    println!("loaded {}", resident_bytes() - before);
    let (mut groups, mut offsets) = (0, 0);
    for shard in &shards {
        shard.visit(&mut |group| {
            groups += 1;
            offsets += group.offsets.len();
        });
    }
    assert_eq!((groups, offsets), (GROUPS, GROUPS * OFFSETS as usize));
}

/// Other shards with the same records, as they are read from the log.
fn loaded_again(broker: &Broker) -> Vec<GroupShard> {
    let topic = broker.image().topic(OFFSETS_TOPIC).unwrap().clone();
    let load = |id| {
        let mut shard = GroupShard::default();
        for record in broker.committed_offsets(id).expect("it is loaded") {
            // Not as it is: its texts are shared with the broker's own shard.
            let (key, value) = record.encode();
            let record = GroupRecord::decode(&key, value.as_deref());
            shard.replay(record.expect("it is whole").expect("it is known"));
        }
        shard
    };
    topic.topic_partitions().map(load).collect()
}

/// Until all coordinators serve.
async fn loaded(broker: &Broker) {
    eventually(|| {
        let mut shards = 0;
        broker.look_at_groups(|_| shards += 1);
        (shards == broker.config().groups.topic_partitions).then_some(())
    })
    .await;
}

async fn taken(asked: Asked<GroupReply>) {
    let reply: Result<GroupReply, CoordinatorError> = asked.reply().await;
    assert!(matches!(reply, Ok(GroupReply::OffsetCommit(Ok(_)))), "{reply:?}");
}

fn group_id(group: usize) -> String {
    format!("group-{group:06}")
}

/// As it comes from the wire: each request has names of its own.
fn commit(group: usize) -> GroupRequest {
    let partition = |partition| OffsetCommitPartition {
        partition,
        offset: Offset(group as i64),
        leader_epoch: LeaderEpoch(0),
        metadata: "".into(),
    };
    let partitions = (0..OFFSETS).map(partition).collect();
    let topic = OffsetCommitTopic { topic_id: TopicId::ZERO, name: "read".into(), partitions };
    offsets_of_nobody(&group_id(group), vec![topic])
}
