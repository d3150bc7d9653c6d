//! What a broker says of the ends of partitions, in one answer.

use anyhow::{Result, ensure};
use highwater::protocol::ErrorCode;
use uuid::Uuid;

use crate::client::Client;
use crate::requests::{FETCH, Topic, expect_code, fetch_of, fetch_partition, fetch_topic};

/// A reader that leaves out what is not committed.
const READ_COMMITTED: i8 = 1;

/// The ends of a partition.
pub struct Watermarks {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// Where the first open transaction begins.
    pub last_stable: i64,
    /// Where acknowledged records end.
    pub high: i64,
}

/// Asks for those of all partitions of some topics of the same size.
pub fn watermarks(client: &mut Client, topics: &[String], partitions: i32) -> Result<Vec<Watermarks>> {
    let asked = |topic: &String| {
        let topic = Topic { name: topic.clone(), id: Uuid::nil() };
        // The first batch alone comes with it.
        let partitions = (0..partitions).map(|index| fetch_partition(index, 0).with_partition_max_bytes(1));
        fetch_topic(FETCH, &topic, partitions.collect())
    };
    let request = fetch_of(topics.iter().map(asked).collect()).with_isolation_level(READ_COMMITTED);
    let request = request.with_session_epoch(-1).with_max_bytes(1);
    let answer = client.ask(FETCH, &request)?;
    expect_code(answer.error_code, ErrorCode::None, "the fetch as a whole")?;
    let mut found = Vec::new();
    for topic in answer.responses {
        for partition in topic.partitions {
            expect_code(partition.error_code, ErrorCode::None, "a partition")?;
            found.push(Watermarks {
                topic: topic.topic.to_string(),
                partition: partition.partition_index,
                last_stable: partition.last_stable_offset,
                high: partition.high_watermark,
            });
        }
    }
    ensure!(found.len() == topics.len() * partitions as usize, "not all partitions in the answer");
    Ok(found)
}

/// Whether no transaction is open in any partition of these topics.
pub fn are_stable(client: &mut Client, topics: &[String], partitions: i32) -> Result<bool> {
    let found = watermarks(client, topics, partitions)?;
    Ok(found.iter().all(|found| found.last_stable == found.high))
}
