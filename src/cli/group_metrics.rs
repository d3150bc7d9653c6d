//! What metrics show of consumer groups.

use crate::broker::Broker;
use crate::model::{Offset, TopicPartition};
use crate::telemetry::{GroupSnapshot, GroupsVisitor, OffsetSnapshot};

/// Every group whose coordinator is loaded.
pub(super) fn visit(broker: &Broker, visitor: &mut dyn GroupsVisitor) {
    broker.look_at_groups(|shard| {
        visitor.rebalances(shard.completed_rebalances());
        shard.visit(&mut |group| {
            let offsets = group.offsets.iter().map(|committed| OffsetSnapshot {
                topic: committed.topic,
                partition: committed.partition,
                offset: committed.offset,
                high_watermark: high_watermark(broker, committed.topic, committed.partition),
            });
            visitor.group(GroupSnapshot {
                group: group.group_id,
                group_type: group.group_type,
                state: group.state,
                members: group.members,
                offsets: offsets.collect(),
            });
        });
    });
}

fn high_watermark(broker: &Broker, topic: &str, partition: i32) -> Option<Offset> {
    let topic_id = broker.image().topic(topic)?.topic_id;
    let partition = broker.partition(TopicPartition { topic_id, partition })?;
    Some(partition.watermarks().high_watermark)
}
