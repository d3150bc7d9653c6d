//! What metrics show of consumer groups.

use crate::broker::Broker;
use crate::model::{Offset, TopicPartition};
use crate::telemetry::{GroupSeen, GroupsVisitor};

/// Every group whose coordinator is loaded.
pub(super) fn visit(broker: &Broker, visitor: &mut dyn GroupsVisitor) {
    visitor.rebalances(broker.completed_rebalances());
    broker.look_at_groups(|shard| {
        shard.visit(&mut |group| {
            let (members, rebalances) = (group.members, group.rebalances);
            let seen = GroupSeen { group_type: group.group_type, state: group.state, members, rebalances };
            visitor.group(group.group_id, seen);
            for committed in group.offsets {
                let (topic, partition) = (committed.topic, committed.partition);
                let high_watermark = high_watermark(broker, topic, partition);
                visitor.offset(group.group_id, topic, partition, committed.offset, high_watermark);
            }
        });
    });
}

fn high_watermark(broker: &Broker, topic: &str, partition: i32) -> Option<Offset> {
    let topic_id = broker.image().topic(topic)?.topic_id;
    let partition = broker.partition(TopicPartition { topic_id, partition })?;
    Some(partition.watermarks().high_watermark)
}
