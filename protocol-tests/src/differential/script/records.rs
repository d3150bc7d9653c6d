//! DeleteRecords.

use anyhow::Result;
use kafka_protocol::messages::DeleteRecordsRequest;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};

use super::{Case, Talk};
use crate::batches::batch;
use crate::requests::{EARLIEST, PRODUCE, TIMEOUT_MS, list_offsets, name, produce};

pub(super) const CASES: &[Case] = &[Case { name: "delete-records", versions: 0..=2, run }];

fn request(topic: &str, offsets: &[(i32, i64)]) -> DeleteRecordsRequest {
    let partition = |&(index, offset): &(i32, i64)| {
        DeleteRecordsPartition::default().with_partition_index(index).with_offset(offset)
    };
    let topic = DeleteRecordsTopic::default()
        .with_name(name(topic))
        .with_partitions(offsets.iter().map(partition).collect());
    DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(TIMEOUT_MS)
}

fn run(talk: &mut Talk) -> Result<()> {
    let topic = talk.topic(2, &[])?;
    let compacted = talk.topic(1, &[("cleanup.policy", "compact")])?;
    let absent = talk.name()?;
    for _ in 0..3 {
        talk.quiet(PRODUCE, &produce(PRODUCE, &topic, -1, batch(&["a", "b", "c"])))?;
    }
    for (label, offsets) in [
        ("no partitions", &[][..]),
        ("from 0", &[(0, 0)]),
        ("in a batch", &[(0, 4)]),
        ("again", &[(0, 4)]),
        ("less than before", &[(0, 2)]),
        ("beyond the end", &[(0, 10)]),
        ("below -1", &[(0, -2)]),
        ("two partitions, one of them empty", &[(0, 5), (1, 0)]),
        ("beyond the end of nothing", &[(1, 1)]),
        ("an unknown partition", &[(9, 0), (0, 6)]),
        ("up to the end", &[(0, -1)]),
        ("up to the end again", &[(0, 9)]),
        ("the end of nothing", &[(1, -1)]),
    ] {
        talk.ask(label, &request(&topic.name, offsets))?;
    }
    talk.ask("a compacted topic", &request(&compacted.name, &[(0, -1)]))?;
    talk.ask("an absent topic", &request(&absent, &[(0, 0)]))?;
    talk.ask("an odd name", &request("a/b", &[(0, 0)]))?;
    talk.ask("no topics", &request(&topic.name, &[]).with_topics(Vec::new()))?;
    talk.ask("no time", &request(&topic.name, &[(0, 9)]).with_timeout_ms(0))?;
    let start = talk.quiet(7, &list_offsets(&topic.name, &[(0, EARLIEST)]))?;
    let start = start.topics.first().and_then(|topic| topic.partitions.first()).map(|found| found.offset);
    talk.note("where it starts now", &format!("{start:?}"));
    Ok(())
}
