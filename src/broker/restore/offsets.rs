//! Committed offsets, written into the log of `__consumer_offsets` anew: a chunk of the catalogue at a time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bytes::Bytes;

use super::RestoreError;
use super::known::Known;
use crate::broker::OFFSETS_TOPIC;
use crate::broker::coordinators::partition_of;
use crate::env::Env;
use crate::group::{CommittedOffset, GroupRecord};
use crate::log::{CarriedState, PartitionLog};
use crate::model::{LeaderEpoch, Offset, Timestamp, TopicPartition};
use crate::partition::{RestoredDirectory, RestoredLog};
use crate::protocol::batch::{BatchBuilder, NewRecord};
use crate::store::ObjectStore;
use crate::tier::read_chunk;

/// Records of one batch: some 100 KiB.
const BATCH_RECORDS_MAX: usize = 500;

/// Writes all committed offsets. Their retention begins anew: the groups could commit nothing meanwhile.
pub(super) async fn write(
    env: &Env,
    store: &dyn ObjectStore,
    known: &Known,
    directory: &RestoredDirectory,
) -> Result<(), RestoreError> {
    let Some(topic) = known.image.topic(OFFSETS_TOPIC) else { return Ok(()) };
    let now = env.clock.now();
    let mut logs: HashMap<i32, PartitionLog> = HashMap::new();
    for chunk in &known.offsets {
        let mut records: HashMap<i32, Vec<GroupRecord>> = HashMap::new();
        for (key, value) in read_chunk(store, chunk).await? {
            // That it can be read was seen before.
            let Ok(Some(record)) = GroupRecord::decode(&key, Some(&value)) else { continue };
            let partition = partition_of(record.group_id(), topic.partitions);
            records.entry(partition).or_default().push(renewed(record, now));
        }
        for (partition, records) in records {
            let log = match logs.entry(partition) {
                Entry::Occupied(log) => log.into_mut(),
                Entry::Vacant(place) => {
                    let topic_partition = TopicPartition { topic_id: topic.topic_id, partition };
                    place.insert(directory.open_log(&RestoredLog {
                        topic: &topic.name,
                        topic_partition,
                        log_start_offset: Offset(0),
                        gap_end_offset: Offset(0),
                        state: CarriedState::default(),
                    })?)
                }
            };
            append(log, &records, now)?;
        }
    }
    for log in logs.values() {
        directory.close_log(log)?;
    }
    Ok(())
}

fn renewed(record: GroupRecord, now: Timestamp) -> GroupRecord {
    match record {
        GroupRecord::OffsetCommit { group_id, topic, partition, offset: Some(offset) } => {
            let kept = offset.expire_timestamp.0.saturating_sub(offset.commit_timestamp.0);
            let expires = offset.expire_timestamp != Timestamp::NONE;
            let expire_timestamp =
                if expires { Timestamp(now.0.saturating_add(kept)) } else { Timestamp::NONE };
            let offset = CommittedOffset { commit_timestamp: now, expire_timestamp, ..offset };
            GroupRecord::OffsetCommit { group_id, topic, partition, offset: Some(offset) }
        }
        other => other,
    }
}

fn append(log: &PartitionLog, records: &[GroupRecord], now: Timestamp) -> Result<(), RestoreError> {
    for records in records.chunks(BATCH_RECORDS_MAX) {
        let mut builder = BatchBuilder::new();
        builder.base_offset = log.written_end_offset();
        builder.partition_leader_epoch = LeaderEpoch(0);
        for record in records {
            let (key, value) = record.encode();
            builder.push(NewRecord {
                timestamp: now,
                key: Some(&key),
                value: value.as_deref(),
                headers: &[],
            });
        }
        let batch = Bytes::from(builder.build());
        log.append(&[batch])?;
    }
    Ok(())
}
